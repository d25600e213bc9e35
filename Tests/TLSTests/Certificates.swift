// Certificates for tests, all for the one key and by the one authority below; made with openssl(1), valid for a
// hundred years. They protect nothing.

import TemporaryPlaces
import Unix

enum Certificates {
    /// Who signed the others.
    static let authority = """
        -----BEGIN CERTIFICATE-----
        MIIBhTCCASygAwIBAgIUMRES44Ui2aSOtqAhJhaQy36Y5m0wCgYIKoZIzj0EAwIw
        IDEeMBwGA1UEAwwVcmVsYWlzIHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyMzE5MzAx
        OVoYDzIxMjYxMDMwMTkzMDE5WjAgMR4wHAYDVQQDDBVyZWxhaXMgdGVzdCBhdXRo
        b3JpdHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARezkGVBdATDPC2Fe8zOwPn
        4uScqSMqeQcDc4eSzm1sufiInxR8pAEUJDkv8DXsQ8DRCkcDSbntY6nEfveO361j
        o0IwQDAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAdBgNVHQ4EFgQU
        1dSluG14/VOSeBiSDkBd7SwYsK8wCgYIKoZIzj0EAwIDRwAwRAIgE23gfX4saEze
        mcLMrWPYYfGlU1pDTl3bIE7zx9HL8xwCIBNgFVMo86fAuG+r0gYSmfzYIfj2eBWM
        EzHeyIu9Bq+Z
        -----END CERTIFICATE-----
        """

