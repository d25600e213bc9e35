import Unix

/// How a program of ours ends: the codes of sysexits(3), which mail programs have agreed on.
package enum ExitStatus: Int32 {
    case ok = 0
    /// The command line is wrong.
    case usage = 64
    case dataError = 65
    case noInput = 66
    /// The addressee does not exist.
    case noUser = 67
    case noHost = 68
    /// A service that is needed is not there.
    case unavailable = 69
    case software = 70
    case osError = 71
    case osFile = 72
    case cannotCreate = 73
    case inputOutput = 74
    /// Try again later; nothing was kept.
    case temporaryFailure = 75
    case protocolError = 76
    case noPermission = 77
    case configuration = 78

    package func leave() -> Never { terminate(rawValue) }
}
