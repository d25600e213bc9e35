/// What `--check` has to say of one thing: what is wrong and what to type, in one line.
struct Finding: Equatable {
    enum Weight {
        /// Mail does not flow, or will stop to, or somebody can do what he must not.
        case fault
        /// Good to know; nothing has to be mended.
        case note
        /// What could not be looked at by who asked.
        case unseen
    }

    let weight: Weight
    let text: String

    init(_ weight: Weight, _ text: String) {
        self.weight = weight
        self.text = text
    }

    static func fault(_ text: String) -> Finding { Finding(.fault, text) }
    static func note(_ text: String) -> Finding { Finding(.note, text) }
    static func unseen(_ text: String) -> Finding { Finding(.unseen, text) }

    /// As it is printed.
    var line: String {
        switch weight {
        case .fault: text
        case .note: "note: \(text)"
        case .unseen: "not checked: \(text)"
        }
    }
}
