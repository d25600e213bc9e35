// Release builds only: stand-ins for two parts of the Swift runtime that would work before main. Its crash reporter
// looks for swift-backtrace in eight places, which a tool in an empty chroot cannot have; its command line is found by
// reading /proc/self/maps, which need not be there. Both members stay out of the link, with their constructors.
#if defined(RELAIS_STATIC)
#include <stdbool.h>

static int argument_count;
static char **arguments;

// libc hands constructors what it hands main.
__attribute__((constructor)) static void keep_arguments(int count, char **words) {
    argument_count = count;
    arguments = words;
}

char **_swift_stdlib_getUnsafeArgvArgc(int *count) {
    *count = argument_count;
    return arguments;
}

void _swift_stdlib_overrideUnsafeArgvArgc(char **words, int count) {
    argument_count = count;
    arguments = words;
}

// The runtime's settings of 88 bytes; all zero: off.
char _swift_backtraceSettings[256];

bool _swift_backtrace_isThunkFunction(const char *name) {
    (void)name;
    return false;
}
#endif
