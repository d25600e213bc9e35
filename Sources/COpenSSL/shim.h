#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

// Macros that Swift does not import.
static const uint64_t cssl_common_options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION;
static const uint64_t cssl_server_options = SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET;
