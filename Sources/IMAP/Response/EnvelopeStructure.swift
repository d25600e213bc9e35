import Bytes
package import Mail

/// `envelope` of RFC 3501 §7.4.2, from a message's header.
package enum EnvelopeStructure {
    static let addressFields: [StaticString] = ["From", "Sender", "Reply-To", "To", "Cc", "Bcc"]

    package static func append(_ header: MessageHeader, to output: inout [UInt8]) {
        // Of several the last, as Dovecot has it: signatures speak for that one before the others.
        func text(_ name: StaticString) -> [UInt8]? { header.all(name).last?.value }
        // Each field by itself: a quote that one of them leaves open is no other's.
        func addresses(_ name: StaticString) -> [AddressList.Entry] {
            header.all(name).flatMap { AddressList($0.value).entries }
        }
        let from = addresses("From")
        // Sender and Reply-To are From where they say nothing.
        func orFrom(_ name: StaticString) -> [AddressList.Entry] {
            let entries = addresses(name)
            return entries.isEmpty ? from : entries
        }
        output += "("
        output.append(nstring: text("Date"))
        output += " "
        // It is for people, and may have been folded with tabs.
        output.append(nstring: text("Subject").map { SearchText.singleSpaced($0) })
        for entries in [
            from, orFrom("Sender"), orFrom("Reply-To"), addresses("To"), addresses("Cc"), addresses("Bcc"),
        ] {
            output += " "
            append(entries, to: &output)
        }
        output += " "
        output.append(nstring: text("In-Reply-To"))
        output += " "
        output.append(nstring: text("Message-ID"))
        output += ")"
    }

    /// `"(" 1*address ")" / nil`; a group is an address without a host, and one without anything ends it.
    private static func append(_ entries: [AddressList.Entry], to output: inout [UInt8]) {
        guard !entries.isEmpty else { return output += "NIL" }
        output += "("
        for entry in entries {
            switch entry {
            case .groupStart(let name): append([nil, nil, name, nil], to: &output)
            case .groupEnd: append([nil, nil, nil, nil], to: &output)
            case .mailbox(let mailbox):
                append(
                    [
                        mailbox.displayName.isEmpty ? nil : mailbox.displayName,
                        mailbox.route.isEmpty ? nil : mailbox.route,
                        mailbox.localPart,
                        mailbox.domain.isEmpty ? [UInt8]("MISSING_DOMAIN") : mailbox.domain,
                    ], to: &output)
            }
        }
        output += ")"
    }

    private static func append(_ address: [[UInt8]?], to output: inout [UInt8]) {
        output.append(list: address) { $0.append(nstring: $1) }
    }
}
