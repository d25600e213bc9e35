/// memchr(3), which looks at many bytes at a time: all that Bytes takes of the C library. Under a name of our own, or the
/// compiler takes it for the one that comes with the C library's headers elsewhere.
static inline const void *cm_find(const void *bytes, int byte, __SIZE_TYPE__ count) {
    return __builtin_memchr(bytes, byte, count);
}
