import Bytes

/// A way in which a client of ours proves who it is; the strongest first.
package enum ClientMechanism: CaseIterable, Sendable {
    /// The password itself is not sent, and the server proves that it knows it (RFC 7677).
    case scramSHA256
    /// RFC 4616.
    case plain
    /// Never standardized; some servers have nothing else.
    case login

    package var name: StaticString {
        switch self {
        case .scramSHA256: "SCRAM-SHA-256"
        case .plain: "PLAIN"
        case .login: "LOGIN"
        }
    }

    package init?(_ name: some Collection<UInt8>) {
        guard let found = Self.allCases.first(where: { name.equalsFolded($0.name) }) else { return nil }
        self = found
    }
}

/// One authentication exchange from the client's side (RFC 4422 §3): what `initialResponse` says goes with the mechanism's name,
/// or behind a challenge without data; `respond` answers each challenge. A success counts only where `isProven`.
package struct ClientExchange {
    private enum State {
        case initial, waitingForUser, waitingForPassword
        case waitingForServerFirst(firstBare: [UInt8])
        case waitingForServerFinal(signature: [UInt8])
        case over
    }

    package let mechanism: ClientMechanism
    private let credentials: Credentials
    private let nonce: [UInt8]
    private let functions: SCRAMFunctions
    private var state = State.initial
    /// Whether nothing is left that the server would have to prove.
    package private(set) var isProven = false

    /// What a server may ask of us: a second of work or so.
    package static let mostIterations = 2_000_000

    /// `nonce`: random, printable, without a comma (RFC 5802 §5.1); for SCRAM, as are the functions.
    package init(
        _ mechanism: ClientMechanism, _ credentials: Credentials, nonce: [UInt8], _ functions: SCRAMFunctions
    ) {
        self.mechanism = mechanism
        self.credentials = credentials
        self.nonce = nonce
        self.functions = functions
    }

    /// nil where the server speaks first.
    package mutating func initialResponse() -> [UInt8]? {
        switch mechanism {
        case .login:
            state = .waitingForUser
            return nil
        case .plain:
            state = .over
            isProven = true
            return [.nul] + credentials.user + [.nul] + credentials.password
        case .scramSHA256:
            let bare = Array("n=".utf8) + Self.saslName(credentials.user) + Array(",r=".utf8) + nonce
            state = .waitingForServerFirst(firstBare: bare)
            return Self.header + bare
        }
    }

    /// RFC 5802 §7: no channel binding, no other identity.
    private static let header = Array("n,,".utf8)
    /// The same in base 64, as the client's last message has it.
    private static let binding = Array("c=biws".utf8)

    /// The answer to a challenge; nil for one that is none of the mechanism, or whose server is not the one that knows the
    /// password: then the exchange is over.
    package mutating func respond(to challenge: [UInt8]) -> [UInt8]? {
        let before = state
        state = .over
        switch before {
        case .waitingForUser:
            state = .waitingForPassword
            return credentials.user
        case .waitingForPassword:
            isProven = true
            return credentials.password
        case .waitingForServerFirst(let firstBare): return prove(challenge, firstBare)
        case .waitingForServerFinal(let signature):
            var attributes = SCRAMAttributes(challenge)
            guard let verifier = attributes.next("v"), Base64.decode(verifier) == signature else {
                return nil
            }
            isProven = true
            return []
        case .initial, .over: return nil
        }
    }

    /// RFC 5802 §7: `r=nonce,s=salt,i=iterations` in, `c=binding,r=nonce,p=proof` out.
    private mutating func prove(_ serverFirst: [UInt8], _ firstBare: [UInt8]) -> [UInt8]? {
        var attributes = SCRAMAttributes(serverFirst)
        guard let both = attributes.next("r"), both.count > nonce.count, both.starts(with: nonce),
            let salt = attributes.next("s").flatMap({ Base64.decode($0) }), !salt.isEmpty,
            let count = attributes.next("i").flatMap({ Int(strictDecimal: $0) }),
            (1...Self.mostIterations).contains(count)
        else { return nil }
        let unproved = Self.binding + Array(",r=".utf8) + both
        let proof = SCRAMProof(
            firstBare: firstBare, serverFirst: serverFirst, finalWithoutProof: unproved, functions)
        let salted = functions.derive(credentials.password, salt, count)
        state = .waitingForServerFinal(
            signature: proof.serverSignature(key: SCRAMProof.serverKey(salted, functions)))
        return unproved + Array(",p=".utf8)
            + Base64.encode(proof.client(key: SCRAMProof.clientKey(salted, functions)))
    }

    /// RFC 5802 §5.1: comma and equals sign stand for something else.
    private static func saslName(_ name: [UInt8]) -> [UInt8] {
        name.flatMap { byte -> [UInt8] in
            switch byte {
            case .ascii(","): Array("=2C".utf8)
            case .ascii("="): Array("=3D".utf8)
            default: [byte]
            }
        }
    }
}
