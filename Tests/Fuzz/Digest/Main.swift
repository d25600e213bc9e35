import Bytes
import DialogFiles
import Unix

// usage: relais-digest DIRECTORY [TARGET INPUT]
//
// A line for each input of each target: the target, the input's name, a digest of what the target makes of it, and one of what it
// makes of eight inputs that are nearly the same. DIRECTORY is where the source is: inputs are those of Tests/Fuzz/Corpus, and for
// sessions and messages what the dialogs of Tests send and store. With a target and an input: what that digest is made of. Built
// with one runtime and with the other (scripts/runtimes), it must print the same.

@main struct Main {
    static func main() {
        let words = Environment.arguments
        guard words.count == 2 || words.count == 4 else {
            fail("usage: relais-digest DIRECTORY [TARGET INPUT]")
        }
        for target in FuzzTarget.all where words.count == 2 || words[2] == target.name {
            for input in Input.all(of: target.name, in: words[1]) {
                if words.count == 2 {
                    say("\(target.name)\t\(input.name)\t")
                    say("\(digest(target, [input.bytes]))\t\(digest(target, input.mutants))\n")
                } else if words[3] == input.name {
                    for bytes in [input.bytes] + input.mutants {
                        say("== \(bytes.escaped())\n")
                        try? File.writeAll(1, findings(target, bytes))
                    }
                }
            }
        }
    }

    private static func digest(_ target: FuzzTarget, _ inputs: [[UInt8]]) -> String {
        var sum = CRC32C()
        for bytes in inputs { sum.update(findings(target, bytes)[...]) }
        let digits = stride(from: 28, through: 0, by: -4).map {
            hexDigit(UInt8(sum.value >> UInt32($0) & 15))
        }
        return String(decoding: digits, as: UTF8.self)
    }

    /// A promise that is not kept is a finding, too.
    private static func findings(_ target: FuzzTarget, _ input: [UInt8]) -> [UInt8] {
        do throws(FuzzTarget.Violation) { return try target.run(input).text } catch {
            return Array("not kept: \(error.promise)\n".utf8)
        }
    }

    static func fail(_ text: String) -> Never {
        try? File.writeAll(2, Array("relais-digest: \(text)\n".utf8))
        terminate(64)
    }

    private static func say(_ text: String) { try? File.writeAll(1, Array(text.utf8)) }
}
