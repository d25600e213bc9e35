import Program
import Unix

/// The directories beside the queue, and what in them must not be everybody's.
enum PlaceCheck {
    static func findings(_ installation: Installation) -> [Finding] {
        let configuration = installation.configuration
        return net(configuration.netDirectory) + slots(configuration.slotsDirectory)
            + named([configuration.usersFile, configuration.tlsCertificate, configuration.tlsAuthorities])
            + secrets(
                configuration.tlsKey.isEmpty ? configuration.tlsCertificate : configuration.tlsKey,
                what: "holds the private key") + resolver()
    }

    /// The gate to the services that strangers' servers may ask.
    private static func net(_ path: String) -> [Finding] {
        guard let about = (try? Path.status(path)) ?? nil, about.kind == .directory else {
            return [
                .fault("\(path): no such directory: run scripts/install, or set net-directory in relais.conf")
            ]
        }
        return about.mode & 0o007 == 0
            ? [] : [.fault("\(path): anybody may ask for logins: chmod 0710 \(path)")]
    }

    private static func slots(_ path: String) -> [Finding] {
        let about = (try? Path.status(path)) ?? nil
        return about?.kind == .directory
            ? []
            : [
                .fault(
                    "\(path): no such directory: connections cannot be counted, and are refused: run scripts/install"
                )
            ]
    }

    /// Files that relais.conf names.
    private static func named(_ paths: [String]) -> [Finding] {
        paths.compactMap { path in
            guard !path.isEmpty else { return nil }
            do throws(SystemError) {
                guard let about = try Path.status(path) else { return missing(path) }
                return noFile(path, about)
            } catch { return .unseen("\(error)") }
        }
    }

    /// Nobody reads it then.
    private static func noFile(_ path: String, _ about: FileStatus) -> Finding? {
        about.kind == .regular || path == "/dev/null"
            ? nil : .fault("\(path): is no regular file, and cannot be read: put one there")
    }

    private static func resolver() -> [Finding] {
        let path = "/etc/resolv.conf"
        guard let about = (try? Path.status(path)) ?? nil, let fault = noFile(path, about) else { return [] }
        return [fault]
    }

    private static func missing(_ path: String) -> Finding {
        .fault("\(path): no such file, though relais.conf names it")
    }

    static func secrets(_ path: String, what: StaticString) -> [Finding] {
        guard !path.isEmpty else { return [] }
        do throws(SystemError) {
            guard let about = try Path.status(path) else { return [missing(path)] }
            if let fault = noFile(path, about) { return [fault] }
            return about.mode & 0o007 == 0
                ? [] : [.fault("\(path): \(what) and anybody may read it: chmod 0640 \(path)")]
        } catch { return [.unseen("\(path): \(error)")] }
    }
}
