import Bytes

/// What SCRAM-SHA-256 (RFC 5802, RFC 7677) is computed with. The functions come from outside: nothing here links a library of
/// them. Results have 32 bytes.
package struct SCRAMFunctions {
    package let hash: ([UInt8]) -> [UInt8]
    /// Of a key and a text.
    package let hmac: ([UInt8], [UInt8]) -> [UInt8]
    /// RFC 5802 §2.2, Hi: of a password, a salt and a number of iterations.
    package let derive: ([UInt8], [UInt8], Int) -> [UInt8]

    package init(
        hash: @escaping ([UInt8]) -> [UInt8], hmac: @escaping ([UInt8], [UInt8]) -> [UInt8],
        derive: @escaping ([UInt8], [UInt8], Int) -> [UInt8]
    ) {
        self.hash = hash
        self.hmac = hmac
        self.derive = derive
    }
}

/// RFC 5802 §3: what both ends compute. A server that keeps `storedKey` and `serverKey` need not know the password.
package struct SCRAMProof {
    private let functions: SCRAMFunctions
    private let message: [UInt8]

    /// The messages as they were sent, but for the proof and the comma in front of it.
    package init(
        firstBare: [UInt8], serverFirst: [UInt8], finalWithoutProof: [UInt8], _ functions: SCRAMFunctions
    ) {
        self.functions = functions
        message = firstBare + [.ascii(",")] + serverFirst + [.ascii(",")] + finalWithoutProof
    }

    package static func clientKey(_ saltedPassword: [UInt8], _ functions: SCRAMFunctions) -> [UInt8] {
        functions.hmac(saltedPassword, Array("Client Key".utf8))
    }

    package static func serverKey(_ saltedPassword: [UInt8], _ functions: SCRAMFunctions) -> [UInt8] {
        functions.hmac(saltedPassword, Array("Server Key".utf8))
    }

    /// ClientProof. From it and the stored key a server gets the client key, whose hash must be the stored key.
    package func client(key: [UInt8]) -> [UInt8] {
        let signature = functions.hmac(functions.hash(key), message)
        return zip(key, signature).map { $0 ^ $1 }
    }

    /// Whether a client's proof is that of the password whose stored key the server keeps.
    package func knowsPassword(_ proof: [UInt8], storedKey: [UInt8]) -> Bool {
        let signature = functions.hmac(storedKey, message)
        guard proof.count == signature.count else { return false }
        return functions.hash(zip(proof, signature).map { $0 ^ $1 }) == storedKey
    }

    package func serverSignature(key: [UInt8]) -> [UInt8] { functions.hmac(key, message) }
}

/// RFC 5802 §5.1: `a=value,b=value`, read from the front.
package struct SCRAMAttributes {
    private var rest: ArraySlice<UInt8>

    package init(_ message: [UInt8]) { rest = message[...] }

    package var isAtEnd: Bool { rest.isEmpty }

    /// The value of the next attribute, if that has this name.
    package mutating func next(_ name: StaticString) -> [UInt8]? {
        let attribute = rest.prefix { $0 != .ascii(",") }
        let equals = attribute.dropFirst().first
        guard attribute.prefix(1).elementsEqual(Array(name)), equals == .ascii("=") else { return nil }
        rest = rest[attribute.endIndex...].dropFirst()
        return Array(attribute.dropFirst(2))
    }
}
