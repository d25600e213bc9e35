import Bytes
import Delivery
import Recipients
import Mail
import MailStore
import Program
import Queue
import Unix

extension FuzzTarget {
    /// What stands in files that others write, or that a crash left behind.
    static let files = [
        FuzzTarget(name: "queue-message", run: queueMessage), FuzzTarget(name: "queue-log", run: queueLog),
        FuzzTarget(name: "mbox", run: mbox), FuzzTarget(name: "uidlist", run: uidList),
        FuzzTarget(name: "aliases", run: aliases), FuzzTarget(name: "forward", run: forward),
        FuzzTarget(name: "configuration", run: configuration),
    ]

    /// An unnamed file with these bytes, to be read from its beginning.
    private static func file(_ bytes: [UInt8]) throws(Violation) -> Descriptor {
        try system { () throws(SystemError) in
            guard let file = try Directory("/tmp").openUnnamed(mode: 0o600) else {
                throw SystemError("open", .notSupported, "/tmp")
            }
            try file.write(bytes)
            try file.seek(to: 0)
            return file
        }
    }

    private static func queueMessage(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        if let (head, size) = try? MessageHead.parse(input) {
            try promise("a head is part of its file", size <= input.count)
            let again = (try? MessageHead.parse(head.encoded)) ?? nil
            try promise("what was read is what is written", again?.head == head)
            try promise("it can be stored", head.envelope.isStorable)
            seen.note("head", head.encoded)
        }
        if let trailer = MessageTrailer(input) {
            try promise("a trailer is what it says", trailer.encoded == input)
            seen.note("trailer", true)
        }
        if let id = MessageID(name: input) {
            try promise("an id is its text", Array(id.text.utf8) == input)
            seen.note("id", id.text)
        }
    }

    private static func queueLog(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        for line in input.split(separator: .lf) {
            guard let event = LogEvent(line: line) else { continue }
            let again = event.encoded
            try promise("an event is one line", again.firstIndex(of: .lf) == again.count - 1)
            try promise("it is read back", LogEvent(line: again.dropLast())?.recipient == event.recipient)
            seen.note("event", again)
        }
        if let state = FailingDestination(input) {
            try promise("a destination is read back", FailingDestination(state.encoded) != nil)
            seen.note("destination", state.encoded)
        }
    }

    private static func mbox(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        let file = try file(input)
        let index = try system { () throws(SystemError) in try MboxIndex(file) }
        var end = 0
        for message in index.messages {
            try promise(
                "messages follow each other",
                end <= message.start && message.start <= message.header && message.header <= message.headerEnd
                    && message.headerEnd <= message.end && message.end <= input.count)
            end = message.end
            seen.note(
                "message", message.date, Int64(message.wireSize), Int64(bitPattern: message.fingerprint))
            seen.note("shown", message.shown)
            for piece in message.shown {
                try promise(
                    "what is shown is the message's",
                    message.header <= piece.lowerBound && piece.upperBound <= message.end)
            }
        }
    }

    private static func uidList(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        if var list = UIDList(input) {
            try promise("a list is read back", UIDList(list.encoded) == list)
            try promise("UIDs grow", !list.entries.contains { $0.uid >= list.next })
            seen.note("list", list.encoded)
            list.keep { _ in false }
        }
        let keywords = KeywordNames(file: input)
        try promise("keywords are read back", KeywordNames(file: keywords.file).all == keywords.all)
        let file = MaildirFile(.cur, input)
        try promise("flags are read back", file.with(file.flags).flags == file.flags)
        try promise("a base stays", file.with(.seen).base == file.base)
        seen.note("keywords", keywords.file)
        seen.note("flags", Int64(bitPattern: file.flags.rawValue))
        seen.note("seen", file.with(.seen).name)
    }

    private static func aliases(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        let file = try file(input)
        let aliases = AliasFile("/proc/self/fd/\(file.raw)")
        let (entries, problems) = aliases.check { !$0.isEmpty }
        try promise("no more than lines", entries + problems.count <= input.split(separator: .lf).count + 1)
        seen.note("entries", Int64(entries))
        for problem in problems { seen.note("problem", "\(problem.line): \(problem.text)") }
        guard let targets = try? aliases.targets(of: Array("postmaster".utf8)) else {
            return seen.noteNone("postmaster")
        }
        for target in targets { seen.note(target) }
    }

    private static func forward(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        for name in ForwardFile.names(for: input) { seen.note("name", name) }
        let recipient = RecipientAddress(input)
        seen.note("local part", recipient.localPart)
        seen.note("domain", ifAny: recipient.domain)
        guard let targets = try? ForwardFile.parse(input) else { return seen.noteNone("targets") }
        for target in targets {
            seen.note(target)
            guard case .address(let text) = target else { continue }
            try promise("no control byte gets into an address", !text.contains { $0.isControl })
        }
    }

    private static func configuration(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        do throws(ConfigurationError) {
            let configuration = try Configuration.parse(input, file: "f")
            seen.note("hostname", configuration.hostname)
            for domain in configuration.localDomains { seen.note("local domain", domain) }
            seen.note("mailbox", configuration.mailbox)
            seen.note("limits", Int64(configuration.messageSizeLimit), Int64(configuration.recipientLimit))
        } catch {
            let text = Array("\(error)".utf8)
            try promise("an error is one line of text", !text.contains { $0.isControl } && text.count < 600)
            try promise("it names the line", text.starts(with: "f:\(error.line): ".utf8))
            seen.note("error", text)
        }
    }
}

extension Findings {
    fileprivate mutating func note(_ target: Target) {
        switch target {
        case .address(let text): note("address", text)
        case .mailbox(let text): note("mailbox", text)
        case .program(let text): note("program", text)
        case .file(let text): note("file", text)
        case .include(let text): note("include", text)
        }
    }
}
