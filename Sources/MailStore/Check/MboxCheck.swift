import Bytes
import Unix

/// What is wrong with one mbox before it is opened.
struct MboxCheck {
    let path: String
    let name: [UInt8]
    let uids: UIDTable

    func look() -> [StoreFinding] {
        var findings = StoreFindings()
        findings.add(path, look)
        return findings.all
    }

    private func look(_ findings: inout StoreFindings) throws(SystemError) {
        let (parent, file) = Path.split(path)
        if try Path.status(parent) == nil { return }
        if try DotLock.isStale("\(file).lock", in: Directory(parent), DotLock.staleAge, false) {
            findings.add("\(path).lock", "a lock that nobody holds", .done("removed"))
        }
        guard let status = try Path.status(path, following: false) else { return }
        guard status.kind == .regular else { return findings.add(path, "is no plain file", .left) }
        // Behind that the rest can be told.
        if let move = try uids.journal(of: name).move(of: status.inode),
            try move.isUnfinished(Directory(parent).open(file, .read), size: status.size)
        {
            return findings.add(path, "its rewriting was interrupted", .done("brought to an end"))
        }
        let mbox = try Mbox(path)
        do throws(SystemError) { try mbox.refresh() } catch {
            guard error.code == .invalid else { throw error }
            return findings.add(path, "is no mbox", .left)
        }
        try lookAtUIDs(mbox, &findings)
    }

    /// What nobody has looked at yet, at the end, has no UID: it is new.
    private func lookAtUIDs(_ mbox: Mbox, _ findings: inout StoreFindings) throws(SystemError) {
        let known = try uids.known(name)
        let base = mbox.index.base
        var (lost, unordered): ([String], [String]) = ([], [])
        var waiting: [String] = []
        var last: UInt32 = 0
        let next = max(known?.next ?? 0, (base?.last ?? 0) &+ 1)
        for (place, message) in zip(1..., mbox.messages) {
            let uid = message.marks.uid
            if uid == 0 {
                if message.marks.isOld { lost.append("\(place)") } else { waiting.append("\(place)") }
                continue
            }
            lost += waiting
            waiting = []
            if base == nil, known == nil { continue }
            if uid > last, uid < next { last = uid } else { unordered.append("\(place)") }
        }
        findings.add(path, "messages without a UID", of: lost, .done("given UIDs"))
        findings.add(
            path, "messages with a UID that cannot be theirs", of: unordered, .done("given new UIDs"))
    }

    func mend() throws(SystemError) {
        _ = try NumberedMbox(path, named: name, uids).refresh(claiming: false)
        // Where there is no file nobody was kept from it.
        let (parent, file) = Path.split(path)
        let directory = try Directory(parent)
        do throws(MboxDelivery.Failure) {
            try DotLock(file, in: directory, by: .after(.zero)).release(in: directory)
        } catch {
            if case .system(let error) = error, !error.isForWantOfRights { throw error }
        }
    }
}
