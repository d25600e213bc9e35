#define _GNU_SOURCE
#include "CSystem.h"

#include <grp.h>
#include <sys/ioctl.h>
#if defined(__linux__)
#include <linux/sockios.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif
#elif defined(__FreeBSD__)
#include <sys/mount.h>
#include <sys/param.h>
#include <sys/procctl.h>
#endif

static int argument_count;
static char **arguments;

#if defined(__linux__) && !defined(__GLIBC__)
// musl hands constructors nothing. What the kernel laid before the environment: the count, the words, a null.
__attribute__((constructor)) static void keep_arguments(void) {
    long *before = (long *)environ - 2;
    while (*(before - argument_count) != argument_count) argument_count++;
    arguments = (char **)(before - argument_count + 1);
}

// What Embedded Swift seeds its hashes with, and musl does not have.
void arc4random_buf(void *bytes, size_t count) {
    for (size_t done = 0; done < count;) {
        ssize_t got = getrandom((char *)bytes + done, count - done, 0);
        if (got < 0 && errno != EINTR) abort();
        if (got > 0) done += (size_t)got;
    }
}
#else
// libc hands constructors what it hands main.
__attribute__((constructor)) static void keep_arguments(int count, char **words) {
    argument_count = count;
    arguments = words;
}
#endif

char **cs_arguments(int *count) {
    *count = argument_count;
    return arguments;
}

#if defined(RELAIS_STATIC)
// What Embedded Swift takes its memory from. It asks for no more than malloc's own alignment, which comes without the search
// for a place that the libraries' posix_memalign makes.
int posix_memalign(void **place, size_t alignment, size_t count) {
    *place = alignment <= _Alignof(max_align_t) ? malloc(count) : aligned_alloc(alignment, count);
    return *place == NULL ? ENOMEM : 0;
}
#endif

int cs_errno(void) { return errno; }
void cs_set_errno(int code) { errno = code; }
void cs_ignore_signal(int number) { signal(number, SIG_IGN); }
int cs_set_groups(size_t count, const unsigned *groups) { return setgroups(count, groups); }
int cs_fcntl(int file, int command, int argument) { return fcntl(file, command, argument); }

int cs_datagram_kind(void) { return SOCK_DGRAM; }

int cs_unread(int socket) {
    int count = 0;
#if defined(__linux__)
    if (ioctl(socket, SIOCOUTQ, &count) != 0) return 0;
#elif defined(FIONWRITE)
    if (ioctl(socket, FIONWRITE, &count) != 0) return 0;
#endif
    return count;
}

#if defined(DEBUG)
// What some systems and filesystems do not have (NFS, FUSE, FreeBSD), refused to this thread: for tests of the second paths.
static _Thread_local int refuses;
void cs_refuse(int all) { refuses = all; }
#define REFUSED(code) if (refuses) { errno = code; return -1; }
#else
#define REFUSED(code)
#endif

int cs_open(int directory, const char *path, int flags, unsigned mode) {
#if defined(O_TMPFILE)
    if ((flags & O_TMPFILE) == O_TMPFILE) { REFUSED(EOPNOTSUPP) }
#endif
    return openat(directory, path, flags | O_CLOEXEC, (mode_t)mode);
}

int cs_rename_noreplace(int from_directory, const char *from, int to_directory, const char *to) {
#if defined(__linux__)
    REFUSED(EINVAL)
    return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, RENAME_NOREPLACE);
#else
    (void)from_directory; (void)from; (void)to_directory; (void)to;
    errno = ENOSYS;
    return -1;
#endif
}

int cs_link_unnamed(int file, int directory, const char *name) {
#if defined(__linux__)
    char path[40];
#if defined(DEBUG)
    if (!refuses)
#endif
    {
        // ENOENT is what a caller without CAP_DAC_READ_SEARCH is told before Linux 6.10.
        if (linkat(file, "", directory, name, AT_EMPTY_PATH) == 0) return 0;
        if (errno != ENOENT && errno != EPERM && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) return -1;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW);
#else
    (void)file; (void)directory; (void)name;
    errno = EOPNOTSUPP;
    return -1;
#endif
}

int cs_o_tmpfile(void) {
#if defined(O_TMPFILE)
    return O_TMPFILE;
#else
    return 0;
#endif
}

