import Bytes
package import Mail

/// The command line of sendmail(8), as thirty years of callers write it: read with getopt(3)'s rules and
/// sendmail's letters. Historical flags are read with their arguments and do nothing (T74).
package struct Invocation: Equatable {
    package enum Mode: Equatable {
        /// One message from stdin.
        case submit
        /// `-bp`, or called `mailq`.
        case listQueue
        /// `-bi`, `-I`, or called `newaliases`.
        case checkAliases
        /// `-bs`
        case speakSMTP
        /// `-bv`
        case verify
        /// `-q`, with whatever interval or selection behind it.
        case runQueue
        case help
        case version
    }

    package var mode = Mode.submit
    /// `-t`
    package var takesRecipientsFromHeader = false
    /// `-i` and `-oi`: a line with a single dot does not end the message.
    package var dotIsContent = false
    /// `-v`
    package var isVerbose = false
    /// `-f` or `-r`
    package var sender: String?
    /// `-F`, in whatever charset.
    package var fullName: [UInt8]?
    /// `-C`
    package var configuration: String?
    /// `-B8BITMIME` or `-B7BIT`, in capitals; nil for anything else.
    package var bodyType: String?
    /// `-N`
    package var notify: RecipientParameters.Notify?
    /// `-R`
    package var returning: MailParameters.Return?
    /// `-V`, as people write it: RFC 3461's xtext is made of it later.
    package var envelopeID: [UInt8]?
    package var recipients: [String] = []

    package struct Mistake: Error, Equatable {
        package let message: String
    }

    /// Longest option argument and longest recipient.
    package static let longestWord = 4096

    private static let flags = "GIUcimnstvx"
    private static let takesArgument = "ABCDFLMNORVXbefhopr"
    /// An argument only where it is attached.
    private static let mayTakeArgument = "dqQ"

    package init(name: String, _ words: some Sequence<[UInt8]>) throws(Mistake) {
        let base = name.split(separator: "/").last ?? ""
        if base == "mailq" { mode = .listQueue }
        if base == "newaliases" { mode = .checkAliases }
        var rest = Array(words)[...]
        if rest.count == 1, let word = rest.first {
            if word == [UInt8]("-h") || word == [UInt8]("--help") { mode = .help }
            if word == [UInt8]("--version") { mode = .version }
        }
        if mode == .help || mode == .version { return }
        while let word = rest.popFirst() {
            if word == [UInt8]("--") {
                for word in rest { try addRecipient(word) }
                return
            }
            if word.first == .ascii("-"), word.count > 1 {
                try readOptions(word, &rest)
            } else {
                try addRecipient(word)
            }
        }
    }

    /// A word that begins with a hyphen is no address, even behind `--`: somewhere it would be an option.
    private mutating func addRecipient(_ word: [UInt8]) throws(Mistake) {
        guard word.count <= Self.longestWord, !word.contains(where: { $0.isControl }),
            word.first != .ascii("-"), !word.isEmpty, let text = Self.text(word)
        else {
            throw Mistake(message: "bad recipient \"\(word.escaped(limit: 60))\"")
        }
        recipients.append(text)
    }

    /// Nil where bytes would have to be replaced: that is another address, or another file.
    private static func text(_ word: [UInt8]) -> String? {
        let text = String(decoding: word, as: UTF8.self)
        return text.utf8.elementsEqual(word) ? text : nil
    }

    private mutating func readOptions(_ word: [UInt8], _ rest: inout ArraySlice<[UInt8]>) throws(Mistake) {
        var letters = word.dropFirst()
        while let letter = letters.popFirst() {
            if Self.flags.utf8.contains(letter) {
                setFlag(letter)
                continue
            }
            if Self.mayTakeArgument.utf8.contains(letter) {
                if letter == .ascii("q") { mode = .runQueue }
                return
            }
            let shown = [letter].escaped(limit: 8)
            guard Self.takesArgument.utf8.contains(letter) else {
                throw Mistake(message: "unknown option -\(shown)")
            }
            guard let value = letters.isEmpty ? rest.popFirst() : Array(letters) else {
                throw Mistake(message: "option -\(shown) needs an argument")
            }
            try setOption(letter, value)
            return
        }
    }

    private mutating func setFlag(_ letter: UInt8) {
        switch letter {
        case .ascii("I"): mode = .checkAliases
        case .ascii("i"): dotIsContent = true
        case .ascii("t"): takesRecipientsFromHeader = true
        case .ascii("v"): isVerbose = true
        default: break
        }
    }

    private mutating func setOption(_ letter: UInt8, _ value: [UInt8]) throws(Mistake) {
        let shown = [letter].escaped()
        guard value.count <= Self.longestWord else {
            throw Mistake(message: "the argument of -\(shown) is too long")
        }
        switch letter {
        case .ascii("F"): fullName = try Self.line(letter, value)
        case .ascii("N"), .ascii("R"), .ascii("V"): try setNotification(letter, value)
        case .ascii("B"): bodyType = ["8BITMIME", "7BIT"].first { value.equalsFolded($0.utf8) }
        case .ascii("f"), .ascii("r"), .ascii("C"), .ascii("o"), .ascii("b"):
            guard let text = Self.text(value) else {
                throw Mistake(message: "the argument of -\(shown) is not UTF-8: \(value.escaped(limit: 60))")
            }
            switch letter {
            case .ascii("C"): configuration = text
            case .ascii("o"): if text == "i" || text == "itrue" { dotIsContent = true }
            case .ascii("b"): try setMode(text)
            default:
                _ = try Self.line(letter, value)
                sender = text
            }
        default: break
        }
    }

    /// What the sender wants to hear of the delivery: the parameters of RFC 3461.
    private mutating func setNotification(_ letter: UInt8, _ bytes: [UInt8]) throws(Mistake) {
        switch letter {
        case .ascii("N"):
            notify = RecipientParameters.Notify(bytes.filter { !$0.isWhitespace })
            if notify == nil {
                throw Mistake(message: "-N takes never, or success, failure and delay with commas between")
            }
        case .ascii("R"):
            returning = MailParameters.Return(bytes)
            if returning == nil { throw Mistake(message: "-R takes full or hdrs") }
        default:
            guard !bytes.isEmpty, bytes.allSatisfy({ $0.isPrintable }),
                XText.encode(bytes).count <= MailParameters.longestEnvelopeID
            else { throw Mistake(message: "-V takes at most 100 printable characters") }
            envelopeID = bytes
        }
    }

    /// What goes into an envelope or a header field holds no control byte (T76), and is no option (T74).
    private static func line(_ letter: UInt8, _ value: [UInt8]) throws(Mistake) -> [UInt8] {
        guard !value.contains(where: { $0.isControl }) else {
            throw Mistake(message: "the argument of -\([letter].escaped()) holds a control character")
        }
        guard letter == .ascii("F") || value.first != .ascii("-") else {
            throw Mistake(message: "the argument of -\([letter].escaped()) is no address")
        }
        return value
    }

    private mutating func setMode(_ value: String) throws(Mistake) {
        switch value {
        case "m": mode = .submit
        case "p": mode = .listQueue
        case "i": mode = .checkAliases
        case "s": mode = .speakSMTP
        case "v": mode = .verify
        case "d", "D": throw Mistake(message: "-b\(value): inetd is our daemon, see relais(7)")
        default: throw Mistake(message: "unknown mode -b\(Array(value.utf8).escaped(limit: 20))")
        }
    }
}
