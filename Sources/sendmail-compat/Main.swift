import Bytes
import Reception
import Program
import Unix

/// The command line that every Unix program expects of a mail system: sendmail-compat(8), installed as
/// `sendmail`, `mailq` and `newaliases`. It runs as its caller with the group that may add to the queue, so
/// it trusts neither its environment nor its descriptors nor its arguments (T74, T75).
@main
struct Main {
    /// For help and messages; the options are read by `Invocation`.
    static let tool = Tool(
        "sendmail",
        synopsis:
            "[-itv] [-C file] [-F name] [-f sender] [-N when] [-R part] [-V id] [-bm|-bp|-bi|-bs|-bv] [recipient ...]",
        summary: "Put a message into the mail queue.",
        options: [
            .flag("t", "", "take recipients from To, Cc and Bcc"),
            .flag("i", "", "a line with a single dot does not end the message"),
            .value("f", "", "sender", "the envelope's sender"),
            .value("F", "", "name", "the sender's full name"),
            .value("N", "", "when", "report this: never, or success,failure,delay"),
            .value("R", "", "part", "a report brings this back: full or hdrs"),
            .value("V", "", "id", "the reports' name for this sending"),
            .flag("v", "", "say the message's id"),
            .value(
                "b", "", "mode", "m: send (default), p: list the queue, i: check aliases, s: SMTP, v: verify"),
            .value("C", "", "file", "read this instead of the host's relais.conf, without privilege"),
        ])

    static func main() {
        StandardDescriptors.fillHoles()
        StandardDescriptors.closeAll(from: 3)
        StandardDescriptors.ignoreBrokenPipes()
        ResourceLimit.reportFileSize()
        ResourceLimit.forbidCoreFiles()
        Environment.keepOnly(["RELAIS_FAULT"])
        Identity.setFileCreationMask(0o077)
        #if DEBUG
            SystemCall.armFromEnvironment()
        #endif

        let invocation: Invocation
        do throws(Invocation.Mistake) {
            invocation = try Invocation(
                name: Environment.arguments.first ?? "", Environment.rawArguments.dropFirst())
        } catch { tool.fail(error.message, .usage) }
        switch invocation.mode {
        case .help: answer(help)
        case .version: answer("sendmail-compat (relais) \(Tool.version)\n")
        default: break
        }
        // Whoever names a configuration names the queue: not with our group.
        if invocation.configuration != nil { giveUpGroup() }
        let configuration: Configuration
        do throws(ConfigurationError) {
            configuration = try Configuration.load(invocation.configuration)
        } catch { tool.fail(error.description, .configuration) }
        run(invocation, configuration).leave()
    }

    private static func run(_ invocation: Invocation, _ configuration: Configuration) -> ExitStatus {
        switch invocation.mode {
        case .submit:
            var submission = Submission(invocation, configuration)
            return submission.run()
        case .verify:
            giveUpGroup()
            var verification = AddressVerification(configuration)
            return verification.run(invocation.recipients)
        case .checkAliases:
            giveUpGroup()
            return NewAliases(configuration: configuration).run()
        case .runQueue:
            ServiceSocket.kick(configuration.serviceSocket("kick"))
            return .ok
        case .listQueue: Sibling.become("queue-runner", ["--list"], invocation, keepingGroup: false)
        case .speakSMTP: Sibling.become("smtpd", [], invocation, keepingGroup: true)
        case .help, .version: return .ok
        }
    }

    static func giveUpGroup() {
        do throws(SystemError) { try Identity.dropSetGroup() } catch {
            tool.fail(error.description, .osError)
        }
    }

    private static var help: String {
        var text = "usage: sendmail \(tool.synopsis)\n\(tool.summary)\n\n"
        for option in tool.options {
            let left = "  -\(option.short!)\(option.argument.map { " \($0)" } ?? "")"
            text += left + String(repeating: " ", count: max(2, 16 - left.utf8.count)) + option.meaning + "\n"
        }
        return text
            + "\nOther options of sendmail are taken and do nothing. The manual is sendmail-compat(8).\n"
    }

    private static func answer(_ text: String) -> Never {
        do throws(SystemError) { try File.writeAll(1, text.utf8) } catch {
            tool.fail(error.description, .inputOutput)
        }
        ExitStatus.ok.leave()
    }
}
