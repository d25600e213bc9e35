import Program
import TemporaryPlaces
import Testing
import Unix

@testable import Checking

/// relay-host and the file of its passwords.
@Suite struct RelayCheckTests {
    private static func faults(_ relays: String, _ passwords: String?) throws -> [String] {
        let configuration = try Configuration.parse(
            Array("relay-host = \(relays)\n".utf8), file: "c")
        return RelayCheck.logins(
            configuration.relayHost.lines.compactMap { $0.host },
            passwords: try passwords.map { try RelayPasswords(Array($0.utf8), file: "p") }, configuration
        ).map { $0.text }
    }

    @Test("a host that names a login needs a password, and one that the domain name system names gets none")
    func logins() throws {
        let good = "mail.example.net me secret\n"
        #expect(try Self.faults("smtps://mail.example.net", good) == [])
        #expect(try Self.faults("smtps://mail.example.net", nil) == [], "nobody need log in")
        #expect(try Self.faults("smtps://me@mail.example.net x.example=direct", good) == [])
        let missing = try Self.faults("smtps://you@mail.example.net", good)
        #expect(
            missing.count == 1
                && missing[0].contains("no password of you: add a line `mail.example.net you password`"))
        #expect(try Self.faults("smtps://me@mail.example.net", nil).count == 1)
        let domain = try Self.faults("mail.example.net", good)
        #expect(domain.count == 1 && domain[0].contains("write smtps://mail.example.net"))
        #expect(!(missing + domain).contains { $0.contains("secret") })
    }

    @Test("a file that is missing, open to others, or holds a line that is none, is told")
    func files() throws {
        let directory = try TemporaryDirectory()
        func findings(_ text: String?, mode: UInt32 = 0o600) throws -> [String] {
            var configuration = Configuration()
            configuration.queueDirectory = directory.path
            configuration.relayPasswords = "\(directory.path)/none"
            if let text {
                configuration.relayPasswords = try directory.write(
                    "passwords\(mode)", Array(text.utf8), mode: mode)
            }
            return RelayCheck.findings(Installation(configuration, path: nil)).map { $0.text }
        }
        #expect(try findings(nil).map { $0.contains("no such file, though relais.conf names it") } == [true])
        // Whose it has to be depends on who runs this.
        guard Identity.user != 0 else { return }
        #expect(try findings("h u p\n") == [])
        #expect(try findings("h u p\n", mode: 0o640).map { $0.contains("chmod 0600") } == [true])
        #expect(try findings("h u\n").map { $0.contains(":1: expected") } == [true])
    }
}
