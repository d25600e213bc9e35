import Bytes

/// What another host answered, in the one form that logs and reports tell it in:
///
///     host mx.example[192.0.2.1] said: 550 5.1.1 no such user (in reply to RCPT TO)
///
/// A report takes it apart again, because its machine-readable part wants host and reply by themselves.
package struct RemoteReply: Equatable, Sendable {
    /// `mx.example[192.0.2.1]`
    package var host: [UInt8]
    /// All lines as one, code and enhanced status in front.
    package var reply: [UInt8]
    /// The command that was answered; empty if that does not matter.
    package var command: [UInt8]

    package init(host: [UInt8], reply: [UInt8], command: [UInt8] = []) {
        self.host = host
        self.reply = reply
        self.command = command
    }

    package var text: [UInt8] {
        var text = [UInt8]("host ") + host + [UInt8](" said: ") + reply
        if !command.isEmpty { text += [UInt8](" (in reply to ") + command + [UInt8](")") }
        return text
    }

    /// Reads what `text` writes, cut at its end or not; nil for anything else.
    package init?(_ text: [UInt8]) {
        var cursor = Cursor(text)
        guard cursor.skip("host ") else { return nil }
        host = Array(cursor.take { $0 != .space })
        guard !host.isEmpty, cursor.skip(" said: ") else { return nil }
        reply = Array(cursor.rest)
        command = []
        let mark = [UInt8](" (in reply to ")
        guard reply.last == .ascii(")"),
            let start = reply.indices.last(where: { reply[$0...].starts(with: mark) })
        else { return }
        command = Array(reply[(start + mark.count)...].dropLast())
        reply.removeSubrange(start...)
    }

    /// The name by itself, or the address literal where there is none.
    package var hostName: [UInt8] {
        let name = host.prefix { $0 != .ascii("[") }
        return name.isEmpty ? host : Array(name)
    }
}
