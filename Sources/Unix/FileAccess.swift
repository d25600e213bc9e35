import CSystem

/// What another user may do with a file: asked by root in that user's place, and by anybody else computed from owners and
/// modes, which says nothing of access control lists.
package struct FileAccess {
    package enum Need { case read, append, change, search }
    package enum Answer: Equatable {
        case allowed
        case refused(Errno)
        /// What is on the way may not be looked at.
        case unknown
    }

    let user: UInt32
    let groups: [UInt32]

    /// `groups`: the user's own first.
    package init(user: UInt32, groups: [UInt32]) {
        self.user = user
        self.groups = groups
    }

    package func ask(_ need: Need, _ path: String) -> Answer {
        guard Identity.isRoot else { return compute(need, path) }
        let flags: CInt =
            switch need {
            case .read: O_RDONLY
            case .append: O_WRONLY | O_APPEND
            case .change: O_RDWR
            case .search: -1
            }
        let code = unsafe cs_may_open(path, flags, user, groups.first ?? user, groups, groups.count)
        return code == 0 ? .allowed : .refused(Errno(code))
    }

    /// Each directory on the way has to be searched, the file to allow what is needed.
    package func compute(_ need: Need, _ path: String) -> Answer {
        let names = path.utf8.split(separator: UInt8(ascii: "/")).map { String(decoding: $0, as: UTF8.self) }
        var way = ""
        for number in 0...names.count {
            way += number == 0 ? "" : "/\(names[number - 1])"
            let isLast = number == names.count
            let bits: UInt32 =
                switch need {
                case _ where !isLast: 1
                case .search: 1
                case .read: 4
                case .append: 2
                case .change: 6
                }
            do throws(SystemError) {
                guard let about = try Path.status(number == 0 ? "/" : way) else { return .refused(.noEntry) }
                if !allows(bits, about) { return .refused(.accessDenied) }
            } catch { return .unknown }
        }
        return .allowed
    }

    /// The first class that the user is in decides.
    package func allows(_ bits: UInt32, _ about: FileStatus) -> Bool {
        if user == 0 { return bits != 1 || about.kind == .directory || about.mode & 0o111 != 0 }
        let shift: UInt32 = about.user == user ? 6 : groups.contains(about.group) ? 3 : 0
        return about.mode >> shift & bits == bits
    }
}
