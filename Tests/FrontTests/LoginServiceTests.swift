import Bytes
import Testing
import Unix

@testable import Front

/// The asking end, over a connection whose other end is the test's.
@Suite struct LoginServiceTests {
    private static let request = LoginExchangeTests.request

    @Test(
        "what comes back is the answer; what is none, or does not come, is later",
        arguments: [
            ("K", LoginAnswer.accepted), ("D", .refused), ("L", .tooManySessions), ("Z", .later),
            ("k", .later),
            ("", .later), ("DK", .refused),
        ])
    func answers(said: String, meant: LoginAnswer) throws {
        let pair = try DescriptorPair.sockets()
        let far = try pair.second.duplicate()
        let service = LoginService("/nonexistent", over: pair.keepFirst())
        if !said.isEmpty { try far.write(Array(said.utf8)) }
        Socket.endWriting(far.raw)
        #expect(service.ask(Self.request, client: nil) == meant)
        let received = LoginReceiver(over: far.raw, expectsSocket: false).receive()
        #expect(received?.request == Self.request)
    }

    @Test("the client's socket goes with the record, and is no other")
    func socket() throws {
        let pair = try DescriptorPair.sockets()
        let far = try pair.second.duplicate()
        let client = try DescriptorPair.sockets()
        let service = LoginService("/nonexistent", over: pair.keepFirst())
        try far.write([LoginAnswer.accepted.rawValue])
        #expect(service.ask(Self.request, client: client.second.raw) == .accepted)
        let passed = try #require(LoginReceiver(over: far.raw, expectsSocket: true).receive()?.client)
        let given = Descriptor(adopting: passed.take())
        try client.first.write([0x21])
        #expect(try given.read(upTo: 1) == [0x21])
    }

    @Test(
        "a connection is good for further tries until it could not be decided: then the next goes to somebody else"
    )
    func tries() throws {
        let pair = try DescriptorPair.sockets()
        let far = try pair.second.duplicate()
        let service = LoginService("/nonexistent", over: pair.keepFirst())
        let receiver = LoginReceiver(over: far.raw, expectsSocket: false)
        for answer in [LoginAnswer.refused, .tooManySessions, .later] {
            try far.write([answer.rawValue])
            #expect(service.ask(Self.request, client: nil) == answer)
            #expect(receiver.receive()?.request == Self.request)
        }
        #expect(receiver.receive() == nil, "it is closed")
        #expect(service.ask(Self.request, client: nil) == .later, "nobody is there")
    }
}
