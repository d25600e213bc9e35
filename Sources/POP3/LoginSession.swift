import Bytes
package import SASL

/// The AUTHORIZATION state of RFC 1939 §4: everything before somebody is known. It touches no descriptor.
package struct LoginSession: LoginDialogue {
    package static let longestLine = 1024
    package static let mostErrors = 10
    package static let mostLogins = 3

    private let hostname: String
    private let offersTLS: Bool
    private let allowsPlaintext: Bool
    private var isEncrypted: Bool
    private var user: [UInt8]?
    private var errors = 0
    private var logins = 0

    package init(hostname: String, offersTLS: Bool, allowsPlaintext: Bool, isEncrypted: Bool) {
        self.hostname = hostname
        self.offersTLS = offersTLS
        self.allowsPlaintext = allowsPlaintext
        self.isEncrypted = isEncrypted
    }

    package var greeting: [UInt8] { Array("+OK \(hostname) POP3 relais\r\n".utf8) }

    /// Reads one command from the front of `input`. Nothing consumed: more is needed.
    package mutating func step(_ input: ArraySlice<UInt8>) -> LoginStep {
        guard let line = CommandLine.first(of: input, limit: Self.longestLine) else {
            guard input.count >= Self.longestLine else {
                return LoginStep(consumed: 0, output: [], next: .proceed)
            }
            return LoginStep(consumed: input.count, output: Answer.tooLong, next: .close)
        }
        if HTTPRequestLine.isOne(line.text) {
            return LoginStep(consumed: input.count, output: Answer.otherProtocol, next: .close)
        }
        let command: Command
        do throws(Command.Failure) { command = try Command.read(line.text) } catch {
            return refuse(error == .unknown ? Answer.unknown : Answer.syntax, line.size)
        }
        switch command {
        case .capa:
            let tls = offersTLS && !isEncrypted
            return LoginStep(
                consumed: line.size,
                output: Answer.capabilities(tls: tls, login: mayLogIn, isLoggedIn: false), next: .proceed)
        case .quit: return LoginStep(consumed: line.size, output: Answer.ok("Bye"), next: .close)
        case .stls: return startTLS(line.size)
        case .user(let name):
            guard mayLogIn else { return refuse(Answer.needsTLS, line.size) }
            user = name
            return LoginStep(consumed: line.size, output: Answer.ok(""), next: .proceed)
        case .pass(let password):
            guard let user else { return refuse(Answer.error("USER first"), line.size) }
            return LoginStep(
                consumed: line.size, output: [], next: .login(tag: [], user: user, password: password))
        case .unsupported: return refuse(Answer.error("Use USER and PASS"), line.size)
        default: return refuse(Answer.error("Log in first"), line.size)
        }
    }

    private var mayLogIn: Bool { isEncrypted || allowsPlaintext }

    /// RFC 2595 §4.
    private mutating func startTLS(_ size: Int) -> LoginStep {
        guard offersTLS, !isEncrypted else {
            return refuse(Answer.error(isEncrypted ? "TLS is active already" : "TLS is not offered"), size)
        }
        return LoginStep(consumed: size, output: [], next: .startTLS(tag: []))
    }

    package func readyForTLS(_ tag: [UInt8]) -> [UInt8] { Answer.ok("Begin TLS") }
    package func refusalOfTLS(_ tag: [UInt8]) -> [UInt8] {
        Answer.error("[SYS/TEMP] TLS is not available now")
    }

    /// What was said in the clear is forgotten (T49).
    package mutating func startedTLS() {
        isEncrypted = true
        user = nil
    }

    /// RFC 3206 has the codes.
    package mutating func refused(
        _ tag: [UInt8], _ refusal: LoginRefusal
    ) -> (output: [UInt8], isOver: Bool) {
        user = nil
        logins += 1
        let text =
            switch refusal {
            case .wrong: "[AUTH] Wrong name or password"
            case .undecided: "[SYS/TEMP] Login not possible now"
            case .tooManySessions: "[IN-USE] Too many sessions of this user, close others first"
            }
        return (Answer.error(text), logins >= Self.mostLogins)
    }

    private mutating func refuse(_ output: [UInt8], _ size: Int) -> LoginStep {
        errors += 1
        guard errors < Self.mostErrors else {
            return LoginStep(consumed: size, output: Answer.tooMany, next: .close)
        }
        return LoginStep(consumed: size, output: output, next: .proceed)
    }
}

/// A line at the front of what has come: up to LF, the CR before it taken off.
enum CommandLine {
    static func first(of input: ArraySlice<UInt8>, limit: Int) -> (text: ArraySlice<UInt8>, size: Int)? {
        guard let end = input.prefix(limit).firstIndex(of: .lf) else { return nil }
        let text = input[input.startIndex..<end]
        return (text.last == .cr ? text.dropLast() : text, end + 1 - input.startIndex)
    }
}

/// What we say, on one screen.
enum Answer {
    static let tooLong = error("Line too long")
    static let unknown = error("Unknown command")
    static let syntax = error("Wrong arguments")
    static let tooMany = error("Too many errors")
    static let otherProtocol = error("This is a POP3 server")
    static let noSuchMessage = error("No such message")
    static let needsTLS = error("[AUTH] Plaintext login is not allowed here, use STLS")

    static func ok(_ text: String) -> [UInt8] { Array((text.isEmpty ? "+OK\r\n" : "+OK \(text)\r\n").utf8) }
    static func error(_ text: String) -> [UInt8] { Array("-ERR \(text)\r\n".utf8) }

    /// RFC 2449 §5.
    static func capabilities(tls: Bool, login: Bool, isLoggedIn: Bool) -> [UInt8] {
        var names = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER"]
        if tls { names.append("STLS") }
        if login || isLoggedIn { names.insert("USER", at: 0) }
        names.append("IMPLEMENTATION relais")
        return Array(("+OK\r\n" + names.map { $0 + "\r\n" }.joined() + ".\r\n").utf8)
    }
}
