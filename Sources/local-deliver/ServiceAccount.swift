/// The accounts of an installed relais that local-deliver has to do with.
enum ServiceAccount {
    /// The queue-runner's: besides root the only one that is listened to.
    static let queue = "relaisq"
    /// Runs what the aliases file names, and keeps root's mail.
    static let aliases = "relaisa"
}
