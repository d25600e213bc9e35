import Bytes
package import SASL

/// What a server says that it can do (RFC 5321 §4.1.1.1). Keywords that mean nothing to us are passed over,
/// and so is nonsense behind those that do (T66).
package struct Capabilities: Equatable {
    package var pipelining = false
    package var eightBitMIME = false
    package var smtpUTF8 = false
    package var startTLS = false
    package var deliveryStatusNotifications = false
    /// Whether SIZE is there at all, and the largest message if it names one (RFC 1870 §4).
    package var declaresSize = false
    package var largestMessage: UInt64?
    /// Ways to log in that we know.
    package var mechanisms: [ClientMechanism] = []

    package init() {}

    /// Reads the reply to EHLO; its first line is the greeting.
    package init(_ reply: ServerReply) {
        for line in reply.lines.dropFirst() {
            let words = line.split { $0.isWhitespace }
            guard let keyword = words.first else { continue }
            if keyword.equalsFolded("PIPELINING") {
                pipelining = true
            } else if keyword.equalsFolded("8BITMIME") {
                eightBitMIME = true
            } else if keyword.equalsFolded("SMTPUTF8") {
                smtpUTF8 = true
            } else if keyword.equalsFolded("STARTTLS") {
                startTLS = true
            } else if keyword.equalsFolded("DSN") {
                deliveryStatusNotifications = true
            } else if keyword.equalsFolded("AUTH") || keyword.hasPrefixFolded("AUTH=") {
                // RFC 4954 §3. Behind an equals sign, as of before there was an RFC, some servers say it once more.
                mechanisms += words.dropFirst().compactMap { ClientMechanism($0) }
                mechanisms += ClientMechanism(keyword.dropFirst(5)).map { [$0] } ?? []
            } else if keyword.equalsFolded("SIZE") {
                declaresSize = true
                // 0 means no fixed limit, and a number beyond 64 bits is none for us either.
                largestMessage =
                    words.count == 2 ? UInt64(strictDecimal: words[1]).flatMap { $0 == 0 ? nil : $0 } : nil
            }
        }
    }
}
