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
    /// `-F`
    package var fullName: String?
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

    package init(name: String, _ words: some Sequence<String>) throws(Mistake) {
        let base = name.split(separator: "/").last ?? ""
        if base == "mailq" { mode = .listQueue }
        if base == "newaliases" { mode = .checkAliases }
        var rest = Array(words)[...]
        if rest == ["-h"] || rest == ["--help"] { mode = .help }
        if rest == ["--version"] { mode = .version }
        if mode == .help || mode == .version { return }
        while let word = rest.popFirst() {
            if word == "--" {
                for word in rest { try addRecipient(word) }
                return
            }
            if word.hasPrefix("-"), word != "-" {
                try readOptions(word, &rest)
            } else {
                try addRecipient(word)
            }
        }
    }

    /// A word that begins with a hyphen is no address, even behind `--`: somewhere it would be an option.
    private mutating func addRecipient(_ word: String) throws(Mistake) {
        guard word.utf8.count <= Self.longestWord, !word.utf8.contains(where: { $0.isControl }),
            !word.hasPrefix("-"), !word.isEmpty
        else {
            throw Mistake(message: "bad recipient \"\(Array(word.utf8).escaped(limit: 60))\"")
        }
        recipients.append(word)
    }

    private mutating func readOptions(_ word: String, _ rest: inout ArraySlice<String>) throws(Mistake) {
        var letters = word.dropFirst()
        while let letter = letters.popFirst() {
            if Self.flags.contains(letter) {
                setFlag(letter)
                continue
            }
            let attached = String(letters)
            if Self.mayTakeArgument.contains(letter) {
                if letter == "q" { mode = .runQueue }
                return
            }
            guard Self.takesArgument.contains(letter) else {
                throw Mistake(message: "unknown option -\(Array(String(letter).utf8).escaped(limit: 8))")
            }
            guard let value = attached.isEmpty ? rest.popFirst() : attached else {
                throw Mistake(message: "option -\(letter) needs an argument")
            }
            try setOption(letter, value)
            return
        }
    }

    private mutating func setFlag(_ letter: Character) {
        switch letter {
        case "I": mode = .checkAliases
        case "i": dotIsContent = true
        case "t": takesRecipientsFromHeader = true
        case "v": isVerbose = true
        default: break
        }
    }

    private mutating func setOption(_ letter: Character, _ value: String) throws(Mistake) {
        guard value.utf8.count <= Self.longestWord else {
            throw Mistake(message: "the argument of -\(letter) is too long")
        }
        switch letter {
        case "f", "r": sender = try Self.line(letter, value)
        case "F": fullName = try Self.line(letter, value)
        case "C": configuration = value
        case "B": bodyType = ["8BITMIME", "7BIT"].first { Array(value.utf8).equalsFolded($0.utf8) }
        case "o": if value == "i" || value == "itrue" { dotIsContent = true }
        case "b": try setMode(value)
        case "N", "R", "V": try setNotification(letter, value)
        default: break
        }
    }

    /// What the sender wants to hear of the delivery: the parameters of RFC 3461.
    private mutating func setNotification(_ letter: Character, _ value: String) throws(Mistake) {
        let bytes = Array(value.utf8)
        switch letter {
        case "N":
            notify = RecipientParameters.Notify(bytes.filter { !$0.isWhitespace })
            if notify == nil {
                throw Mistake(message: "-N takes never, or success, failure and delay with commas between")
            }
        case "R":
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
    private static func line(_ letter: Character, _ value: String) throws(Mistake) -> String {
        guard !value.utf8.contains(where: { $0.isControl }) else {
            throw Mistake(message: "the argument of -\(letter) holds a control character")
        }
        guard letter == "F" || !value.hasPrefix("-") else {
            throw Mistake(message: "the argument of -\(letter) is no address")
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
