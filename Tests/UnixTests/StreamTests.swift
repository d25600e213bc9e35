import Bytes
import Testing

import Unix

@Suite struct StreamTests {
    @Test("lines are read to their LF, within the limit, however they arrive")
    func lines() throws {
        let pair = try DescriptorPair.sockets()
        let stream = ByteStream(input: pair.first.raw, output: pair.first.raw, patience: .seconds(5))
        try pair.second.write(Array("one\r\ntw".utf8))
        #expect(try stream.readLine(limit: 10) == .line([UInt8]("one\r\n")))
        try pair.second.write(Array("o\nthree".utf8))
        #expect(try stream.readLine(limit: 10) == .line([UInt8]("two\n")))
        #expect(try stream.readLine(limit: 5) == .tooLong)
        Socket.endWriting(pair.second.raw)
        #expect(try stream.readLine(limit: 10) == .end)
        #expect(Array(stream.buffered) == [UInt8]("three"))
    }

    @Test("output waits for the moment that input is needed")
    func output() throws {
        let pair = try DescriptorPair.sockets()
        let stream = ByteStream(input: pair.first.raw, output: pair.first.raw, patience: .milliseconds(1))
        try stream.write(Array("250 ok\r\n".utf8))
        #expect(throws: StreamError.timedOut) { try stream.fill() }
        #expect(try pair.second.read(upTo: 100) == [UInt8]("250 ok\r\n"))
    }

    @Test("files travel with bytes and belong to the receiver")
    func passing() throws {
        let pair = try DescriptorPair.sockets()
        let pipe = try DescriptorPair.pipe()
        try DescriptorPassing.send([1, 2, 3], with: [pipe.second.raw], over: pair.first.raw)
        let got = try DescriptorPassing.receive(upTo: 10, over: pair.second.raw)
        #expect(got.bytes == [1, 2, 3])
        try #require(got.files.count == 1)
        let writer = Descriptor(adopting: got.files[0])
        try writer.write([7])
        #expect(try pipe.first.read(upTo: 5) == [7])
    }

    @Test(
        "addresses and networks are read strictly",
        arguments: [
            ("192.0.2.1", "192.0.2.1"), ("2001:DB8::1", "2001:db8::1"), ("192.0.2", nil),
            ("192.0.2.256", nil),
            ("[::1]", nil), ("", nil), ("::1%lo", nil),
        ] as [(String, String?)])
    func addresses(text: String, canonical: String?) {
        #expect(IPAddress(text)?.description == canonical)
    }
}
