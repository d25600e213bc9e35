import Bytes
import Jobs

/// Copies as the tests of what is not about aliases write them: one, to addresses that nobody has looked at.
extension Report.Forward {
    init(addresses: [[UInt8]], reversePath: [UInt8]? = nil, header: [UInt8] = []) {
        self.init(
            copies: [.init(reversePath: reversePath, recipients: addresses.map { Successor($0) })],
            header: header)
    }

    var addresses: [[UInt8]] { copies.flatMap { $0.recipients }.map { $0.address } }

    /// `address` or `address/meaning`, by copy: `reverse-path: …`.
    var shown: [String] { copies.map { $0.shown } }
}

extension Report.Forward.Copy {
    var shown: String {
        let words = recipients.map { recipient in
            let address = String(decoding: recipient.address, as: UTF8.self)
            return recipient.meaning == .open ? address : "\(address)/\(recipient.meaning)"
        }
        let owner = reversePath.map { String(decoding: $0, as: UTF8.self) + ": " } ?? ""
        return owner + words.joined(separator: " ")
    }
}
