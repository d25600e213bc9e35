import CSystem

/// A system call that failed: which one, why, and on what. `description` is for logs and operators,
/// never for a peer.
package struct SystemError: Error, Equatable, CustomStringConvertible {
    package let call: String
    package let code: Errno
    package let object: String
    /// What is said instead of the system's word for `code`.
    private let reason: String?

    package init(_ call: StaticString, _ code: Errno, _ object: String, reason: String? = nil) {
        self.call = call.description
        self.code = code
        self.object = object
        self.reason = reason
    }

    package var description: String {
        let reason = reason ?? code.description
        return object.isEmpty ? "\(call): \(reason)" : "\(call) \(object): \(reason)"
    }
}

/// An error number of the system, by its name.
package struct Errno: Error, Hashable, CustomStringConvertible {
    package let number: CInt

    package init(_ number: CInt) { self.number = number }

    package static var current: Errno { Errno(cs_errno()) }

    package static let again = Errno(EAGAIN)
    package static let accessDenied = Errno(EACCES)
    package static let badDescriptor = Errno(EBADF)
    package static let brokenPipe = Errno(EPIPE)
    package static let connectionRefused = Errno(ECONNREFUSED)
    package static let connectionReset = Errno(ECONNRESET)
    package static let exists = Errno(EEXIST)
    package static let inputOutput = Errno(EIO)
    package static let interrupted = Errno(EINTR)
    package static let invalid = Errno(EINVAL)
    package static let isDirectory = Errno(EISDIR)
    package static let noEntry = Errno(ENOENT)
    package static let noSuchDevice = Errno(ENXIO)
    package static let noSpace = Errno(ENOSPC)
    package static let notDirectory = Errno(ENOTDIR)
    package static let notEmpty = Errno(ENOTEMPTY)
    package static let notPermitted = Errno(EPERM)
    package static let notImplemented = Errno(ENOSYS)
    package static let readOnlyFilesystem = Errno(EROFS)
    package static let notSocket = Errno(ENOTSOCK)
    package static let notSupported = Errno(EOPNOTSUPP)
    package static let overQuota = Errno(EDQUOT)
    package static let fileTooLarge = Errno(EFBIG)
    package static let timedOut = Errno(ETIMEDOUT)
    package static let networkUnreachable = Errno(ENETUNREACH)
    package static let hostUnreachable = Errno(EHOSTUNREACH)
    package static let cancelled = Errno(ECANCELED)
    package static let tooManyLinks = Errno(ELOOP)
    package static let crossDevice = Errno(EXDEV)
    package static let nameTooLong = Errno(ENAMETOOLONG)
    package static let tooManyFiles = Errno(EMFILE)

    package var description: String {
        guard let text = unsafe strerror(number) else { return "error \(number)" }
        return unsafe String(cString: text)
    }
}
