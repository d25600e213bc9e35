import Bytes
import Program
import Resolver
import SASL
import SMTP
import TLS
import Unix

/// Whom messages are handed to: the hosts of a domain, or what somebody of ours wrote down.
struct NextHop {
    let destination: Destination
    /// Somebody of ours named it, and a mistake of his is no reason to send mail back.
    let isRoute: Bool
    /// Where relay-host names it, or a person.
    let relay: RelayHost?
    let login: RelayPasswords.Login?

    init(_ destination: Destination, isRoute: Bool) {
        self.destination = destination
        self.isRoute = isRoute
        relay = nil
        login = nil
    }

    /// Why a relay cannot be used now; for the operator.
    struct Unusable: Error {
        let reason: String
    }

    /// What the name of a destination, or a command line, says with a scheme in front. The file of passwords is read now: it is
    /// no longer than a relay is in use that this process holds any.
    init(relay text: String, _ settings: Settings) throws(Unusable) {
        guard let relay = RelayHost(text), let destination = relay.destination else {
            throw Unusable(reason: "\(Array(text.utf8).escaped(limit: 300)) is no host")
        }
        self.relay = relay
        self.destination = destination
        isRoute = true
        login = try Self.login(at: relay, settings)
    }

    private static func login(
        at relay: RelayHost, _ settings: Settings
    ) throws(Unusable) -> RelayPasswords.Login? {
        let file = settings.relayPasswords
        guard relay.isHostItself, !file.isEmpty else {
            guard let user = relay.login else { return nil }
            throw Unusable(
                reason: "\(user.escaped(limit: 100)) cannot log in at \(relay.route): "
                    + (file.isEmpty
                        ? "relay-passwords names no file"
                        : "a password is for one host, and mail exchangers are looked up for this"))
        }
        let passwords: RelayPasswords
        do throws(SystemError) { try Identity.becomeUndumpable() } catch {
            throw Unusable(reason: "\(error)")
        }
        do throws(ConfigurationError) { passwords = try RelayPasswords.read(file) } catch {
            throw Unusable(reason: "\(error)")
        }
        let found = passwords.login(at: relay, standardPort: settings.port)
        if found == nil, let user = relay.login {
            throw Unusable(reason: "\(file): no password of \(user.escaped(limit: 100)) at \(relay.route)")
        }
        return found
    }

    /// Where the route says no port.
    func port(_ settings: Settings) -> UInt16 {
        relay?.scheme == .smtps ? RelayHost.submissionsPort : settings.port
    }

    /// A password goes to nobody but the host that it is for; a host that is asked for TLS by name is to be that host, too.
    func security(_ settings: Settings) -> Configuration.TransportSecurity {
        login != nil || relay?.scheme == .smtps ? .verified : settings.security
    }

    /// What a session with it is told; nil for a host that is nobody's choice.
    var clientRelay: ClientRelay? {
        guard relay != nil else { return nil }
        return ClientRelay(
            login: login.map {
                ClientRelay.Login(
                    Credentials(user: $0.user, password: $0.password), nonce: Self.nonce(), Self.functions)
            })
    }

    private static func nonce() -> [UInt8] {
        var random = Randomness()
        return (0..<2).flatMap { _ in Array(String(random.next(), radix: 36).utf8) }
    }

    private static var functions: SCRAMFunctions {
        SCRAMFunctions(
            hash: { SHA256.hash($0) }, hmac: { SHA256.hmac(key: $0, $1) },
            derive: { SHA256.derive(password: $0, salt: $1, iterations: $2) })
    }
}

extension RelayHost {
    fileprivate var destination: Destination? {
        guard isHostItself else { return Destination(mailDomain: route) }
        let itself = "[\(String(decoding: host, as: UTF8.self))]"
        return Destination(route: port.map { "\(itself):\($0)" } ?? itself)
    }
}
