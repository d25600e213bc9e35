import Bytes
import Mail
package import Unix

/// What relais.conf says, or what holds without it. Every key is a row of `Configuration.keys`
/// (Configuration+Keys.swift); relais.conf(5) is the prose.
package struct Configuration: Equatable {
    /// Where STARTTLS stands with the neighbours.
    package enum TransportSecurity: String, CaseIterable { case off, opportunistic, required, verified }
    /// When a password may come over an unencrypted connection.
    package enum PlaintextLogin: String, CaseIterable { case never, loopback, always }
    package enum IPVersion: String, CaseIterable { case any, ipv4, ipv6 }
    /// Where the system's accounts are read: passwd and group, or what getent(1) prints.
    package enum UserSource { case files, getent }

    // Who we are and for whom we receive
    package var hostname = ""
    package var localDomains: [String] = []
    package var virtualDomains: [String] = []
    package var relayDomains: [String] = []
    package var relayNetworks: [Network] = [
        Network(.v4([127, 0, 0, 0]), prefixLength: 8),
        Network(.v6([UInt8](repeating: 0, count: 15) + [1]), prefixLength: 128),
    ]
    package var postmaster = "root"

    // Mailboxes and users
    package var mailbox = "~/Maildir/"
    package var aliasesFile = "/etc/aliases"
    package var recipientDelimiter = "+"
    package var userSource = UserSource.files
    package var firstUserID: UInt32 = 1000
    package var usersFile = ""
    package var senderLoginsFile = ""
    package var programTimeout: Duration = .seconds(1000)

    // Places
    package var queueDirectory = "/var/spool/relais"
    package var slotsDirectory = "/var/lib/relais/slots"
    package var netDirectory = "/var/lib/relais/net"
    /// Empty: the queue's own.
    package var serviceDirectory = ""
    package var log = Log.Target.syslog
    package var syslogName = "relais"

    // Receiving
    package var messageSizeLimit = 52_428_800
    package var recipientLimit = 1000
    package var minimumFreeSpace = 104_857_600
    package var smtpConnections = 200
    package var smtpConnectionsPerAddress = 20
    package var smtpTimeout: Duration = .seconds(300)
    package var smtpSessionLimit: Duration = .seconds(3600)

    // Reading mail
    package var readerConnections = 400
    package var readerConnectionsPerAddress = 40
    package var sessionsPerUser = 30
    package var plaintextLogin = PlaintextLogin.loopback

    // TLS
    package var tlsCertificate = ""
    package var tlsKey = ""

    // Sending
    package var relayHost = RelayTable()
    package var relayPasswords = ""
    package var smtpTLS = TransportSecurity.opportunistic
    package var tlsAuthorities = ""
    package var smtpPort: UInt16 = 25
    package var ipVersion = IPVersion.any
    package var outgoingAddress: [IPAddress] = []
    package var dnsServers: [SocketAddress] = []
    package var permittedNetworks: [Network] = []
    package var connectTimeout: Duration = .seconds(30)
    package var replyTimeout: Duration = .seconds(300)
    package var dataStartTimeout: Duration = .seconds(120)
    package var dataBlockTimeout: Duration = .seconds(180)
    package var dataTimeout: Duration = .seconds(600)
    package var deliveryLimit: Duration = .seconds(7200)
    package var lookupTimeout: Duration = .seconds(20)
    package var messagesPerSession = 100

    // The queue
    package var retryIntervals: [Duration] = [
        .seconds(120), .seconds(300), .seconds(600), .seconds(1200), .seconds(2400), .seconds(4800),
        .seconds(9600),
        .seconds(14400),
    ]
    package var queueLifetime: Duration = .seconds(432_000)
    package var bounceSizeLimit = 51200
    /// Zero: what is removed is gone at once.
    package var trashLifetime: Duration = .seconds(604_800)
    /// Zero: never.
    package var delayWarning: Duration = .seconds(14400)
    package var bounceLimit = 1000
    package var doubleBounceRecipient = "postmaster"
    package var remoteConcurrency = 100
    package var destinationConcurrency = 20
    package var localConcurrency = 10
    package var userConcurrency = 2

    package init() {}
}

extension Configuration {
    /// Where the host's configuration is looked for when no option names another.
    #if os(Linux)
        package static let standardPath = "/etc/relais/relais.conf"
    #else
        package static let standardPath = "/usr/local/etc/relais/relais.conf"
    #endif

