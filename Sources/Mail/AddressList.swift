import Bytes

/// The addresses of a header field: `address-list` of RFC 5322 §3.4 with the obsolete forms of §4.4, read as
/// people and programs write it: what stands in front of an address in angle brackets is a name, whatever is in
/// it; a bracket that does not close ends with its piece; complete addresses need no comma between them. What is
/// no address even so is shown as well as it can be, and told: `unclear`.
package struct AddressList: Equatable {
    package enum Entry: Equatable {
        case mailbox(Mailbox)
        /// The beginning of a group, by its display name.
        case groupStart([UInt8])
        case groupEnd
    }

    package struct Mailbox: Equatable {
        /// Unquoted, comments and folds taken out; may hold encoded words. Empty if there is none.
        package var displayName: [UInt8]
        /// An obsolete source route, `@a,@b`; empty if there is none.
        package var route: [UInt8]
        /// Unquoted.
        package var localPart: [UInt8]
        /// Without a dot at its end; empty where the author left it out.
        package var domain: [UInt8]
        /// Whether quotes stood around the local part, or a part of it.
        package var isQuoted: Bool

        package init(
            displayName: [UInt8] = [], route: [UInt8] = [], localPart: [UInt8], domain: [UInt8],
            isQuoted: Bool = false
        ) {
            self.displayName = displayName
            self.route = route
            self.localPart = localPart
            self.domain = domain
            self.isQuoted = isQuoted
        }

        /// As an address of an envelope: the local part quoted again where it must be. One that was written
        /// without quotes stays so: `a..b@` is no dot-string, but there are such mailboxes.
        package var address: Address {
            guard isQuoted else { return Address(localPart: localPart, domain: domain) }
            let atoms = localPart.split(separator: .dot, omittingEmptySubsequences: false)
            if atoms.allSatisfy({ !$0.isEmpty && $0.allSatisfy({ $0.isAtext }) }) {
                return Address(localPart: localPart, domain: domain)
            }
            var quoted: [UInt8] = [.quote]
            for byte in localPart {
                if byte == .quote || byte == .backslash { quoted.append(.backslash) }
                quoted.append(byte)
            }
            return Address(localPart: quoted + [.quote], domain: domain)
        }
    }

    package private(set) var entries: [Entry] = []
    /// Where in the value a domain is missing: behind the local part of each mailbox that has none, in order.
    package private(set) var bareEnds: [Int] = []
    /// Which mailboxes, counted from 0, are a guess: good enough to show, not to send to.
    package private(set) var guesses: Set<Int> = []
    /// Where in the value something stands that is no address, in order. Somebody may have been meant: who sends
    /// to the others says so.
    package private(set) var unclear: [Range<Int>] = []

    /// Most entries that are kept (T38).
    package static let mostEntries = 20_000

    package var mailboxes: [Mailbox] {
        entries.compactMap { if case .mailbox(let mailbox) = $0 { mailbox } else { nil } }
    }

    /// The mailboxes that can be sent to.
    package var exactMailboxes: [Mailbox] {
        mailboxes.enumerated().filter { !guesses.contains($0.offset) }.map { $0.element }
    }

    /// For whoever looks for an address in it: names, and addresses without what may stand between their words.
    package var plainText: [UInt8] {
        var text: [UInt8] = []
        for mailbox in mailboxes {
            if !text.isEmpty { text += [.ascii(","), .space] }
            text += mailbox.displayName + [.space, .ascii("<")]
            text += mailbox.localPart + [.ascii("@")] + mailbox.domain + [.ascii(">")]
        }
        return text
    }

    /// Reads the value of a From, To, Cc … field.
    package init(_ value: some Collection<UInt8>) {
        var reader = AddressReader(Array(value))
        while let entry = reader.next() {
            guard entries.count < Self.mostEntries else {
                reader.giveUp()
                break
            }
            entries.append(entry)
        }
        bareEnds = reader.bareEnds
        guesses = reader.guesses
        unclear = reader.unclear
    }
}
