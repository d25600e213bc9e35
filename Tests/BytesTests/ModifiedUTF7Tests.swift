import Bytes
import Testing

@Suite struct ModifiedUTF7Tests {
    @Test(
        "a name stands for a text in one way",
        arguments: [
            "", "Foo", "Foo &- Bar", "&-", "&-&-", "&APY-", "Gr&APw-n", "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
            "&2D3eAA-", "&AOQ-&-", "&AOQA9g-", "&-&AOQ-",
        ])
    func valid(name: String) { #expect(ModifiedUTF7.isValid(name.utf8)) }

    @Test(
        "anything else is no name",
        arguments: [
            "Foo & Bar", "&A", "&", "&APY", "&A-", "&AP-", "&APY=-", "Jürgen", "a\tb", "a\u{0}b", "&Jjo!-",
            // ASCII in disguise, half a pair, two shifts for one, a bit too many, a slash for a comma.
            "&AC4ALgAv-", "&2D0-", "&3gA-", "&AOQ-&APY-", "&APZ-", "&U/BTFw-", "&AAA-",
        ])
    func invalid(name: String) { #expect(!ModifiedUTF7.isValid(name.utf8)) }
}
