import Accounts
import Bytes
import Program
import Unix

/// The hosts of relay-host, and the file of their passwords as remote-deliver sees it.
enum RelayCheck {
    private static let reader = "relaisr"

    static func findings(_ installation: Installation) -> [Finding] {
        let configuration = installation.configuration
        let file = configuration.relayPasswords
        let relays = configuration.relayHost.lines.compactMap { $0.host }
        guard !file.isEmpty else { return logins(relays, passwords: nil, configuration) }
        do throws(SystemError) {
            guard let about = try Path.status(file) else {
                return [
                    .fault("\(file): no such file, though relais.conf names it: mail to relay-host waits")
                ]
            }
            let owner = installation.isPrivate ? installation.queueOwner : installation.account(reader)?.uid
            if let owner, about.user != owner {
                let name = installation.privateUser ?? reader
                return [.fault("\(file): \(name) cannot read it: chown \(name) \(file); chmod 0600 \(file)")]
            }
        } catch { return [.unseen("\(error)")] }
        // That its reader can read it was seen above.
        guard Path.isReadable(file) else { return [.unseen("\(file): only root and its owner may read it")] }
        do throws(ConfigurationError) {
            return logins(relays, passwords: try RelayPasswords.read(file), configuration)
        } catch { return [.fault("\(error)")] }
    }

    /// Whether a host that names a login has a password for it, and none is for hosts that only the domain name system names.
    static func logins(
        _ relays: [RelayHost], passwords: RelayPasswords?, _ configuration: Configuration
    ) -> [Finding] {
        relays.flatMap { relay -> [Finding] in
            let name = relay.name.escaped(limit: 300)
            let login = passwords?.login(at: relay, standardPort: configuration.smtpPort)
            if login != nil, !relay.isHostItself {
                return [
                    .fault(
                        "relay-host \(name): its mail exchangers are looked up, and none of them is given a password: write smtps://\(relay.route), or a port behind it"
                    )
                ]
            }
            guard login == nil, let user = relay.login else { return [] }
            let file = configuration.relayPasswords
            return [
                .fault(
                    "relay-host \(name): no password of \(user.escaped(limit: 100)): add a line `\(relay.route) \(user.escaped(limit: 100)) password` to \(file.isEmpty ? "a file that relay-passwords names" : file)"
                )
            ]
        }
    }
}
