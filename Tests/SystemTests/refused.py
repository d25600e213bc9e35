#!/usr/bin/env python3
"""What some systems and filesystems do not have (NFS, FUSE, FreeBSD), refused: refused.py PROGRAM [ARGUMENT ...]

A filter of system calls lets files without a name fail with EOPNOTSUPP, renaming that replaces nothing with EINVAL, and linking by descriptor with
ENOENT, for the program and all that it starts.
"""
import ctypes, os, platform, struct, sys

# By machine: its number for AUDIT_ARCH, and (call, which argument, bit, errno).
CALLS = {
    "x86_64": (0xC000003E, ((257, 2, 0o20000000, 95), (2, 1, 0o20000000, 95), (316, 4, 1, 22), (265, 4, 0x1000, 2))),
    "aarch64": (0xC00000B7, ((56, 2, 0o20000000, 95), (276, 4, 1, 22), (37, 4, 0x1000, 2))),
}
LOAD, EQUAL, SET, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


def refuse():
    """For this process and its children, for good."""
    machine, calls = CALLS[platform.machine()]
    code = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, machine), (RETURN, 0, 0, ALLOW)]
    for number, argument, bit, error in calls:
        code += [(LOAD, 0, 0, 0), (EQUAL, 0, 3, number), (LOAD, 0, 0, 16 + 8 * argument), (SET, 0, 1, bit), (RETURN, 0, 0, ERRNO | error)]
    code.append((RETURN, 0, 0, ALLOW))
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(text)))
    libc = ctypes.CDLL(None, use_errno=True)
    # PR_SET_NO_NEW_PRIVS, and PR_SET_SECCOMP with SECCOMP_MODE_FILTER.
    for words in ((38, 1, 0, 0, 0), (22, 2, ctypes.addressof(program), 0, 0)):
        if libc.prctl(*(ctypes.c_ulong(word) for word in words)):
            raise OSError(ctypes.get_errno(), "prctl")
    check()


def check():
    """A filter that refuses nothing would prove nothing."""
    try:
        os.close(os.open("/tmp", os.O_TMPFILE | os.O_RDWR, 0o600))
    except OSError as error:
        assert error.errno == 95, error
    else:
        raise AssertionError("files without a name are not refused")


if __name__ == "__main__":
    refuse()
    os.execvp(sys.argv[1], sys.argv[1:])
