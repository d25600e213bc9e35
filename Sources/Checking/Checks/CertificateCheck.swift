import Bytes
import Program
import Unix

/// Certificate and key, as tls-relay sees them: OpenSSL is its business alone.
enum CertificateCheck {
    static func findings(_ installation: Installation) -> [Finding] {
        let configuration = installation.configuration
        guard !configuration.tlsCertificate.isEmpty else { return [] }
        let key = configuration.tlsKey.isEmpty ? configuration.tlsCertificate : configuration.tlsKey
        do throws(SystemError) {
            _ = try Path.openFile(key)
            _ = try Path.openFile(configuration.tlsCertificate)
        } catch {
            // That it is missing or no file, PlaceCheck says.
            return error.code == .accessDenied ? [.unseen("the certificate: \(error)")] : []
        }
        let program = "\(installation.libexec)/tls-relay"
        var arguments = ["tls-relay", "-n"]
        if let path = installation.configurationPath { arguments += ["-C", path] }
        do throws(SystemError) {
            let (text, status) = try words(of: program, arguments)
            return judge(configuration.tlsCertificate, text, status)
        } catch { return [.fault("\(program): cannot be asked about the certificate: \(error)")] }
    }

    /// What `tls-relay -n` said on either stream, a line a thing.
    static func judge(
        _ certificate: String, _ text: [UInt8], _ status: ChildProcess.Status
    ) -> [Finding] {
        let lines = text.split(separator: .lf).map { line in
            let prefix = Array("tls-relay: ".utf8)
            return line.starts(with: prefix) ? line.dropFirst(prefix.count).escaped() : line.escaped()
        }
        if status == .exited(0) { return lines.map { .note("\(certificate): \($0)") } }
        let reason = lines.isEmpty ? "tls-relay ended without a word" : lines.joined(separator: "; ")
        return [
            .fault(
                "\(certificate): \(reason): put a good certificate and its own key there (tls-relay -n tries them)"
            )
        ]
    }

    private static func words(of path: String, _ arguments: [String]) throws(SystemError) -> (
        [UInt8], ChildProcess.Status
    ) {
        let pipe = try DescriptorPair.pipe()
        let null = try Path.openForReading("/dev/null")
        let child = try ChildProcess.start(
            path, arguments: arguments, input: null.raw, output: pipe.second.raw, error: pipe.second.raw)
        let reader = pipe.keepFirst()
        let bytes = try reader.readAll(limit: 1 << 16) ?? []
        return (bytes, try child.wait())
    }
}
