// What a tool's start is measured beside: a static C program that prints the same and then ends, or, as a server, waits.
//
// usage: peer TEXT [wait]
#include <string.h>
#include <unistd.h>

int main(int count, char **words) {
    char byte;
    if (count < 2 || write(1, words[1], strlen(words[1])) < 0 || write(1, "\r\n", 2) < 0) return 1;
    while (count > 2 && read(0, &byte, 1) > 0) {}
    return 0;
}
