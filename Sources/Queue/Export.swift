import Unix

extension ClaimedMessage {
    /// Writes the message for another queue: a file as queue(5) has it, with those of its recipients only for whom
    /// something is left to do, by number. Such files can stand one behind the other.
    package func export(to output: CInt, recipients: [Int]) throws(QueueError) {
        guard !recipients.isEmpty else { throw .envelope }
        var head = head
        head.envelope.recipients = recipients.map { number in
            let recipient = envelope.recipients[number - 1]
            return recipient.route(injectedBy: injector) == nil ? recipient.withoutRoute : recipient
        }
        let bytes = head.encoded
        var headCRC = CRC32C()
        headCRC.update(bytes[...])
        try write(bytes, to: output)
        var contentCRC = CRC32C()
        try stored.forEachPart { part throws(QueueError) in
            contentCRC.update(part[...])
            try write(part, to: output)
        } failing: {
            .claim($0)
        }
        let trailer = MessageTrailer(
            id: id, contentLength: head.length, headCRC: headCRC.value, contentCRC: contentCRC.value)
        try write(trailer.encoded, to: output)
    }

    private func write(_ bytes: [UInt8], to output: CInt) throws(QueueError) {
        do throws(SystemError) { try File.writeAll(output, bytes) } catch { throw .export(error) }
    }
}
