package import Program
package import Unix

/// A client's connection, from its slot to its end: what is the same for all that strangers connect to. The conversation between
/// is the caller's.
package final class Connection {
    package struct Limits {
        /// Connections at a time: of all, and of one address.
        package var total: Int
        package var perAddress: Int
        /// Longest wait for the client, and how long the conversation may last.
        package var patience: Duration
        package var session: Duration

        package init(total: Int, perAddress: Int, patience: Duration, session: Duration) {
            self.total = total
            self.perAddress = perAddress
            self.patience = patience
            self.session = session
        }
    }

    package let client: Client
    package let stream: ByteStream
    /// What was agreed on, when TLS is spoken.
    package private(set) var tls: TLSService.Session?

    private let service: ServedProtocol
    private let limits: Limits
    private let configuration: Configuration
    private let log: Log

    /// A client that is in the middle of its handshake gets no more than this.
    private static let handshakePatience = Duration.seconds(60)

    package init(
        _ client: Client, input: CInt, output: CInt, _ service: ServedProtocol, _ limits: Limits,
        _ configuration: Configuration, _ log: Log
    ) {
        self.client = client
        self.service = service
        self.limits = limits
        self.configuration = configuration
        self.log = log
        stream = ByteStream(
            input: input, output: output, patience: limits.patience, end: .after(limits.session))
    }

    /// Serves who is on descriptors 0 and 1, as inetd starts us.
    package static func serve(
        _ service: ServedProtocol, _ limits: Limits, _ configuration: Configuration, _ log: Log,
        by converse: (Connection) -> Void
    ) {
        guard let peer = SocketAddress.peer(of: 0) else {
            // Who hung up already must not pass for somebody on this host.
            if service.isLoggedAsPostfix { log.info("lost connection after CONNECT from unknown[unknown]") }
            return
        }
        Connection(
            Client(peer.ip, of: service, configuration), input: 0, output: 1, service, limits, configuration,
            log
        ).serve(by: converse)
    }

    /// Takes a slot for the client, and lets go of it when `converse` is over; one that finds none is told so.
    package func serve(by converse: (Connection) -> Void) {
        do throws(ConnectionSlot.Refusal) {
            let slot = try takeSlot()
            Socket.sendAtOnce(stream.output)
            converse(self)
            _ = consume slot
        } catch {
            noteConnect()
            log.warning("refused \(client.name): \(error)")
            try? File.writeAll(stream.output, service.busy.utf8)
        }
        if service.isLoggedAsPostfix { log.info("disconnect from \(client.name)") }
    }

    /// Clients that may relay are our own: only the total counts for them.
    private func takeSlot() throws(ConnectionSlot.Refusal) -> ConnectionSlot? {
        if client.address == nil, service.isStartedByPrograms { return nil }
        return try ConnectionSlot(
            configuration.slotsFile(service.name), total: limits.total, perAddress: limits.perAddress,
            address: client.mayRelay ? nil : client.address)
    }

    private func noteConnect() {
        if service.isLoggedAsPostfix { log.info("connect from \(client.name)") }
    }

    package var offersTLS: Bool { !configuration.tlsCertificate.isEmpty }
    /// Whether this client's password may come in the clear.
    package var allowsPlaintextLogin: Bool { configuration.allowsPlaintextLogin(from: client.address) }
    /// Where the service is that checks it, and has the protocol's own program serve who it belongs to.
    var loginSocket: String { configuration.netSocket(service.name) }

    /// TLS where it is spoken from the first byte, then the greeting. False when TLS cannot be had: there is nothing to say then,
    /// in no language.
    package func greet(_ greeting: [UInt8], tls: Bool) throws(StreamError) -> Bool {
        if tls {
            noteConnect()
            guard try beginTLS(saying: []) else { return false }
            try stream.write(greeting)
        } else {
            // The client need not wait for our log.
            defer { noteConnect() }
            try stream.write(greeting)
            try stream.flush()
        }
        return true
    }

    /// Hands the socket to tls-relay, which then has the client, and says `reply` in the clear first. False when TLS cannot be
    /// had, and nothing was said; a handshake that fails is the end of the conversation.
    package func beginTLS(saying reply: [UInt8]) throws(StreamError) -> Bool {
        tls = try TLSService.begin(
            configuration.netSocket("tls"), over: stream, protocol: service.name, saying: reply,
            patience: Self.handshakePatience
        ) { log.warning("\(client.name): \($0)") }
        return tls != nil
    }

    /// The conversation, to its end. Who took too long is told so. What ended it, if it was not its own end, is for the log.
    package func talk(_ conversation: () throws(StreamError) -> Void) -> StreamError? {
        do throws(StreamError) {
            try conversation()
            return nil
        } catch {
            if error == .timedOut {
                try? stream.write(service.timeout.utf8)
                try? stream.flush()
            }
            return error
        }
    }
}

/// Who is at the other end, and what that allows.
package struct Client {
    /// Nil for a program of this host, on a pipe or a Unix socket.
    package let address: IPAddress?
    /// One of our own, by `relay-networks`.
    package let mayRelay: Bool
    /// As the log calls it. Postfix has `unknown[192.0.2.1]`, names not being looked up, and a name for a program of this host.
    package let name: String

    package init(_ address: IPAddress?, of service: ServedProtocol, _ configuration: Configuration) {
        self.address = address
        mayRelay = address.map(configuration.relays(for:)) ?? true
        name =
            service.isLoggedAsPostfix
            ? address.map { "unknown[\($0)]" } ?? "localhost[127.0.0.1]" : address?.description ?? "local"
    }
}
