package import Program

/// For `--status`: the services without which waiting mail goes on waiting.
package enum MissingServices {
    /// A sentence for each deliverer, and for the kick, at whose socket nobody answers; who may not ask learns nothing.
    package static func troubles(_ configuration: Configuration, waiting: Int) -> [String] {
        guard waiting > 0 else { return [] }
        let probe = Probe()
        return Role.all(configuration).compactMap { role in
            guard case .socket(let path) = role.place,
                ["queue-runner", "local-deliver", "remote-deliver"].contains(role.program),
                let what = words(probe.ask(role, path))
            else { return nil }
            let without = role.program == "queue-runner" ? "waits for cron" : "for \(role.program) waits"
            return "mail \(without): \(path): \(what) (queue-runner --check says what to type)"
        }
    }

    private static func words(_ answer: Probe.Answer) -> String? {
        switch answer {
        case .answers, .forbidden: nil
        case .nobody: "nobody answers"
        case .silent: "who listens says nothing"
        case .strange(let reason): reason
        }
    }
}
