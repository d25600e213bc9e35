import Bytes
import SASL
import Testing

/// What a client of ours says: RFC 4616, RFC 5802 and RFC 7677.
@Suite struct ClientExchangeTests {
    private static func text(_ bytes: [UInt8]?) -> String? {
        bytes.map { String(decoding: $0, as: UTF8.self) }
    }

    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex.utf8)
        return stride(from: 0, to: digits.count, by: 2).map {
            UInt8(String(decoding: digits[$0..<($0 + 2)], as: UTF8.self), radix: 16)!
        }
    }

    /// RFC 7677 §3: user "user", password "pencil". What HMAC, SHA-256 and PBKDF2 make of what occurs there.
    private static let salted = bytes("c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d")
    private static let nonce = Array("rOprNGfwEbeRWgbNEkqO".utf8)
    private static let serverFirst =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    private static let final =
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    private static let verifier = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

    private static func exchange(
        _ mechanism: ClientMechanism, user: String = "user", password: String = "pencil"
    ) -> ClientExchange {
        ClientExchange(
            mechanism, Credentials(user: Array(user.utf8), password: Array(password.utf8)), nonce: nonce,
            functions)
    }

    /// What PBKDF2 makes of the example's password is for the tests of the library that computes it.
    private static var functions: SCRAMFunctions {
        SCRAMFunctions(hash: ReferenceSHA256.hash, hmac: ReferenceSHA256.hmac) { password, salt, count in
            let isExample = password == Array("pencil".utf8) && count == 4096
            return isExample && Base64.encode(salt) == Array("W22ZaJ0SNY7soEsUEjb6gQ==".utf8) ? salted : []
        }
    }

    @Test("RFC 7677 §3: the exchange of the example, to the letter")
    func example() {
        var exchange = Self.exchange(.scramSHA256)
        #expect(Self.text(exchange.initialResponse()) == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
        #expect(Self.text(exchange.respond(to: Array(Self.serverFirst.utf8))) == Self.final)
        #expect(!exchange.isProven)
        #expect(exchange.respond(to: Array(Self.verifier.utf8)) == [])
        #expect(exchange.isProven)
        #expect(exchange.respond(to: []) == nil, "it is over")
    }

    @Test(
        "a server that does not know the password proves nothing",
        arguments: [
            "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=", "v", "e=invalid-proof", "", "v=!",
            "x=1,v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ])
    func unproven(verifier: String) {
        var exchange = Self.exchange(.scramSHA256)
        _ = exchange.initialResponse()
        _ = exchange.respond(to: Array(Self.serverFirst.utf8))
        #expect(exchange.respond(to: Array(verifier.utf8)) == nil)
        #expect(!exchange.isProven)
    }

    @Test(
        "a first message that is none, or asks too much, is not answered",
        arguments: [
            "", "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", "r=rOprNGfwEbeRWgbNEkqOx,s=W22,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=+5",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000001",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999999",
            "m=ext,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1",
            "s=W22ZaJ0SNY7soEsUEjb6gQ==,r=rOprNGfwEbeRWgbNEkqOx,i=1",
        ])
    func noFirst(message: String) {
        var exchange = Self.exchange(.scramSHA256)
        _ = exchange.initialResponse()
        #expect(exchange.respond(to: Array(message.utf8)) == nil)
        #expect(exchange.respond(to: Array(Self.serverFirst.utf8)) == nil, "there is no second try")
        #expect(!exchange.isProven)
    }

    @Test("RFC 5802 §5.1: comma and equals sign in a name stand for something else")
    func names() {
        var exchange = Self.exchange(.scramSHA256, user: "a=b,c")
        #expect(Self.text(exchange.initialResponse()) == "n,,n=a=3Db=2Cc,r=rOprNGfwEbeRWgbNEkqO")
    }

    @Test("RFC 4616 §2: PLAIN says all at once")
    func plain() {
        var exchange = Self.exchange(.plain, user: "ü", password: "a b")
        #expect(exchange.initialResponse() == Array("\0ü\0a b".utf8))
        #expect(exchange.isProven)
        #expect(exchange.respond(to: []) == nil)
    }

    @Test("LOGIN says one after the other, whatever the questions are, and no third time")
    func login() {
        var exchange = Self.exchange(.login)
        #expect(exchange.initialResponse() == nil)
        #expect(exchange.respond(to: Array("Username:".utf8)) == Array("user".utf8))
        #expect(!exchange.isProven)
        #expect(exchange.respond(to: []) == Array("pencil".utf8))
        #expect(exchange.isProven)
        #expect(exchange.respond(to: []) == nil)
    }

    @Test("mechanisms are known by their names, in whatever case, the strongest first")
    func mechanisms() {
        #expect(ClientMechanism.allCases == [.scramSHA256, .plain, .login])
        #expect(ClientMechanism(Array("scram-sha-256".utf8)) == .scramSHA256)
        for name in ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "CRAM-MD5", "", "PLAINX"] {
            #expect(ClientMechanism(Array(name.utf8)) == nil)
        }
    }

    @Test("who keeps the stored key can tell who knows the password, and does not know it")
    func storedKey() {
        let stored = Self.functions.hash(SCRAMProof.clientKey(Self.salted, Self.functions))
        let (unproved, said) = Self.final.split(at: ",p=")
        let proof = SCRAMProof(
            firstBare: Array("n=user,r=rOprNGfwEbeRWgbNEkqO".utf8), serverFirst: Array(Self.serverFirst.utf8),
            finalWithoutProof: Array(unproved.utf8), Self.functions)
        let bytes = Base64.decode(Array(said.utf8)) ?? []
        #expect(proof.client(key: SCRAMProof.clientKey(Self.salted, Self.functions)) == bytes)
        #expect(proof.knowsPassword(bytes, storedKey: stored))
        #expect(!proof.knowsPassword([UInt8](repeating: 0, count: 32), storedKey: stored))
        #expect(!proof.knowsPassword([], storedKey: stored))
        let signature = proof.serverSignature(key: SCRAMProof.serverKey(Self.salted, Self.functions))
        #expect(Self.verifier == "v=" + String(decoding: Base64.encode(signature), as: UTF8.self))
    }
}

extension String {
    /// What stands before and behind the last `separator`.
    fileprivate func split(at separator: String) -> (String, String) {
        let bytes = Array(utf8)
        let wanted = Array(separator.utf8)
        let place = (0...(bytes.count - wanted.count)).last { bytes[$0...].starts(with: wanted) } ?? 0
        return (
            String(decoding: bytes[..<place], as: UTF8.self),
            String(decoding: bytes[(place + wanted.count)...], as: UTF8.self)
        )
    }
}
