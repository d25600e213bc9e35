/// The first line of what a browser sends, and whoever makes it speak to a mail server (T23): what follows is then a
/// stranger's text in that browser's name, and must not be read as commands.
package enum HTTPRequestLine {
    /// `method SP request-target SP "HTTP/" DIGIT …`, whatever the method.
    package static func isOne(_ line: some Collection<UInt8>) -> Bool {
        let words = line.split(separator: .space)
        guard words.count == 3, let method = words.first, let version = words.last else { return false }
        return method.allSatisfy { $0.isAlpha || $0 == .ascii("-") } && version.hasPrefixFolded("HTTP/")
    }
}
