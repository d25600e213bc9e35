package import Unix

/// One of a service's places for a connection: a byte-range lock that the kernel lets go of when the
/// process ends, however it ends. The service's file in the slots directory is never written; only its
/// ranges are locked: bytes 0..<total for the service, and a range a client address behind them.
package struct ConnectionSlot: ~Copyable {
    private let file: Descriptor
    /// Which of the client address's places it is, the first free one: about how many others it has taken.
    package let number: Int

    package enum Refusal: Error, Equatable, CustomStringConvertible {
        case tooMany
        case tooManyFromAddress
        case unusable(SystemError)

        package var description: String {
            switch self {
            case .tooMany: "too many connections"
            case .tooManyFromAddress: "too many connections from this address"
            case .unusable(let error): "connections cannot be counted: \(error)"
            }
        }
    }

    private static let addressRegion = 1 << 20
    private static let addressStride = 1 << 8

    /// Takes a place in `path` for a client at `address` (nil: a client that is not counted by address).
    package init(
        _ path: String, total: Int, perAddress: Int, address: IPAddress?
    ) throws(Refusal) {
        let file: Descriptor
        do throws(SystemError) {
            file = try Path.openForLocking(path)
        } catch { throw .unusable(error) }
        var number = 0
        if let address {
            let range = Self.range(of: address, most: perAddress)
            guard let place = try Self.takeOne(of: range, in: file, first: range.lowerBound) else {
                throw .tooManyFromAddress
            }
            number = place - range.lowerBound
        }
        // From a place of chance on, so that a busy service needs few tries.
        var random = Randomness()
        guard total > 0,
            try Self.takeOne(of: 0..<total, in: file, first: Int.random(in: 0..<total, using: &random)) != nil
        else {
            throw .tooMany
        }
        self.file = file
        self.number = number
    }

    /// The bytes of a file that stand for the places of one address.
    static func range(of address: IPAddress, most: Int) -> Range<Int> {
        let start = addressRegion + Int(hash(address)) * addressStride
        return start..<start + min(most, addressStride)
    }

    private static func takeOne(
        of range: Range<Int>, in file: borrowing Descriptor, first: Int
    ) throws(Refusal) -> Int? {
        do throws(SystemError) {
            for step in 0..<range.count {
                let place = range.lowerBound + (first - range.lowerBound + step) % range.count
                if try file.tryLockBytes(at: place) { return place }
            }
            return nil
        } catch { throw .unusable(error) }
    }

    /// FNV-1a, 32 bits.
    private static func hash(_ address: IPAddress) -> UInt32 {
        address.customer.reduce(2_166_136_261) { ($0 ^ UInt32($1)) &* 16_777_619 }
    }
}
