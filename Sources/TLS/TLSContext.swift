import COpenSSL
import Unix

/// What the sessions of one kind share: role, protocol versions, certificate or trust. At least TLS 1.2, no
/// renegotiation, no compression (T9); OpenSSL's configuration file is never read.
@usableFromInline @safe package struct TLSContext: ~Copyable {
    let handle: OpaquePointer
    let isServer: Bool
    /// `handle` refers to it: every session keeps it, too.
    let protocols: ApplicationProtocols

    /// Whom a client believes.
    package enum Trust: Equatable {
        /// Anybody: encryption against those who only listen (RFC 7435).
        case anybody
        /// Who shows a certificate for the name, issued by one of the host's authorities, or of `file`.
        case authorities(file: String? = nil)
    }

    /// A server with the certificate chain and the key of these PEM files. A client that names protocols
    /// (ALPN) must name one of `protocols`: a browser that was lured here ends in the handshake (T23).
    package static func server(
        certificate: String, key: String, protocols: [String] = []
    ) throws(TLSError) -> TLSContext {
        let context = try TLSContext(isServer: true, protocols: ApplicationProtocols(protocols))
        try context.load(certificate: certificate, key: key)
        unsafe SSL_CTX_set_alpn_select_cb(
            context.handle, ApplicationProtocols.select,
            Unmanaged.passUnretained(context.protocols).toOpaque())
        return context
    }

    package static func client(trusting trust: Trust) throws(TLSError) -> TLSContext {
        let context = try TLSContext(isServer: false, protocols: ApplicationProtocols([]))
        try context.trust(trust)
        return context
    }

    private init(isServer: Bool, protocols: ApplicationProtocols) throws(TLSError) {
        self.isServer = isServer
        self.protocols = protocols
        unsafe handle = try Self.make(isServer: isServer)
    }

    deinit { unsafe SSL_CTX_free(handle) }

    private static func make(isServer: Bool) throws(TLSError) -> OpaquePointer {
        // Reading the host's openssl.cnf costs 1.8 ms, and what it says is for other programs.
        guard OPENSSL_init_ssl(UInt64(OPENSSL_INIT_NO_LOAD_CONFIG), nil) == 1,
            let handle = unsafe SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method())
        else { throw TLSError("TLS context") }
        unsafe SSL_CTX_set_options(handle, cssl_common_options | (isServer ? cssl_server_options : 0))
        unsafe SSL_CTX_ctrl(handle, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_2_VERSION), nil)
        unsafe SSL_CTX_ctrl(handle, SSL_CTRL_SET_DH_AUTO, 1, nil)
        // Buffers of idle sessions are given back: there may be hundreds.
        unsafe SSL_CTX_ctrl(handle, SSL_CTRL_MODE, Int(SSL_MODE_RELEASE_BUFFERS), nil)
        // One process, one session: there is nobody to resume with.
        unsafe SSL_CTX_ctrl(handle, SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_OFF), nil)
        if isServer { unsafe SSL_CTX_set_num_tickets(handle, 0) }
        // A key that needs a passphrase is an error; nobody is asked.
        unsafe SSL_CTX_set_default_passwd_cb(handle) { _, _, _, _ in 0 }
        return unsafe handle
    }

    /// OpenSSL would wait for ever at a FIFO.
    private static func expectFile(_ path: String, _ step: StaticString) throws(TLSError) {
        do throws(SystemError) { _ = try Path.openFile(path) } catch { throw TLSError(step, "\(error)") }
    }

    private func load(certificate: String, key: String) throws(TLSError) {
        try Self.expectFile(certificate, "certificate")
        try Self.expectFile(key, "private key")
        guard unsafe SSL_CTX_use_certificate_chain_file(handle, certificate) == 1 else {
            throw TLSError("certificate")
        }
        guard unsafe SSL_CTX_use_PrivateKey_file(handle, key, SSL_FILETYPE_PEM) == 1 else {
            throw TLSError("private key")
        }
        guard unsafe SSL_CTX_check_private_key(handle) == 1 else { throw TLSError("private key") }
    }

    private func trust(_ trust: Trust) throws(TLSError) {
        guard case .authorities(let file) = trust else {
            unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_NONE, nil)
            return
        }
        if let file { try Self.expectFile(file, "certificate authorities") }
        unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, nil)
        let loaded =
            if let file {
                unsafe SSL_CTX_load_verify_locations(handle, file, nil)
            } else {
                unsafe SSL_CTX_set_default_verify_paths(handle)
            }
        guard loaded == 1 else { throw TLSError("certificate authorities") }
    }
}
