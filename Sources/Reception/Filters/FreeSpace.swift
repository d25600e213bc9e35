package import Mail
package import Program
import Unix

/// Takes no mail where the queue's disk is nearly full: what is in the queue needs room to move.
package final class FreeSpace: Filter {
    private let configuration: Configuration

    private static let fewestInodes: UInt64 = 100

    package init(_ configuration: Configuration) { self.configuration = configuration }

    package func sender(_ reversePath: [UInt8], _ parameters: Parameters) throws(Rejection) {
        let needed = UInt64(configuration.minimumFreeSpace) + ((try? MailParameters(parameters))?.size ?? 0)
        let queue = configuration.queueDirectory
        let free: (bytes: UInt64, inodes: UInt64, hasInodes: Bool)
        do throws(SystemError) { free = try Path.freeSpace(queue + "/incoming") } catch {
            throw Rejection(
                451, EnhancedStatus(4, 3, 0), "Local problem, try again later", cause: error.description,
                isFault: true)
        }
        guard free.bytes >= needed, !free.hasInodes || free.inodes >= Self.fewestInodes else {
            throw Rejection(
                452, EnhancedStatus(4, 3, 1), "Insufficient system storage",
                cause: "not enough free space in \(queue): \(free.bytes) bytes, \(free.inodes) inodes")
        }
    }
}
