import Bytes

/// What of a sender's wishes for reports goes on with a copy that is sent to other addresses: RFC 3461 §5.2.7.
package enum ForwardedWishes {
    package enum Road {
        /// RFC 3461 §5.2.7.2: one address stands for another. All goes on; who delivers reports.
        case single
        /// RFC 3461 §5.2.7.3, as its case (c) has it: all goes on but the wish to hear of success, which the
        /// expansion itself answers.
        case several
        /// RFC 3461 §5.2.7.1: delivered to a list, whose owner now answers for it. Nothing goes on.
        case list
    }

    /// The parameters of MAIL for the copies. The size was that of another content.
    package static func mail(_ parameters: Parameters, by road: Road) -> Parameters {
        var copy = Parameters()
        for parameter in parameters.all where !parameter.isNamed("SIZE") {
            let isWish = parameter.isNamed("RET") || parameter.isNamed("ENVID")
            if !isWish || road != .list { copy.append(parameter) }
        }
        return copy
    }

    /// The parameters of RCPT for each copy of what `recipient` had.
    package static func recipient(
        _ parameters: Parameters, of recipient: [UInt8], by road: Road
    ) -> Parameters {
        var copy = Parameters()
        guard road != .list else { return copy }
        // A next hop was chosen, and an alias looked at, for one recipient, not for those whom he names.
        for parameter in parameters.all
        where !parameter.isNamed(RecipientParameters.route)
            && !parameter.isNamed(RecipientParameters.expanded)
        {
            guard parameter.isNamed("NOTIFY"), road == .several,
                var notify = parameter.value.flatMap({ RecipientParameters.Notify($0) })
            else {
                copy.append(parameter)
                continue
            }
            notify.remove(.success)
            copy.add("NOTIFY", notify.text)
        }
        if let original = OriginalRecipient(addedFor: recipient, to: copy) {
            copy.add("ORCPT", original.text)
        }
        return copy
    }

    private typealias OriginalRecipient = RecipientParameters.OriginalRecipient
}

extension RecipientParameters.OriginalRecipient {
    /// RFC 3461 §5.2.1: where nobody said whom the sender wrote to, a relay may say whom it was asked to send
    /// to. Nil where it is said already, or cannot be.
    package init?(addedFor address: [UInt8], to parameters: Parameters) {
        guard parameters.first("ORCPT") == nil else { return nil }
        if address.allSatisfy({ $0.isPrintable }) {
            self.init(type: [UInt8]("rfc822"), address: address)
        } else {
            guard let embedded = ReportText.addressXText(address) else { return nil }
            self.init(type: [UInt8]("utf-8"), address: embedded)
        }
        guard text.count <= RecipientParameters.longestOriginal else { return nil }
    }

    /// As the value of ORCPT.
    package var text: [UInt8] { type + [.ascii(";")] + XText.encode(address) }
}
