import Bytes
import CSystem

/// Files whose names others gave them: bytes, which need not be UTF-8. As text such a name leads to nothing, or elsewhere.
extension Directory {
    private func shown(_ name: [UInt8]) -> String { "\(path)/\(name.escaped(limit: 80))" }

    /// As the system takes it.
    static func terminated(_ name: [UInt8]) -> [CChar] {
        unsafe [CChar](unsafeUninitializedCapacity: name.count + 1) { room, count in
            let bytes = UnsafeMutableRawBufferPointer(room)
            unsafe name.withUnsafeBytes { unsafe bytes.copyMemory(from: $0) }
            unsafe bytes[name.count] = 0
            count = name.count + 1
        }
    }

    /// Nil where the name is missing.
    package func openIfPresent(_ name: [UInt8], _ opening: Opening) throws(SystemError) -> Descriptor? {
        let text = Self.terminated(name)
        switch SystemCall.attempt({ unsafe cs_open(descriptor.raw, text, opening.flags, opening.mode) }) {
        case .success(let raw): return Descriptor(adopting: raw)
        case .failure(.noEntry): return nil
        case .failure(let code): throw SystemError("open", code, shown(name))
        }
    }

    /// Whether the file was there.
    @discardableResult
    package func removeIfPresent(_ name: [UInt8]) throws(SystemError) -> Bool {
        let text = Self.terminated(name)
        switch SystemCall.attempt({ unsafe unlinkat(descriptor.raw, text, 0) }) {
        case .success: return true
        case .failure(.noEntry): return false
        case .failure(let code): throw SystemError("unlink", code, shown(name))
        }
    }

    package func removeDirectory(_ name: [UInt8]) throws(SystemError) {
        let text = Self.terminated(name)
        try SystemCall.perform("rmdir", shown(name)) {
            unsafe unlinkat(descriptor.raw, text, AT_REMOVEDIR)
        }
    }

    /// What `name` is, without following it; nil if there is no such name.
    package func status(of name: [UInt8]) throws(SystemError) -> FileStatus? {
        let text = Self.terminated(name)
        var about = stat()
        switch SystemCall.attempt({ unsafe fstatat(descriptor.raw, text, &about, AT_SYMLINK_NOFOLLOW) }) {
        case .success: return FileStatus(about)
        case .failure(.noEntry): return nil
        case .failure(let code): throw SystemError("stat", code, shown(name))
        }
    }

    /// Opens a directory in this one; never through a link.
    package func subdirectory(_ name: [UInt8]) throws(SystemError) -> Directory {
        let text = Self.terminated(name)
        let raw = try SystemCall.perform("open", shown(name)) {
            unsafe cs_open(descriptor.raw, text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)
        }
        return Directory(adopting: Descriptor(adopting: raw), path: shown(name))
    }
}
