package import Mail

/// Why the store did not do it; each has its response code (RFC 5530).
package enum StoreFailure: Error, Equatable {
    case missing, exists, badName, notPermitted, overQuota
    /// There is something of this name, and it is no mailbox.
    case noMailbox
    /// More keywords than a mailbox can have.
    case tooManyKeywords
    /// Messages of the set are gone.
    case expunged
    /// There is something below it.
    case hasChildren
    /// Another program keeps it locked.
    case inUse
    /// The text is for the log; the client hears that the server failed.
    case system(String)
}

extension StoreFailure {
    /// Of two the one to tell: that a message is gone is the lesser.
    static func worse(_ a: StoreFailure?, _ b: StoreFailure?) -> StoreFailure? {
        a == nil || a == .expunged ? b ?? a : a
    }
}

/// What a session asks of a user's mailboxes. Names are as IMAP has them, INBOX in capitals.
package protocol MailboxStore: AnyObject {
    /// Between the levels of names.
    var separator: UInt8 { get }
    /// Whether a mailbox can have others below it; where it cannot, names without messages lead to them.
    var mailboxesHaveChildren: Bool { get }
    /// All but INBOX, sorted.
    func names() throws(StoreFailure) -> [[UInt8]]
    func create(_ name: [UInt8]) throws(StoreFailure)
    func delete(_ name: [UInt8]) throws(StoreFailure)
    func rename(_ name: [UInt8], to newName: [UInt8]) throws(StoreFailure)
    func subscriptions() throws(StoreFailure) -> [[UInt8]]
    func setSubscribed(_ name: [UInt8], _ isSubscribed: Bool) throws(StoreFailure)
    func open(_ name: [UInt8], readOnly: Bool) throws(StoreFailure) -> any Mailbox
    /// Begins an APPEND; the mailbox must exist.
    func append(
        to name: [UInt8], flags: MessageFlags, keywords: [[UInt8]], date: Int64?
    ) throws(StoreFailure) -> any Appending
}

/// A message on its way into a mailbox. Dropped without `commit` it leaves nothing (T45).
package protocol Appending: AnyObject {
    func write(_ bytes: [UInt8]) throws(StoreFailure)
    func commit() throws(StoreFailure) -> AppendResult
}

package struct AppendResult: Equatable {
    package var uidValidity: UInt32
    /// None where they would not last: RFC 4315 §3, UIDNOTSTICKY.
    package var uids: [UInt32]

    package init(uidValidity: UInt32, uids: [UInt32]) {
        self.uidValidity = uidValidity
        self.uids = uids
    }
}

/// An open mailbox: messages by their places in its list, from 0. The list changes only in `refresh`, `change` and `expunge`.
/// What is to be changed is said for a set of messages at once, and as a difference: what it comes to is decided by what other
/// sessions and programs have left there at that moment.
package protocol Mailbox: AnyObject {
    /// Whether flags and messages can be changed; where not, it is shown as READ-ONLY.
    var isWritable: Bool { get }
    /// Whether its UIDs will be good in another session.
    var keepsUIDs: Bool { get }
    var uidValidity: UInt32 { get }
    var uidNext: UInt32 { get }
    /// What the client has been told.
    var list: MessageList { get }
    var keywords: KeywordNames { get }
    /// Octets with CRLF line ends; `expunged` when another session has removed it.
    func size(_ index: Int) throws(StoreFailure) -> Int
    func internalDate(_ index: Int) throws(StoreFailure) -> Int64
    /// Nil when another session has removed it.
    func source(_ index: Int) throws(StoreFailure) -> (any MessageBytes)?
    /// Looks at what others did; `thoroughly` where the client asks for it, else where there are signs of a change. What is
    /// gone stays in the list unless the client may hear of it. `missing` when the mailbox itself was removed.
    func refresh(thoroughly: Bool, expunges: Bool) throws(StoreFailure) -> MessageList.Changes
    /// Looks which keywords have names now.
    func refreshKeywords() throws(StoreFailure)
    /// Gives numbers to keywords that have none, durably.
    func flags(of keywords: [[UInt8]]) throws(StoreFailure) -> MessageFlags
    /// Changes flags durably; the places of messages that are gone.
    func change(_ indices: [Int], by change: FlagChange) throws(StoreFailure) -> [Int]
    /// Removes messages durably, from the list too: those of the set that are marked `\Deleted` at this moment, or all of it.
    /// The places of what is gone, highest first; where it fails, `refresh` tells what is gone nevertheless.
    func expunge(_ indices: [Int], marked: Bool) throws(StoreFailure) -> [Int]
    /// All or nothing (RFC 3501 §6.4.7): `expunged` when one is gone.
    func copy(_ indices: [Int], to name: [UInt8]) throws(StoreFailure) -> AppendResult
}

/// A message's stored bytes, by position.
package protocol MessageBytes: AnyObject {
    /// The bytes from `offset` on: `count` of them, fewer only where the message ends.
    func read(at offset: Int, count: Int) throws(StoreFailure) -> [UInt8]
}
