import Testing

@testable import Unix

@Suite("Locks of others")
struct FileLocksTests {
    @Test("the inodes of one process's flocks are read from proc_locks(5)")
    func parsing() {
        let text = """
            1: FLOCK  ADVISORY  WRITE 4711 fe:01:1311062 0 EOF
            2: FLOCK  ADVISORY  WRITE 4712 fe:01:99 0 EOF
            2: -> FLOCK  ADVISORY  WRITE 4711 fe:01:98 0 EOF
            3: POSIX  ADVISORY  WRITE 4711 fe:01:97 0 EOF
            4: FLOCK  ADVISORY  WRITE 4711 00:2a:18446744073709551615 0 EOF
            5: FLOCK  ADVISORY  WRITE 4711 fe:01:x 0 EOF
            6: FLOCK
            """
        #expect(FileLocks.inodes(in: Array(text.utf8), lockedBy: 4711) == [1_311_062, .max])
    }
}
