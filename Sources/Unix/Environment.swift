import CSystem

/// The process's environment. Programs keep what they name and drop the rest before they do anything else.
package enum Environment {
    /// The command line, the program's name first.
    package static var arguments: [String] {
        var count: CInt = 0
        guard let words = unsafe cs_arguments(&count) else { return [] }
        return (0..<Int(count)).compactMap { unsafe words[$0].map { unsafe String(cString: $0) } }
    }

    /// The same as they came: `arguments` has other characters in the place of what is not UTF-8.
    package static var rawArguments: [[UInt8]] {
        var count: CInt = 0
        guard let words = unsafe cs_arguments(&count) else { return [] }
        return (0..<Int(count)).compactMap { index in
            guard let word = unsafe words[index] else { return nil }
            let start = unsafe UnsafeRawPointer(word).assumingMemoryBound(to: UInt8.self)
            return unsafe Array(UnsafeBufferPointer(start: start, count: strlen(word)))
        }
    }

    package static func value(of name: String) -> String? {
        guard let text = unsafe getenv(name) else { return nil }
        return unsafe String(cString: text)
    }

    package static func set(_ name: String, to value: String) {
        unsafe setenv(name, value, 1)
    }

    /// Drops every variable but `kept`.
    package static func keepOnly(_ kept: [String]) {
        let values = kept.compactMap { name in value(of: name).map { (name, $0) } }
        clearenv()
        for (name, value) in values { set(name, to: value) }
    }
}
