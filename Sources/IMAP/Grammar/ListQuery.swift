import Bytes

/// What LIST and LSUB ask for: RFC 3501 §6.3.8 and §6.3.9, RFC 5258.
package struct ListQuery: Equatable, Sendable {
    package var reference: [UInt8]
    package var patterns: [[UInt8]]
    package var isLSUB = false
    /// Selection or return options were given: the answer then is RFC 5258's.
    package var isExtended = false
    /// Only those that are subscribed, or have a special use (RFC 6154).
    package var selectsSubscribed = false
    package var selectsSpecialUse = false
    /// RECURSIVEMATCH: those above the ones that are selected, too.
    package var isRecursive = false
    package var returnsSubscribed = false

    package init(_ reference: [UInt8], _ patterns: [[UInt8]]) {
        self.reference = reference
        self.patterns = patterns
    }

    /// Most patterns of a command.
    static let mostPatterns = 100
}

extension Cursor {
    /// `lsub = "LSUB" SP mailbox SP list-mailbox`
    mutating func lsubQuery() throws(SyntaxError) -> ListQuery {
        let reference = try mailbox()
        try space()
        var query = ListQuery(reference, [try listMailbox()])
        query.isLSUB = true
        return query
    }

    /// `list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]` (RFC 5258 §6)
    mutating func listQuery() throws(SyntaxError) -> ListQuery {
        var query = ListQuery([], [])
        if peek == .ascii("(") {
            try selection(&query)
            try space()
        }
        query.reference = try mailbox()
        try space()
        query.patterns = try patterns(&query)
        if skip(" RETURN ") { try returning(&query) }
        return query
    }

    /// `list-select-opts`: RECURSIVEMATCH alone selects nothing.
    private mutating func selection(_ query: inout ListQuery) throws(SyntaxError) {
        query.isExtended = true
        for option in try options() {
            if option.equalsFolded("SUBSCRIBED") {
                query.selectsSubscribed = true
            } else if option.equalsFolded("SPECIAL-USE") {
                query.selectsSpecialUse = true
            } else if option.equalsFolded("RECURSIVEMATCH") {
                query.isRecursive = true
            } else if !option.equalsFolded("REMOTE") {
                // All are on this host: REMOTE adds none.
                throw failure("list-select-opt")
            }
        }
        guard !query.isRecursive || query.selectsSubscribed || query.selectsSpecialUse else {
            throw failure("list-select-base-opt")
        }
    }

    /// `list-return-opts`: children and special uses are told unasked.
    private mutating func returning(_ query: inout ListQuery) throws(SyntaxError) {
        query.isExtended = true
        for option in try options() {
            if option.equalsFolded("SUBSCRIBED") {
                query.returnsSubscribed = true
            } else if !option.equalsFolded("CHILDREN"), !option.equalsFolded("SPECIAL-USE") {
                throw failure("return-option")
            }
        }
    }

    /// Words in parentheses, or nothing in them.
    private mutating func options() throws(SyntaxError) -> [ArraySlice<UInt8>] {
        try expect(.ascii("("), "list options")
        var options: [ArraySlice<UInt8>] = []
        while !skip(.ascii(")")) {
            if !options.isEmpty { try space() }
            options.append(try atom())
            guard options.count <= 20 else { throw failure("list options") }
        }
        return options
    }

    /// `mbox-or-pat = list-mailbox / patterns`
    private mutating func patterns(_ query: inout ListQuery) throws(SyntaxError) -> [[UInt8]] {
        guard skip(.ascii("(")) else { return [try listMailbox()] }
        query.isExtended = true
        var patterns: [[UInt8]] = []
        repeat {
            patterns.append(try listMailbox())
            guard patterns.count <= ListQuery.mostPatterns else { throw failure("patterns") }
        } while skip(.space)
        try expect(.ascii(")"), "patterns")
        return patterns
    }
}
