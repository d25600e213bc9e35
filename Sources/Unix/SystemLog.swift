import Bytes
import CSystem

/// The host's syslog socket; opened with the first line. A host without one loses the line, as with syslog(3).
package final class SystemLog {
    #if os(Linux)
        private static let path = "/dev/log"
    #else
        private static let path = "/var/run/log"
    #endif

    private var socket: CInt = -1

    package init() {}

    deinit { if socket >= 0 { close(socket) } }

    /// Sends one line: RFC 3164 §4.1 without the timestamp, which every syslogd adds itself.
    package func send(severity: Int, facility: Int, tag: String, text: String) {
        if socket < 0 {
            socket = cs_datagram_socket(AF_UNIX)
            guard socket >= 0 else { return }
            let raw = socket
            guard unsafe ServiceSocket.withAddress(Self.path, { unsafe connect(raw, $0, $1) }) == 0 else {
                close(socket)
                socket = -1
                return
            }
        }
        let line = Array("<\(facility * 8 + severity)>\(tag)[\(getpid())]: \(text)".utf8)
        _ = unsafe line.withUnsafeBytes {
            unsafe CSystem.send(socket, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
        }
    }
}
