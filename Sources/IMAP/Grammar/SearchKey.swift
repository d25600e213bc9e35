import Bytes

/// What SEARCH looks for: RFC 3501 §6.4.4.
package indirect enum SearchKey: Equatable, Sendable {
    case all
    case flag([UInt8], isSet: Bool)
    case recent, new, old
    case sequence(SequenceSet), uid(SequenceSet)
    case header([UInt8], [UInt8])
    case body([UInt8]), text([UInt8])
    case larger(UInt32), smaller(UInt32)
    /// Days since 1970.
    case before(Int64), on(Int64), since(Int64), sentBefore(Int64), sentOn(Int64), sentSince(Int64)
    case not(SearchKey), or(SearchKey, SearchKey)
    case and([SearchKey])

    static let deepest = 50
    static let most = 2000

    /// A key that needs more than the list of messages is looked at last.
    package var isExpensive: Bool {
        switch self {
        case .header, .body, .text, .sentBefore, .sentOn, .sentSince: true
        case .not(let key): key.isExpensive
        case .or(let a, let b): a.isExpensive || b.isExpensive
        case .and(let keys): keys.contains { $0.isExpensive }
        default: false
        }
    }
}

/// What SEARCH RETURN asks for: RFC 4731 §3.1.
package struct SearchReturn: Equatable, Sendable {
    package var min = false
    package var max = false
    package var all = false
    package var count = false
}

package struct SearchProgram: Equatable, Sendable {
    package var returning: SearchReturn?
    package var charset: [UInt8]?
    package var key: SearchKey
}

extension Cursor {
    /// `search = "SEARCH" [search-return-opts] [SP "CHARSET" SP astring] 1*(SP search-key)`
    mutating func searchProgram() throws(SyntaxError) -> SearchProgram {
        var returning: SearchReturn?
        if skip("RETURN (") {
            returning = try searchReturn()
            try space()
        }
        var charset: [UInt8]?
        if skip("CHARSET ") {
            charset = try astring()
            try space()
        }
        var keys: [SearchKey] = []
        var budget = SearchKey.most
        repeat { keys.append(try searchKey(depth: 0, &budget)) } while skip(.space)
        return SearchProgram(
            returning: returning, charset: charset, key: keys.count == 1 ? keys[0] : .and(keys))
    }

    private mutating func searchReturn() throws(SyntaxError) -> SearchReturn {
        var result = SearchReturn()
        while !skip(.ascii(")")) {
            let word = try atom()
            if word.equalsFolded("MIN") {
                result.min = true
            } else if word.equalsFolded("MAX") {
                result.max = true
            } else if word.equalsFolded("ALL") {
                result.all = true
            } else if word.equalsFolded("COUNT") {
                result.count = true
            } else {
                throw failure("search-return-opt")
            }
            _ = skip(.space)
        }
        if result == SearchReturn() { result.all = true }
        return result
    }

    private mutating func searchKey(depth: Int, _ budget: inout Int) throws(SyntaxError) -> SearchKey {
        budget -= 1
        guard depth < SearchKey.deepest, budget > 0 else { throw failure("search-key") }
        if skip(.ascii("(")) {
            var keys: [SearchKey] = []
            repeat { keys.append(try searchKey(depth: depth + 1, &budget)) } while skip(.space)
            try expect(.ascii(")"), "search-key")
            return .and(keys)
        }
        if let byte = peek, byte.isDigit || byte == .ascii("*") { return .sequence(try sequenceSet()) }
        let word = take(while: { $0.isAlpha })
        if word.equalsFolded("NOT") {
            try space()
            return .not(try searchKey(depth: depth + 1, &budget))
        }
        if word.equalsFolded("OR") {
            try space()
            let first = try searchKey(depth: depth + 1, &budget)
            try space()
            return .or(first, try searchKey(depth: depth + 1, &budget))
        }
        return try simpleKey(word)
    }

    private mutating func simpleKey(_ word: ArraySlice<UInt8>) throws(SyntaxError) -> SearchKey {
        let flags: [(StaticString, StaticString)] = [
            ("ANSWERED", "\\Answered"), ("DELETED", "\\Deleted"), ("DRAFT", "\\Draft"),
            ("FLAGGED", "\\Flagged"),
            ("SEEN", "\\Seen"),
        ]
        for (name, flag) in flags {
            if word.equalsFolded(name) { return .flag([UInt8](flag), isSet: true) }
            if word.hasPrefixFolded("UN"), word.dropFirst(2).equalsFolded(name) {
                return .flag([UInt8](flag), isSet: false)
            }
        }
        if word.equalsFolded("ALL") { return .all }
        if word.equalsFolded("NEW") { return .new }
        if word.equalsFolded("OLD") { return .old }
        if word.equalsFolded("RECENT") { return .recent }
        try space()
        if word.equalsFolded("UID") { return .uid(try sequenceSet()) }
        if word.equalsFolded("KEYWORD") { return .flag(Array(try atom()), isSet: true) }
        if word.equalsFolded("UNKEYWORD") { return .flag(Array(try atom()), isSet: false) }
        if word.equalsFolded("LARGER") { return .larger(try number()) }
        if word.equalsFolded("SMALLER") { return .smaller(try number()) }
        if word.equalsFolded("HEADER") {
            let name = try astring()
            try space()
            return .header(name, try astring())
        }
        return try textKey(word)
    }

    private mutating func textKey(_ word: ArraySlice<UInt8>) throws(SyntaxError) -> SearchKey {
        let dates: [(StaticString, (Int64) -> SearchKey)] = [
            ("BEFORE", SearchKey.before), ("ON", SearchKey.on), ("SINCE", SearchKey.since),
            ("SENTBEFORE", SearchKey.sentBefore), ("SENTON", SearchKey.sentOn),
            ("SENTSINCE", SearchKey.sentSince),
        ]
        if let make = dates.first(where: { word.equalsFolded($0.0) })?.1 { return make(try date()) }
        if word.equalsFolded("BODY") { return .body(try astring()) }
        if word.equalsFolded("TEXT") { return .text(try astring()) }
        for name in ["BCC", "CC", "FROM", "SUBJECT", "TO"] where word.equalsFolded(name.utf8) {
            return .header(Array(name.utf8), try astring())
        }
        throw failure("search-key")
    }
}
