import Bytes

/// Where in the queue a message's file is.
package enum Place: Hashable {
    case incoming
    case deferred(minute: Int64)
    case hold
    case corrupt
    /// Thrown away by the operator: gone for good after that minute. Held messages come back to `hold/`.
    case trash(minute: Int64, wasHeld: Bool)

    /// The directory below the queue's.
    package var path: String {
        guard let bucket else { return parent }
        return "\(parent)/\(bucket)"
    }

    /// The directory that is always there.
    var parent: String {
        switch self {
        case .incoming: "incoming"
        case .deferred: "deferred"
        case .hold: "hold"
        case .corrupt: "corrupt"
        case .trash: "trash"
        }
    }

    /// The directory in it that is made for a minute, and goes when it is empty.
    var bucket: String? {
        switch self {
        case .incoming, .hold, .corrupt: nil
        case .deferred(let minute): String(minute)
        case .trash(let minute, let wasHeld): wasHeld ? "\(minute)\(Self.heldSuffix)" : String(minute)
        }
    }

    private static let heldSuffix = "-held"

    /// Reads the name of a bucket of the trash.
    static func trash(bucket name: String) -> Place? {
        let wasHeld = name.hasSuffix(heldSuffix)
        let digits = wasHeld ? name.dropLast(heldSuffix.count) : name[...]
        return Int64(strictDecimal: Array(digits.utf8)).map { .trash(minute: $0, wasHeld: wasHeld) }
    }

    /// The minute that names the bucket.
    package var minute: Int64? {
        switch self {
        case .incoming, .hold, .corrupt: nil
        case .deferred(let minute), .trash(let minute, _): minute
        }
    }

    var wasHeld: Bool { if case .trash(_, wasHeld: true) = self { true } else { false } }

    package var isTrash: Bool { if case .trash = self { true } else { false } }
}
