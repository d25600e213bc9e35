import Program
import Resolver
import Unix

extension Lookup {
    /// The road that remote-deliver would take with the same configuration.
    func route() -> Outcome {
        let configuration: Configuration
        do throws(ConfigurationError) { configuration = try Configuration.load(configurationPath) } catch {
            Main.tool.fail("\(error)", .configuration)
        }
        guard let destination = Destination(route: name) else {
            complain("'\(shown(name))' is neither a domain nor a host")
            return .notFound
        }
        guard let resolver = resolverWithServers(configuration.dnsServers) else { return .notFound }
        let deadline = deadline(for: resolver)
        var random = Randomness()
        do throws(NoRoute) {
            let route = try Route.find(destination, in: configuration.surroundings, random: &random) {
                resolver.lookUp($0, by: deadline)
            }
            for host in route.hosts { say(line(host)) }
            return .found
        } catch {
            say("\(error)\n")
            return .notFound
        }
    }

    private func line(_ host: Route.Host) -> String {
        let preference = host.preference.map { "\($0) " } ?? ""
        return "\(preference)\(host.name) \(host.addresses.map { "\($0)" }.joined(separator: " "))\n"
    }
}

extension Configuration {
    fileprivate var surroundings: Surroundings {
        Surroundings.ofHost(
            names: [hostname] + localDomains, permitted: permittedNetworks, usesIPv4: ipVersion != .ipv6,
            usesIPv6: ipVersion != .ipv4)
    }
}
