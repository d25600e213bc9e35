// spawn ROUNDS PROGRAM ARG... --peer PEER ARG...
// Starts two programs in turn as inetd would, with a pipe on descriptors 0 and 1, and prints, tab-separated: the median
// microseconds from spawn to the first byte of each, and the peak and private (written to) resident KiB of each while it waits (or, of one
// that ends at once, its peak).
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct figures { double *times; long peak, own; };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

// Peak and private memory of a process that is alive and waits.
static void look(pid_t pid, struct figures *f) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    long value;
    if (file) {
        while (fgets(line, sizeof line, file)) if (sscanf(line, "VmHWM: %ld", &value) == 1) f->peak = value;
        fclose(file);
    }
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    file = fopen(path, "r");
    if (file) {
        long sum = 0;
        while (fgets(line, sizeof line, file))
            if (sscanf(line, "Private_Dirty: %ld", &value) == 1) sum += value;
        if (sum > 0) f->own = sum;
        fclose(file);
    }
}

static void once(char **command, struct figures *f, int round) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) exit(71);
    double begin = now();
    pid_t pid = vfork();
    if (pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execv(command[0], command);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    char buffer[65536];
    ssize_t got = read(out[0], buffer, sizeof buffer);
    double end = now();
    if (got <= 0) { fprintf(stderr, "%s said nothing\n", command[0]); exit(70); }
    if (f->times) f->times[round] = end - begin;
    usleep(200);
    look(pid, f);
    close(in[1]);
    close(out[0]);
    int status;
    struct rusage usage;
    wait4(pid, &status, 0, &usage);
    if (f->peak == 0) f->peak = usage.ru_maxrss;
}

static int ascending(const void *a, const void *b) {
    double d = *(const double *)a - *(const double *)b;
    return d < 0 ? -1 : d > 0;
}

int main(int argc, char **argv) {
    if (argc < 4) return 64;
    signal(SIGPIPE, SIG_IGN);
    int rounds = atoi(argv[1]);
    char **ours = argv + 2, **peer = ours;
    while (*peer && strcmp(*peer, "--peer")) peer++;
    if (!*peer) return 64;
    *peer++ = NULL;
    struct figures a = { malloc(sizeof(double) * rounds), 0, 0 }, b = { malloc(sizeof(double) * rounds), 0, 0 };
    struct figures warm = { NULL, 0, 0 };
    for (int i = 0; i < 20; i++) { once(ours, &warm, 0); once(peer, &warm, 0); }
    for (int i = 0; i < rounds; i++) { once(ours, &a, i); once(peer, &b, i); }
    qsort(a.times, rounds, sizeof(double), ascending);
    qsort(b.times, rounds, sizeof(double), ascending);
    printf("%.0f\t%ld\t%ld\t%.0f\t%ld\t%ld\n", a.times[rounds / 2], a.peak, a.own, b.times[rounds / 2], b.peak, b.own);
    return 0;
}
