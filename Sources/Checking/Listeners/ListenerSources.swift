import Bytes
import Program
import Unix

/// Where this host's listeners are written down, read: inetd's and xinetd's files, and systemd's units.
struct ListenerSources {
    private(set) var listeners: [Listener] = []
    /// inetd's file, to be named where a line is missing.
    private(set) var inetdFile = "/etc/inetd.conf"
    /// The process of an inetd that reads such a file.
    private(set) var inetdProcess: Int32?
    /// What is there and may not be read.
    private(set) var unreadable: [String] = []

    static let unitDirectories = [
        "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    ]

    init(_ configuration: Configuration) {
        let places = [configuration.serviceSocket(""), configuration.netSocket("")]
        readInetd(places)
        for path in ["/etc/xinetd.conf"] + Self.files(in: "/etc/xinetd.d") {
            listeners += XinetdFile.listeners(in: contents(path) ?? [], path: path)
        }
        readSystemd(places)
    }

    /// Whether systemd starts what serves, and not inetd.
    var areSystemds: Bool {
        listeners.contains { $0.master == .systemd }
            && !listeners.contains { $0.master == .inetd && $0.isUnix }
    }

    /// The host's file counts; that of a private inetd where it has lines for our sockets.
    private mutating func readInetd(_ places: [String]) {
        for (path, process) in [("/etc/inetd.conf", Int32?.none)] + Self.runningInetds() {
            if path == "/etc/inetd.conf", process != nil {
                inetdProcess = process
                continue
            }
            let lines = InetdFile.listeners(in: contents(path) ?? [], path: path)
            let isOurs = lines.contains { line in places.contains { line.service.hasPrefix($0) } }
            guard path == "/etc/inetd.conf" || isOurs else { continue }
            listeners += lines
            if isOurs { inetdFile = path }
            if isOurs, let process { inetdProcess = process }
        }
    }

    /// Each inetd that runs, with the file that it was told to read.
    private static func runningInetds() -> [(String, Int32?)] {
        guard let processes = try? Directory("/proc").names() else { return [] }
        return processes.compactMap { name in
            guard let id = Int32(strictDecimal: Array(name.utf8)),
                let line = (try? Path.contents("/proc/\(name)/cmdline", limit: 65536)) ?? nil
            else { return nil }
            let words = line.split(separator: .nul).map { String(decoding: $0, as: UTF8.self) }
            guard let first = words.first, Path.split(first).name.hasSuffix("inetd"),
                !first.hasSuffix("xinetd")
            else { return nil }
            let file = words.dropFirst().last { $0.utf8.first == .ascii("/") }
            return (file ?? "/etc/inetd.conf", id)
        }
    }

    private mutating func readSystemd(_ places: [String]) {
        var seen: [String] = []
        for directory in Self.unitDirectories {
            for path in Self.files(in: directory) where path.hasSuffix(".socket") {
                let name = Path.split(path).name
                guard !seen.contains(name), let bytes = contents(path) else { continue }
                seen.append(name)
                let socket = SystemdUnit(bytes)
                let service = unit(socket.serviceName(ofSocket: name))
                let wants = "/etc/systemd/system/sockets.target.wants/\(name)"
                let isEnabled = ((try? Path.status(wants, following: false)) ?? nil) != nil
                guard let service,
                    let found = socket.listener(named: name, starting: service, isEnabled: isEnabled),
                    found.isUnix
                        ? places.contains(where: { found.service.hasPrefix($0) })
                        : ["smtpd", "pop3d", "imapd"].contains(found.programName)
                else { continue }
                listeners.append(found)
            }
        }
    }

    private mutating func unit(_ name: String) -> SystemdUnit? {
        for directory in Self.unitDirectories {
            if let bytes = contents("\(directory)/\(name)") { return SystemdUnit(bytes) }
        }
        return nil
    }

    private mutating func contents(_ path: String) -> [UInt8]? {
        do throws(SystemError) { return try Path.contents(path, limit: 1 << 20) } catch {
            if error.code == .accessDenied { unreadable.append(path) }
            return nil
        }
    }

    static func files(in directory: String) -> [String] {
        let names = (try? Directory(directory).names()) ?? []
        return names.sorted().map { "\(directory)/\($0)" }
    }
}
