import Accounts
import Program
import Unix

/// Owners and modes of the queue's directories: the table of queue(5). In a private instance one user owns all of
/// them, and only the bits for others count.
struct QueueCheck {
    /// A directory of the table.
    struct Place {
        let path: String
        let mode: UInt32
        let group: String
    }

    enum Seen: Equatable {
        case nothing
        case status(FileStatus)
        case failed(SystemError)
    }

    private let installation: Installation
    private let spool: String

    init(_ installation: Installation) {
        self.installation = installation
        spool = installation.configuration.queueDirectory
    }

    func findings() -> [Finding] {
        guard let owner = installation.queueOwner else {
            return [
                .fault(
                    "\(spool): no such directory: run scripts/install, or set queue-directory in relais.conf")
            ]
        }
        if owner == 0 {
            return [
                .fault(
                    "\(spool): belongs to root, so that no runner works as relaisq: run scripts/install, or chown relaisq:relaisi \(spool), and relaisq:relaisq what is in it"
                )
            ]
        }
        let places = Self.places(installation.configuration)
        let seen = places.map { Self.look($0.path) }
        if !installation.seesAll, seen.contains(where: Self.isHidden) {
            return [.unseen("what is in \(spool): only root and the queue's owner may look")]
        }
        let found = zip(places, seen).flatMap { judge($0, $1) }
        return found.isEmpty ? buckets(owner) : found
    }

    private static func places(_ configuration: Configuration) -> [Place] {
        let root = configuration.queueDirectory
        var places = [
            Place(path: root, mode: 0o710, group: "relaisi"),
            Place(path: root + "/incoming", mode: 0o3733, group: "relaisq"),
        ]
        for name in ["deferred", "log", "hold", "trash", "corrupt", "destinations"] {
            places.append(Place(path: "\(root)/\(name)", mode: 0o700, group: "relaisq"))
        }
        places.append(Place(path: configuration.serviceSocket("queue"), mode: 0o700, group: "relaisq"))
        return places
    }

    private static func look(_ path: String) -> Seen {
        do throws(SystemError) {
            return try Path.status(path, following: false).map { .status($0) } ?? .nothing
        } catch { return .failed(error) }
    }

    private static func isHidden(_ seen: Seen) -> Bool {
        if case .failed(let error) = seen { return error.code == .accessDenied }
        return false
    }

    private func judge(_ place: Place, _ seen: Seen) -> [Finding] {
        Self.judge(
            place, seen, owner: (installation.queueOwner ?? 0, installation.privateUser ?? "relaisq"),
            group: installation.isPrivate
                ? nil : (try? installation.configuration.systemAccounts.group(named: place.group)) ?? nil)
    }

    /// `group`: its id; nil where any is right.
    static func judge(
        _ place: Place, _ seen: Seen, owner: (id: UInt32, name: String), group: UInt32?
    ) -> [Finding] {
        let path = place.path
        let wanted = octal(place.mode)
        let about: FileStatus
        switch seen {
        case .nothing:
            return [
                .fault(
                    "\(path): missing: run scripts/install, or mkdir \(path); chown \(owner.name) \(path); chmod \(wanted) \(path)"
                )
            ]
        case .failed(let error): return [.fault("\(path): cannot be looked at: \(error)")]
        case .status(let status): about = status
        }
        guard about.kind == .directory else { return [.fault("\(path): is not a directory")] }
        var commands: [String] = []
        var wrong: [String] = []
        if about.user != owner.id {
            wrong.append("belongs to user id \(about.user)")
            commands.append("chown \(owner.name) \(path)")
        }
        if let group, about.group != group {
            wrong.append("belongs to group id \(about.group)")
            commands.append("chgrp \(place.group) \(path)")
        }
        let isWrongMode =
            group == nil
            ? about.mode & 0o007 > place.mode & 0o007 || about.mode & 0o700 != 0o700
            : about.mode != place.mode
        if isWrongMode {
            wrong.append("has mode \(octal(about.mode))")
            // Behind chown, which takes special bits away.
            commands.append("chmod \(wanted) \(path)")
        }
        return wrong.isEmpty
            ? [] : [.fault("\(path): \(wrong.joined(separator: ", ")): \(commands.joined(separator: "; "))")]
    }

    static func octal(_ mode: UInt32) -> String { "0" + String(mode, radix: 8) }

    /// Mail in a bucket that the queue's owner cannot read waits for ever.
    private func buckets(_ owner: UInt32) -> [Finding] {
        let path = "\(spool)/deferred"
        guard let names = try? Directory(path).names() else { return [] }
        let bad = names.sorted().filter { name in
            guard let about = (try? Path.status("\(path)/\(name)", following: false)) ?? nil else {
                return false
            }
            return about.user != owner || about.mode & 0o700 != 0o700
        }
        guard let first = bad.first else { return [] }
        let others = bad.count > 1 ? " and \(bad.count - 1) more" : ""
        let name = installation.privateUser ?? "relaisq"
        return [
            .fault(
                "\(path)/\(first)\(others): \(name) cannot read what is deferred there: chown \(name) \(path)/*; chmod 0700 \(path)/*"
            )
        ]
    }
}
