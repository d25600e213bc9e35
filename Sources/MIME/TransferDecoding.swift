import Bytes

/// The transfer encodings of RFC 2045 §6, read with good will: what cannot be decoded is passed over.
package enum TransferDecoding {
    /// The bytes that `text` stands for, by the name of its encoding; unknown names are taken for identity.
    package static func decode(_ text: [UInt8], encoding: [UInt8]?) -> [UInt8] {
        guard let encoding else { return text }
        if encoding.equalsFolded("base64") { return base64(text) }
        return encoding.equalsFolded("quoted-printable") ? quotedPrintable(text) : text
    }

    /// RFC 2045 §6.8: other bytes are ignored, padding ends it.
    package static func base64(_ text: [UInt8]) -> [UInt8] {
        var decoder = TransferDecoder(encoding: [UInt8]("base64"))
        return decoder.decode(text, isLast: true)
    }

    /// RFC 2045 §6.7.
    package static func quotedPrintable(_ text: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            let byte = text[index]
            index += 1
            guard byte == .ascii("=") else {
                output.append(byte)
                continue
            }
            if index + 1 < text.count, let high = text[index].hexValue, let low = text[index + 1].hexValue {
                output.append(high << 4 | low)
                index += 2
                continue
            }
            // A soft line break: blanks and the line end go.
            var end = index
            while end < text.count, text[end].isWhitespace { end += 1 }
            if end < text.count, text[end] == .cr { end += 1 }
            if end < text.count, text[end] == .lf { index = end + 1 } else { output.append(byte) }
        }
        return output
    }
}
