// Charset conversion by the system's iconv; for imapd alone, which is linked against the system's libc.
#ifndef CICONV_H
#define CICONV_H

#include <stddef.h>

/// Converts to UTF-8; what cannot be converted becomes `?`. How many bytes were written to `output`, or -1 for an unknown
/// charset.
long cs_convert_to_utf8(const char *charset, const char *input, size_t count, char *output, size_t capacity);

#endif