    /// The Unix socket of a service behind the queue's gate.
    package func serviceSocket(_ name: String) -> String {
        serviceDirectory.isEmpty ? "\(queueDirectory)/service/\(name)" : "\(serviceDirectory)/\(name)"
    }
    /// That of a service that pop3d and imapd must reach, which must not pass the queue's gate.
    package func netSocket(_ name: String) -> String { "\(netDirectory)/\(name)" }
    package func slotsFile(_ service: String) -> String { "\(slotsDirectory)/\(service)" }

    /// The log of one of our programs.
    package func openLog(_ program: String) -> Log { Log(log, tag: "\(syslogName)/\(program)") }

    /// That of logins: where the others are to look like Postfix's, these look like Dovecot's.
    package func openLoginLog(_ program: String) -> Log {
        syslogName == "postfix" ? Log(log, tag: "dovecot") : openLog(program)
    }

    /// The `mailbox` key for one user: `~` and `%u` filled in; a Maildir ends in a slash.
    package func mailboxPath(user: String, home: String) -> String {
        let path = mailbox.hasPrefix("~/") ? home + mailbox.dropFirst() : mailbox
        var filled: [UInt8] = []
        var rest = Array(path.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == .ascii("%"), rest.first == .ascii("u") {
                rest.removeFirst()
                filled += user.utf8
            } else {
                filled.append(byte)
            }
        }
        return String(decoding: filled, as: UTF8.self)
    }

    /// Whether a user without a home has no mailbox either.
    package var isMailboxInHome: Bool { mailbox.hasPrefix("~") }

    /// Whether a password may come in the clear from `address` (nil: this host).
    package func allowsPlaintextLogin(from address: IPAddress?) -> Bool {
        switch plaintextLogin {
        case .always: true
        case .loopback: address?.isLoopback ?? true
        case .never: false
        }
    }

    package func relays(for address: IPAddress) -> Bool { relayNetworks.contains { $0.contains(address) } }

    /// Reads `path`, or the standard file (which may be missing: then defaults hold), and completes what
    /// depends on the host.
    package static func load(_ path: String?) throws(ConfigurationError) -> Configuration {
        let file = path ?? standardPath
        let bytes: [UInt8]?
        do throws(SystemError) { bytes = try Path.contents(file, limit: 1 << 20) } catch {
            throw ConfigurationError(file: file, line: 0, message: "cannot be read: \(error)")
        }
        guard let bytes else {
            guard path == nil else {
                throw ConfigurationError(file: file, line: 0, message: "no such file")
            }
            return Configuration().completed()
        }
        return try parse(bytes, file: file).completed()
    }

    /// Fills in what the host knows: its name, and the domains that are local by default.
    private func completed() -> Configuration {
        var result = self
        if result.hostname.isEmpty { result.hostname = Host.name() }
        if result.localDomains.isEmpty { result.localDomains = [result.hostname, "localhost"] }
        return result
    }

    /// Reads `key = value` lines; `#` begins a comment line, and a line that begins with white space
    /// continues the one before.
    package static func parse(_ bytes: [UInt8], file: String) throws(ConfigurationError) -> Configuration {
        var result = Configuration()
        var isGiven = [Bool](repeating: false, count: keys.count)
        for logical in logicalLines(bytes) {
            let line = logical.text
            func failure(_ message: String) -> ConfigurationError {
                ConfigurationError(file: file, line: logical.number, message: message)
            }
            guard let equals = line.firstIndex(of: .ascii("=")) else {
                throw failure("expected `key = value`, found \"\(line.escaped(limit: 60))\"")
            }
            let name = line[..<equals].trimmed()
            guard let index = keys.firstIndex(where: { $0.isNamed(name) }) else {
                throw failure("unknown key \"\(name.escaped(limit: 60))\"; relais.conf(5) lists them")
            }
            guard !isGiven[index] else { throw failure("\(keys[index].name) is given twice") }
            isGiven[index] = true
            let value = line[(equals + 1)...].trimmed()
            guard value.allSatisfy({ $0 >= 0x20 && $0 != .del }) else {
                throw failure("\(keys[index].name) has a control character in its value")
            }
            guard keys[index].set(&result, String(decoding: value, as: UTF8.self)) else {
                throw failure(
                    "\(keys[index].name) takes \(keys[index].type.expectation), not \"\(value.escaped(limit: 60))\""
                )
            }
        }
        return result
    }

    private struct Line {
        /// Of its beginning, from 1.
        let number: Int
        var text: [UInt8]
    }

