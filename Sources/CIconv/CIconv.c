#include "CIconv.h"

#include <errno.h>
#include <iconv.h>

long cs_convert_to_utf8(const char *charset, const char *input, size_t count, char *output, size_t capacity) {
    iconv_t converter = iconv_open("UTF-8", charset);
    if (converter == (iconv_t)-1) return -1;
    char *in = (char *)input;
    char *out = output;
    size_t left = count, room = capacity;
    while (left > 0 && room > 0) {
        if (iconv(converter, &in, &left, &out, &room) != (size_t)-1) break;
        if (errno != EILSEQ && errno != EINVAL) break;
        *out++ = '?';
        room--;
        in++;
        left--;
    }
    iconv_close(converter);
    return (long)(out - output);
}