    static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgNHsDK5iML1ae1oIj
        uZAFGBdIIrJOcvd9aA1cGaWzf+uhRANCAASep+BKPMAom9kbHAd+dxQ+l3whf53U
        LBkyQZVuXjNiRziD/LfziekrHW3Xjt3GJHn8mbZgrJUI4HQLKlZvMe2d
        -----END PRIVATE KEY-----
        """

    /// The key behind a passphrase.
    static let lockedKey = """
        -----BEGIN ENCRYPTED PRIVATE KEY-----
        MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhT9nHMjQAzdQICCAAw
        DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEJuQwpmwpQqPy9YQt7qAQb4EgZDS
        lXz37+hjoopw/qErYnlGTgGtR0exwjcD6EPBvvpZj/shuQKpaAUjiqIjQ3Da/pcI
        xB9wsYPzbRW9mcG9eRXmx8ZFnATGfaGi6B1avtUv2bVsyx4QeTYaz/p6lIkBnOko
        eoz5Tj3U8wymzzFH2iSSUCdqXfmsnwn7FSWXhA7hu+uUBREOOjE7FLE2FVuuz0k=
        -----END ENCRYPTED PRIVATE KEY-----
        """

    /// mail.example.org and 192.0.2.1.
    static let good = """
        -----BEGIN CERTIFICATE-----
        MIIBpDCCAUqgAwIBAgIUA6jN6VlyTEFYk3wsMolHTktgEOEwCgYIKoZIzj0EAwIw
        IDEeMBwGA1UEAwwVcmVsYWlzIHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyMzE5MzAx
        OVoYDzIxMjYxMDMwMTkzMDE5WjAbMRkwFwYDVQQDDBByZWxhaXMgdGVzdCBnb29k
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnqfgSjzAKJvZGxwHfncUPpd8IX+d
        1CwZMkGVbl4zYkc4g/y384npKx1t147dxiR5/Jm2YKyVCOB0CypWbzHtnaNlMGMw
        IQYDVR0RBBowGIIQbWFpbC5leGFtcGxlLm9yZ4cEwAACATAdBgNVHQ4EFgQUHkPJ
        a7A6kgcRXs8nsScggD/lWTAwHwYDVR0jBBgwFoAU1dSluG14/VOSeBiSDkBd7SwY
        sK8wCgYIKoZIzj0EAwIDSAAwRQIhANWYvpQ8OrahbnRYv/YKwjb3yGPG6shKK4YZ
        ptEQkZ99AiAdYz66d7SdpgWeDJrfrMIzhr/O/vr11XtFiKAgsuoDaA==
        -----END CERTIFICATE-----
        """

    /// *.example.org.
    static let wildcard = """
        -----BEGIN CERTIFICATE-----
        MIIBmzCCAUGgAwIBAgIUA6jN6VlyTEFYk3wsMolHTktgEOIwCgYIKoZIzj0EAwIw
        IDEeMBwGA1UEAwwVcmVsYWlzIHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyMzE5MzAx
        OVoYDzIxMjYxMDMwMTkzMDE5WjAbMRkwFwYDVQQDDBByZWxhaXMgdGVzdCB3aWxk
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnqfgSjzAKJvZGxwHfncUPpd8IX+d
        1CwZMkGVbl4zYkc4g/y384npKx1t147dxiR5/Jm2YKyVCOB0CypWbzHtnaNcMFow
        GAYDVR0RBBEwD4INKi5leGFtcGxlLm9yZzAdBgNVHQ4EFgQUHkPJa7A6kgcRXs8n
        sScggD/lWTAwHwYDVR0jBBgwFoAU1dSluG14/VOSeBiSDkBd7SwYsK8wCgYIKoZI
        zj0EAwIDSAAwRQIgXtVgWr0TxRKSAkccMXSGlfTc1Nc0D83dmQdCWWL1SAACIQCx
        STMnD2HU78n++TfNGGOCDCtijE7gKNbsYmWRHKEW8g==
        -----END CERTIFICATE-----
        """

    /// mail.example.org, until 2021.
    static let expired = """
        -----BEGIN CERTIFICATE-----
        MIIBizCCATCgAwIBAgICEAAwCgYIKoZIzj0EAwIwIDEeMBwGA1UEAwwVcmVsYWlz
        IHRlc3QgYXV0aG9yaXR5MB4XDTIwMDEwMTAwMDAwMFoXDTIxMDEwMTAwMDAwMFow
        GzEZMBcGA1UEAwwQcmVsYWlzIHRlc3QgZ29vZDBZMBMGByqGSM49AgEGCCqGSM49
        AwEHA0IABJ6n4Eo8wCib2RscB353FD6XfCF/ndQsGTJBlW5eM2JHOIP8t/OJ6Ssd
        bdeO3cYkefyZtmCslQjgdAsqVm8x7Z2jXzBdMBsGA1UdEQQUMBKCEG1haWwuZXhh
        bXBsZS5vcmcwHQYDVR0OBBYEFB5DyWuwOpIHEV7PJ7EnIIA/5VkwMB8GA1UdIwQY
        MBaAFNXUpbhteP1TkngYkg5AXe0sGLCvMAoGCCqGSM49BAMCA0kAMEYCIQD77lg/
        9EBPzUoPigdt3OULSbjVxBmEsw709wPv489ZsQIhAOS6i1juDD5fJYzcK0XfbdW+
        AZnRdhBL+KNWZ4EOrlFZ
        -----END CERTIFICATE-----
        """

    /// "mail.example.org\0.evil.example" (T68).
    static let nul = """
        -----BEGIN CERTIFICATE-----
        MIIBqzCCAVGgAwIBAgIUA6jN6VlyTEFYk3wsMolHTktgEOMwCgYIKoZIzj0EAwIw
        IDEeMBwGA1UEAwwVcmVsYWlzIHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyMzE5MzAx
        OVoYDzIxMjYxMDMwMTkzMDE5WjAaMRgwFgYDVQQDDA9yZWxhaXMgdGVzdCBudWww
        WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASep+BKPMAom9kbHAd+dxQ+l3whf53U
        LBkyQZVuXjNiRziD/LfziekrHW3Xjt3GJHn8mbZgrJUI4HQLKlZvMe2do20wazAp
        BgNVHREEIjAggh5tYWlsLmV4YW1wbGUub3JnAC5ldmlsLmV4YW1wbGUwHQYDVR0O
        BBYEFB5DyWuwOpIHEV7PJ7EnIIA/5VkwMB8GA1UdIwQYMBaAFNXUpbhteP1TkngY
        kg5AXe0sGLCvMAoGCCqGSM49BAMCA0gAMEUCIFRFtfIuk+3puyo4xdsjojQMTyOw
        fIi3g5nQYUfBcBzHAiEA9rn6GNPHwg3OdGKsN/MSs2TGa081H0SQalGs28B/KS0=
        -----END CERTIFICATE-----
        """

    /// Calls `body` with the path of a file that holds `texts`.
    @discardableResult
    static func withFile<Result: ~Copyable>(_ texts: String..., body: (String) throws -> Result) throws
        -> Result
    {
        let place = try TemporaryDirectory()
        return try body(try place.write("file", texts.map { $0 + "\n" }.joined(), mode: 0o600))
    }
}
