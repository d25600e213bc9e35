import Accounts
import MailStore
import Program
import Unix

/// `--verify`: what was found in a user's mailboxes, in words, and what was done about it.
struct MailboxVerification {
    private let configuration: Configuration
    private let isDry: Bool

    init(_ configuration: Configuration, isDry: Bool) {
        self.configuration = configuration
        self.isDry = isDry
    }

    func run(_ name: String) -> ExitStatus {
        let account = become(name)
        Identity.setFileCreationMask(0o077)
        let path = configuration.mailboxPath(of: account)
        var (mended, left) = (0, 0)
        let check = StoreCheck(isDry: isDry) { finding, verdict in
            var text = "\(finding.path): \(finding.what)"
            switch verdict {
            case .mended(let remedy):
                text += ": \(remedy)"
                mended += 1
            case .wouldBe(let remedy):
                text += " (would be \(remedy))"
                mended += 1
            case .notMended(let cause):
                text += ": not mended\(cause.isEmpty ? "" : ": \(cause)")"
                left += 1
            case .left: left += 1
            case .harmless: text += " (nothing is wrong with that)"
            }
            Self.say(text)
        }
        let count =
            path.hasSuffix("/")
            ? check.checkMaildir(path)
            : check.checkMboxes(inbox: path, folders: MboxTree.folders(home: account.home))
        var text = "\(count) mailbox\(count == 1 ? "" : "es") verified: "
        if mended + left == 0 {
            text += "all is well"
        } else {
            let verb = isDry ? "would be mended" : "mended"
            text += "\(mended) thing\(mended == 1 ? "" : "s") \(verb), \(left) left for you to look into"
        }
        Self.say(text)
        return left > 0 || isDry && mended > 0 ? .unavailable : .ok
    }

    private static func say(_ line: String) {
        do throws(SystemError) { try File.writeAll(1, "\(Log.printable(line))\n".utf8) } catch {
            Main.tool.fail("\(error)", .inputOutput)
        }
    }

    /// Root gives itself up first: nothing of a user's is opened by root.
    private func become(_ name: String) -> Account {
        let found: Account?
        do throws(SystemError) { found = try configuration.accounts.owner(named: Array(name.utf8)) } catch {
            Main.tool.fail("accounts cannot be looked up: \(error)", .temporaryFailure)
        }
        guard let account = found else { Main.tool.fail("no account \(name)", .noUser) }
        guard account.uid != 0 else { Main.tool.fail("root has no mailbox", .noPermission) }
        guard Identity.isRoot || account.uid == Identity.user else {
            Main.tool.fail("only \(name) and root may look at the mailboxes of \(name)", .noPermission)
        }
        guard account.home.hasPrefix("/") || !configuration.isMailboxInHome else {
            Main.tool.fail("\(name) has no home directory", .unavailable)
        }
        do throws(SystemError) {
            try configuration.systemAccounts.become(account)
            try Path.changeDirectory(to: "/")
        } catch {
            Main.tool.fail("cannot become \(name): \(error)", .osError)
        }
        return account
    }
}
