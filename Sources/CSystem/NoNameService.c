// Static release builds only: stand-ins for libc's name service, which libcrypto refers to from code that we never
// call. Libc's own would load plug-ins of the host into a static program (see relais(7)); whoever
// calls these by mistake learns that there is no such name.
#if defined(RELAIS_STATIC)
#include <errno.h>
#include <netdb.h>
#include <stddef.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
    (void)node; (void)service; (void)hints;
    *result = NULL;
    return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo *list) { (void)list; }

int getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service,
                socklen_t service_size, int flags) {
    (void)address; (void)length; (void)host; (void)host_size; (void)service; (void)service_size; (void)flags;
    return EAI_FAIL;
}

struct hostent *gethostbyname(const char *name) {
    (void)name;
    return NULL;
}

int getservbyport_r(int port, const char *protocol, struct servent *entry, char *buffer, size_t size,
                    struct servent **result) {
    (void)port; (void)protocol; (void)entry; (void)buffer; (void)size;
    *result = NULL;
    return ENOENT;
}
#endif
