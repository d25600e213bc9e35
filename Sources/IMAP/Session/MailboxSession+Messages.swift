import Bytes

/// STORE, COPY, MOVE, EXPUNGE: RFC 3501 §6.4, RFC 4315, RFC 6851.
extension MailboxSession {
    func storeFlags(
        _ mailbox: any Mailbox, _ set: SequenceSet, _ action: StoreAction, uid: Bool, _ tag: [UInt8]
    ) {
        guard !isReadOnly else { return no(tag, "[READ-ONLY] The mailbox was opened read-only") }
        guard let indices = mailbox.indices(set, uid: uid) else { return noSuchMessage(tag) }
        var isGone = false
        do throws(StoreFailure) {
            for index in indices {
                if try !mailbox.setFlags(index, Self.apply(action, to: mailbox.flags(index))) {
                    isGone = true
                } else if !action.isSilent {
                    sayFlags(mailbox, index, withUID: uid)
                }
            }
            try mailbox.synchronize()
            if uid { update(expunges: true) }
            isGone ? no(tag, "[EXPUNGEISSUED] Some messages are gone") : ok(tag, "Store completed")
        } catch { no(tag, error) }
    }

    private static func apply(_ action: StoreAction, to flags: [[UInt8]]) -> [[UInt8]] {
        let given = action.flags.filter { !$0.equalsFolded("\\Recent") }
        switch action.mode {
        case .replace: return given
        case .add: return flags + given.filter { flag in !flags.contains { $0.equalsFolded(flag) } }
        case .remove: return flags.filter { flag in !given.contains { $0.equalsFolded(flag) } }
        }
    }

    func noSuchMessage(_ tag: [UInt8]) { write(tag + Array(" BAD No such message\r\n".utf8)) }

    func copy(
        _ mailbox: any Mailbox, _ set: SequenceSet, _ name: [UInt8], uid: Bool, move: Bool, _ tag: [UInt8]
    ) {
        guard !move || !isReadOnly else { return no(tag, "[READ-ONLY] The mailbox was opened read-only") }
        guard let indices = mailbox.indices(set, uid: uid) else { return noSuchMessage(tag) }
        guard !indices.isEmpty else { return ok(tag, "No messages copied") }
        let uids = indices.map { mailbox.uid($0) }
        do throws(StoreFailure) {
            let result = try mailbox.copy(indices, to: name)
            let code =
                "[COPYUID \(result.uidValidity) \(SequenceSet.text(uids)) \(SequenceSet.text(result.uids))]"
            guard move else { return ok(tag, "\(code) Copy completed") }
            say("* OK \(code) Moved\r\n")
            let moved = Set(uids)
            if let failure = expunge(
                mailbox, quietly: false, ignoringFlag: true, where: { moved.contains($0) })
            {
                return no(tag, failure)
            }
            ok(tag, "Move completed")
        } catch { refuseTarget(tag, error) }
    }

    func expunge(_ mailbox: any Mailbox, uids: SequenceSet?, _ tag: [UInt8]) {
        guard !isReadOnly else { return no(tag, "[READ-ONLY] The mailbox was opened read-only") }
        let chosen = uids.map { Set((mailbox.indices($0, uid: true) ?? []).map { mailbox.uid($0) }) }
        if let failure = expunge(mailbox, quietly: false, where: { chosen?.contains($0) ?? true }) {
            return no(tag, failure)
        }
        update(expunges: true)
        ok(tag, "Expunge completed")
    }

    /// Removes what is marked `\Deleted` (or everything that `chosen` says, for MOVE); highest number first, so that the
    /// numbers told are right.
    func expunge(
        _ mailbox: any Mailbox, quietly: Bool, ignoringFlag: Bool = false, where chosen: (UInt32) -> Bool
    ) -> StoreFailure? {
        let indices = (0..<mailbox.count).reversed().filter { index in
            chosen(mailbox.uid(index)) && (ignoringFlag || mailbox.isDeleted(index))
        }
        guard !indices.isEmpty else { return nil }
        do throws(StoreFailure) {
            try mailbox.expunge(indices)
            knownCount = mailbox.count
            if !quietly { for index in indices { say("* \(index + 1) EXPUNGE\r\n") } }
            return nil
        } catch {
            update(expunges: true)
            return error
        }
    }
}
