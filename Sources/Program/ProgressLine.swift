import Unix

/// Where standard error is a terminal: one line there that is drawn anew now and then. Elsewhere: nothing.
package final class ProgressLine {
    private let isOnTerminal = StandardDescriptors.isTerminal(2)
    private var isDrawn = false
    private var nextDrawing = Deadline.after(.zero)

    private static let rhythm = Duration.milliseconds(200)

    package init() {}

    package func draw(_ text: () -> String) {
        guard isOnTerminal, nextDrawing.hasPassed else { return }
        nextDrawing = .after(Self.rhythm)
        isDrawn = true
        try? File.writeAll(2, "\r\u{1B}[K\(text())".utf8)
    }

    /// Before anything else is written.
    package func erase() {
        guard isDrawn else { return }
        isDrawn = false
        try? File.writeAll(2, "\r\u{1B}[K".utf8)
    }
}
