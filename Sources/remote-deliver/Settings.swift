import Bytes
import Program
import Resolver
import SMTP
import Unix

/// What relais.conf and the command line say about sending, in the form in which it is used.
struct Settings {
    let hostname: String
    private let localDomains: [String]
    let resolver: Resolver
    let surroundings: Surroundings
    let lookupTimeout: Duration
    let port: UInt16
    let sources: [IPAddress]
    let security: Configuration.TransportSecurity
    let authorities: String?
    let relayPasswords: String
    let connectTimeout: Duration
    let deliveryLimit: Duration
    let messagesPerSession: Int
    private let replyTimeout: Duration
    private let dataStartTimeout: Duration
    let dataBlockTimeout: Duration
    private let dataTimeout: Duration

    /// What QUIT may cost: the mail is delivered by then.
    private static let quitTimeout = Duration.seconds(5)

    /// The longest message that is taken by hand.
    let sizeLimit: Int

    init(_ configuration: Configuration, log: Log) {
        sizeLimit = configuration.messageSizeLimit
        hostname = configuration.hostname
        localDomains = configuration.localDomains + configuration.virtualDomains
        let servers = configuration.dnsServers
        resolver = Resolver(servers: servers.isEmpty ? NameServers.ofHost { log.error("\($0)") } : servers)
        lookupTimeout = configuration.lookupTimeout
        surroundings = Surroundings.ofHost(
            names: [configuration.hostname] + configuration.localDomains,
            permitted: configuration.permittedNetworks, usesIPv4: configuration.ipVersion != .ipv6,
            usesIPv6: configuration.ipVersion != .ipv4)
        port = configuration.smtpPort
        sources = configuration.outgoingAddress
        security = configuration.smtpTLS
        authorities = configuration.tlsAuthorities.isEmpty ? nil : configuration.tlsAuthorities
        relayPasswords = configuration.relayPasswords
        connectTimeout = configuration.connectTimeout
        deliveryLimit = configuration.deliveryLimit
        messagesPerSession = configuration.messagesPerSession
        replyTimeout = configuration.replyTimeout
        dataStartTimeout = configuration.dataStartTimeout
        dataBlockTimeout = configuration.dataBlockTimeout
        dataTimeout = configuration.dataTimeout
    }

    func isLocal(_ domain: ArraySlice<UInt8>) -> Bool {
        localDomains.contains { domain.equalsFolded($0.utf8) }
    }

    /// RFC 5321 §4.5.3.2, each for the whole reply.
    func patience(_ stage: ClientStage) -> Duration {
        switch stage {
        case .data: dataStartTimeout
        case .content: dataBlockTimeout
        case .endOfData: dataTimeout
        case .quit: Self.quitTimeout
        case .greeting, .hello, .startTLS, .authenticate, .mail, .recipient, .reset: replyTimeout
        }
    }

    /// Our own address for connections to `address`, if one is configured.
    func source(for address: IPAddress) -> IPAddress? {
        sources.first { $0.bytes.count == address.bytes.count }
    }

    func find(_ destination: Destination) throws(NoRoute) -> Route {
        var random = Randomness()
        let deadline = Deadline.after(lookupTimeout)
        return try Route.find(destination, in: surroundings, random: &random) {
            resolver.lookUp($0, by: deadline)
        }
    }
}
