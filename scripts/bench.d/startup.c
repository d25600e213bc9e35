// Measures how programs start: from spawn to the first line (servers) or to the exit, and what memory they hold by then.
//
// usage: startup ROUNDS server|exit PROGRAM [ARGUMENT ...] -- PEER [ARGUMENT ...]
//
// Prints a line for the program and one for its peer: microseconds (median), KiB at the peak, KiB of its own. They are started in turns, so
// that whatever else the machine does falls on both. A server gets a TCP connection on loopback, as inetd would
// give it: descriptors 0, 1 and 2.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *no_environment[] = { NULL };

static void fail(const char *what) { perror(what); exit(1); }

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

// ends[0] stays here, ends[1] goes to the program.
static void connected(int ends[2]) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (void *)&address, size) || listen(listener, 1) || getsockname(listener, (void *)&address, &size))
        fail("listen");
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(ends[0], (void *)&address, size)) fail("connect");
    ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    close(listener);
}

static void channel(int server, int ends[2]) {
    if (server) connected(ends); else if (pipe2(ends, 02000000 /* O_CLOEXEC */)) fail("pipe");
}

// Reads to the end of the first line, or to the end.
static void listen_to(int end, int server) {
    char text[512];
    ssize_t n;
    while ((n = read(end, text, sizeof text)) > 0)
        if (server && memchr(text, '\n', n)) return;
    if (server) { fprintf(stderr, "startup: no line came\n"); exit(1); }
}

static double start(char **words, int server) {
    int ends[2], status;
    pid_t child;
    posix_spawn_file_actions_t actions;
    channel(server, ends);
    posix_spawn_file_actions_init(&actions);
    if (server) posix_spawn_file_actions_adddup2(&actions, ends[1], 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    if (server) posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    double begun = now();
    if (posix_spawn(&child, words[0], &actions, NULL, words, no_environment)) fail(words[0]);
    close(ends[1]);
    listen_to(ends[0], server);
    if (!server) waitpid(child, &status, 0);
    double taken = now() - begun;
    close(ends[0]);
    if (server) waitpid(child, &status, 0);
    if (!server && status != 0) { fprintf(stderr, "startup: %s: status %d\n", words[0], status); exit(1); }
    posix_spawn_file_actions_destroy(&actions);
    return taken;
}

// Adds up the lines of /proc/PID/FILE that begin with `name`, in KiB.
static long kibibytes(pid_t child, const char *file, const char *name) {
    char path[64], line[256];
    long sum = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", child, file);
    FILE *stream = fopen(path, "r");
    if (!stream) fail(path);
    while (fgets(line, sizeof line, stream))
        if (!strncmp(line, name, strlen(name))) sum += atol(strchr(line, ':') + 1);
    fclose(stream);
    return sum;
}

// A program that exits is looked at when it is about to, with its memory still there: as its tracer.
static void memory(char **words, int server, long *peak, long *private) {
    int ends[2], status;
    channel(server, ends);
    pid_t child = fork();
    if (child == 0) {
        if (server) dup2(ends[1], 0);
        dup2(ends[1], 1);
        if (server) dup2(ends[1], 2); else ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execve(words[0], words, no_environment);
        _exit(127);
    }
    close(ends[1]);
    if (server) {
        listen_to(ends[0], server);
    } else {
        waitpid(child, &status, 0);
        ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)PTRACE_O_TRACEEXIT);
        ptrace(PTRACE_CONT, child, NULL, NULL);
        waitpid(child, &status, 0);
    }
    *peak = kibibytes(child, "status", "VmHWM");
    *private = kibibytes(child, "smaps_rollup", "Anonymous");
    if (!server) ptrace(PTRACE_CONT, child, NULL, NULL);
    close(ends[0]);
    waitpid(child, &status, 0);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, count, sizeof *values, ascending);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

int main(int count, char **words) {
    if (count < 6) { fprintf(stderr, "usage: startup ROUNDS server|exit PROGRAM ... -- PEER ...\n"); return 64; }
    int rounds = atoi(words[1]), server = !strcmp(words[2], "server");
    char **command[2] = { words + 3, words + 3 };
    while (*command[1] && strcmp(*command[1], "--")) command[1]++;
    if (rounds < 1 || !*command[1]) return 64;
    *command[1]++ = NULL;
    double *times[2] = { calloc(rounds, sizeof(double)), calloc(rounds, sizeof(double)) };
    long peak[2], private[2];
    signal(SIGPIPE, SIG_IGN);
    for (int which = 0; which < 2; which++) memory(command[which], server, &peak[which], &private[which]);
    for (int round = 0; round < rounds; round++)
        for (int turn = 0; turn < 2; turn++) {
            int which = (round + turn) % 2;
            times[which][round] = start(command[which], server);
        }
    for (int which = 0; which < 2; which++)
        printf("%.0f %ld %ld\n", median(times[which], rounds), peak[which], private[which]);
    return 0;
}
