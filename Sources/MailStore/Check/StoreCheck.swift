import Bytes
package import Unix

/// `imapd --verify`: looks at a user's mailboxes before they are opened, has what is wrong mended by opening them, as any session
/// does, and looks again. UIDs and UIDVALIDITY that can be read stay.
///
/// Others may use the mailboxes meanwhile. What only came up between the two looks is not told.
package struct StoreCheck {
    package enum Verdict: Equatable {
        case mended(String)
        case wouldBe(String)
        case notMended(String)
        case left
        case harmless
    }

    let isDry: Bool
    let now: Time
    let tell: (StoreFinding, Verdict) -> Void

    package init(isDry: Bool, now: Time = .now(), tell: @escaping (StoreFinding, Verdict) -> Void) {
        self.isDry = isDry
        self.now = now
        self.tell = tell
    }

    private func check(_ look: () -> [StoreFinding], mend: () throws(SystemError) -> Void) {
        let found = look()
        let isMended = found.contains { if case .done = $0.remedy { true } else { false } } && !isDry
        var cause = ""
        var still: [StoreFinding] = []
        if isMended {
            do throws(SystemError) { try mend() } catch { cause = "\(error)" }
            still = look()
        }
        for finding in found {
            switch finding.remedy {
            case .harmless: tell(finding, .harmless)
            case .left: tell(finding, .left)
            case .done(let remedy):
                if isDry {
                    tell(finding, .wouldBe(remedy))
                } else if still.contains(where: { $0.isSame(as: finding) }) {
                    tell(finding, .notMended(cause))
                } else {
                    tell(finding, .mended(remedy))
                }
            }
        }
    }

    private func complain(_ path: String, _ failure: FolderTree.Failure) {
        var findings = StoreFindings()
        if case .system(let error) = failure {
            findings.add(path, error)
        } else {
            findings.add(path, "cannot be looked at", .left)
        }
        for finding in findings.all { tell(finding, .left) }
    }

    // MARK: Maildirs

    /// Checks the Maildir at `path`, which ends in a slash, and its folders; how many mailboxes those are. Where nothing is,
    /// nothing has been delivered.
    package func checkMaildir(_ path: String) -> Int {
        let tree = FolderTree(existing: path)
        do throws(SystemError) { if try Path.status(path) == nil { return 0 } } catch {
            complain(path, .system(error))
            return 0
        }
        check(
            { tableFindings(tree.uids) + leftovers(path) },
            mend: { () throws(SystemError) in
                try tree.uids.rewrite()
                try tree.removeWhatIsGone(Directory(path))
            })
        var names: [[UInt8]] = []
        do throws(FolderTree.Failure) { names = try tree.names() } catch { complain(path, error) }
        let inbox = FolderCheck(path: path, name: [UInt8]("INBOX"), uids: tree.uids, now: now)
        check(
            inbox.look,
            mend: { () throws(SystemError) in
                // Where all three directories are missing no folder can be opened.
                _ = try FolderTree(path)
                try inbox.mend()
            })
        for name in names {
            guard let directory = try? tree.directory(of: name) else { continue }
            let folder = FolderCheck(path: directory, name: name, uids: tree.uids, now: now)
            check(folder.look, mend: folder.mend)
        }
        check(tree.subscribed) { name in (try? tree.exists(name)) == true }
        return names.count + 1
    }

    private func leftovers(_ path: String) -> [StoreFinding] {
        var findings = StoreFindings()
        findings.add(path) { findings throws(SystemError) in
            var gone: [[UInt8]] = []
            try Directory(path).forEachName { name in
                if name.starts(with: FolderTree.gone) { gone.append(name) }
                return true
            }
            findings.add(path, "rests of mailboxes that were removed", of: gone, .done("removed"))
        }
        return findings.all
    }

    // MARK: Mboxes

    /// Checks the mbox `inbox` and those in the directory `path`, which ends in a slash; how many there are.
    package func checkMboxes(inbox: String, folders path: String) -> Int {
        let tree: MboxTree
        if isDry {
            tree = MboxTree(existing: inbox, folders: path)
        } else {
            do throws(SystemError) { tree = try MboxTree(inbox: inbox, folders: path) } catch {
                complain(path, .system(error))
                return 0
            }
        }
        check({ tableFindings(tree.uids) }, mend: tree.uids.rewrite)
        var names: [[UInt8]] = []
        do throws(FolderTree.Failure) { names = try tree.names() } catch { complain(path, error) }
        var count = names.count
        if (try? Path.status(inbox)) != nil { count += 1 }
        for name in [[UInt8]("INBOX")] + names {
            guard let file = try? tree.file(of: name) else { continue }
            let mbox = MboxCheck(path: file, name: name, uids: tree.uids)
            check(mbox.look, mend: mbox.mend)
        }
        check(tree.subscribed) { name in
            if FolderTree.isInbox(name) { return true }
            guard let file = try? tree.file(of: name), let status = try? Path.status(file) else {
                return false
            }
            return status.kind == .regular
        }
        return count
    }

    // MARK: Beside them

    private func tableFindings(_ table: UIDTable) -> [StoreFinding] {
        var findings = StoreFindings()
        findings.add(table.path) { findings throws(SystemError) in
            findings.add(table.path, "lines that cannot be read", of: try table.badLines(), .done("removed"))
        }
        return findings.all
    }

    private func check(_ subscriptions: Subscriptions, isThere: ([UInt8]) -> Bool) {
        let path = subscriptions.directory + subscriptions.file
        check(
            {
                var findings = StoreFindings()
                findings.add(path) { findings throws(SystemError) in
                    let names = try subscriptions.names()
                    let bad = names.filter { !Subscriptions.isName($0) }
                    findings.add(path, "lines that are no names", of: bad, .done("removed"))
                    let good = names.filter(Subscriptions.isName)
                    findings.add(path, "names twice", of: Subscriptions.repeated(good), .done("removed once"))
                    // RFC 3501 §6.3.9: a server must not remove them by itself.
                    findings.add(
                        path, "names of no mailbox", of: good.filter { !isThere($0) }, .harmless)
                    if try Path.status(subscriptions.directory) != nil,
                        try subscriptions.hasStaleLock(in: Directory(subscriptions.directory))
                    {
                        findings.add("\(path).lock", "a lock that nobody holds", .done("removed"))
                    }
                }
                return findings.all
            }, mend: subscriptions.mend)
    }
}
