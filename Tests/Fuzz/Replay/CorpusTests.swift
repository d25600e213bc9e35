import Bytes
import Testing
import Unix

/// What the fuzzer found interesting, and every crash that it ever found, in the ordinary suite.
@Suite struct CorpusTests {
    static let corpus = Path.split(Path.split(#filePath).directory).directory + "/Corpus"

    @Test("every input of the corpus is taken, and every promise kept", arguments: FuzzTarget.all.map(\.name))
    func replay(name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let directory = try Directory("\(Self.corpus)/\(name)")
        let inputs = try directory.names().sorted()
        #expect(!inputs.isEmpty, "\(name) has no corpus")
        for input in inputs {
            let bytes = try #require(try directory.open(input, .read).readAll(limit: 1 << 20))
            #expect(throws: Never.self, "\(name)/\(input)") { try target.run(bytes) }
        }
        for bytes in [[], Array(repeating: UInt8.space, count: 5000), Array(0...255)] {
            #expect(throws: Never.self, "\(name): \(bytes.escaped(limit: 20))") { try target.run(bytes) }
        }
    }

    @Test("every directory of the corpus has its target, and no target's name comes twice")
    func names() throws {
        let names = FuzzTarget.all.map(\.name).sorted()
        #expect(try Directory(Self.corpus).names().sorted() == names)
    }
}
