import Mail

/// Which message of an mbox it is, wherever it stands by now and whatever it is marked with: by its `From ` line and its text,
/// and, of messages that are alike to the byte, by how many of them come before it.
package struct MboxIdentity: Hashable {
    private let fingerprint: UInt64
    private let earlier: Int

    /// Of each message, in order.
    package static func all(of messages: ArraySlice<MboxIndex.Message>) -> [MboxIdentity] {
        var seen: [UInt64: Int] = [:]
        return messages.map { message in
            let count = seen[message.fingerprint, default: 0]
            seen[message.fingerprint] = count + 1
            return MboxIdentity(fingerprint: message.fingerprint, earlier: count)
        }
    }

    /// For a POP3 client: visible and short.
    package var text: [UInt8] {
        Array((String(fingerprint, radix: 16) + (earlier == 0 ? "" : ".\(earlier)")).utf8)
    }

    /// The message in an mbox that has changed since: where it was, if nobody has touched what is before it.
    package func find(in messages: ArraySlice<MboxIndex.Message>, near hint: Int) -> MboxIndex.Message? {
        let index = messages.startIndex + hint
        if earlier == 0, messages.indices.contains(index), messages[index].fingerprint == fingerprint {
            return messages[index]
        }
        return messages.filter { $0.fingerprint == fingerprint }.dropFirst(earlier).first
    }
}

/// What a session knows of messages and cannot write into their mbox, because it may not or because the disk is full: mail
/// must be readable and removable there all the same. It goes with the session.
struct SessionNotes {
    /// UIDs that the mbox does not say.
    var uids: [MboxIdentity: UInt32] = [:]
    /// Flags that the mbox does not say.
    var changes: [MboxIdentity: FlagChange] = [:]
    /// Messages that are recent to this session, and to the next one as well.
    var claimed: Set<MboxIdentity> = []
    /// All the UIDs are this session's, under a UIDVALIDITY of its own: nobody can be kept from giving them again.
    var isAlone = false

    var isEmpty: Bool { uids.isEmpty && changes.isEmpty && claimed.isEmpty && !isAlone }

    /// The messages as the session has them: 0 for a UID that is to be given yet.
    func applied(to messages: ArraySlice<MboxIndex.Message>, next: UInt32) -> ArraySlice<MboxIndex.Message> {
        var messages = messages
        var last: UInt32 = 0
        for (place, identity) in zip(messages.indices, MboxIdentity.all(of: messages)) {
            let uid = uids[identity] ?? (isAlone ? 0 : messages[place].marks.uid)
            messages[place].marks.uid = uid > last && uid < next ? uid : 0
            last = max(last, messages[place].marks.uid)
            if let change = changes[identity] {
                messages[place].marks.flags = change.applied(to: messages[place].marks.flags)
            }
            if claimed.contains(identity) { messages[place].marks.isOld = true }
        }
        return messages
    }
}
