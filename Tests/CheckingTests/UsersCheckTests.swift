import Bytes
import Program
import Testing

@testable import Checking

@Suite struct UsersCheckTests {
    @Test("a virtual domain in which nobody has mail is told, and one whose users have none")
    func domains() {
        var configuration = Configuration()
        configuration.localDomains = ["here.example"]
        configuration.virtualDomains = ["users.example", "aliases.example", "empty.example", "here.example"]
        func names(_ names: String...) -> Set<[UInt8]> { Set(names.map { Array($0.utf8) }) }
        let findings = UsersCheck.domains(
            configuration, named: names("users.example", "lost.example"), aliased: names("aliases.example"))
        let told = findings.map { $0.text.prefix { $0 != ":" } }
        #expect(told == ["empty.example", "here.example", "lost.example"])
    }
}
