import Bytes
import Mail
import Unix

/// Who sends a message to whom, as the queue keeps it. Paths are without angle brackets and hold no control
/// byte; parameters are text as on the wire (`SIZE=… BODY=…`), unknown ones included.
package struct Envelope: Equatable {
    package struct Recipient: Equatable {
        package var address: [UInt8]
        package var parameters: [UInt8]

        package init(_ address: [UInt8], parameters: [UInt8] = []) {
            self.address = address
            self.parameters = parameters
        }

        /// What stands behind the last `@`, folded; nil for an address of this host without one.
        package var domain: [UInt8]? {
            address.lastIndex(of: .ascii("@")).map { address[($0 + 1)...].folded() }
        }

        /// The next hop that the operator chose instead of the domain's mail exchangers. Only he may: the message
        /// must have been injected by the queue's owner, as whom this process works.
        package func route(injectedBy user: UInt32) -> [UInt8]? {
            guard user == Identity.user, !parameters.isEmpty else { return nil }
            return Parameters(kept: parameters).first(RecipientParameters.route)?.value
        }

        /// Without what the queue-runner has noted about a recipient: for another one in its place.
        package var withoutRoute: Recipient {
            without(RecipientParameters.route).without(RecipientParameters.expanded)
        }

        /// As a deliverer may believe it: nobody but the queue's owner says what of a recipient is decided.
        package func believed(injectedBy user: UInt32) -> Recipient {
            user == Identity.user ? self : without(RecipientParameters.expanded)
        }

        private func without(_ keyword: StaticString) -> Recipient {
            guard !parameters.isEmpty else { return self }
            let all = Parameters(kept: parameters)
            guard all.first(keyword) != nil else { return self }
            var kept = Parameters()
            for parameter in all.all where !parameter.isNamed(keyword) { kept.append(parameter) }
            return Recipient(address, parameters: kept.text)
        }
    }

    /// Empty for the null reverse-path.
    package var reversePath: [UInt8]
    package var parameters: [UInt8]
    package var recipients: [Recipient]

    package init(reversePath: [UInt8], parameters: [UInt8] = [], recipients: [Recipient]) {
        self.reversePath = reversePath
        self.parameters = parameters
        self.recipients = recipients
    }

    /// Whether it can be written as lines: no control byte anywhere (T14, T67), and somebody to send to.
    package var isStorable: Bool {
        func isLine(_ bytes: [UInt8]) -> Bool { !bytes.contains { $0.isControl } }
        return isLine(reversePath) && isLine(parameters) && !recipients.isEmpty
            && recipients.allSatisfy { !$0.address.isEmpty && isLine($0.address) && isLine($0.parameters) }
    }
}
