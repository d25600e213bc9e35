import Bytes
import Mail

/// `envelope` of RFC 3501 §7.4.2, from a message's header.
enum EnvelopeStructure {
    static let addressFields: [StaticString] = ["From", "Sender", "Reply-To", "To", "Cc", "Bcc"]

    static func append(_ header: MessageHeader, to output: inout [UInt8]) {
        func text(_ name: StaticString) -> [UInt8]? { header.first(name)?.value }
        func addresses(_ name: StaticString) -> AddressList {
            AddressList(Array(header.all(name).map { $0.value }.joined(separator: [.ascii(",")])))
        }
        let from = addresses("From")
        // Sender and Reply-To are From where they say nothing.
        func orFrom(_ name: StaticString) -> AddressList {
            let list = addresses(name)
            return list.entries.isEmpty ? from : list
        }
        output += "("
        output.append(nstring: text("Date"))
        output += " "
        output.append(nstring: text("Subject"))
        for list in [
            from, orFrom("Sender"), orFrom("Reply-To"), addresses("To"), addresses("Cc"), addresses("Bcc"),
        ] {
            output += " "
            append(list, to: &output)
        }
        output += " "
        output.append(nstring: text("In-Reply-To"))
        output += " "
        output.append(nstring: text("Message-ID"))
        output += ")"
    }

    /// `"(" 1*address ")" / nil`; a group is an address without a host, and one without anything ends it.
    private static func append(_ list: AddressList, to output: inout [UInt8]) {
        guard !list.entries.isEmpty else { return output += "NIL" }
        output += "("
        for entry in list.entries {
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
