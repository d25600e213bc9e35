import Bytes
import Mail
import Unix

/// What one look at a Maildir found: a file for each base.
struct MaildirScan {
    private(set) var files: [MaildirFile] = []
    private var places: [MaildirBase: Int] = [:]
    /// Files whose base another has as well, or that no line of a list can name.
    private(set) var strays: [MaildirFile] = []

    init(_ maildir: Maildir) throws(SystemError) { self.init(try maildir.files()) }

    init(_ found: [MaildirFile]) {
        files.reserveCapacity(found.count)
        places.reserveCapacity(found.count)
        for file in found { add(file) }
    }

    private mutating func add(_ file: MaildirFile) {
        guard file.isListable else { return strays.append(file) }
        if let place = places[file.base] {
            let other = files[place]
            if other == file { return }
            // The same one at each look.
            let isFirst =
                file.half != other.half
                ? file.half == .cur : file.name.lexicographicallyPrecedes(other.name)
            if isFirst { files[place] = file }
            strays.append(isFirst ? other : file)
        } else {
            places[file.base] = files.count
            files.append(file)
        }
    }

    func place(of base: MaildirBase) -> Int? { places[base] }
    subscript(base: MaildirBase) -> MaildirFile? { places[base].map { files[$0] } }

    /// The file has another name now.
    mutating func replace(at place: Int, with file: MaildirFile) { files[place] = file }

    /// The letters of all files.
    var flags: MessageFlags {
        files.reduce(into: MessageFlags()) { $0.formUnion($1.flags) }
            .union(strays.reduce(into: MessageFlags()) { $0.formUnion($1.flags) })
    }

    /// Gives a base of its own to each file that has another's: two messages are two. Copies made by other programs come to it
    /// so, and what stands in `new` and in `cur`. Two names of one file are one message, which a crash has left in the middle of a
    /// renaming: one of them goes, once nobody can be at it any more. Under the list's lock.
    mutating func mend(_ maildir: Maildir, at time: Time = .now()) throws(SystemError) {
        guard !strays.isEmpty else { return }
        var random = Randomness()
        let host = MaildirDelivery.escaped(host: Host.name())
        var links: [MaildirFile] = []
        for (number, stray) in strays.enumerated() {
            // One that was renamed while we looked was seen twice.
            guard let status = try maildir.status(stray), status.kind == .regular else { continue }
            if stray.isListable, let place = places[stray.base] {
                guard let other = try maildir.status(files[place]) else {
                    files[place] = stray
                    continue
                }
                if other.isSameFile(as: status) {
                    let isLeft = time - status.changed > Self.linkAge
                    let isGone = isLeft ? try Self.removeLink(stray, maildir) : false
                    if !isGone { links.append(stray) }
                    continue
                }
            }
            let base = MaildirFile.uniqueBase(host: host, delivery: number, random: &random)
            do throws(SystemError) {
                guard let renamed = try maildir.rename(stray, to: stray.renamed(Array(base.utf8))) else {
                    continue
                }
                add(renamed)
            } catch {
                // It waits until its name can be changed.
                guard error.isForWantOfRoom || error.isForWantOfRights else { throw error }
                links.append(stray)
            }
        }
        strays = links
        try maildir.synchronize()
    }

    /// Whoever renames by linking and unlinking is between the two for less.
    private static let linkAge = Duration.seconds(30)

    private static func removeLink(_ link: MaildirFile, _ maildir: Maildir) throws(SystemError) -> Bool {
        do throws(SystemError) {
            _ = try maildir.remove(link)
            return true
        } catch {
            guard error.isForWantOfRoom || error.isForWantOfRights else { throw error }
            return false
        }
    }
}
