import Unix

extension Route {
    /// Finds the road to `destination`. `lookUp` answers questions, all of one call at once.
    package static func find(
        _ destination: Destination, in surroundings: Surroundings,
        random: inout some RandomNumberGenerator, lookUp: ([Question]) -> [Answer]
    ) throws(NoRoute) -> Route {
        switch destination {
        case .literal(let address):
            guard surroundings.standing(of: address) == .usable else {
                throw .unusableAddress("[\(address)]")
            }
            return Route(hosts: [Host(name: "[\(address)]", addresses: [address])])
        case .address(let address, let port):
            // Somebody of ours wrote this address down: it is used as it is.
            return Route(hosts: [Host(name: "[\(address)]", addresses: [address])], port: port)
        case .host(let name, let port):
            let found = addresses(of: [name], in: surroundings, lookUp)[0]
            switch found {
            case .failure(let failure): throw failure
            case .success(let addresses):
                return Route(
                    hosts: [Host(name: name.description, addresses: order(addresses, &random))], port: port)
            }
        case .domain(let name):
            return try find(domain: name, in: surroundings, random: &random, lookUp)
        }
    }

    private static func find(
        domain: DNSName, in surroundings: Surroundings, random: inout some RandomNumberGenerator,
        _ lookUp: ([Question]) -> [Answer]
    ) throws(NoRoute) -> Route {
        var exchangers = try exchangers(of: domain, lookUp).shuffled(using: &random)
        // Swift's sort is stable: equals stay as shuffled (RFC 5321 §5.1).
        exchangers.sort { ($0.preference ?? 0) < ($1.preference ?? 0) }
        if let own = exchangers.firstIndex(where: { surroundings.ownNames.contains($0.name) }) {
            exchangers = better(exchangers, than: own)
            if exchangers.isEmpty { throw .leadsBack(domain) }
        }
        exchangers = Array(exchangers.prefix(mostExchangers))

        let found = addresses(of: exchangers.map { $0.name }, in: surroundings, lookUp)
        var hosts: [Host] = []
        var worst: NoRoute?
        for (exchanger, addresses) in zip(exchangers, found) {
            switch addresses {
            case .success(let addresses):
                let sorted = order(addresses, &random)
                let ours = sorted.contains { surroundings.standing(of: $0) == .ourselves }
                if ours {
                    // The list ends in front of our own preference, not only of our own record.
                    hosts.removeAll { $0.preference == exchanger.preference }
                    if hosts.isEmpty, worst?.isTemporary != true { throw .leadsBack(domain) }
                    return try conclude(hosts, worst, domain)
                }
                let usable = sorted.filter { surroundings.standing(of: $0) == .usable }
                if usable.isEmpty {
                    worst = worst ?? .unusableAddress(domain.description)
                } else {
                    hosts.append(
                        Host(
                            name: exchanger.name.description, preference: exchanger.preference,
                            addresses: Array(usable.prefix(mostAddresses))))
                }
            case .failure(let failure):
                if failure.isTemporary || worst == nil { worst = failure }
            }
        }
        return try conclude(hosts, worst, domain)
    }

    private static func conclude(
        _ hosts: [Host], _ worst: NoRoute?, _ domain: DNSName
    ) throws(NoRoute) -> Route {
        guard hosts.isEmpty else { return Route(hosts: hosts) }
        switch worst {
        // That an exchanger does not exist says nothing about the domain.
        case .noSuchDomain, .nobodyThere, nil: throw .nobodyThere(domain)
        case .some(let reason): throw reason
        }
    }

    private struct Exchanger {
        let name: DNSName
        let preference: UInt16?
    }

    private static func better(_ exchangers: [Exchanger], than own: Int) -> [Exchanger] {
        exchangers.filter { ($0.preference ?? 0) < (exchangers[own].preference ?? 0) }
    }

    /// The exchangers that MX records name; without any, the domain itself (RFC 5321 §5.1).
    private static func exchangers(
        of domain: DNSName, _ lookUp: ([Question]) -> [Answer]
    ) throws(NoRoute) -> [Exchanger] {
        switch lookUp([Question(domain, .mx)])[0] {
        case .records(let records):
            let named = records.compactMap { record -> Exchanger? in
                guard case .exchanger(let preference, let name) = record.data, !name.isRoot else {
                    return nil
                }
                return Exchanger(name: name, preference: preference)
            }
            // "." alone is the null MX; beside others it is a mistake and is left out (RFC 7505 §3).
            guard !named.isEmpty else { throw .acceptsNoMail(domain) }
            return named
        case .noData, .alias: return [Exchanger(name: domain, preference: nil)]
        case .noSuchDomain: throw .noSuchDomain(domain)
        case .failed(let failure): throw .unknown(domain, failure)
        }
    }

    /// The addresses of each name, or why there are none.
    private static func addresses(
        of names: [DNSName], in surroundings: Surroundings, _ lookUp: ([Question]) -> [Answer]
    ) -> [Result<[IPAddress], NoRoute>] {
        let types =
            (surroundings.usesIPv6 ? [RecordType.aaaa] : []) + (surroundings.usesIPv4 ? [RecordType.a] : [])
        let answers = lookUp(names.flatMap { name in types.map { Question(name, $0) } })
        return names.enumerated().map { index, name in
            addresses(of: name, answers[index * types.count..<(index + 1) * types.count])
        }
    }

    private static func addresses(
        of name: DNSName, _ answers: ArraySlice<Answer>
    ) -> Result<[IPAddress], NoRoute> {
        var addresses: [IPAddress] = []
        var reason = NoRoute.nobodyThere(name)
        for answer in answers {
            switch answer {
            case .records(let records):
                addresses += records.compactMap {
                    if case .address(let address) = $0.data { address } else { nil }
                }
            case .failed(let failure): reason = .unknown(name, failure)
            case .noSuchDomain where !reason.isTemporary: reason = .noSuchDomain(name)
            case .noSuchDomain, .noData, .alias: break
            }
        }
        return addresses.isEmpty ? .failure(reason) : .success(addresses)
    }

    /// Shuffled, and the two families taken in turn, IPv6 first: when one of them is broken, half of the
    /// attempts still get through.
    private static func order(
        _ addresses: [IPAddress], _ random: inout some RandomNumberGenerator
    ) -> [IPAddress] {
        let shuffled = addresses.shuffled(using: &random)
        let six = shuffled.filter { if case .v6 = $0 { true } else { false } }
        let four = shuffled.filter { if case .v4 = $0 { true } else { false } }
        var ordered: [IPAddress] = []
        for index in 0..<max(six.count, four.count) {
            if index < six.count { ordered.append(six[index]) }
            if index < four.count { ordered.append(four[index]) }
        }
        return ordered
    }
}
