/// Why the store did not do it; each has its response code (RFC 5530).
package enum StoreFailure: Error, Equatable {
    case missing, exists, badName, notPermitted, overQuota
    /// Another program keeps it locked.
    case inUse
    /// The text is for the log; the client hears that the server failed.
    case system(String)
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
    func append(to name: [UInt8], flags: [[UInt8]], date: Int64?) throws(StoreFailure) -> any Appending
}

/// A message on its way into a mailbox. Dropped without `commit` it leaves nothing (T45).
package protocol Appending: AnyObject {
    func write(_ bytes: [UInt8]) throws(StoreFailure)
    func commit() throws(StoreFailure) -> AppendResult
}

package struct AppendResult: Equatable {
    package var uidValidity: UInt32
    package var uids: [UInt32]

    package init(uidValidity: UInt32, uids: [UInt32]) {
        self.uidValidity = uidValidity
        self.uids = uids
    }
}

/// An open mailbox: messages by index from 0, in the order of their UIDs. The list changes only in `refresh` and
/// `expunge`.
package protocol Mailbox: AnyObject {
    var uidValidity: UInt32 { get }
    var uidNext: UInt32 { get }
    var count: Int { get }
    /// Names of the keywords that are in use.
    var keywords: [[UInt8]] { get }
    func uid(_ index: Int) -> UInt32
    func isRecent(_ index: Int) -> Bool
    /// `\Seen` and its like, and keywords; without `\Recent`.
    func flags(_ index: Int) -> [[UInt8]]
    /// Octets with CRLF line ends.
    func size(_ index: Int) throws(StoreFailure) -> Int
    func internalDate(_ index: Int) throws(StoreFailure) -> Int64
    /// Nil when another session has removed it.
    func source(_ index: Int) throws(StoreFailure) -> (any MessageBytes)?
    func refresh() throws(StoreFailure) -> MailboxChanges
    /// False when it is gone.
    func setFlags(_ index: Int, _ flags: [[UInt8]]) throws(StoreFailure) -> Bool
    /// Removes messages durably, from the list too; where it fails, `refresh` tells what is gone nevertheless.
    func expunge(_ indices: [Int]) throws(StoreFailure)
    /// Makes flags durable: called once, behind all that a command changed.
    func synchronize() throws(StoreFailure)
    func copy(_ indices: [Int], to name: [UInt8]) throws(StoreFailure) -> AppendResult
}

package struct MailboxChanges: Equatable {
    /// Indices before the change, highest first.
    package var expunged: [Int]
    /// Indices behind it.
    package var flagsChanged: [Int]
    package var hasNew: Bool

    package init(expunged: [Int] = [], flagsChanged: [Int] = [], hasNew: Bool = false) {
        self.expunged = expunged
        self.flagsChanged = flagsChanged
        self.hasNew = hasNew
    }
}

/// A message's stored bytes, by position.
package protocol MessageBytes: AnyObject {
    /// At most `count` bytes from `offset` on; empty at the end.
    func read(at offset: Int, count: Int) throws(StoreFailure) -> [UInt8]
}
