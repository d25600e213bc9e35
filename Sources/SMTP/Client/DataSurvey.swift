/// What the encoder of mail data saw of a message: what a server must be told of it, or cannot take.
package struct DataSurvey: Equatable {
    /// Octets as they go over the wire, line ends as CRLF; without the dots that are doubled and the one that ends
    /// the data (RFC 1870 §3).
    package internal(set) var size = 0
    package internal(set) var hasEightBits = false
    /// The longest line, without its line end.
    package internal(set) var longestLine = 0

    /// RFC 5321 §4.5.3.1.6: a line of 1000 octets with its CRLF.
    package static let longestLineAllowed = 998

    package init() {}

    package var hasLongLines: Bool { longestLine > Self.longestLineAllowed }
}
