import COpenSSL

/// The protocols that a server speaks, for clients that say what they want (RFC 7301).
final class ApplicationProtocols {
    private let names: [[UInt8]]

    init(_ names: [String]) { self.names = names.map { Array($0.utf8) } }

    /// Where the first name of `offer` that we speak begins, and its length. `offer` is a list of names, a
    /// length byte before each; OpenSSL has checked its form, and it is read as if it had not.
    func choice(in offer: UnsafeBufferPointer<UInt8>) -> Range<Int>? {
        var start = 0
        while start < offer.count {
            let length = Int(unsafe offer[start])
            let name = start + 1..<start + 1 + length
            guard name.upperBound <= offer.count else { return nil }
            if unsafe names.contains(Array(offer[name])) { return name }
            start = name.upperBound
        }
        return nil
    }

    /// OpenSSL asks here when a client made an offer. No name in common ends the handshake (RFC 7301 §3.2);
    /// where nothing was configured, offers do not matter.
    static let select: SSL_CTX_alpn_select_cb_func = { _, chosen, chosenLength, offer, length, argument in
        guard let argument = unsafe argument, let offer = unsafe offer else { return SSL_TLSEXT_ERR_NOACK }
        let own = unsafe Unmanaged<ApplicationProtocols>.fromOpaque(argument).takeUnretainedValue()
        if own.names.isEmpty { return SSL_TLSEXT_ERR_NOACK }
        let list = unsafe UnsafeBufferPointer(start: offer, count: Int(length))
        guard let name = unsafe own.choice(in: list) else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        unsafe chosen?.pointee = offer + name.lowerBound
        unsafe chosenLength?.pointee = UInt8(name.count)
        return SSL_TLSEXT_ERR_OK
    }
}
