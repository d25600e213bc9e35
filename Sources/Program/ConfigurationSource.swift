import Unix

/// relais.conf, for a program that lingers: what it decides, it decides by what the file says then. Asking costs a
/// stat. A file that cannot be used leaves what was read before in force.
package final class ConfigurationSource {
    package private(set) var current: Configuration
    private let given: String?
    private var seen: FileStatus?

    package enum Change {
        case none
        case changed
        /// For the log, once for each state of the file.
        case damaged(ConfigurationError)
    }

    /// Reads `path`, or the standard file.
    package init(_ path: String?) throws(ConfigurationError) {
        given = path
        // Before it is read: what changes meanwhile is read again.
        seen = Self.status(path)
        current = try Configuration.load(path)
    }

    private static func status(_ path: String?) -> FileStatus? {
        (try? Path.status(path ?? Configuration.standardPath)) ?? nil
    }

    package func refresh() -> Change {
        let now = Self.status(given)
        guard now != seen else { return .none }
        seen = now
        do throws(ConfigurationError) {
            current = try Configuration.load(given)
            return .changed
        } catch { return .damaged(error) }
    }
}
