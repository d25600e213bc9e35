import Bytes

/// What FETCH asks for: RFC 3501 §6.4.5.
package enum FetchItem: Equatable, Sendable {
    case flags, uid, internalDate, size, envelope, body, bodyStructure
    case section(Section, Partial?, peek: Bool)
    /// RFC822, RFC822.HEADER and RFC822.TEXT: sections that are answered under their old names.
    case old(name: String, Section, peek: Bool)

    package struct Partial: Equatable, Sendable {
        package let start: UInt32
        package let count: UInt32
    }
}

/// `section` of RFC 3501 §9.
package struct Section: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        case all, header, text, mime
        /// With the names as they came.
        case fields([[UInt8]], not: Bool)
    }

    package var path: [Int]
    package var kind: Kind

    static let longestPath = 100
    static let mostFields = 500
}

extension Cursor {
    /// `fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")`
    mutating func fetchItems() throws(SyntaxError) -> [FetchItem] {
        guard skip(.ascii("(")) else {
            if let macro = macro() { return macro }
            return [try fetchItem()]
        }
        var items: [FetchItem] = []
        repeat {
            items.append(try fetchItem())
            guard items.count <= 100 else { throw failure("fetch-att") }
        } while skip(.space)
        try expect(.ascii(")"), "fetch")
        return items
    }

    private mutating func macro() -> [FetchItem]? {
        let fast: [FetchItem] = [.flags, .internalDate, .size]
        let start = position
        let word = take(while: { $0.isAlpha })
        if isAtEnd {
            if word.equalsFolded("ALL") { return fast + [.envelope] }
            if word.equalsFolded("FULL") { return fast + [.envelope, .body] }
            if word.equalsFolded("FAST") { return fast }
        }
        seek(to: start)
        return nil
    }

    private mutating func fetchItem() throws(SyntaxError) -> FetchItem {
        let word = take { $0.isAlphanumeric || $0 == .dot }
        if peek == .ascii("[") {
            guard word.equalsFolded("BODY") || word.equalsFolded("BODY.PEEK") else {
                throw failure("fetch-att")
            }
            let section = try section()
            return .section(section, try partial(), peek: word.equalsFolded("BODY.PEEK"))
        }
        let plain: [(StaticString, FetchItem)] = [
            ("FLAGS", .flags), ("UID", .uid), ("INTERNALDATE", .internalDate), ("RFC822.SIZE", .size),
            ("ENVELOPE", .envelope),
            ("BODY", .body), ("BODYSTRUCTURE", .bodyStructure),
            ("RFC822", .old(name: "RFC822", Section(path: [], kind: .all), peek: false)),
            ("RFC822.HEADER", .old(name: "RFC822.HEADER", Section(path: [], kind: .header), peek: true)),
            ("RFC822.TEXT", .old(name: "RFC822.TEXT", Section(path: [], kind: .text), peek: false)),
        ]
        guard let item = plain.first(where: { word.equalsFolded($0.0) })?.1 else {
            throw failure("fetch-att")
        }
        return item
    }

    /// `section = "[" [section-spec] "]"`
    private mutating func section() throws(SyntaxError) -> Section {
        try expect(.ascii("["), "section")
        var path: [Int] = []
        while let digit = peek, digit.isDigit {
            let number = try decimal(upTo: UInt64(Int32.max), "section-part")
            guard number > 0, path.count < Section.longestPath else { throw failure("section-part") }
            path.append(Int(number))
            guard skip(.dot) else {
                try expect(.ascii("]"), "section")
                return Section(path: path, kind: .all)
            }
        }
        let kind: Section.Kind
        if skip("HEADER.FIELDS.NOT") {
            kind = .fields(try fieldNames(), not: true)
        } else if skip("HEADER.FIELDS") {
            kind = .fields(try fieldNames(), not: false)
        } else if skip("HEADER") {
            kind = .header
        } else if skip("TEXT") {
            kind = .text
        } else if !path.isEmpty, skip("MIME") {
            kind = .mime
        } else {
            guard path.isEmpty else { throw failure("section-text") }
            kind = .all
        }
        try expect(.ascii("]"), "section")
        return Section(path: path, kind: kind)
    }

    /// `header-list = "(" header-fld-name *(SP header-fld-name) ")"`
    private mutating func fieldNames() throws(SyntaxError) -> [[UInt8]] {
        try expect(" (", "header-list")
        var names: [[UInt8]] = []
        repeat {
            names.append(try astring())
            guard names.count <= Section.mostFields else { throw failure("header-list") }
        } while skip(.space)
        try expect(.ascii(")"), "header-list")
        return names
    }

    /// `["<" number "." nz-number ">"]`
    private mutating func partial() throws(SyntaxError) -> FetchItem.Partial? {
        guard skip(.ascii("<")) else { return nil }
        let start = try number()
        try expect(.dot, "partial")
        let count = try number()
        try expect(.ascii(">"), "partial")
        guard count > 0 else { throw failure("partial") }
        return FetchItem.Partial(start: start, count: count)
    }
}
