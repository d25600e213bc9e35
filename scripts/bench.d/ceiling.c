/* What no mail system can beat here: ceiling connect ADDRESS PORT WRITERS COUNT counts connections that were greeted,
   ceiling fsync DIRECTORY WRITERS COUNT files of 4 KiB, each made durable; ceiling run COUNT FILE COMMAND ... starts a
   command again and again with FILE on its standard input. Prints how many a second. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) { perror(what); _exit(1); }

static void greeted(const char *address, int port) {
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &peer.sin_addr);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(s, (struct sockaddr *)&peer, sizeof peer)) fail("connect");
    char text[256];
    if (read(s, text, sizeof text) < 3 || memcmp(text, "220", 3)) fail("greeting");
    close(s);
}

static void durable(const char *directory, int writer, int number) {
    char name[512], text[4096];
    memset(text, 'x', sizeof text);
    snprintf(name, sizeof name, "%s/%d-%d", directory, writer, number);
    int f = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (f < 0 || write(f, text, sizeof text) != sizeof text || fsync(f)) fail(name);
    close(f);
}

extern char **environ;

static void started(const char *file, char **command) {
    pid_t child;
    int status;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, file, O_RDONLY, 0);
    if (posix_spawn(&child, command[0], &actions, NULL, command, environ)) fail(command[0]);
    if (waitpid(child, &status, 0) < 0 || status) fail("status");
    posix_spawn_file_actions_destroy(&actions);
}

static int run(int count, const char *file, char **command) {
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int number = 0; number < count; number++) started(file, command);
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%f\n", count / (end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) / 1e9));
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 4 && !strcmp(argv[1], "run")) return run(atoi(argv[2]), argv[3], argv + 4);
    int connecting = argc == 6;
    if (argc != 5 && !connecting) return 64;
    int writers = atoi(argv[argc - 2]), count = atoi(argv[argc - 1]);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int writer = 0; writer < writers; writer++) {
        if (fork()) continue;
        for (int number = writer; number < count; number += writers)
            if (connecting) greeted(argv[2], atoi(argv[3])); else durable(argv[2], writer, number);
        _exit(0);
    }
    int status, failed = 0;
    while (wait(&status) > 0) failed |= status;
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%f\n", count / (end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) / 1e9));
    return failed != 0;
}