int cs_byte_lock(int file, int kind, int per_process, int wait, int64_t offset, int64_t length) {
    struct flock lock;
    (void)per_process;
    memset(&lock, 0, sizeof lock);
    lock.l_type = (short)kind;
    lock.l_whence = SEEK_SET;
    lock.l_start = offset;
    lock.l_len = length;
#if defined(F_OFD_SETLK)
    if (!per_process) return fcntl(file, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
#elif defined(__FreeBSD__)
    // A lock of the process's goes with the first close of the file, whoever in it opened that; flock's stays, and fcntl of another
    // process sees it.
    if (!per_process && offset == 0 && length == 0) {
        int operation = kind == F_UNLCK ? LOCK_UN : kind == F_RDLCK ? LOCK_SH : LOCK_EX;
        return flock(file, wait ? operation : operation | LOCK_NB);
    }
#endif
    return fcntl(file, wait ? F_SETLKW : F_SETLK, &lock);
}

#define MOST_DESCRIPTORS 4

int64_t cs_send_with_descriptors(int socket, const void *bytes, size_t count, const int *descriptors, int n) {
    union { struct cmsghdr align; char space[CMSG_SPACE(sizeof(int) * MOST_DESCRIPTORS)]; } control;
    struct iovec part = { (void *)bytes, count };
    struct msghdr message;
    if (n < 0 || n > MOST_DESCRIPTORS) { errno = EINVAL; return -1; }
    memset(&message, 0, sizeof message);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (n > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * n);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * n);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * n);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

int64_t cs_receive_with_descriptors(int socket, void *bytes, size_t capacity, int *descriptors, int *n) {
    union { struct cmsghdr align; char space[CMSG_SPACE(sizeof(int) * MOST_DESCRIPTORS)]; } control;
    struct iovec part = { bytes, capacity };
    struct msghdr message;
    int taken = 0;
    memset(&message, 0, sizeof message);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
#if defined(MSG_CMSG_CLOEXEC)
    ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
#else
    ssize_t got = recvmsg(socket, &message, 0);
#endif
    if (got >= 0) {
        for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h)) {
            if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
            int count = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            for (int i = 0; i < count; i++) {
                int one;
                memcpy(&one, CMSG_DATA(h) + sizeof(int) * i, sizeof one);
#if !defined(MSG_CMSG_CLOEXEC)
                fcntl(one, F_SETFD, FD_CLOEXEC);
#endif
                if (taken < MOST_DESCRIPTORS) descriptors[taken++] = one; else close(one);
            }
        }
    }
    *n = taken;
    return got;
}

int cs_peer_credentials(int socket, unsigned *uid, unsigned *gid) {
#if defined(__linux__)
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return -1;
    *uid = peer.uid;
    *gid = peer.gid;
    return 0;
#else
    uid_t u; gid_t g;
    if (getpeereid(socket, &u, &g) != 0) return -1;
    *uid = u; *gid = g;
    return 0;
#endif
}

int cs_random(void *bytes, size_t count) {
#if defined(__linux__)
    ssize_t got = getrandom(bytes, count, 0);
    if (got >= 0 && (size_t)got != count) { errno = EIO; return -1; }
    return got < 0 ? -1 : 0;
#else
    arc4random_buf(bytes, count);
    return 0;
#endif
}

int64_t cs_filesystem_type(int file) {
#if defined(__linux__)
    struct statfs about;
    return fstatfs(file, &about) == 0 ? (int64_t)about.f_type : -1;
#elif defined(__FreeBSD__)
    // Not of NFS, msdosfs or fusefs.
    struct statfs about;
    if (fstatfs(file, &about) != 0) return -1;
    return strcmp(about.f_fstypename, "ufs") == 0 || strcmp(about.f_fstypename, "zfs") == 0 ||
           strcmp(about.f_fstypename, "tmpfs") == 0;
#else
    (void)file;
    return 0;
#endif
}

int cs_close_from(int first) {
#if defined(__FreeBSD__)
    closefrom(first);
    return 0;
#else
#if defined(__linux__) && defined(SYS_close_range)
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0) == 0) return 0;
#endif
    long most = sysconf(_SC_OPEN_MAX);
    if (most < 0 || most > 65536) most = 65536;
    for (int fd = first; fd < most; fd++) close(fd);
    return 0;
#endif
}

