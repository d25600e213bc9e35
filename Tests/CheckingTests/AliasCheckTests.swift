import Accounts
import Recipients
import Program
import TemporaryPlaces
import Testing
@testable import Unix

@testable import Checking

@Suite struct AliasCheckTests {
    /// Rules over a file of aliases, on a host where ann and bob are, and daemon gets no mail.
    private static func check(_ text: String, in place: TemporaryDirectory) throws -> (AliasCheck, String) {
        let path = try place.write("aliases", text)
        let aliases = AliasFile(path)
        let rules = RecipientRules(
            isLocal: { $0.elementsEqual("here.example".utf8) }, isRelayed: { _ in false },
            alias: { names throws(LookupFailure) in
                do { return try aliases.alias(ofAny: names) } catch { throw LookupFailure("broken") }
            },
            account: { localPart, _ throws(LookupFailure) in
                let name = String(decoding: localPart, as: UTF8.self)
                guard ["ann", "bob", "root", "daemon"].contains(name) else { return nil }
                return Account(
                    name: name, uid: name == "root" ? 0 : name == "daemon" ? 1 : 1001, gid: 100, home: "/",
                    shell: "/bin/sh", isSystems: true)
            })
        return (AliasCheck(path, rules), path)
    }

    private static func told(_ text: String) throws -> [String] {
        let place = try TemporaryDirectory()
        let (check, path) = try check(text, in: place)
        return (check.lines(isSafe: true) + check.entries() + check.root()).map {
            $0.text.replacing(path, with: "")
        }
    }

    @Test("aliases that lead to somebody are well")
    func well() throws {
        #expect(try Self.told("root: ann\nteam: ann, bob, x@far.example\n") == [])
        #expect(try Self.told("root: postmaster\npostmaster: bob@here.example\n") == [])
        #expect(try Self.told("root: x@far.example\n") == [])
        #expect(try Self.told("root: /var/mail/root\n") == [])
        #expect(try Self.told("root: ann\nann: ann, bob\n") == [])
        #expect(try Self.told("root: ann\nann: ann\n") == [])
        #expect(try Self.told("root: root@here.example\nroot@here.example: ann\n") == [])
        #expect(
            try Self.told("root: ann\n@here.example: ann\ninfo@here.example: x@here.example, root\n") == [])
    }

    @Test(
        "mail for root that no login reads is told",
        arguments: ["", "postmaster: ann\n", "root: root\n", "root: \\root\n", "root: admin\nadmin: root\n"])
    func root(text: String) throws {
        #expect(try Self.told(text).contains { $0.hasPrefix("root: no login reads its mail") })
    }

    @Test("a name that leads to nobody is told with its line")
    func nobody() throws {
        let told = try Self.told("root: ann\n\nsales: ann, nobodyhere\nold: nobody\n")
        #expect(told.count == 2)
        #expect(told[0].hasPrefix(":3: sales leads to nobodyhere"))
        #expect(told[1].hasPrefix(":4: old leads to nobody"))
    }

    @Test(
        "a name that no address has is told once", arguments: ["@there.example", "ann@there.example", "*"])
    func noAddress(name: String) throws {
        let told = try Self.told("root: ann\n\(name): ann\n")
        #expect(told.count == 1 && told[0].hasPrefix(":2: \(name) matches no address"))
    }

    @Test("a loop is told once, with the way round it")
    func loops() throws {
        let told = try Self.told("root: ann\na: b\nb: c, bob\nc: A@here.example\n")
        #expect(told == [":2: a loop: a -> b -> c -> a: take one of them out"])
        #expect(
            try Self.told("root: ann\na@here.example: a\na: x@here.example\n@here.example: a@here.example\n")
                == [
                    ":2: a loop: a@here.example -> a -> @here.example -> a@here.example: take one of them out"
                ])
        #expect(
            try Self.told("root: ann\n@here.example: x@here.example\n") == [
                ":2: @here.example leads to x@here.example: user unknown"
            ])
    }

    @Test("who may write the file is told")
    func safety() throws {
        let place = try TemporaryDirectory()
        let (check, path) = try Self.check("root: ann\n", in: place)
        let about = try #require(try Path.status(path))
        #expect(check.safety(about, owners: [about.user]) == [])
        #expect(
            check.safety(about, owners: [about.user + 1]).map { $0.text.contains("chown root") } == [true])
        for mode: UInt32 in [0o666, 0o646, 0o664] {
            try #require(change(path, mode))
            let about = try #require(try Path.status(path))
            #expect(check.safety(about, owners: [about.user]).isEmpty == (mode == 0o664 && about.group == 0))
            // Told once.
            #expect(check.lines(isSafe: false) == [])
        }
    }

    private func change(_ path: String, _ mode: UInt32) -> Bool {
        (try? ChildProcess.output(of: "/bin/chmod", arguments: ["chmod", String(mode, radix: 8), path]))?.1
            == .exited(0)
    }
}
