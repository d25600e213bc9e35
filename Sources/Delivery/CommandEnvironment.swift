package import Accounts
import Bytes

/// The environment of a `|command`: who it runs as, and who sends what to whom. What strangers wrote
/// (sender, recipient and its parts) loses every byte that a shell could act on when a careless script
/// leaves off its quotes, and a hyphen at its front, which would be an option to somebody (T60, T74).
package enum CommandEnvironment {
    package static func variables(
        account: Account, sender: [UInt8], recipient: [UInt8], localPart: [UInt8], detail: [UInt8]?,
        domain: [UInt8]
    ) -> [String] {
        [
            "PATH=/usr/local/bin:/usr/bin:/bin",
            "HOME=\(account.forwardHome)",
            "USER=\(account.name)",
            "LOGNAME=\(account.name)",
            "SHELL=/bin/sh",
            "SENDER=\(harmless(sender))",
            "RECIPIENT=\(harmless(recipient))",
            "LOCAL=\(harmless(localPart))",
            "EXTENSION=\(harmless(detail ?? []))",
            "DOMAIN=\(harmless(domain))",
        ]
    }

    static func harmless(_ bytes: [UInt8]) -> String {
        var result = bytes.map { $0.isAlphanumeric || "@%-_=+:,./!".utf8.contains($0) ? $0 : .ascii("_") }
        if result.first == .ascii("-") { result[0] = .ascii("_") }
        return String(decoding: result, as: UTF8.self)
    }
}
