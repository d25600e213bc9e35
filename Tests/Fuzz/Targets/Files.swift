import Bytes
import Mail
import Program
import Unix

@testable import Delivery
@testable import MailStore
@testable import Queue

extension FuzzTarget {
    /// What stands in files that others write, or that a crash left behind.
    static let files = [
        FuzzTarget(name: "queue-message", run: queueMessage), FuzzTarget(name: "queue-log", run: queueLog),
        FuzzTarget(name: "mbox", run: mbox), FuzzTarget(name: "uidlist", run: uidList),
        FuzzTarget(name: "aliases", run: aliases), FuzzTarget(name: "forward", run: forward),
        FuzzTarget(name: "configuration", run: configuration),
    ]

    /// An unnamed file with these bytes, to be read from its beginning.
    private static func file(_ bytes: [UInt8]) throws -> Descriptor {
        guard let file = try Directory("/tmp").openUnnamed(mode: 0o600) else {
            throw SystemError("open", .notSupported, "/tmp")
        }
        try file.write(bytes)
        try file.seek(to: 0)
        return file
    }

    private static func queueMessage(_ input: [UInt8]) throws {
        if let (head, size) = try? MessageHead.parse(input) {
            try promise("a head is part of its file", size <= input.count)
            let again = try MessageHead.parse(head.encoded)
            try promise("what was read is what is written", again?.head == head)
            try promise("it can be stored", head.envelope.isStorable)
        }
        if let trailer = MessageTrailer(input) {
            try promise("a trailer is what it says", trailer.encoded == input)
        }
        if let id = MessageID(name: input) { try promise("an id is its text", Array(id.text.utf8) == input) }
    }

    private static func queueLog(_ input: [UInt8]) throws {
        for line in input.split(separator: .lf) {
            guard let event = LogEvent(line: line) else { continue }
            let again = event.encoded
            try promise("an event is one line", again.firstIndex(of: .lf) == again.count - 1)
            try promise("it is read back", LogEvent(line: again.dropLast())?.recipient == event.recipient)
        }
        if let state = FailingDestination(input) {
            try promise("a destination is read back", FailingDestination(state.encoded) != nil)
        }
    }

    private static func mbox(_ input: [UInt8]) throws {
        let index = try MboxIndex(try file(input))
        var end = 0
        for message in index.messages {
            try promise(
                "messages follow each other",
                end <= message.start && message.start <= message.header && message.header <= message.headerEnd
                    && message.headerEnd <= message.end && message.end <= input.count)
            end = message.end
            for piece in message.shown {
                try promise(
                    "what is shown is the message's",
                    message.header <= piece.lowerBound && piece.upperBound <= message.end)
            }
        }
    }

    private static func uidList(_ input: [UInt8]) throws {
        if var list = UIDList(input) {
            try promise("a list is read back", UIDList(list.encoded) == list)
            try promise("UIDs grow", !list.entries.contains { $0.uid >= list.next })
            list.keep { _ in false }
        }
        let keywords = KeywordNames(file: input)
        try promise("keywords are read back", KeywordNames(file: keywords.file).all == keywords.all)
        let file = MaildirFile(.cur, input)
        try promise("flags are read back", file.with(file.flags).flags == file.flags)
        try promise("a base stays", file.with(.seen).base == file.base)
    }

    private static func aliases(_ input: [UInt8]) throws {
        let file = try file(input)
        let aliases = AliasFile("/proc/self/fd/\(file.raw)")
        let (entries, problems) = aliases.check()
        try promise("no more than lines", entries + problems.count <= input.split(separator: .lf).count + 1)
        _ = try? aliases.targets(of: Array("postmaster".utf8))
    }

    private static func forward(_ input: [UInt8]) throws {
        _ = ForwardFile.names(for: input)
        _ = RecipientAddress(input)
        guard let targets = try? ForwardFile.parse(input) else { return }
        for target in targets {
            guard case .address(let text) = target else { continue }
            try promise("no control byte gets into an address", !text.contains { $0.isControl })
        }
    }

    private static func configuration(_ input: [UInt8]) throws {
        do throws(ConfigurationError) { _ = try Configuration.parse(input, file: "f") } catch {
            let text = Array("\(error)".utf8)
            try promise("an error is one line of text", !text.contains { $0.isControl } && text.count < 600)
            try promise("it names the line", text.starts(with: "f:\(error.line): ".utf8))
        }
    }
}
