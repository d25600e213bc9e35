/// Input that does not follow a grammar: which production failed, and at which byte of the unit.
package struct SyntaxError: Error, Equatable {
    package let production: StaticString
    package let offset: Int

    package init(_ production: StaticString, at offset: Int) {
        self.production = production
        self.offset = offset
    }

    package static func == (a: SyntaxError, b: SyntaxError) -> Bool {
        a.offset == b.offset && a.production.description == b.production.description
    }
}
