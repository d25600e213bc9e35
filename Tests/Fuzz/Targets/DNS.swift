import Bytes
import Resolver
import Unix

extension FuzzTarget {
    static let dns = [FuzzTarget(name: "dns", run: packet), FuzzTarget(name: "dns-name", run: name)]

    private static func packet(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        guard let message = try? DNSMessage(input) else { return seen.noteNone("message") }
        seen.note("header", Int64(message.id), Int64(message.flags), Int64(message.code.number))
        for record in message.answers + message.authorities + message.additional { note(record, &seen) }
        try promise("no record is made of nothing", message.answers.count * 11 <= input.count)
        for question in message.questions {
            try promise("names are bounded", question.name.wire.count <= 255)
            seen.note("question", question.name.wire)
            seen.note("answer", message.answer(to: question))
            seen.note("exchangers", message.answer(to: Question(question.name, .mx)))
        }
    }

    private static func note(_ record: ResourceRecord, _ seen: inout Findings) {
        seen.note("record", record.name.wire)
        seen.note("type", Int64(record.type.number), Int64(record.recordClass), Int64(record.timeToLive))
        switch record.data {
        case .address(let address): seen.note("address", address.description)
        case .exchanger(let preference, let name):
            seen.note("preference", Int64(preference))
            seen.note("exchanger", name.description)
        case .name(let name): seen.note("name", name.description)
        case .text(let texts): for text in texts { seen.note("text", text) }
        case .opaque(let bytes): seen.note("data", bytes)
        case .fields(let fields): seen.note("fields", Int64(fields.count))
        case .service, .authority, .certification, .tlsAssociation: seen.note("data", true)
        }
    }

    /// Names as people and configurations write them, domains of mail, name servers.
    private static func name(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        if let name = try? DNSName(text: input) {
            try promise("names are bounded", name.wire.count <= 255)
            try promise("a name's text is a name", (try? DNSName("\(name)")) == name)
            seen.note("name", name.wire)
            seen.note("of a host", name.isHostName)
        }
        let text = String(decoding: input, as: UTF8.self)
        seen.note("domain", Destination(mailDomain: text))
        seen.note("route", Destination(route: text))
        for server in NameServers.parse(input) { seen.note("server", server.description) }
    }
}

extension Findings {
    fileprivate mutating func note(_ what: StaticString, _ answer: Answer) {
        switch answer {
        case .records(let records): note(what, Int64(records.count))
        case .alias(let name): note(what, name.wire)
        case .noData: note(what, "no data")
        case .noSuchDomain: note(what, "no such domain")
        case .failed(let failure): note(what, failure.description)
        }
    }

    fileprivate mutating func note(_ what: StaticString, _ destination: Destination?) {
        switch destination {
        case .domain(let name): note(what, name.wire)
        case .literal(let address): note(what, address.description)
        case .host(let name, let port): note(what, "\(name):\(port ?? 0)")
        case .address(let address, let port): note(what, "\(address):\(port ?? 0)")
        case nil: noteNone(what)
        }
    }
}
