import Program
import Queue
import Running

/// What the command line asks for: one thing.
enum Task {
    enum StatusForm { case text, json, prometheus }

    case deliver(Runner.Mode, isVerbose: Bool)
    case list(Listing.Form, Selection, fromTrash: Bool)
    case why(Selection)
    case show(Selection)
    case status(StatusForm)
    case check
    case clean
    case verify(isDry: Bool)
    case operate(OperatorCommand, Selection)
    /// `--import`.
    case take

    private static let names =
        [
            "kick", "watch", "list", "why", "show", "status", "check", "clean", "verify", "import", "reroute",
            "return",
        ]
        + OperatorCommand.simple.map { $0.option }

    /// What else belongs to which.
    private static let companions = [
        (option: "verbose", of: ["kick", "watch"]), (option: "removed", of: ["list"]),
        (option: "json", of: ["list", "status"]), (option: "prometheus", of: ["status"]),
        (option: "dry-run", of: ["verify"]), (option: "reason", of: ["return"]),
    ]

    init(_ arguments: Arguments) throws(UsageError) {
        let given = Self.names.filter(arguments.has)
        guard given.count < 2 else {
            throw UsageError("--\(given[0]) and --\(given[1]) cannot be done at once")
        }
        let name = given.first
        for (option, owners) in Self.companions where arguments.has(option) {
            guard owners.contains(name ?? "kick") else {
                throw UsageError(
                    "--\(option) goes with \(owners.map { "--\($0)" }.joined(separator: " or "))")
            }
        }
        let selection = try Selection(arguments.operands)
        let choosing =
            ["list", "why", "show", "reroute", "return"] + OperatorCommand.simple.map { $0.option }
        guard selection.isEmpty || choosing.contains(name ?? "") else {
            throw UsageError("--\(name ?? "kick") takes no operands")
        }
        guard !selection.isEmpty || name == "list" || !choosing.contains(name ?? "") else {
            throw UsageError("--\(name ?? ""): which messages? By id, from=, to=, domain= or all")
        }
        self = try Self.task(name, arguments, selection)
    }

    private static func task(
        _ name: String?, _ arguments: Arguments, _ selection: Selection
    ) throws(UsageError) -> Task {
        switch name {
        case nil: return .deliver(.once, isVerbose: arguments.has("verbose"))
        case "kick": return .deliver(.kicked, isVerbose: arguments.has("verbose"))
        case "watch": return .deliver(.watch, isVerbose: arguments.has("verbose"))
        case "list":
            return .list(
                arguments.has("json") ? .json : .mailq, selection, fromTrash: arguments.has("removed"))
        case "why": return .why(selection)
        case "show": return .show(selection)
        case "status":
            return .status(
                arguments.has("json") ? .json : arguments.has("prometheus") ? .prometheus : .text)
        case "check": return .check
        case "clean": return .clean
        case "verify": return .verify(isDry: arguments.has("dry-run"))
        case "import": return .take
        case "reroute":
            guard let target = arguments.value("reroute").flatMap({ RerouteTarget($0) }) else {
                throw UsageError(
                    "--reroute takes user@domain, @domain, host, host:port, [address], [address]:port or smtps://host"
                )
            }
            return .operate(.reroute(target), selection)
        case "return":
            let reason = arguments.value("reason") ?? ReturnToSender.usualReason
            guard let command = ReturnToSender.Reason(reason) else {
                throw UsageError(
                    "--reason takes one line of text, of at most \(ReturnToSender.Reason.longest) bytes")
            }
            return .operate(.giveBack(command), selection)
        default:
            guard let command = OperatorCommand.simple.first(where: { $0.option == name }) else {
                throw UsageError("what is to be done?")
            }
            return .operate(command, selection)
        }
    }
}
