import Bytes

/// The asking side of tls-relay: hands the client's socket over, and gets the conversation back in the clear.
///
/// A program asks first (`init`), tells its client to begin (`220 …`; nothing with TLS from the first byte),
/// and then waits for the handshake (`establish`). From then on only `plaintext` is used for the client; the
/// socket itself belongs to the relay. A relay that goes away or answers nonsense is an end of the
/// conversation, never a way back to the clear.
package struct TLSService: ~Copyable {
    /// The end that carries what the client says and hears.
    package let plaintext: Descriptor

    package enum Failure: Error, Equatable, CustomStringConvertible {
        /// No such service, or it does not answer: the client can be told so in the clear.
        case unavailable(String)
        /// The handshake failed: the connection is lost.
        case handshake(String)

        package var description: String {
            switch self {
            case .unavailable(let reason): "TLS not available: \(reason)"
            case .handshake(let reason): "TLS handshake failed: \(reason)"
            }
        }
    }

    /// What both ends agreed on.
    package struct Session: Equatable {
        /// `TLSv1.3`
        package let version: String
        /// `TLS_AES_256_GCM_SHA384`
        package let cipher: String
        /// The secret bits of the cipher.
        package let bits: Int

        package init(version: String, cipher: String, bits: Int) {
            self.version = version
            self.cipher = cipher
            self.bits = bits
        }
    }

    /// Longest that the relay may take to say whether it is ready.
    private static let readiness = Duration.seconds(10)

    /// Asks the service at `path` to serve the connection `client`, which speaks `name` (`smtp`, `pop3`,
    /// `imap`). The handshake, once begun, may last `patience`.
    package init(
        _ path: String, client: CInt, protocol name: String, patience: Duration
    ) throws(Failure) {
        plaintext = try Self.ask(path, client, .request(protocol: name, patience: patience))
    }

    private static func ask(
        _ path: String, _ client: CInt, _ request: TLSRecord
    ) throws(Failure) -> Descriptor {
        let service: Descriptor
        do throws(SystemError) { service = try send(request, client, to: path) } catch {
            throw .unavailable("\(error)")
        }
        switch try read(service.raw, by: .after(readiness)) {
        case .ready: return service
        case .refused(let reason): throw .unavailable(reason)
        default: throw .unavailable("unexpected answer")
        }
    }

    private static func send(
        _ request: TLSRecord, _ client: CInt, to path: String
    ) throws(SystemError) -> Descriptor {
        let service = try ServiceSocket.connect(path)
        try DescriptorPassing.send(request.framed, with: [client], over: service.raw)
        return service
    }

    /// Waits until the client's handshake is over.
    package func establish(by deadline: Deadline) throws(Failure) -> Session {
        do throws(Failure) {
            switch try Self.read(plaintext.raw, by: deadline) {
            case .established(let session): return session
            case .failed(let reason): throw .handshake(reason)
            default: throw .handshake("unexpected answer")
            }
        } catch {
            guard case .unavailable(let reason) = error else { throw error }
            throw .handshake(reason)
        }
    }

    /// The whole of it over a client's stream: asks, says `reply` in the clear, waits for the handshake, and lets the
    /// stream go on inside; what the client had sent ahead is dropped. Nil when TLS cannot be had: nothing was said,
    /// and the client can be told. A handshake that fails ends the conversation. `report` hears of both.
    package static func begin(
        _ path: String, over stream: ByteStream, protocol name: String, saying reply: [UInt8],
        patience: Duration,
        report: (Failure) -> Void
    ) throws(StreamError) -> Session? {
        do throws(Failure) {
            let service = try TLSService(path, client: stream.input, protocol: name, patience: patience)
            do throws(StreamError) {
                try stream.write(reply)
                try stream.flush()
            } catch { throw .handshake("the client went away") }
            let session = try service.establish(by: .after(patience))
            let plaintext = service.take().release()
            stream.continueOver(input: plaintext, output: plaintext)
            return session
        } catch {
            report(error)
            if case .handshake = error { throw .disconnected }
            return nil
        }
    }

    /// Gives the plaintext end away.
    package consuming func take() -> Descriptor { plaintext }

    private static func read(_ raw: CInt, by deadline: Deadline) throws(Failure) -> TLSRecord {
        do throws(SystemError) {
            if let record = try TLSRecord.read(from: raw, by: deadline) { return record }
        } catch { throw .unavailable("\(error)") }
        throw .unavailable("no answer")
    }
}

/// What tls-relay and those who ask it say to each other in front of the plaintext: a length byte and that
/// many bytes of words. A record is read to its last byte and no further, because plaintext follows it.
package enum TLSRecord: Equatable {
    case request(protocol: String, patience: Duration)
    case ready
    case refused(String)
    case established(TLSService.Session)
    case failed(String)

    package static let longest = 255

    package var framed: [UInt8] {
        let text: String
        switch self {
        case .request(let name, let patience): text = "serve \(name) \(max(1, patience.components.seconds))"
        case .ready: text = "ready"
        case .refused(let reason): text = "refused \(reason)"
        case .established(let session):
            text = "established \(session.version) \(session.cipher) \(session.bits)"
        case .failed(let reason): text = "failed \(reason)"
        }
        let bytes = Array(text.utf8.prefix(Self.longest))
        return [UInt8(bytes.count)] + bytes
    }

    /// The record that `bytes` (without the length) are; nil if none.
    package init?(_ bytes: [UInt8]) {
        guard bytes.allSatisfy({ $0.isPrintable }) else { return nil }
        let words = bytes.split(separator: .space, omittingEmptySubsequences: false)
        func text(_ index: Int) -> String { String(decoding: words[index], as: UTF8.self) }
        func rest() -> String { String(decoding: bytes.dropFirst(words[0].count + 1), as: UTF8.self) }
        switch text(0) {
        case "serve":
            guard words.count == 3, !words[1].isEmpty,
                let seconds = UInt16(strictDecimal: words[2]), seconds > 0
            else { return nil }
            self = .request(protocol: text(1), patience: .seconds(seconds))
        case "ready" where words.count == 1: self = .ready
        case "refused": self = .refused(rest())
        case "established":
            guard words.count == 4, let bits = Int(strictDecimal: words[3]) else { return nil }
            self = .established(TLSService.Session(version: text(1), cipher: text(2), bits: bits))
        case "failed": self = .failed(rest())
        default: return nil
        }
    }

    /// Reads one record; nil when the other end is gone, says something else, or is too slow.
    package static func read(from raw: CInt, by deadline: Deadline) throws(SystemError) -> TLSRecord? {
        guard let length = try exactly(1, from: raw, by: deadline)?.first,
            let bytes = try exactly(Int(length), from: raw, by: deadline)
        else { return nil }
        return TLSRecord(bytes)
    }

    private static func exactly(
        _ count: Int, from raw: CInt, by deadline: Deadline
    ) throws(SystemError) -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            guard try Poll.wait(raw, for: .reading, until: deadline) else { return nil }
            let part = try File.read(raw, upTo: count - bytes.count)
            if part.isEmpty { return nil }
            bytes += part
        }
        return bytes
    }
}
