import Bytes

/// The PLAIN mechanism: RFC 4616 §2, `message = [authzid] NUL authcid NUL passwd`.
package struct PlainMechanism: Equatable {
    package let user: [UInt8]
    package let password: [UInt8]

    /// Reads the client's response in base 64. Acting for somebody else is not done: an authorization identity
    /// must be empty or the same.
    package init?(base64 text: some Collection<UInt8>) {
        guard text.count <= 4096, let message = Base64.decode(text) else { return nil }
        let parts = message.split(separator: .nul, maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[1].isEmpty, !parts[2].isEmpty,
            parts[0].isEmpty || parts[0].elementsEqual(parts[1])
        else { return nil }
        user = Array(parts[1])
        password = Array(parts[2])
    }
}
