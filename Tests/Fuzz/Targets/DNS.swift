import Bytes

@testable import Resolver

extension FuzzTarget {
    static let dns = [FuzzTarget(name: "dns", run: packet), FuzzTarget(name: "dns-name", run: name)]

    private static func packet(_ input: [UInt8]) throws {
        guard let message = try? Message(input) else { return }
        try promise("no record is made of nothing", message.answers.count * 11 <= input.count)
        for question in message.questions {
            try promise("names are bounded", question.name.wire.count <= DNSName.longest)
            _ = question.encoded(id: message.id)
            _ = message.answer(to: question)
            _ = message.answer(to: Question(question.name, .mx))
        }
    }

    /// Names as people and configurations write them, domains of mail, name servers.
    private static func name(_ input: [UInt8]) throws {
        if let name = try? DNSName(text: input) {
            try promise("names are bounded", name.wire.count <= DNSName.longest)
            try promise("a name's text is a name", (try? DNSName("\(name)")) == name)
            _ = name.isHostName
        }
        let text = String(decoding: input, as: UTF8.self)
        _ = Destination(mailDomain: text)
        _ = Destination(route: text)
        _ = NameServers.parse(input)
    }
}
