/// A line of inetd.conf, a service of xinetd, or a socket unit of systemd with its service: what is started for
/// whom connects where.
struct Listener: Equatable {
    enum Master: Equatable { case inetd, xinetd, systemd }

    let master: Master
    /// Where it is written: `/etc/inetd.conf:12`, or a unit's name.
    let origin: String
    /// `smtp`, `127.0.0.5:2525`, `25`, or a Unix socket's path.
    let service: String
    let user: String
    /// Whether it takes the listening socket itself (`wait`, `Accept=no`).
    let isWaiting: Bool
    let program: String
    /// Behind the program's name.
    let arguments: [String]
    /// systemd: whether it comes up with the host.
    var isEnabled = true

    /// Without its directories.
    var programName: String {
        String(program.split(separator: "/", omittingEmptySubsequences: true).last ?? "")
    }

    var isUnix: Bool { service.utf8.first == UInt8(ascii: "/") }

    /// Whether this is that role's, by what it serves.
    func serves(_ role: Role) -> Bool {
        switch role.place {
        case .socket(let path): return service == path
        case .network:
            return !isUnix && programName == role.program && !arguments.contains("--tls")
                && arguments.contains("--submission") == role.isSubmission
        }
    }
}
