// peer TEXT [wait]: what the simplest C program does: prints a text, and waits for the end of its input if asked to.
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    char buffer[512];
    if (argc < 2 || write(1, argv[1], strlen(argv[1])) < 0) return 1;
    while (argc > 2 && read(0, buffer, sizeof buffer) > 0) {}
    return 0;
}
