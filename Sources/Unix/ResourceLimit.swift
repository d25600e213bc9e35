import CSystem

/// Limits that this process and what it starts cannot raise again.
package enum ResourceLimit {
    /// No core files: they would hold mail.
    package static func forbidCoreFiles() { _ = cs_limit_core() }

    /// No new process, and no thread. Root is not held to it.
    package static func forbidProcesses() throws(SystemError) {
        try SystemCall.perform("setrlimit") { cs_forbid_processes() }
    }

    /// A file that would grow beyond its limit is an error of write, not the end of the process.
    package static func reportFileSize() { cs_ignore_signal(SIGXFSZ) }

    package static func openFiles(_ most: UInt64) { _ = cs_limit_open_files(most) }
}
