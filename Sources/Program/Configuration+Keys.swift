import Bytes
import Unix

/// A row of the configuration table.
package struct ConfigurationKey: Sendable {
    package enum ValueType: Sendable {
        case text, list, networks, number, bytes, duration, durations, log, choice(@Sendable () -> [String]),
            addresses, servers, port, relays

        package var expectation: String {
            switch self {
            case .text: "one line of text"
            case .list: "words with commas or spaces between them"
            case .networks: "networks such as 192.0.2.0/24 or 2001:db8::/32"
            case .number: "a whole number"
            case .bytes: "a size such as 50M (K, M, G or plain bytes)"
            case .duration: "a duration such as 30s, 5m, 4h or 5d"
            case .durations: "durations such as 5m 10m 1h, each from 1m to 30d"
            case .log: "syslog, stderr, none, or a file's path that begins with /"
            case .choice(let choices): "one of " + choices().joined(separator: ", ")
            case .addresses: "IP addresses"
            case .servers: "IP addresses, each perhaps with #port behind it"
            case .port: "a port number from 1 to 65535"
            case .relays:
                "hosts such as smtps://mail.example.net, perhaps with example.org=, .example.org= or from:me@example.com= in front, each once"
            }
        }
    }

    // Constants of the program: a table of them costs a tool's start less than one of strings.
    let nameText, standardText, meaningText: StaticString
    package let type: ValueType
    /// Whether the value was good, and then it holds.
    package let set: @Sendable (inout Configuration, String) -> Bool

    package var name: String { "\(nameText)" }
    /// As it would be written in the file; empty where the host decides.
    package var standard: String { "\(standardText)" }
    /// One line.
    package var meaning: String { "\(meaningText)" }

    func isNamed(_ text: ArraySlice<UInt8>) -> Bool {
        nameText.withUTF8Buffer { unsafe $0.count == text.count && $0.elementsEqual(text) }
    }
}

extension Configuration {
    package static let keys = {
        var keys: [ConfigurationKey] = []
        keys.reserveCapacity(72)
        for group in [identityKeys, mailboxKeys, receivingKeys, sendingKeys, queueKeys] { keys += group }
        return keys
    }()

    private static var identityKeys: [ConfigurationKey] {
        [
            text("hostname", "", "the name that this host gives itself in SMTP and in trace fields", isDomain)
            {
                $0.hostname = $1
            },
            list(
                "local-domains", "",
                "domains whose mail is delivered on this host; default: hostname and localhost"
            ) { $0.localDomains = $1.map(withoutFinalDot) },
            list(
                "virtual-domains", "",
                "more of them, whose users are those that the users file names with a domain"
            ) {
                $0.virtualDomains = $1.map(withoutFinalDot)
            },
            list("relay-domains", "", "other domains that strangers may send to through this host") {
                $0.relayDomains = $1.map(withoutFinalDot)
            },
            parsed("relay-networks", .networks, "127.0.0.0/8 ::1", "clients that may send anywhere", networks)
            {
                $0.relayNetworks = $1
            },
            text("postmaster", "root", "who gets mail for postmaster when no alias says", { !$0.isEmpty }) {
                $0.postmaster = $1
            },
            parsed("log", .log, "syslog", "where log lines go", logTarget) { $0.log = $1 },
            text(
                "syslog-name", "relais",
                "what log lines begin with; `postfix` suits readers of Postfix's logs",
                isWord
            ) { $0.syslogName = $1 },
            text("queue-directory", "/var/spool/relais", "the queue, see queue(5)", isAbsolute) {
                $0.queueDirectory = $1
            },
            text(
                "service-directory", "", "the sockets of the queue's services; empty: service/ in the queue",
                isAbsoluteOrEmpty
            ) { $0.serviceDirectory = $1 },
            text(
                "slots-directory", "/var/lib/relais/slots", "the files whose locks count connections",
                isAbsolute
            ) { $0.slotsDirectory = $1 },
            text(
                "net-directory", "/var/lib/relais/net", "the sockets of tls-relay and checkpassword",
                isAbsolute
            ) { $0.netDirectory = $1 },
            text(
                "tls-certificate", "", "PEM file with the certificate chain; empty: no TLS is offered",
                isAbsoluteOrEmpty
            ) { $0.tlsCertificate = $1 },
            text("tls-key", "", "PEM file with the private key, if not in tls-certificate", isAbsoluteOrEmpty)
            {
                $0.tlsKey = $1
            },
        ]
    }

