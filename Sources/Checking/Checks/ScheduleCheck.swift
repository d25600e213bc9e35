import Bytes
import Program
import Unix

/// The safety net: something starts the runner each minute, and tidies up each day.
enum ScheduleCheck {
    /// A line of a crontab, or a timer of systemd.
    struct Entry: Equatable {
        let origin: String
        /// Nil: the crontab's own user.
        let user: String?
        let command: String
        var isEnabled = true

        init(origin: String, user: String?, command: String, isEnabled: Bool = true) {
            self.origin = origin
            self.user = user
            self.command = command
            self.isEnabled = isEnabled
        }
    }

    static func findings(_ installation: Installation) -> [Finding] {
        guard !installation.isPrivate else { return [] }
        var hidden = false
        let entries = gather(&hidden)
        if hidden, judge(entries, sbin: installation.sbin) != [] {
            return [.unseen("whether relaisq has a crontab: only root may look")]
        }
        return judge(entries, sbin: installation.sbin)
    }

    static func judge(_ entries: [Entry], sbin: String) -> [Finding] {
        var findings: [Finding] = []
        let ours = entries.filter {
            $0.command.utf8.split { " \t;&|".utf8.contains($0) }.contains(where: isRunner)
        }
        let wants = [
            ("each minute", "* * * * *", ""), ("--clean each day", "0 4 * * *", " --clean >/dev/null"),
        ]
        for (what, times, options) in wants {
            let fitting = ours.filter { isClean($0) == !options.isEmpty }
            let line = "\(times) relaisq \(sbin)/queue-runner\(options)"
            guard let first = fitting.first(where: { $0.isEnabled }) ?? fitting.first else {
                findings.append(
                    .fault(
                        "no cron line and no timer starts queue-runner \(what): write into /etc/cron.d/relais: \(line) (or scripts/install --systemd)"
                    ))
                continue
            }
            if !first.isEnabled {
                findings.append(
                    .fault("\(first.origin) is not enabled: systemctl enable --now \(first.origin)"))
            } else if let user = first.user, user != "relaisq", user != "root" {
                findings.append(
                    .fault("\(first.origin): queue-runner as \(user) may not read the queue: \(line)"))
            }
        }
        return findings
    }

    private static func isRunner(_ word: Substring.UTF8View) -> Bool {
        word.elementsEqual("queue-runner".utf8) || word.suffix(13).elementsEqual("/queue-runner".utf8)
    }

    private static func isClean(_ entry: Entry) -> Bool {
        entry.command.utf8.split(separator: .space).contains { $0.elementsEqual("--clean".utf8) }
    }

    /// crontab(5): five times (or an @word), the user in a system's table, the command.
    static func entries(in bytes: [UInt8], path: String, hasUsers: Bool) -> [Entry] {
        bytes.split(separator: .lf, omittingEmptySubsequences: false).enumerated().compactMap { index, line in
            let words = line.split { $0.isWhitespace }.map { String(decoding: $0, as: UTF8.self) }
            guard let first = words.first, first.utf8.first != .ascii("#") else { return nil }
            let times = first.utf8.first == .ascii("@") ? 1 : 5
            guard words.count > times + (hasUsers ? 1 : 0) else { return nil }
            return Entry(
                origin: "\(path):\(index + 1)", user: hasUsers ? words[times] : nil,
                command: words.dropFirst(times + (hasUsers ? 1 : 0)).joined(separator: " "))
        }
    }

    private static func gather(_ hidden: inout Bool) -> [Entry] {
        var entries: [Entry] = []
        func read(_ path: String, hasUsers: Bool) -> Bool {
            do throws(SystemError) {
                guard let bytes = try Path.contents(path, limit: 1 << 20) else { return true }
                entries += Self.entries(in: bytes, path: path, hasUsers: hasUsers)
                return true
            } catch { return error.code == .isDirectory }
        }
        for path in ["/etc/crontab"] + ListenerSources.files(in: "/etc/cron.d") {
            _ = read(path, hasUsers: true)
        }
        // Debian, Red Hat, FreeBSD.
        for directory in ["/var/spool/cron/crontabs", "/var/spool/cron", "/var/cron/tabs"] {
            for name in ["relaisq", "root"] where !read("\(directory)/\(name)", hasUsers: false) {
                hidden = true
            }
        }
        return entries + timers()
    }

    private static func timers() -> [Entry] {
        var entries: [Entry] = []
        for directory in ListenerSources.unitDirectories {
            for path in ListenerSources.files(in: directory) where path.hasSuffix(".timer") {
                let name = Path.split(path).name
                guard let bytes = (try? Path.contents(path, limit: 1 << 20)) ?? nil else { continue }
                let stem = String(decoding: name.utf8.dropLast(".timer".utf8.count), as: UTF8.self)
                let service = SystemdUnit(bytes)["Unit"] ?? "\(stem).service"
                guard let text = (try? Path.contents("\(directory)/\(service)", limit: 1 << 20)) ?? nil else {
                    continue
                }
                let unit = SystemdUnit(text)
                let wants = "/etc/systemd/system/timers.target.wants/\(name)"
                entries.append(
                    Entry(
                        origin: name, user: unit["User"] ?? "root",
                        command: unit.command.joined(separator: " "),
                        isEnabled: ((try? Path.status(wants, following: false)) ?? nil) != nil))
            }
        }
        return entries
    }
}
