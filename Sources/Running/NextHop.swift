package import Program
package import Queue

extension Configuration {
    /// The name under which queue and deliverers know whom a recipient's message is handed to, if it is not for this host: the
    /// route that the operator chose, the host of relay-host, or the domain. For a recipient of this host a domain of ours, if
    /// any, of which nothing is ever known.
    package func nextHop(
        of recipient: Envelope.Recipient, from sender: [UInt8], injectedBy user: UInt32
    ) -> [UInt8]? {
        if let route = recipient.route(injectedBy: user) { return route }
        guard let domain = recipient.domain else { return nil }
        guard !relayHost.isEmpty, !isLocal(domain: domain) else { return domain }
        return relay(for: domain[...], from: sender)?.name ?? domain
    }
}
