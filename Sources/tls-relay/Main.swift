// tls-relay: inetd starts it for smtpd, pop3d and imapd. It takes the client's socket, does the handshake with
// the key that only it can read, and relays until both sides have ended. What it says to who asked is in
// TLSRecord (module Unix).

import Front
import Program
import Sandbox
import TLS
import Unix

@main
struct Main {
    static let tool = Tool(
        "tls-relay",
        synopsis: "[-n] [-C file]",
        summary: "Serve TLS for the client whose socket comes over descriptor 0, as inetd starts it.",
        options: [
            .config,
            .flag("n", "check", "say whether the certificate and its key can be used, now and tomorrow"),
        ], farewell: "")

    static func main() {
        let arguments = Startup.begin(tool, keeping: [])
        guard arguments.operands.isEmpty else { tool.wrong("no operands are expected") }
        if arguments.has("check") { check(arguments.value("config")) }
        guard StandardDescriptors.isSocket(0) else {
            tool.fail("to be started by inetd, with a socket as descriptor 0", .usage)
        }
        StandardDescriptors.silenceError()
        serve(arguments.value("config")).leave()
    }

    /// From the request to the last byte.
    private static func serve(_ path: String?) -> ExitStatus {
        do throws(RequestRefusal) {
            let request = try RelayRequest.receive(from: service, by: .after(.seconds(10)))
            let configuration = try configuration(path)
            do throws(SystemError) { try Sandbox.enter(.tlsRelay) } catch {
                throw RequestRefusal("\(error)", .osError)
            }
            let session = try session(configuration, request.protocolName)
            Socket.sendAtOnce(request.client.raw)
            say(.ready)
            let relay = TLSRelay(client: request.client.raw, program: service, session: session)
            return run(relay, handshakeBy: .after(request.patience))
        } catch {
            say(.refused(error.reason))
            return error.status
        }
    }

    /// The connection that inetd accepted: who asked, and later the plaintext.
    private static let service: CInt = 0

    /// How a connection ended is for the asking program to log: it knows the client's name.
    private static func run(_ relay: consuming TLSRelay, handshakeBy deadline: Deadline) -> ExitStatus {
        var relay = relay
        do throws(TLSRelay.Failure) {
            say(.established(try relay.handshake(by: deadline)))
        } catch {
            say(.failed("\(error)"))
            return .protocolError
        }
        do throws(TLSRelay.Failure) { try relay.run() } catch { return .inputOutput }
        return .ok
    }

    private static func say(_ record: TLSRecord) {
        // Whoever asked and is gone needs no answer; the next read tells.
        try? File.writeAll(service, record.framed)
    }

    // MARK: - Certificate

    private static func configuration(_ path: String?) throws(RequestRefusal) -> Configuration {
        do throws(ConfigurationError) { return try Configuration.load(path) } catch {
            Log(.syslog, name: "relais", program: tool.name).error(error.description)
            throw RequestRefusal("relais.conf cannot be used", .configuration)
        }
    }

    private static func session(
        _ configuration: Configuration, _ protocolName: String
    ) throws(RequestRefusal) -> TLSSession {
        do throws(TLSError) { return try TLSSession(try context(configuration, protocolName)) } catch {
            configuration.openLog(tool.name).error("\(error)")
            throw RequestRefusal("no usable certificate", .configuration)
        }
    }

    private static func context(
        _ configuration: Configuration, _ protocolName: String
    ) throws(TLSError) -> TLSContext {
        let certificate = configuration.tlsCertificate
        guard !certificate.isEmpty else { throw TLSError("certificate", "tls-certificate is not set") }
        let key = configuration.tlsKey.isEmpty ? certificate : configuration.tlsKey
        return try TLSContext.server(
            certificate: certificate, key: key,
            // Some SMTP clients say esmtp.
            protocols: protocolName == "smtp" ? ["smtp", "esmtp"] : [protocolName])
    }

    private static func check(_ path: String?) -> Never {
        do throws(ConfigurationError) {
            let configuration = try Configuration.load(path)
            do throws(TLSError) {
                let validity = try context(configuration, "smtp").validity()
                if let trouble = validity.trouble { tool.fail("certificate: \(trouble)", .configuration) }
                if let warning = validity.warning { try? File.writeAll(1, "certificate: \(warning)\n".utf8) }
            } catch {
                tool.fail("\(error)", .configuration)
            }
        } catch {
            tool.fail("\(error)", .configuration)
        }
        ExitStatus.ok.leave()
    }
}
