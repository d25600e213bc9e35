import Bytes

/// A unit file of systemd, systemd.syntax(7): `key = value` below `[Section]`; the last value of a key counts.
struct SystemdUnit: Equatable {
    private var values: [String: String] = [:]

    init(_ bytes: [UInt8]) {
        for line in bytes.split(separator: .lf) {
            let line = line.trimmed()
            guard let first = line.first, !"#;[".utf8.contains(first),
                let equals = line.firstIndex(of: .ascii("="))
            else { continue }
            let key = String(decoding: line[..<equals].trimmed(), as: UTF8.self)
            values[key] = String(decoding: line[(equals + 1)...].trimmed(), as: UTF8.self)
        }
    }

    subscript(key: String) -> String? { values[key] }

    /// The command of ExecStart, without the signs that may stand in front of it.
    var command: [String] {
        var words = (values["ExecStart"] ?? "").split(separator: " ").map { String($0) }
        if let first = words.first {
            words[0] = String(decoding: first.utf8.drop { "-@:+!".utf8.contains($0) }, as: UTF8.self)
        }
        return words
    }

    var isAccepting: Bool { ["yes", "true", "on", "1"].contains(values["Accept"] ?? "no") }

    /// The service unit that a socket unit starts.
    func serviceName(ofSocket name: String) -> String {
        let stem = String(decoding: name.utf8.dropLast(".socket".utf8.count), as: UTF8.self)
        return values["Service"] ?? (isAccepting ? "\(stem)@.service" : "\(stem).service")
    }

    /// A socket unit and its service as one listener.
    func listener(named name: String, starting service: SystemdUnit, isEnabled: Bool) -> Listener? {
        guard let place = values["ListenStream"] ?? values["ListenDatagram"],
            let program = service.command.first
        else { return nil }
        return Listener(
            master: .systemd, origin: serviceName(ofSocket: name), service: place,
            user: service["User"] ?? "root",
            isWaiting: !isAccepting, program: program, arguments: Array(service.command.dropFirst()),
            isEnabled: isEnabled)
    }
}
