import Bytes
import Mail

/// STORE, COPY, MOVE, EXPUNGE: RFC 3501 §6.4, RFC 4315, RFC 6851.
extension MailboxSession {
    func storeFlags(
        _ mailbox: any Mailbox, _ set: SequenceSet, _ action: StoreAction, uid: Bool, _ tag: [UInt8]
    ) {
        guard !isReadOnly else { return no(tag, "[READ-ONLY] The mailbox was opened read-only") }
        guard let indices = mailbox.list.indices(set, uid: uid) else { return noSuchMessage(tag) }
        let before = indices.map { mailbox.list[$0].flags }
        do throws(StoreFailure) {
            let gone = try mailbox.change(indices, by: change(action, in: mailbox))
            sayKeywords(mailbox)
            if !action.isSilent {
                let gone = Set(gone)
                for index in indices where !gone.contains(index) { sayFlags(mailbox, index, withUID: uid) }
            }
            update(expunges: uid)
            answer(tag, "Store", gone.isEmpty ? nil : .expunged)
        } catch {
            // What was done before it failed, or in spite of that, the client hears.
            for (index, flags) in zip(indices, before) where mailbox.list[index].flags != flags {
                sayFlags(mailbox, index, withUID: uid)
            }
            no(tag, error)
        }
    }

    /// FLAGS takes away what a client can see, and no letter that stands for nothing here.
    private func change(_ action: StoreAction, in mailbox: any Mailbox) throws(StoreFailure) -> FlagChange {
        let (system, names) = FlagNames.read(action.flags)
        // Another session may have named some, or the names be others by now.
        if !names.isEmpty || action.mode == .replace { try mailbox.refreshKeywords() }
        switch action.mode {
        case .add: return FlagChange(adding: system.union(try mailbox.flags(of: names)))
        case .remove:
            // A keyword that the mailbox has not cannot be taken away, and need not be given a number.
            return FlagChange(
                removing: names.reduce(into: system) { $0.formUnion(FlagNames.flag($1, mailbox.keywords)) })
        case .replace:
            let flags = system.union(try mailbox.flags(of: names))
            return FlagChange(
                adding: flags, removing: FlagNames.visible(mailbox.keywords).subtracting(flags))
        }
    }

    func noSuchMessage(_ tag: [UInt8]) { write(tag + Array(" BAD No such message\r\n".utf8)) }

    func copy(
        _ mailbox: any Mailbox, _ set: SequenceSet, _ name: [UInt8], uid: Bool, move: Bool, _ tag: [UInt8]
    ) {
        guard !move || !isReadOnly else { return no(tag, "[READ-ONLY] The mailbox was opened read-only") }
        guard let indices = mailbox.list.indices(set, uid: uid) else { return noSuchMessage(tag) }
        guard !indices.isEmpty else { return ok(tag, "No messages copied") }
        let uids = indices.map { mailbox.list[$0].uid }
        do throws(StoreFailure) {
            let result = try mailbox.copy(indices, to: name)
            let code =
                result.uids.isEmpty
                ? ""
                : "[COPYUID \(result.uidValidity) \(SequenceSet.text(uids)) \(SequenceSet.text(result.uids))] "
            guard move else {
                update(thoroughly: name == selectedName)
                return ok(tag, "\(code)Copy completed")
            }
            if !code.isEmpty { say("* OK \(code)Moved\r\n") }
            if let failure = expunge(mailbox, indices, marked: false) { return no(tag, failure) }
            update(thoroughly: name == selectedName)
            ok(tag, "Move completed")
        } catch {
            // Who asks for what is gone hears that it is (RFC 5530 §3, EXPUNGEISSUED), or asks for ever.
            if error == .expunged { update(thoroughly: true) }
            refuseTarget(tag, error)
        }
    }

    func expunge(_ mailbox: any Mailbox, uids: SequenceSet?, _ tag: [UInt8]) {
        guard !isReadOnly else { return no(tag, "[READ-ONLY] The mailbox was opened read-only") }
        let chosen =
            uids.map { mailbox.list.indices($0, uid: true) ?? [] } ?? Array(mailbox.list.messages.indices)
        if let failure = expunge(mailbox, chosen, marked: true) { return no(tag, failure) }
        update(thoroughly: true)
        ok(tag, "Expunge completed")
    }

    /// CLOSE removes what is marked, and says nothing of it: RFC 3501 §6.4.2.
    func close(_ mailbox: any Mailbox, _ tag: [UInt8]) {
        do throws(StoreFailure) {
            if !isReadOnly { _ = try mailbox.expunge(Array(mailbox.list.messages.indices), marked: true) }
            unselect()
            ok(tag, "Close completed")
        } catch {
            unselect()
            no(tag, error)
        }
    }

    /// Highest number first, so that the numbers told are right.
    private func expunge(_ mailbox: any Mailbox, _ indices: [Int], marked: Bool) -> StoreFailure? {
        guard !indices.isEmpty else { return nil }
        do throws(StoreFailure) {
            for index in try mailbox.expunge(indices, marked: marked) { say("* \(index + 1) EXPUNGE\r\n") }
            return nil
        } catch {
            update(thoroughly: true)
            return error
        }
    }
}
