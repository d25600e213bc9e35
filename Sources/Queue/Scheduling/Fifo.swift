/// First in, first out, at constant cost.
package struct Fifo<Element> {
    private var elements: [Element] = []
    private var start = 0

    package init() {}

    package var count: Int { elements.count - start }
    package var isEmpty: Bool { start == elements.count }

    package mutating func append(_ element: Element) { elements.append(element) }

    package mutating func popFirst() -> Element? {
        guard start < elements.count else { return nil }
        let element = elements[start]
        start += 1
        // What was taken is given back when it is half of all: each element is moved at most once for it.
        if start * 2 >= elements.count, start >= 16 || start == elements.count {
            elements.removeSubrange(..<start)
            start = 0
        }
        return element
    }
}
