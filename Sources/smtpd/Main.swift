import Program
import SMTP
import Sandbox
import Unix

/// smtpd(8): one SMTP session on descriptors 0 and 1, as inetd starts it.
@main
enum Main {
    private static let unavailable = "421 4.3.5 Service not available: its configuration is being mended\r\n"

    static let tool = Tool(
        "smtpd", synopsis: "[-C file] [--tls]",
        summary:
            "Receive mail by SMTP on standard input and output; started by inetd, a process a connection.",
        options: [.config, .flag(nil, "tls", "speak TLS from the first byte (the submissions port)")],
        farewell: unavailable)

    static func main() {
        StandardDescriptors.fillHoles()
        let arguments = tool.arguments()
        guard arguments.operands.isEmpty else { tool.wrong("it takes no operands") }
        Environment.keepOnly(["TZ"])
        StandardDescriptors.ignoreBrokenPipes()
        do throws(SystemError) { try Sandbox.renounceNewRights() } catch {
            tool.fail("\(error)", .osError)
        }
        let isSocket = StandardDescriptors.isSocket(0)
        // Under inetd standard error is the client's socket: nothing but protocol goes there.
        if isSocket { StandardDescriptors.silenceError() }
        let source: ConfigurationSource
        do throws(ConfigurationError) { source = try ConfigurationSource(arguments.value("config")) } catch {
            if !isSocket { try? File.writeAll(1, unavailable.utf8) }
            tool.fail("\(error)", .configuration)
        }
        let configuration = source.current
        do throws(SystemError) {
            try Sandbox.enter(.reception(runsGetent: configuration.userSource == .getent))
        } catch { tool.fail("\(error)", .osError) }
        let log = configuration.openLog("smtpd")
        guard let peer = SocketAddress.peer(of: 0) else {
            log.info("lost connection after CONNECT from unknown[unknown]")
            ExitStatus.ok.leave()
        }
        let client = Client(peer, configuration)
        do throws(ConnectionSlot.Refusal) {
            let slot = try client.takeSlot(configuration)
            Server(source, log, client).run(tls: arguments.has("tls"))
            _ = consume slot
        } catch {
            log.info("connect from \(client.name)")
            log.warning("refused \(client.name): \(error)")
            try? File.writeAll(
                1, "421 4.3.2 \(configuration.hostname) Too many connections, try again later\r\n".utf8)
        }
        log.info("disconnect from \(client.name)")
        ExitStatus.ok.leave()
    }
}

/// Who is at the other end, and what that allows.
struct Client {
    /// Nil for a program of this host, on a pipe or a Unix socket.
    let address: IPAddress?
    let mayRelay: Bool
    /// `unknown[192.0.2.1]`: names are not looked up. A program of this host has Postfix's name for one.
    let name: String

    init(_ peer: SocketAddress, _ configuration: Configuration) {
        address = peer.ip
        mayRelay = address.map(configuration.relays(for:)) ?? true
        name = address.map { "unknown[\($0)]" } ?? "localhost[127.0.0.1]"
    }

    /// Clients that may relay are our own: only the total counts for them. A program of this host that started
    /// us itself (`sendmail -bs`) is no connection, and may not be able to write to the slots.
    func takeSlot(_ configuration: Configuration) throws(ConnectionSlot.Refusal) -> ConnectionSlot? {
        guard address != nil else { return nil }
        return try ConnectionSlot(
            configuration.slotsFile("smtp"), total: configuration.smtpConnections,
            perAddress: configuration.smtpConnectionsPerAddress, address: mayRelay ? nil : address)
    }
}
