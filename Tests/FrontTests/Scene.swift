import Bytes
import Program
import TemporaryPlaces
import Unix

@testable import Front

/// A configuration, a log and clients: connections over pairs of sockets, from whatever address a test says.
final class Scene {
    private let place: TemporaryDirectory
    var directory: String { place.path }
    var configuration = Configuration()
    var limits = Connection.Limits(
        total: 10, perAddress: 2, patience: .seconds(20), session: .seconds(60))
    let log: Log

    init() throws {
        place = try TemporaryDirectory()
        try place.makeDirectories("slots")
        configuration.slotsDirectory = place.path + "/slots"
        configuration.netDirectory = place.path + "/net"
        log = Log(.file(place.path + "/log"), name: "relais", program: "front")
    }

    /// What was logged, without what stands in front of each line.
    var logged: [String] { place.logged() }

    /// Serves a client at `address` by `converse`; what it heard, and whether it was served at all. Nil for an address: a
    /// program of this host.
    @discardableResult
    func serve(
        _ service: ServedProtocol, from address: String?, saying input: String? = "",
        by converse: (Connection) -> Void = { _ in }
    ) throws -> (heard: String, isServed: Bool) {
        let ends = try DescriptorPair.sockets()
        if let input {
            try ends.first.write(Array(input.utf8))
            Socket.endWriting(ends.first.raw)
        }
        let client = Client(address.flatMap { IPAddress($0) }, of: service, configuration)
        var isServed = false
        Connection(
            client, input: ends.second.raw, output: ends.second.raw, service, limits, configuration, log
        ).serve {
            isServed = true
            converse($0)
        }
        Socket.endWriting(ends.second.raw)
        let heard = try ends.first.readAll(limit: 1 << 20) ?? []
        return (String(decoding: heard, as: UTF8.self), isServed)
    }
}

extension ServedProtocol {
    static let all = [ServedProtocol.smtp(hostname: "here.example"), .pop3, .imap]
}
