import Bytes

/// Who the client says it is, and the password that is to prove it.
package struct Credentials: Equatable {
    package let user: [UInt8]
    package let password: [UInt8]

    package init(user: [UInt8], password: [UInt8]) {
        self.user = user
        self.password = password
    }

    /// The message of PLAIN, RFC 4616 §2: `message = [authzid] NUL authcid NUL passwd`. Acting for somebody else is not done:
    /// an authorization identity must be empty or the same.
    init?(plain message: [UInt8]) {
        let parts = message.split(separator: .nul, maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[1].isEmpty, !parts[2].isEmpty,
            parts[0].isEmpty || parts[0].elementsEqual(parts[1])
        else { return nil }
        self.init(user: Array(parts[1]), password: Array(parts[2]))
    }
}
