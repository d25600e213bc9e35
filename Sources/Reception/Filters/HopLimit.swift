package import Mail

/// Ends mail loops: RFC 5321 §6.3 asks for a large number of hops; by then it is one.
package final class HopLimit: Filter {
    private static let mostHops = 100

    package init() {}

    package func header(
        _ header: MessageHeader, of message: IncomingMessage
    ) throws(Rejection) -> [UInt8]? {
        guard header.all("Received").count < Self.mostHops else {
            throw Rejection(
                554, EnhancedStatus(5, 4, 6), "Too many hops, this is a mail loop", cause: "too many hops")
        }
        return nil
    }
}
