import IMAP
import MailStore
import Unix

extension StoreFailure {
    init(_ failure: FolderTree.Failure) {
        switch failure {
        case .badName: self = .badName
        case .exists: self = .exists
        case .missing: self = .missing
        case .system(let error): self = StoreFailure(error)
        }
    }

    init(_ error: SystemError) {
        switch error.code {
        case .noEntry, .notDirectory: self = .missing
        case .notEmpty: self = .hasChildren
        case .again: self = .inUse
        case .invalid: self = .noMailbox
        case .noSpace, .overQuota: self = .overQuota
        case .accessDenied, .notPermitted, .readOnlyFilesystem, .nameTooLong: self = .notPermitted
        default: self = .system("\(error)")
        }
    }
}
