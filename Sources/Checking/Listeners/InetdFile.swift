import Bytes

/// inetd.conf(5), as OpenBSD's, FreeBSD's and GNU's inetd read it.
enum InetdFile {
    /// `service kind protocol wait user program argument...`; what is no such line is passed over, as inetd does.
    static func listeners(in bytes: [UInt8], path: String) -> [Listener] {
        var found: [Listener] = []
        for (index, line) in bytes.split(separator: .lf, omittingEmptySubsequences: false).enumerated() {
            let words = line.split { $0.isWhitespace }.map { String(decoding: $0, as: UTF8.self) }
            guard words.count >= 6, words[0].utf8.first != .ascii("#") else { continue }
            found.append(
                Listener(
                    master: .inetd, origin: "\(path):\(index + 1)", service: service(words[0]),
                    user: account(words[4]), isWaiting: words[3].utf8.starts(with: "wait".utf8),
                    program: words[5], arguments: Array(words.dropFirst(7))))
        }
        return found
    }

    /// What is listened to; FreeBSD's has `:user:group:mode:` in front of the path of a Unix socket.
    private static func service(_ word: String) -> String {
        guard word.utf8.first == .ascii(":"), let slash = word.utf8.firstIndex(of: .ascii("/"))
        else { return word }
        return String(word[slash...])
    }

    /// `user`, with a group behind `:` or `.`, and a login class behind `/`.
    private static func account(_ word: String) -> String {
        let end = word.utf8.firstIndex { ":./".utf8.contains($0) } ?? word.utf8.endIndex
        return String(word[..<end])
    }
}

/// xinetd.conf(5): `service name { key = value ... }`. It has no Unix sockets, so of ours only what the network asks.
enum XinetdFile {
    static func listeners(in bytes: [UInt8], path: String) -> [Listener] {
        var found: [Listener] = []
        var name: String?
        var begin = 0
        var values: [String: String] = [:]
        for (index, line) in bytes.split(separator: .lf, omittingEmptySubsequences: false).enumerated() {
            let words = line.split { $0.isWhitespace }.map { String(decoding: $0, as: UTF8.self) }
            guard let first = words.first, first.utf8.first != .ascii("#") else { continue }
            if first == "service", words.count > 1 {
                (name, begin, values) = (words[1], index + 1, [:])
            } else if first == "}", let service = name {
                found += listener(service, values, "\(path):\(begin)")
                name = nil
            } else if words.count > 2, words[1].utf8.last == .ascii("=") {
                values[first] = words.dropFirst(2).joined(separator: " ")
            }
        }
        return found
    }

    private static func listener(_ name: String, _ values: [String: String], _ origin: String) -> [Listener] {
        guard let program = values["server"], values["disable"] != "yes" else { return [] }
        let port = values["port"] ?? name
        return [
            Listener(
                master: .xinetd, origin: origin, service: values["bind"].map { "\($0):\(port)" } ?? port,
                user: values["user"] ?? "root", isWaiting: values["wait"] == "yes", program: program,
                arguments: (values["server_args"] ?? "").split(separator: " ").map { String($0) })
        ]
    }
}
