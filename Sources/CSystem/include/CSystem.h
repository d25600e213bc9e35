// The C library as Unix uses it, and what Swift cannot call in it: variadic calls, macros, and calls newer than the library.
// The headers are named here, not taken from Swift's own module of the C library: there is none in Embedded Swift, which
// release builds are (Package.swift), and another one on each system.
#ifndef CSYSTEM_H
#define CSYSTEM_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#if defined(__FreeBSD__)
#include <sys/sysctl.h>
#endif

/// What main was given.
char **cs_arguments(int *count);
int cs_errno(void);
void cs_set_errno(int code);
void cs_ignore_signal(int signal);
int cs_set_groups(size_t count, const unsigned *groups);
int cs_fcntl(int file, int command, int argument);
/// Bytes that were written to a Unix socket and that nobody has read yet; 0 where that cannot be known.
int cs_unread(int socket);
int cs_datagram_kind(void);
int cs_open(int directory, const char *path, int flags, unsigned mode);
void cs_refuse(int all);  // In debug builds only.
int cs_rename_noreplace(int from_directory, const char *from, int to_directory, const char *to);
/// Gives the unnamed file behind `file` a name; without privilege, through /proc/self/fd.
int cs_link_unnamed(int file, int directory, const char *name);
int cs_o_tmpfile(void);
/// kind: F_RDLCK, F_WRLCK or F_UNLCK; owner 0: the open file (OFD), 1: the process (POSIX). Where there are no OFD locks, the whole
/// file (0, 0) is flock's, which other programs' fcntl heeds there, and a range the process's.
int cs_byte_lock(int file, int kind, int per_process, int wait, int64_t offset, int64_t length);
int64_t cs_send_with_descriptors(int socket, const void *bytes, size_t count, const int *descriptors, int n);
/// At most 4 descriptors are taken; `*n` says how many came. Others are closed.
int64_t cs_receive_with_descriptors(int socket, void *bytes, size_t capacity, int *descriptors, int *n);
int cs_peer_credentials(int socket, unsigned *uid, unsigned *gid);
int cs_random(void *bytes, size_t count);
/// The CRC-32C of `count` bytes behind those that led to `state`; neither inverts it. The second takes no short cut.
uint32_t cs_crc32c(uint32_t state, const void *bytes, size_t count);
uint32_t cs_crc32c_by_table(uint32_t state, const void *bytes, size_t count);
/// The magic of statfs (Linux); elsewhere 1 for a filesystem whose fsync of a file commits the name, too, else 0.
int64_t cs_filesystem_type(int file);
/// Makes everything on the filesystem behind `file` durable (Linux; elsewhere the file, and what sync begins with).
int cs_sync_filesystem(int file);
int cs_o_search(void);
/// Of a directory's entry; the field has several names.
uint64_t cs_inode(const struct dirent *entry);
/// Raises the soft limit of open files to `wanted`, as far as the hard limit allows.
int cs_raise_file_limit(int wanted);
int cs_close_from(int first);
int cs_no_new_privileges(void);
int cs_undumpable(void);
/// Real, effective and saved at once.
int cs_set_group(unsigned group);
/// Real and effective `group`; `saved` can be taken up by setegid and is dropped by exec.
int cs_set_group_saving(unsigned group, unsigned saved);
/// Soft and hard limit at once; never above the hard limit that holds.
int cs_limit_core(void);
/// No process more of this user's, for this one; root is not held to it.
int cs_forbid_processes(void);
int cs_limit_open_files(uint64_t most);
int cs_set_user(unsigned user);
int cs_pipe(int *ends);
/// A connected pair of Unix stream sockets; a socket; both close-on-exec.
int cs_socket_pair(int *ends);
int cs_stream_socket(int family);
int cs_datagram_socket(int family);
int cs_accept(int socket);
/// inet_pton and inet_ntop, which are macros on FreeBSD: 1 and 0 where it went well.
int cs_parse_address(int family, const char *text, void *address);
int cs_print_address(int family, const void *address, char *text, unsigned size);
int cs_end_writing(int socket);
/// posix_spawn with no signal blocked or handled, and copies of `standard`, which are above 2, as descriptors 0, 1 and 2: 0, or
/// an errno.
int cs_spawn(pid_t *id, const char *path, char *const *arguments, char *const *environment, const int *standard, int own_group);
/// What opening `path` (flags below 0: executing or searching it) comes to for another user, as a child that became them: 0, or
/// an errno.
int cs_may_open(const char *path, int flags, unsigned user, unsigned group, const unsigned *groups, size_t count);

#endif
