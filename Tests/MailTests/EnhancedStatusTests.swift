import Testing

import Bytes
import Mail

@Suite struct EnhancedStatusTests {
    @Test("a status code is class, subject and detail", arguments: ["2.0.0", "4.4.1", "5.1.1", "5.999.999"])
    func good(text: String) {
        #expect(EnhancedStatus(Array(text.utf8))?.description == text)
    }

    @Test(
        "what is no status code is none (T27)",
        arguments: [
            "", "5", "5.", "5.7", "5.7.", "5.7.2 ", " 5.7.2", "3.0.0", "1.0.0", "6.0.0", "5.1000.0",
            "5.0.1000",
            "5.01.0", "5.0.01", "+5.1.1", "5.-1.1", "5..1", "5.1.1.1", "5.1.1\0", "5,1,1",
            "99999999999999.1.1",
        ])
    func bad(text: String) {
        #expect(EnhancedStatus(Array(text.utf8)) == nil)
    }
}
