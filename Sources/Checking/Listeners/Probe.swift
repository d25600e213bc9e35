import Bytes
import Jobs
import Program
import Unix

/// Asks services whether they are there, with nothing to do: each is started, and ends.
final class Probe {
    enum Answer: Equatable {
        case answers
        /// Nobody listens.
        case nobody
        /// Who listens takes the connection and says nothing.
        case silent
        /// Somebody else answers, or it says why it cannot serve.
        case strange(String)
        /// Who asks may not.
        case forbidden
    }

    /// A program is started in a millisecond; on a host that is busy it may take longer.
    private var patience = Duration.seconds(10)

    /// One that says nothing is enough to wait for: the next get a second.
    private func silence() -> Answer {
        patience = .seconds(1)
        return .silent
    }

    func ask(_ role: Role, _ path: String) -> Answer {
        do throws(SystemError) {
            switch role.program {
            case "queue-runner":
                try ServiceSocket.connectDatagram(path)
                return .answers
            case "tls-relay": return try askRelay(path)
            case "checkpassword":
                let socket = try ServiceSocket.connect(path)
                Socket.endWriting(socket.raw)
                return try end(of: socket)
            default: return askDeliverer(try ServiceSocket.connect(path))
            }
        } catch {
            switch error.code {
            case .accessDenied: return .forbidden
            case .noEntry, .connectionRefused: return .nobody
            default: return .strange("\(error)")
            }
        }
    }

    /// A batch of no jobs: no reports.
    private func askDeliverer(_ socket: consuming Descriptor) -> Answer {
        let sender = JobSender(adopting: socket, patience: patience)
        do throws(ExchangeError) { try sender.endBatch() } catch { return .strange("it hung up") }
        guard let came = try? Poll.wait(sender.raw, for: .reading, until: .after(patience)), came else {
            return silence()
        }
        let progress = sender.receive()
        return progress.failure == nil ? .answers : .strange("it ends without an answer")
    }

    private func askRelay(_ path: String) throws(SystemError) -> Answer {
        let client = try DescriptorPair.sockets()
        let service = try ServiceSocket.connect(path)
        let request = TLSRecord.request(protocol: "smtp", patience: .seconds(1))
        try DescriptorPassing.send(request.framed, with: [client.first.raw], over: service.raw)
        guard try Poll.wait(service.raw, for: .reading, until: .after(patience)) else { return silence() }
        switch try TLSRecord.read(from: service.raw, by: .after(patience)) {
        case .ready: return .answers
        case .refused(let reason): return .strange(reason)
        default: return .strange("it ends without an answer")
        }
    }

    /// Without a login to look at it hangs up.
    private func end(of socket: borrowing Descriptor) throws(SystemError) -> Answer {
        guard try Poll.wait(socket.raw, for: .reading, until: .after(patience)) else { return silence() }
        return .answers
    }

    /// The greeting of a network service; ours all have the word `relais` in them, or are a refusal of ours.
    func greeting(at address: SocketAddress) -> Answer {
        do throws(SystemError) {
            let socket = try Socket.connect(to: address, by: .after(patience))
            guard try Poll.wait(socket.raw, for: .reading, until: .after(patience)),
                let line = try Socket.receive(socket.raw, upTo: 512)
            else { return silence() }
            try? File.writeAll(socket.raw, "QUIT\r\n".utf8)
            return Self.judge(greeting: line)
        } catch {
            return error.code == .connectionRefused ? .nobody : .strange("\(error)")
        }
    }

    static func judge(greeting line: [UInt8]) -> Answer {
        if line.isEmpty { return .strange("it hangs up at once") }
        let text = String(decoding: line.prefix { !$0.isControl }, as: UTF8.self)
        let isRefusal = ["421 ", "-ERR ", "* BYE "].contains { text.hasPrefix($0) }
        let isOurs = line.split { !$0.isAlphanumeric }.contains { $0.elementsEqual("relais".utf8) }
        return isOurs || isRefusal
            ? .answers
            : .strange("another server answers: \(line.prefix { !$0.isControl }.escaped(limit: 80))")
    }

    /// Where a network listener is to be asked: an address, or any; a port's number or one of the names that ours have.
    static func address(of service: String) -> SocketAddress? {
        let bytes = Array(service.utf8)
        let colon = bytes.lastIndex(of: .ascii(":"))
        let name = bytes[(colon.map { $0 + 1 } ?? 0)...]
        let ports: [(String, UInt16)] = [
            ("smtp", 25), ("pop3", 110), ("imap2", 143), ("imap", 143), ("submission", 587),
        ]
        let port = ports.first { name.elementsEqual($0.0.utf8) }?.1 ?? UInt16(strictDecimal: name)
        guard let port else { return nil }
        guard let colon, colon > 0, bytes[0] != .ascii("*") else {
            return .ip(.v4([127, 0, 0, 1]), port: port)
        }
        let host = bytes[..<colon].filter { $0 != .ascii("[") && $0 != .ascii("]") }
        guard let ip = IPAddress(String(decoding: host, as: UTF8.self)) else { return nil }
        return .ip(ip.bytes.allSatisfy { $0 == 0 } ? .v4([127, 0, 0, 1]) : ip, port: port)
    }
}
