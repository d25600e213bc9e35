import Bytes
package import Mail

/// The header fields in which programs keep what they know of a message in an mbox. They belong to the mailbox and not to
/// the message: readers are not shown them, and who rewrites a message writes them anew. As mutt, alpine, UW's imapd and
/// Dovecot write and read them:
///
///     X-IMAPbase: 1275660208 0000000042 $Junk     UIDVALIDITY, the last UID given, keywords; in the first message
///     X-UID: 42
///     Status: RO                                  R: read; O: a reader has seen that it is there
///     X-Status: AFTD                              answered, flagged, draft, deleted
///     X-Keywords: $Junk                           and spaces, so that most changes fit
enum MboxFields {
    private static let marks: [StaticString] = [
        "X-Keywords:", "X-UID:", "X-Status:", "X-IMAPbase:", "X-IMAP:",
    ]

    /// Whether a header line begins one of them. Content-Length and Lines say where a message ends, or did: nothing that a
    /// message is cut by here.
    static func begins(_ line: ArraySlice<UInt8>) -> Bool {
        switch line.first?.lowercased {
        case .ascii("x"): marks.contains { line.hasPrefixFolded($0) }
        case .ascii("s"): line.hasPrefixFolded("Status:")
        case .ascii("c"): line.hasPrefixFolded("Content-Length:")
        case .ascii("l"): line.hasPrefixFolded("Lines:")
        default: false
        }
    }

    /// Room that is left when the fields are written where there was too little.
    private static let spare = 40

    /// The fields of a message in `room` bytes, or in as many as they need and some to spare.
    static func text(
        _ marks: MboxMarks, base: MboxBase?, keywords: KeywordNames, room: Int
    ) -> [UInt8] {
        var text: [UInt8] = []
        if let base {
            text += (base.isPseudo ? "X-IMAP: \(base.validity) " : "X-IMAPbase: \(base.validity) ")
            text.append(decimal: base.last, width: 10)
            for name in base.keywords { text += [.space] + name }
            text.append(.lf)
        }
        if base?.isPseudo != true, marks.uid > 0 { text += "X-UID: \(marks.uid)\n" }
        let status =
            Array(((marks.flags.contains(.seen) ? "R" : "") + (marks.isOld ? "O" : "")).utf8)
            + marks.otherStatus
        if !status.isEmpty { text += [UInt8]("Status: ") + status + [.lf] }
        let more = letters.filter { marks.flags.contains($0.1) }.map { $0.0 } + marks.otherLetters
        if !more.isEmpty { text += [UInt8]("X-Status: ") + more + [.lf] }
        text += "X-Keywords:"
        for name in keywords.names(of: marks.flags) + marks.otherKeywords { text += [.space] + name }
        let missing = room - text.count - 1
        text += [UInt8](repeating: .space, count: missing >= 0 ? missing : spare)
        text.append(.lf)
        return text
    }

    private static let letters: [(UInt8, MessageFlags)] = [
        (.ascii("A"), .answered), (.ascii("F"), .flagged), (.ascii("T"), .draft), (.ascii("D"), .deleted),
    ]

    static func flag(_ letter: UInt8) -> MessageFlags? { letters.first { $0.0 == letter }?.1 }
}

/// What the fields say of one message.
package struct MboxMarks: Equatable {
    /// 0: it has none yet.
    package var uid: UInt32 = 0
    package var flags: MessageFlags = []
    /// A reader has seen that it is there: no longer recent.
    package var isOld = false
    /// What other programs wrote there and we do not know, and keywords beyond the most that we number: they stay.
    var otherStatus: [UInt8] = []
    var otherLetters: [UInt8] = []
    var otherKeywords: [[UInt8]] = []

    /// Takes one field's line.
    mutating func take(_ line: ArraySlice<UInt8>, keywords: inout KeywordNames) {
        guard let colon = line.firstIndex(of: .ascii(":")) else { return }
        let (name, value) = (
            line[..<colon], line[(colon + 1)...].filter { $0 != .cr && $0 != .lf }[...].trimmed()
        )
        if name.equalsFolded("Status") {
            for letter in value {
                switch letter {
                case .ascii("R"): flags.insert(.seen)
                case .ascii("O"): isOld = true
                default: if letter.isAlpha, letter != .ascii("N") { otherStatus.append(letter) }
                }
            }
        } else if name.equalsFolded("X-Status") {
            for letter in value where letter.isAlpha {
                if let flag = MboxFields.flag(letter) {
                    flags.insert(flag)
                } else {
                    otherLetters.append(letter)
                }
            }
        } else if name.equalsFolded("X-UID") {
            uid = UInt32(strictDecimal: value) ?? 0
        } else if name.equalsFolded("X-Keywords") {
            for word in value.split(separator: .space) {
                if let number = keywords.add(Array(word), taken: []) {
                    flags.insert(MessageFlags(keyword: number))
                } else {
                    otherKeywords.append(Array(word))
                }
            }
        }
    }
}

/// What the first message of an mbox says of the whole.
struct MboxBase: Equatable {
    var validity: UInt32
    /// The last UID given.
    var last: UInt32
    /// It stands in a message that is none: UW's imapd and alpine put it there to keep the UIDVALIDITY of an empty mbox.
    var isPseudo = false
    /// Dovecot takes a message's `X-Keywords` for the sender's, and deletes it, where it has a keyword that is not among these.
    var keywords: [[UInt8]] = []

    init(validity: UInt32, last: UInt32) {
        self.validity = validity
        self.last = last
    }

    /// Reads `X-IMAPbase` or `X-IMAP`, and the keywords behind it. A number that leaves no UIDs to give is not believed.
    init?(_ line: ArraySlice<UInt8>, keywords: inout KeywordNames) {
        isPseudo = line.hasPrefixFolded("X-IMAP:")
        guard isPseudo || line.hasPrefixFolded("X-IMAPbase:"), let colon = line.firstIndex(of: .ascii(":"))
        else {
            return nil
        }
        let words = line[(colon + 1)...].split { $0.isWhitespace || $0 == .cr || $0 == .lf }
        guard words.count >= 2, let validity = UInt32(strictDecimal: words[0]), validity > 0,
            let last = UInt32(strictDecimal: words[1]), last < 1 << 31
        else { return nil }
        (self.validity, self.last) = (validity, last)
        self.keywords = words.dropFirst(2).map { Array($0) }
        for word in self.keywords { _ = keywords.add(word, taken: []) }
    }
}
