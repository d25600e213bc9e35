import COpenSSL

extension TLSContext {
    /// The time that our own certificate is good for, in seconds from now: what lies behind it is negative.
    package struct Validity: Equatable {
        package let begins: Int
        package let ends: Int

        package init(begins: Int, ends: Int) {
            self.begins = begins
            self.ends = ends
        }
    }

    package func validity() throws(TLSError) -> Validity {
        guard let certificate = unsafe SSL_CTX_get0_certificate(handle) else {
            throw TLSError("certificate", "none is loaded")
        }
        return Validity(
            begins: try unsafe Self.seconds(until: X509_get0_notBefore(certificate)),
            ends: try unsafe Self.seconds(until: X509_get0_notAfter(certificate)))
    }

    private static func seconds(until time: UnsafePointer<ASN1_TIME>?) throws(TLSError) -> Int {
        var days: CInt = 0
        var seconds: CInt = 0
        guard unsafe ASN1_TIME_diff(&days, &seconds, nil, time) == 1 else {
            throw TLSError("certificate", "its times cannot be read")
        }
        return Int(days) * 86400 + Int(seconds)
    }
}

extension TLSContext.Validity {
    /// Less is left than an operator who looks tomorrow would need.
    private static let tooLittle = 36 * 3600
    /// Who renews by a program, as most do, has done it by then.
    private static let little = 14 * 86400

    /// What is wrong now, or before anybody looks again.
    package var trouble: String? {
        if begins > 0 { return "not valid yet, for \(Self.words(begins))" }
        if ends < 0 { return "expired \(Self.words(-ends)) ago" }
        return ends < Self.tooLittle ? "expires in \(Self.words(ends))" : nil
    }

    /// What is going to be wrong.
    package var warning: String? {
        trouble == nil && ends < Self.little ? "expires in \(Self.words(ends))" : nil
    }

    private static func words(_ seconds: Int) -> String {
        let (count, unit) = seconds < 2 * 86400 ? (seconds / 3600, "hour") : (seconds / 86400, "day")
        return "\(count) \(unit)\(count == 1 ? "" : "s")"
    }
}
