package import Bytes

/// Why there is no answer. All but what the data itself says is temporary: another try may do better.
package enum LookupFailure: Error, Equatable, CustomStringConvertible {
    /// A code that is neither NOERROR nor NXDOMAIN.
    case response(ResponseCode)
    case malformed(SyntaxError)
    /// Records of other names and none of the one that was asked for.
    case unrelated
    case timedOut
    case connectionRefused
    /// More aliases than anybody means.
    case aliasLoop
    /// No server to ask, or none of the wanted address family.
    case noServer
    /// The library or the system could not do it; its own words.
    case unable(String)

    package var description: String {
        switch self {
        case .response(let code): "\(code)"
        case .malformed(let error): "bad packet (\(error.production))"
        case .unrelated: "the answer is about other names"
        case .timedOut: "timed out"
        case .connectionRefused: "connection refused"
        case .aliasLoop: "too many aliases"
        case .noServer: "no name server"
        case .unable(let why): why
        }
    }
}