    private static func logicalLines(_ bytes: [UInt8]) -> [Line] {
        var lines: [Line] = []
        var number = 0
        var start = 0
        while start < bytes.count {
            number += 1
            let end = bytes.firstIndex(of: .lf, from: start) ?? bytes.count
            let text = bytes[start..<(end > start && bytes[end - 1] == .cr ? end - 1 : end)]
            let words = text.trimmed()
            start = end + 1
            guard let first = words.first, first != .ascii("#") else { continue }
            if text.first?.isWhitespace == true, !lines.isEmpty {
                lines[lines.count - 1].text += [.space] + words
            } else {
                lines.append(Line(number: number, text: Array(words)))
            }
        }
        return lines
    }
}

/// A configuration that cannot be used: where, what, and what is expected.
package struct ConfigurationError: Error, Equatable, CustomStringConvertible {
    package let file: String
    /// From 1; 0 when it is about the whole file.
    package let line: Int
    package let message: String

    package var description: String { line == 0 ? "\(file): \(message)" : "\(file):\(line): \(message)" }
}

/// Which domains are this host's.
extension Configuration {
    /// Whether mail for `domain` is delivered on this host: compared without case and without the dot that may end
    /// a complete name. An address of this host in brackets is as good as its name (RFC 1123 §5.2.17).
    package func isLocal(domain: ArraySlice<UInt8>) -> Bool {
        Self.holds(domain, localDomains) || Self.holds(domain, virtualDomains)
            || IPAddress(literal: domain).map(isOwn) == true
    }
    package func isLocal(domain: [UInt8]) -> Bool { isLocal(domain: domain[...]) }

    /// Whether only those have mail there whom the users file names with it. What is in local-domains as well is not.
    package func isVirtual(domain: ArraySlice<UInt8>) -> Bool {
        Self.holds(domain, virtualDomains) && !Self.holds(domain, localDomains)
    }
    package func isVirtual(domain: [UInt8]) -> Bool { isVirtual(domain: domain[...]) }

    /// Whether the same local part means the same user there as at the other local domains. It is not read from the users file
    /// who is: queue-runner, which has to tell, may not read it.
    package func sharesUsers(domain: ArraySlice<UInt8>) -> Bool {
        usersFile.isEmpty && !isVirtual(domain: domain)
    }

    private static func holds(_ domain: ArraySlice<UInt8>, _ list: [String]) -> Bool {
        guard !list.isEmpty else { return false }
        let name = domain.withoutFinalDot
        return list.contains { name.equalsFolded($0.utf8) }
    }

    /// One of the interfaces' addresses, or any that never leaves this host, unless the operator has other hosts there.
    private func isOwn(_ address: IPAddress) -> Bool {
        let address = address.unmapped
        if address.isLoopback, !permittedNetworks.contains(where: { $0.contains(address) }) { return true }
        return Host.addresses().contains(address)
    }

    /// A domain that is surely ours: the host's name, where that is local.
    package var ownDomain: String {
        let name = Array(hostname.utf8)
        return isLocal(domain: name) && !isVirtual(domain: name) ? hostname : localDomains.first ?? hostname
    }
}

extension IPAddress {
    /// An address literal as mail has it, brackets included (RFC 5321 §4.1.3); nil for a domain name.
    package init?(literal: ArraySlice<UInt8>) {
        guard literal.first == .ascii("[") else { return nil }
        var cursor = Cursor(literal)
        guard let bytes = try? cursor.literalAddress(), cursor.isAtEnd else { return nil }
        self = bytes.count == 4 ? .v4(bytes) : .v6(bytes)
    }
}

extension ArraySlice<UInt8> {
    fileprivate var withoutFinalDot: ArraySlice<UInt8> { last == .dot ? dropLast() : self }
}

/// relais.conf, for a program that lingers: what it decides, it decides by what the file says then. Asking costs a
/// stat. A file that cannot be used leaves what was read before in force.
package final class ConfigurationSource {
    package private(set) var current: Configuration
    private let given: String?
    private var seen: FileStatus?

    package enum Change {
        case none
        case changed
        /// For the log, once for each state of the file.
        case damaged(ConfigurationError)
    }

    /// Reads `path`, or the standard file.
    package init(_ path: String?) throws(ConfigurationError) {
        given = path
        // Before it is read: what changes meanwhile is read again.
        seen = Self.status(path)
        current = try Configuration.load(path)
    }

    private static func status(_ path: String?) -> FileStatus? {
        (try? Path.status(path ?? Configuration.standardPath)) ?? nil
    }

    package func refresh() -> Change {
        let now = Self.status(given)
        guard now != seen else { return .none }
        seen = now
        do throws(ConfigurationError) {
            current = try Configuration.load(given)
            return .changed
        } catch { return .damaged(error) }
    }
}
