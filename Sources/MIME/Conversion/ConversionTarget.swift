/// What a message is converted to: always lines of 998 bytes at most (RFC 5322 §2.1.1), and ASCII if need be.
package struct ConversionTarget: Equatable {
    package var isSevenBit: Bool
    /// Whether a header of the message itself that is not ASCII is written in encoded words; else it is refused.
    package var encodesTopHeader: Bool

    package static let longestLine = 998

    package init(isSevenBit: Bool, encodesTopHeader: Bool = true) {
        self.isSevenBit = isSevenBit
        self.encodesTopHeader = encodesTopHeader
    }

    func needs(_ traits: TextTraits) -> Bool {
        traits.longestLine > Self.longestLine || (isSevenBit && traits.hasEightBits)
    }
}

/// Why a message is not converted: somebody would get it damaged.
package enum ConversionRefusal: Error, Equatable {
    /// RFC 1847 §2.1: what was signed or encrypted must arrive as it was.
    case protected
    /// An address or a boundary that is not ASCII; or the header of a message that was sent with SMTPUTF8.
    case header
    /// A part whose form is not known well enough.
    case unknownForm

    package var words: String {
        switch self {
        case .protected: "a signed or encrypted part must not be converted"
        case .header: "a header field cannot be converted"
        case .unknownForm: "a part cannot be converted"
        }
    }
}
