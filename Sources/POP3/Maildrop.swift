/// What a POP3 session needs of a mailbox: a list fixed at login, messages by number from 1.
package protocol Maildrop: AnyObject {
    /// Sizes in octets with CRLF line ends, in order.
    var sizes: [Int] { get }
    /// Unique-ids of RFC 1939 §7: 1 to 70 visible characters, each its own.
    var uniqueIDs: [[UInt8]] { get }
    /// Whether the message can be read; asked before `send`.
    func open(_ number: Int) -> Bool
    /// Sends the opened message with CRLF line ends, byte-stuffed, without the end: the header and `bodyLines` lines of
    /// the body, or all of it for nil. False when it broke off.
    func send(_ number: Int, bodyLines: Int?) -> Bool
    /// Removes the messages for good; how many could not be removed.
    func remove(_ numbers: [Int]) -> Int
}
