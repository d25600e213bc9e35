import Bytes
import DialogFiles
import Unix

/// What a target is given.
struct Input {
    let name: String
    let bytes: [UInt8]

    /// Where dialogs are whose clients speak to this target.
    private static let sessions = ["smtp-server": "SMTP", "pop3": "POP3", "imap": "IMAP"]

    static func all(of target: String, in top: String) -> [Input] {
        let place = "\(top)/Tests/Fuzz/Corpus/\(target)"
        var inputs = names(place).map { Input(name: $0, bytes: contents("\(place)/\($0)")) }
        if let module = sessions[target] {
            inputs += dialogs(of: module, in: top) { $0 == "C:" ? [.cr, .lf] : nil }
        } else if target == "mime" || target == "header" {
            inputs += dialogs(of: "IMAP", in: top) { $0 == "M:" ? [.lf] : nil }
        }
        return inputs
    }

    /// The lines of a kind in each dialog, each with the end that `end` says; none of the other lines.
    private static func dialogs(of module: String, in top: String, end: (String) -> [UInt8]?) -> [Input] {
        let place = "\(top)/Tests/\(module)Tests/Dialogs"
        return names(place).compactMap { name in
            var bytes: [UInt8] = []
            for line in DialogFile(name, contents("\(place)/\(name)")).lines {
                if let end = end(line.kind) { bytes += DialogFile.unescaped(line.text) + end }
            }
            return bytes.isEmpty ? nil : Input(name: name, bytes: bytes)
        }
    }

    private static func names(_ path: String) -> [String] {
        do throws(SystemError) { return try Directory(path).names().sorted() } catch { Main.fail("\(error)") }
    }

    private static func contents(_ path: String) -> [UInt8] {
        do throws(SystemError) { return try Path.contents(path) ?? [] } catch { Main.fail("\(error)") }
    }

    /// Eight that differ a little, the same ones each time: a byte changed, taken out, or put in; a run of bytes twice.
    var mutants: [[UInt8]] {
        guard !bytes.isEmpty else { return [] }
        var sum = CRC32C()
        sum.update(bytes[...])
        var state = UInt64(sum.value) | 1 << 40
        func random(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
        return (0..<8).map { kind in
            var mutant = bytes
            let place = random(mutant.count)
            switch kind % 4 {
            case 0: mutant[place] = UInt8(random(256))
            case 1: mutant.remove(at: place)
            case 2:
                mutant.insert([.cr, .lf, .nul, .space, .quote, .backslash, 0xC3, 0xFF][random(8)], at: place)
            default:
                let end = min(mutant.count, place + 1 + random(40))
                mutant.insert(contentsOf: bytes[place..<end], at: place)
            }
            return mutant
        }
    }
}
