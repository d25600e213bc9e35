import COpenSSL

/// What OpenSSL refused: the step, and its reason. For logs; a peer sees only the alert.
package struct TLSError: Error, Equatable, CustomStringConvertible {
    package let step: String
    package let reason: String

    package init(_ step: StaticString, _ reason: String) {
        self.step = step.description
        self.reason = reason
    }

    /// Takes the reason from OpenSSL's error queue, and empties it.
    init(_ step: StaticString) {
        let code = ERR_peek_last_error()
        ERR_clear_error()
        if code == 0 {
            self.init(step, "connection closed")
        } else if let text = unsafe ERR_reason_error_string(code) {
            self.init(step, unsafe String(cString: text))
        } else {
            self.init(step, "error \(String(code, radix: 16))")
        }
    }

    package var description: String { "\(step): \(reason)" }
}