int cs_no_new_privileges(void) {
#if defined(__linux__)
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#elif defined(__FreeBSD__)
    int what = PROC_NO_NEW_PRIVS_ENABLE;
    return procctl(P_PID, getpid(), PROC_NO_NEW_PRIVS_CTL, &what);
#else
    errno = ENOSYS;
    return -1;
#endif
}

int cs_undumpable(void) {
#if defined(__linux__)
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#elif defined(__FreeBSD__)
    int what = PROC_TRACE_CTL_DISABLE;
    return procctl(P_PID, getpid(), PROC_TRACE_CTL, &what);
#else
    errno = ENOSYS;
    return -1;
#endif
}

int cs_set_group(unsigned group) { return setresgid(group, group, group); }
int cs_set_group_saving(unsigned group, unsigned saved) { return setresgid(group, group, saved); }
static int cs_limit(int resource, uint64_t most) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0) return -1;
    if (limit.rlim_max != RLIM_INFINITY && most > (uint64_t)limit.rlim_max) most = (uint64_t)limit.rlim_max;
    limit.rlim_cur = limit.rlim_max = (rlim_t)most;
    return setrlimit(resource, &limit);
}
int cs_forbid_processes(void) {
    // Itself, and nothing else: 0 is no limit at all on FreeBSD.
    struct rlimit limit = {1, 1};
    if (setrlimit(RLIMIT_NPROC, &limit) == 0) return 0;
    // Who may not have one has fewer.
    return errno == EPERM ? 0 : -1;
}
int cs_limit_core(void) { return cs_limit(RLIMIT_CORE, 0); }
int cs_limit_open_files(uint64_t most) { return cs_limit(RLIMIT_NOFILE, most); }
int cs_set_user(unsigned user) { return setresuid(user, user, user); }
int cs_pipe(int *ends) { return pipe2(ends, O_CLOEXEC); }
int cs_socket_pair(int *ends) { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends); }
int cs_stream_socket(int family) { return socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0); }
int cs_datagram_socket(int family) { return socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0); }
int cs_accept(int socket) { return accept4(socket, NULL, NULL, SOCK_CLOEXEC); }

int cs_parse_address(int family, const char *text, void *address) { return inet_pton(family, text, address); }
int cs_print_address(int family, const void *address, char *text, unsigned size) {
    return inet_ntop(family, address, text, size) == NULL ? -1 : 0;
}
int cs_end_writing(int socket) { return shutdown(socket, SHUT_WR); }

int cs_spawn(pid_t *id, const char *path, char *const *words, char *const *environment, const int *standard, int own_group) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (own_group) flags |= POSIX_SPAWN_SETPGROUP;
    sigemptyset(&none);
    sigfillset(&all);
    int code = posix_spawn_file_actions_init(&actions);
    if (code != 0) return code;
    code = posix_spawnattr_init(&attributes);
    if (code == 0) {
        for (int target = 0; code == 0 && target < 3; target++)
            code = posix_spawn_file_actions_adddup2(&actions, standard[target], target);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setflags(&attributes, flags);
        if (code == 0) code = posix_spawn(id, path, &actions, &attributes, words, environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

int cs_sync_filesystem(int file) {
#if defined(__linux__)
    return syncfs(file);
#else
    // Names go with what sync writes; it may come back before all of that is written.
    sync();
    return fsync(file);
#endif
}

uint64_t cs_inode(const struct dirent *entry) { return entry->d_ino; }

int cs_o_search(void) {
#if defined(O_PATH)
    return O_PATH;
#else
    return O_SEARCH;
#endif
}

int cs_raise_file_limit(int wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
    rlim_t most = limit.rlim_max < (rlim_t)wanted ? limit.rlim_max : (rlim_t)wanted;
    if (limit.rlim_cur < most) {
        limit.rlim_cur = most;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
    }
    return (int)limit.rlim_cur;
}

int cs_may_open(const char *path, int flags, unsigned user, unsigned group, const unsigned *groups, size_t count) {
    pid_t child = fork();
    if (child < 0) return errno;
    if (child == 0) {
        if (cs_set_groups(count, groups) != 0 || cs_set_group(group) != 0 || cs_set_user(user) != 0) _exit(errno & 255);
        int file = flags < 0 ? access(path, X_OK) : open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        _exit(file < 0 ? errno & 255 : 0);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}