    private static var mailboxKeys: [ConfigurationKey] {
        [
            text(
                "mailbox", "~/Maildir/",
                "where mail goes: a Maildir (ends in /) or an mbox; ~ is the home, %u the user", isMailbox
            ) { $0.mailbox = $1 },
            text("aliases-file", "/etc/aliases", "aliases(5); empty: none", isAbsoluteOrEmpty) {
                $0.aliasesFile = $1
            },
            text(
                "recipient-delimiter", "+", "what separates user and extension; empty: nothing does",
                { $0.utf8.count <= 1 }
            ) { $0.recipientDelimiter = $1 },
            choice(
                "user-source", "files", "passwd and group, or what getent(1) prints",
                ["files", "getent"], { $0 == "files" ? .files : $0 == "getent" ? .getent : nil }
            ) { $0.userSource = $1 },
            number(
                "first-user-id", "1000", 0...Int(UInt32.max),
                "accounts below it are the system's: their mail is root's, and they cannot log in"
            ) { $0.firstUserID = UInt32($1) },
            text(
                "users-file", "",
                "users and their passwords in Dovecot's passwd-file form; empty: the system's",
                isAbsoluteOrEmpty
            ) { $0.usersFile = $1 },
            text(
                "sender-logins-file", "",
                "who may send under an address that is not their own, as `address: login, ...`; empty: nobody",
                isAbsoluteOrEmpty
            ) { $0.senderLoginsFile = $1 },
            duration("program-timeout", "1000s", "how long a |program may take") { $0.programTimeout = $1 },
            number(
                "reader-connections", "400", 1...100_000,
                "most POP3 connections, and most IMAP connections, at a time"
            ) { $0.readerConnections = $1 },
            number("reader-connections-per-address", "40", 1...256, "the same from one address") {
                $0.readerConnectionsPerAddress = $1
            },
            number(
                "sessions-per-user", "30", 1...256,
                "most POP3 sessions, and most IMAP sessions, of one user from one address"
            ) { $0.sessionsPerUser = $1 },
            choice(
                "plaintext-login", "loopback", "when a password may come without TLS",
                PlaintextLogin.allCases.map { $0.rawValue }, PlaintextLogin.init(rawValue:)
            ) { $0.plaintextLogin = $1 },
        ]
    }

    private static var receivingKeys: [ConfigurationKey] {
        [
            size("message-size-limit", "50M", "largest message accepted", 1024...(1 << 40)) {
                $0.messageSizeLimit = $1
            },
            number("recipient-limit", "1000", 1...100_000, "most recipients of a message that comes by SMTP")
            {
                $0.recipientLimit = $1
            },
            size(
                "minimum-free-space", "100M",
                "with less than this and the message's size free, mail is refused for now", 0...(1 << 50)
            ) { $0.minimumFreeSpace = $1 },
            number("smtp-connections", "200", 1...100_000, "most SMTP connections at a time") {
                $0.smtpConnections = $1
            },
            number(
                "smtp-connections-per-address", "20", 1...256,
                "the same from one address outside relay-networks"
            ) { $0.smtpConnectionsPerAddress = $1 },
            duration("smtp-timeout", "300s", "how long a client may be silent") { $0.smtpTimeout = $1 },
            duration("smtp-session-limit", "1h", "how long an SMTP session may go on without a message") {
                $0.smtpSessionLimit = $1
            },
        ]
    }

