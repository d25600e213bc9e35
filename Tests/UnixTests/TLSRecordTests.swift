import Bytes
import Testing

@testable import Unix

@Suite struct TLSRecordTests {
    static let records: [TLSRecord] = [
        .request(protocol: "smtp", patience: .seconds(60)), .ready, .refused("no certificate"),
        .established(.init(version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", bits: 256)),
        .failed("tlsv1 alert unknown ca"),
    ]

    @Test("A record is read back, and not a byte of what follows it", arguments: records)
    func roundTrip(record: TLSRecord) throws {
        let pair = try DescriptorPair.sockets()
        try pair.first.write(record.framed + [UInt8]("plaintext"))
        #expect(try TLSRecord.read(from: pair.second.raw, by: .after(.seconds(5))) == record)
        #expect(try pair.second.read(upTo: 100) == [UInt8]("plaintext"))
    }

    @Test(
        "Anything else is no record",
        arguments: [
            "", "serve", "serve smtp", "serve smtp 0", "serve smtp -1", "serve smtp 65536", "serve  60",
            "serve smtp 6 0", "ready ", "ready now", "established TLSv1.3 X", "established a b c", "hello",
            "READY", "refused\nx", "failed \u{1B}",
        ])
    func refused(text: String) { #expect(TLSRecord(Array(text.utf8)) == nil) }

    @Test("A long reason is cut to what fits")
    func long() throws {
        let framed = TLSRecord.failed(String(repeating: "x", count: 1000)).framed
        #expect(framed.count == 1 + TLSRecord.longest && framed[0] == 255)
    }

    @Test("A peer that closes or is slow is no record")
    func gone() throws {
        let pair = try DescriptorPair.sockets()
        try pair.first.write([9, 0x72])
        #expect(try TLSRecord.read(from: pair.second.raw, by: .after(.milliseconds(1))) == nil)
        let reader = pair.keepFirst()
        #expect(try TLSRecord.read(from: reader.raw, by: .after(.seconds(5))) == nil)
    }

    @Test("Where no service is, TLS is not available")
    func noService() throws {
        do throws(TLSService.Failure) {
            _ = try TLSService("/nonexistent/tls", client: 0, protocol: "smtp", patience: .seconds(1))
            Issue.record("it was")
        } catch {
            guard case .unavailable = error else {
                Issue.record("\(error)")
                return
            }
        }
    }
}
