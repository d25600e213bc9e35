// The Castagnoli CRC, as iSCSI and ext4 use it (RFC 3720 §12.1): by the processor's own instruction where it has one, else a
// byte a step. Which, is asked of libc, which has asked already: a virtual machine's CPUID costs more than the CRC.
#include "CSystem.h"
#include <string.h>

#define NIBBLE(n) ((n) & 1 ? 0x82F63B78u ^ (n) >> 1 : (n) >> 1)
#define NEXT(n) NIBBLE(NIBBLE(NIBBLE(NIBBLE((uint32_t)(n)))))

// What four bits do: small enough to be cheap where no table would be warm.
static const uint32_t table[16] = {
    NEXT(0), NEXT(1), NEXT(2), NEXT(3), NEXT(4), NEXT(5), NEXT(6), NEXT(7),
    NEXT(8), NEXT(9), NEXT(10), NEXT(11), NEXT(12), NEXT(13), NEXT(14), NEXT(15),
};

static uint32_t by_table(uint32_t state, const unsigned char *bytes, size_t count) {
    for (; count > 0; count--) {
        state ^= *bytes++;
        state = table[state & 15] ^ state >> 4;
        state = table[state & 15] ^ state >> 4;
    }
    return state;
}

#if defined(__x86_64__) && defined(__linux__)
#include <sys/platform/x86.h>

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t state, const unsigned char *bytes, size_t count) {
    uint64_t wide = state, word;
    for (; count >= 8; count -= 8, bytes += 8) {
        memcpy(&word, bytes, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    state = (uint32_t)wide;
    for (; count > 0; count--) state = __builtin_ia32_crc32qi(state, *bytes++);
    return state;
}

uint32_t cs_crc32c(uint32_t state, const void *bytes, size_t count) {
    return CPU_FEATURE_ACTIVE(SSE4_2) ? by_instruction(state, bytes, count) : by_table(state, bytes, count);
}
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

uint32_t cs_crc32c(uint32_t state, const void *start, size_t count) {
    const unsigned char *bytes = start;
    uint64_t word;
    for (; count >= 8; count -= 8, bytes += 8) {
        memcpy(&word, bytes, 8);
        state = __crc32cd(state, word);
    }
    for (; count > 0; count--) state = __crc32cb(state, *bytes++);
    return state;
}
#else
uint32_t cs_crc32c(uint32_t state, const void *bytes, size_t count) { return by_table(state, bytes, count); }
#endif

uint32_t cs_crc32c_by_table(uint32_t state, const void *bytes, size_t count) { return by_table(state, bytes, count); }