    private static var sendingKeys: [ConfigurationKey] {
        [
            parsed(
                "relay-host", .relays, "",
                "hosts that mail to others goes by way of; default: each domain's mail exchangers",
                RelayTable.init
            ) { $0.relayHost = $1 },
            text(
                "relay-passwords", "", "file with logins and passwords for these hosts; empty: none",
                isAbsoluteOrEmpty
            ) { $0.relayPasswords = $1 },
            choice(
                "smtp-tls", "opportunistic", "whether mail to other hosts is sent over TLS",
                TransportSecurity.allCases.map { $0.rawValue }, TransportSecurity.init(rawValue:)
            ) { $0.smtpTLS = $1 },
            text(
                "tls-authorities", "",
                "PEM file of the authorities that smtp-tls = verified believes; empty: the system's",
                isAbsoluteOrEmpty
            ) { $0.tlsAuthorities = $1 },
            parsed("smtp-port", .port, "25", "the port of other hosts' SMTP servers", port) {
                $0.smtpPort = $1
            },
            choice(
                "ip-version", "any", "which IP to use to other hosts",
                IPVersion.allCases.map { $0.rawValue }, IPVersion.init(rawValue:)
            ) { $0.ipVersion = $1 },
            parsed(
                "outgoing-address", .addresses, "",
                "our own address on connections to other hosts, one an IP version", addresses
            ) { $0.outgoingAddress = $1 },
            parsed(
                "dns-servers", .servers, "", "name servers; default: those of resolv.conf(5)", servers
            ) { $0.dnsServers = $1 },
            parsed(
                "permitted-networks", .networks, "",
                "networks that mail may be sent to although they are this host's own or local to a link",
                networks
            ) { $0.permittedNetworks = $1 },
            duration("connect-timeout", "30s", "how long a connection to another host may take") {
                $0.connectTimeout = $1
            },
            duration("reply-timeout", "300s", "how long another host may take for a reply") {
                $0.replyTimeout = $1
            },
            duration(
                "data-start-timeout", "120s",
                "how long it may take to accept DATA (RFC 5321 section 4.5.3.2.4)"
            ) { $0.dataStartTimeout = $1 },
            duration(
                "data-block-timeout", "180s",
                "how long it may take to take 64 KiB of a message (RFC 5321 section 4.5.3.2.5)"
            ) { $0.dataBlockTimeout = $1 },
            duration(
                "data-timeout", "600s",
                "the same for the reply that ends a message (RFC 5321 section 4.5.3.2.6)"
            ) { $0.dataTimeout = $1 },
            duration("delivery-limit", "2h", "how long all sessions of one delivery to a domain may take") {
                $0.deliveryLimit = $1
            },
            duration("lookup-timeout", "20s", "how long finding a domain's hosts may take") {
                $0.lookupTimeout = $1
            },
            number("messages-per-session", "100", 1...10_000, "most messages sent over one connection") {
                $0.messagesPerSession = $1
            },
        ]
    }

    private static var queueKeys: [ConfigurationKey] {
        [
            parsed(
                "retry-intervals", .durations, "2m 5m 10m 20m 40m 80m 160m 4h",
                "waits between attempts; the last one repeats", durations
            ) { $0.retryIntervals = $1 },
            duration("queue-lifetime", "5d", "how long a message is tried before it is returned") {
                $0.queueLifetime = $1
            },
            parsed(
                "trash-lifetime", .duration, "7d",
                "how long a message that the operator removed can come back; 0: not at all",
                { $0 == "0" ? .zero : seconds($0) }
            ) { $0.trashLifetime = $1 },
            size("bounce-size-limit", "50K", "larger messages are returned as headers only", 0...(1 << 30)) {
                $0.bounceSizeLimit = $1
            },
            parsed(
                "delay-warning", .duration, "4h",
                "when a sender is warned that a message still waits; 0: never",
                { $0 == "0" ? .zero : seconds($0) }
            ) { $0.delayWarning = $1 },
            number(
                "bounce-limit", "1000", 0...1_000_000,
                "most reports made in an hour; what is beyond is put on hold; 0: any number"
            ) { $0.bounceLimit = $1 },
            text(
                "double-bounce-recipient", "postmaster",
                "who gets reports that could not be delivered; empty: nobody", isRecipientOrEmpty
            ) { $0.doubleBounceRecipient = $1 },
            number("remote-concurrency", "100", 1...1000, "most SMTP sessions to other hosts at a time") {
                $0.remoteConcurrency = $1
            },
            number("destination-concurrency", "20", 1...100, "most of them to one domain") {
                $0.destinationConcurrency = $1
            },
            number("local-concurrency", "10", 1...1000, "most local deliveries at a time") {
                $0.localConcurrency = $1
            },
            number("user-concurrency", "2", 1...100, "most of them to one user") {
                $0.userConcurrency = $1
            },
        ]
    }
}
