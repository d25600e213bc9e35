import Program
import Testing
import Unix

/// The manuals and the tables that the programs are made from say the same.
@Suite struct ManualTests {
    /// The repository, from where this file was compiled.
    private static let root = String(#filePath.dropLast("Tests/ProgramTests/ManualTests.swift".count))

    private func page(_ name: String) throws -> [String] {
        let bytes = try #require(try Path.contents("\(Self.root)man/\(name)"))
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test("relais.conf(5) has an entry for every key, with its default, and for nothing else")
    func configuration() throws {
        let lines = try page("relais.conf.5")
        let prefix = ".It Cm "
        let entries = lines.indices.filter { lines[$0].hasPrefix(prefix) }
        #expect(
            entries.map { String(lines[$0].dropFirst(prefix.count)) }.sorted()
                == Configuration.keys.map(\.name).sorted())
        for key in Configuration.keys {
            let start = try #require(lines.firstIndex(of: prefix + key.name))
            let text = lines[start...].dropFirst().prefix { !$0.hasPrefix(".It ") && !$0.hasPrefix(".El") }
            let stated = key.standard.isEmpty ? "Default: " : "Default: \(key.standard)"
            #expect(text.contains { $0.hasPrefix(stated) }, "\(key.name) should state \(stated)")
        }
    }
}
