import Bytes
import COpenSSL
package import Unix

/// One end of a TLS conversation that touches no descriptor: ciphertext goes in by `receive` and comes out
/// by `takeOutput`, whoever carries it. After an error there is only `takeOutput`, for the alert: no
/// plaintext is given out any more.
@usableFromInline @safe package struct TLSSession: ~Copyable {
    private let handle: OpaquePointer
    /// Ciphertext that came and was not looked at; that waits to be sent. Owned by `handle`.
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private let protocols: ApplicationProtocols
    private var hasFailed = false

    /// Begins a session; a client names the server that it wants, for the server to choose its certificate
    /// by (RFC 6066 §3), and for itself to check it.
    package init(_ context: borrowing TLSContext, serverName: String? = nil) throws(TLSError) {
        protocols = context.protocols
        unsafe (handle, incoming, outgoing) = try Self.make(context, serverName)
    }

    deinit { unsafe SSL_free(handle) }

    private static func make(
        _ context: borrowing TLSContext, _ serverName: String?
    ) throws(TLSError) -> (OpaquePointer, OpaquePointer, OpaquePointer) {
        guard let handle = unsafe SSL_new(context.handle) else { throw TLSError("TLS session") }
        guard let incoming = unsafe BIO_new(BIO_s_mem()), let outgoing = unsafe BIO_new(BIO_s_mem()) else {
            unsafe SSL_free(handle)
            throw TLSError("TLS session")
        }
        unsafe SSL_set_bio(handle, incoming, outgoing)
        if context.isServer {
            unsafe SSL_set_accept_state(handle)
        } else {
            unsafe SSL_set_connect_state(handle)
            if let serverName, unsafe !setName(serverName, handle) {
                unsafe SSL_free(handle)
                throw TLSError("server name")
            }
        }
        return unsafe (handle, incoming, outgoing)
    }

    /// The name to ask for and to check; an address is checked but cannot be asked for.
    private static func setName(_ name: String, _ handle: OpaquePointer) -> Bool {
        if IPAddress(name) != nil {
            return unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(handle), name) == 1
        }
        unsafe SSL_set_hostflags(handle, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        var bytes = name.utf8CString
        let asked = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            unsafe SSL_ctrl(
                handle, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name), buffer.baseAddress)
        }
        return asked == 1 && (unsafe SSL_set1_host(handle, name)) == 1
    }

    // MARK: - Ciphertext

    /// Takes what came from the peer.
    package mutating func receive(_ ciphertext: ArraySlice<UInt8>) {
        guard !hasFailed else { return }
        unsafe ciphertext.withUnsafeBytes { buffer in
            guard let start = buffer.baseAddress else { return }
            _ = unsafe BIO_write(incoming, start, CInt(buffer.count))
        }
    }

    package mutating func receive(_ ciphertext: [UInt8]) { receive(ciphertext[...]) }

    /// How much is waiting to be sent.
    package var outputCount: Int { unsafe BIO_ctrl_pending(outgoing) }

    /// Takes everything that waits to be sent.
    package mutating func takeOutput() -> [UInt8] {
        let count = outputCount
        guard count > 0 else { return [] }
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = Int(max(0, unsafe BIO_read(outgoing, buffer.baseAddress, CInt(count))))
        }
    }

    // MARK: - Handshake

    /// Goes on with the handshake; whether it is over. If not, more must be received.
    package mutating func handshake() throws(TLSError) -> Bool {
        ERR_clear_error()
        let result = unsafe SSL_do_handshake(handle)
        if result == 1 { return true }
        guard unsafe SSL_get_error(handle, result) == SSL_ERROR_WANT_READ else {
            throw failure("handshake")
        }
        return false
    }

    /// What was agreed on.
    package var agreement: TLSService.Session {
        let cipher = unsafe SSL_get_current_cipher(handle)
        return TLSService.Session(
            version: unsafe String(cString: SSL_get_version(handle)),
            cipher: unsafe String(cString: SSL_CIPHER_get_name(cipher)),
            bits: Int(unsafe SSL_CIPHER_get_bits(cipher, nil)))
    }

    // MARK: - Plaintext

    package enum Reading: Equatable {
        case bytes([UInt8])
        /// Nothing until more is received.
        case nothingYet
        /// The peer said that there is no more (close_notify). An end without it is an attack or a crash.
        case closed
    }

    package mutating func read(upTo capacity: Int = 16384) throws(TLSError) -> Reading {
        guard !hasFailed else { throw TLSError("read", "session has failed") }
        ERR_clear_error()
        var result: CInt = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            result = unsafe SSL_read(handle, buffer.baseAddress, CInt(capacity))
            count = Int(max(0, result))
        }
        if result > 0 { return .bytes(bytes) }
        switch unsafe SSL_get_error(handle, result) {
        case SSL_ERROR_WANT_READ: return .nothingYet
        case SSL_ERROR_ZERO_RETURN: return .closed
        default: throw failure("read")
        }
    }

    /// Encrypts all of `plaintext` into the output. Only after the handshake.
    package mutating func write(_ plaintext: ArraySlice<UInt8>) throws(TLSError) {
        guard !plaintext.isEmpty else { return }
        guard !hasFailed else { throw TLSError("write", "session has failed") }
        ERR_clear_error()
        let result = unsafe plaintext.withUnsafeBytes { buffer in
            unsafe SSL_write(handle, buffer.baseAddress, CInt(clamping: buffer.count))
        }
        // The memory takes everything at once; anything less is an error.
        guard Int(result) == plaintext.count else { throw failure("write") }
    }

    package mutating func write(_ plaintext: [UInt8]) throws(TLSError) { try write(plaintext[...]) }

    /// Says to the peer that nothing more will come (close_notify); what it says may still be read.
    package mutating func close() {
        guard !hasFailed, unsafe SSL_is_init_finished(handle) == 1 else { return }
        ERR_clear_error()
        unsafe SSL_shutdown(handle)
        ERR_clear_error()
    }

    private mutating func failure(_ step: StaticString) -> TLSError {
        hasFailed = true
        if unsafe SSL_get_verify_result(handle) != Int(X509_V_OK), unsafe SSL_get_verify_mode(handle) != 0 {
            ERR_clear_error()
            let code = unsafe SSL_get_verify_result(handle)
            return TLSError(step, unsafe String(cString: X509_verify_cert_error_string(code)))
        }
        return TLSError(step)
    }
}
