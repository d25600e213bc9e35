import Bytes

/// A way to prove who one is, by its registered name (RFC 4422 §3.1). Either side of an exchange begins with one.
package enum Mechanism: CaseIterable, Sendable {
    case plain
    /// Never standardized; some clients know no other.
    case login

    package var name: StaticString {
        switch self {
        case .plain: "PLAIN"
        case .login: "LOGIN"
        }
    }

    /// The mechanism of that name, in whatever case; nil where it is not done here.
    package init?(_ name: some Collection<UInt8>) {
        guard let found = Self.allCases.first(where: { name.equalsFolded($0.name) }) else { return nil }
        self = found
    }
}
