import Testing

@Suite struct PieceTests {
    @Test(
        "a message that goes through in pieces has the line ends and the size that it has in one, wherever a piece ends"
    )
    func lineEnds() {
        let line = "01234567\r\n"
        // The pieces end at each place of a line in turn.
        for shift in 0..<line.utf8.count {
            let whole =
                "X: \(String(repeating: "x", count: shift))\r\n\r\n" + String(repeating: line, count: 30_000)
            let store = FakeStore()
            store.add(whole)
            let client = Client(store, sizeLimit: 1 << 20)
            client.say("s SELECT INBOX\r\n")
            let said = client.say("a FETCH 1 BODY.PEEK[]\r\n")
            let expected =
                "* 1 FETCH (BODY[] {\(whole.utf8.count)}\r\n\(whole))\r\na OK Fetch completed\r\n"
            #expect(said.utf8.elementsEqual(expected.utf8), "\(shift)")
            let part = client.say("a FETCH 1 BODY.PEEK[]<65530.20>\r\n")
            let middle = String(decoding: whole.utf8.dropFirst(65530).prefix(20), as: UTF8.self)
            #expect(
                part.utf8.elementsEqual(
                    "* 1 FETCH (BODY[]<65530> {20}\r\n\(middle))\r\na OK Fetch completed\r\n".utf8))
        }
    }
}
