"""What a power cut could leave of what the programs really did.

`Recording` reads the calls of all programs of a step from strace, in the order in which they ended. `Disk` plays them on a
model of a filesystem that knows what is durable: of each file its content at its last sync, and of the directories the
operations up to the last one that a sync carried. `states` gives what may be found after a cut at this moment:

journal   names change in the order of the calls, any number of the last ones may be missing (ext4, xfs); a sync of a file
          carries all names up to the last operation on that file
posix     each change of a name that no sync of its directory or of the filesystem carried may be missing by itself

and in both, of data that was not synced: all, nothing, the first half, or zeros in its place.
"""
import glob, itertools, os, re

CALLS = ("open,openat,creat,close,write,pwrite64,writev,pwritev,read,lseek,ftruncate,fallocate,fsync,fdatasync,syncfs,rename,renameat,renameat2,link,linkat,"
         "unlink,unlinkat,mkdir,mkdirat,rmdir,dup,dup2,dup3,fcntl,chdir,fchdir,clone,clone3,fork,vfork,execve,sendto,sendmsg,recvfrom,exit_group")
OPTIONS = ["-f", "-ff", "-qq", "-ttt", "-T", "-xx", "-s", "100000000", "-e", "signal=none", "-e", "trace=" + CALLS]
LINE = re.compile(r"(\d+\.\d+) (\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+|\?)(?: .*?)?(?: <(\d+\.\d+)>)?$")
AT_FDCWD = "AT_FDCWD"
DIRECTORY = object()


def text_of(word):
    """A string as strace -xx prints it."""
    return bytes.fromhex(re.sub(r'\\x|"|\.\.\.$', "", word))


def split(arguments):
    """At the commas outside of brackets; with -xx no string has any."""
    words, depth, start = [], 0, 0
    for index, letter in enumerate(arguments):
        if letter in "[{(":
            depth += 1
        elif letter in "]})":
            depth -= 1
        elif letter == "," and depth == 0:
            words.append(arguments[start:index].strip())
            start = index + 1
    return words + [arguments[start:].strip()]


class Recording:
    """(program's pid, call, arguments, result) in the order in which the calls ended. `parents` has who forked whom."""

    def __init__(self, prefix):
        self.events, self.parents = [], {}
        for path in glob.glob(prefix + ".*"):
            pid = int(path.rsplit(".", 1)[1])
            with open(path) as file:
                for number, line in enumerate(file):
                    match = LINE.match(line)
                    if not match:
                        if "exit_group(" in line:
                            self.events.append((float(line.split()[0]), number, pid, "exit_group", [re.search(r"\((\d+)", line)[1]], 0))
                        continue
                    began, call, arguments, result, took = match.groups()
                    if result == "?":
                        result = "0"
                    value = int(result, 0)
                    if call in ("clone", "clone3", "fork", "vfork") and value > 0:
                        self.parents[value] = pid
                    self.events.append((float(began) + float(took or 0), number, pid, call, split(arguments), value))
        self.events.sort(key=lambda event: (event[0], event[2], event[1]))

    def __iter__(self):
        return ((pid, call, arguments, value) for _, _, pid, call, arguments, value in self.events)

    def without(self, *calls):
        """The same as if these had never been made: for controls."""
        other = object.__new__(Recording)
        other.events, other.parents = [e for e in self.events if e[3] not in calls], self.parents
        return other


class Inode:
    def __init__(self, content=b""):
        self.now, self.durable, self.touched = bytearray(content), bytes(content), -1

    @property
    def is_clean(self):
        return bytes(self.now) == self.durable


class Handle:
    """An open file description."""

    def __init__(self, path=None, inode=None, appends=False):
        self.path, self.inode, self.appends, self.position = path, inode, appends, 0


class Disk:
    def __init__(self, root, start, roots):
        """`start` is a copy of the state before the step, in which all is durable; `roots` the directories under `root` to follow."""
        self.root, self.roots = root, [f"{root}/{name}" for name in roots]
        self.names, self.handles, self.places, self.waiting = {}, {}, {}, []
        self.changed, self.acknowledged, self.taken = False, False, False
        for place, directories, files in os.walk(start):
            here = os.path.normpath(f"{root}/{os.path.relpath(place, start)}")
            if not self.follows(here):
                continue
            self.names[here] = DIRECTORY
            for name in files:
                with open(f"{place}/{name}", "rb") as file:
                    self.names[f"{here}/{name}"] = Inode(file.read())
        self.durable_names = dict(self.names)

    def follows(self, path):
        return any(path == root or path.startswith(root + "/") for root in self.roots)

    # The programs' calls

    def table(self, pid, parents):
        if pid not in self.handles:
            parent = parents.get(pid)
            self.handles[pid] = dict(self.handles.get(parent, {}))
            self.places[pid] = self.places.get(parent, self.root)
        return self.handles[pid]

    def play(self, pid, call, words, value, parents):
        """One call; `changed` says whether it made a difference to what a cut may leave."""
        self.changed = False
        table = self.table(pid, parents)
        if value < 0:
            return
        method = getattr(self, "do_" + call, None)
        if method:
            method(pid, table, words, value)

    def path(self, pid, table, at, name):
        text = text_of(name).decode(errors="replace")
        if not text.startswith("/"):
            base = self.places[pid] if at == AT_FDCWD else getattr(table.get(int(at)), "path", None) or "/"
            text = f"{base}/{text}"
        elif match := re.fullmatch(r"/proc/self/fd/(\d+)", text):
            return int(match[1])
        return os.path.normpath(text)

    def name(self, operation, inode, directories, text):
        """A change of names: (what it does to a table of names, which directories it concerns)."""
        operation(self.names)
        if isinstance(inode, Inode):
            inode.touched = len(self.waiting)
        self.waiting.append((operation, directories, text))
        self.changed = True

    def do_openat(self, pid, table, words, value):
        path, flags = self.path(pid, table, words[0], words[1]), words[2]
        appends = "O_APPEND" in flags
        if "O_TMPFILE" in flags:
            table[value] = Handle(inode=Inode(), appends=appends)
        elif not self.follows(path):
            table[value] = Handle(path=path)
        elif path in self.names:
            found = self.names[path]
            table[value] = Handle(path=path, inode=None if found is DIRECTORY else found, appends=appends)
            if "O_TRUNC" in flags and found is not DIRECTORY and found.now:
                found.now.clear()
                self.changed = True
        elif "O_CREAT" in flags:
            inode = Inode()
            table[value] = Handle(path=path, inode=inode, appends=appends)
            self.name(lambda names: names.__setitem__(path, inode), inode, {os.path.dirname(path)}, f"create {path}")
        else:
            # Made by somebody who is not followed.
            table[value] = Handle(path=path)

    def do_open(self, pid, table, words, value):
        self.do_openat(pid, table, [AT_FDCWD, *words], value)

    def do_close(self, pid, table, words, value):
        table.pop(int(words[0]), None)

    def do_dup(self, pid, table, words, value):
        if int(words[0]) in table:
            table[value] = table[int(words[0])]

    do_dup2 = do_dup3 = do_dup

    def do_fcntl(self, pid, table, words, value):
        if words[1].startswith("F_DUPFD"):
            self.do_dup(pid, table, words, value)

    def do_chdir(self, pid, table, words, value):
        self.places[pid] = self.path(pid, table, AT_FDCWD, words[0])

    def do_fchdir(self, pid, table, words, value):
        self.places[pid] = table[int(words[0])].path

    def put(self, handle, data, offset):
        content = handle.inode.now
        if len(content) < offset:
            content.extend(b"\0" * (offset - len(content)))
        content[offset:offset + len(data)] = data
        self.changed = True

    def do_write(self, pid, table, words, value):
        handle = table.get(int(words[0]))
        data = text_of(words[1])[:value]
        if handle and handle.inode:
            offset = len(handle.inode.now) if handle.appends else handle.position
            self.put(handle, data, offset)
            handle.position = offset + value
        elif int(words[0]) == 1:
            self.says(data)

    def do_sendto(self, pid, table, words, value):
        if int(words[0]) in (0, 1):
            self.says(text_of(words[1]))

    def do_writev(self, pid, table, words, value):
        parts = b"".join(text_of(part) for part in re.findall(r'iov_base="((?:\\x[0-9a-f]{2})*)"', words[1]))
        handle = table.get(int(words[0]))
        if handle and handle.inode:
            offset = len(handle.inode.now) if handle.appends else handle.position
            self.put(handle, parts[:value], offset)
            handle.position = offset + value

    def says(self, data):
        self.acknowledged = self.acknowledged or self.yes in data

    def do_pwrite64(self, pid, table, words, value):
        handle = table.get(int(words[0]))
        if handle and handle.inode:
            self.put(handle, text_of(words[1])[:value], int(words[3]))

    def do_read(self, pid, table, words, value):
        if handle := table.get(int(words[0])):
            handle.position += value
        self.hears(text_of(words[1]))

    def do_recvfrom(self, pid, table, words, value):
        self.hears(text_of(words[1]))

    def hears(self, data):
        """What the other host said, from when on it has the message."""
        if b"250 2.0.0 kept" in data:
            self.taken = self.changed = True

    def do_lseek(self, pid, table, words, value):
        if handle := table.get(int(words[0])):
            handle.position = value

    def do_ftruncate(self, pid, table, words, value):
        handle = table.get(int(words[0]))
        if handle and handle.inode:
            size = int(words[1])
            del handle.inode.now[size:]
            handle.inode.now.extend(b"\0" * (size - len(handle.inode.now)))
            self.changed = True

    def do_linkat(self, pid, table, words, value):
        source, target = self.path(pid, table, words[0], words[1]), self.path(pid, table, words[2], words[3])
        if text_of(words[1]) == b"":
            source = int(words[0])
        inode = table[source].inode if isinstance(source, int) else self.names[source]
        self.name(lambda names: names.__setitem__(target, inode), inode, {os.path.dirname(target)}, f"link {target}")

    def do_link(self, pid, table, words, value):
        self.do_linkat(pid, table, [AT_FDCWD, words[0], AT_FDCWD, words[1]], value)

    def do_renameat(self, pid, table, words, value):
        source, target = self.path(pid, table, words[0], words[1]), self.path(pid, table, words[2], words[3])
        if not self.follows(source) and not self.follows(target):
            return
        inode = self.names[source]

        def move(names):
            # Where the file is not under its old name any more, the change has nothing to do.
            if names.get(source) is inode:
                for path in [p for p in names if p == source or p.startswith(source + "/")]:
                    names[target + path[len(source):]] = names.pop(path)
        self.name(move, inode, {os.path.dirname(source), os.path.dirname(target)}, f"rename {source} {target}")

    do_renameat2 = do_renameat

    def do_rename(self, pid, table, words, value):
        self.do_renameat(pid, table, [AT_FDCWD, words[0], AT_FDCWD, words[1]], value)

    def do_unlinkat(self, pid, table, words, value):
        path = self.path(pid, table, words[0], words[1])
        if self.follows(path):
            inode = self.names.get(path)
            self.name(lambda names: names.pop(path, None), inode, {os.path.dirname(path)}, f"remove {path}")

    def do_unlink(self, pid, table, words, value):
        self.do_unlinkat(pid, table, [AT_FDCWD, words[0]], value)

    do_rmdir = do_unlink

    def do_mkdirat(self, pid, table, words, value):
        path = self.path(pid, table, words[0], words[1])
        if self.follows(path):
            self.name(lambda names: names.__setitem__(path, DIRECTORY), None, {os.path.dirname(path)}, f"mkdir {path}")

    def do_mkdir(self, pid, table, words, value):
        self.do_mkdirat(pid, table, [AT_FDCWD, words[0]], value)

    def do_exit_group(self, pid, table, words, value):
        self.ended = words[0]
        if words[0] == "0" and pid == self.answering:
            self.acknowledged = True
            self.changed = True

    answering, yes = None, b"queued as"

    # What makes things durable

    def carry(self, count):
        """The first `count` waiting changes of names are durable."""
        for operation, _, _ in self.waiting[:count]:
            operation(self.durable_names)
        del self.waiting[:count]
        for inode in {i for i in list(self.names.values()) + [h.inode for t in self.handles.values() for h in t.values()] if isinstance(i, Inode)}:
            inode.touched -= count
        self.changed = True

    def do_fsync(self, pid, table, words, value):
        handle = table.get(int(words[0]))
        if handle is None:
            return
        if handle.inode:
            handle.inode.durable = bytes(handle.inode.now)
            self.changed = True
            if self.model == "journal":
                self.carry(handle.inode.touched + 1 if handle.inode.touched >= 0 else 0)
        elif handle.path and self.follows(handle.path):
            concerned = [index for index, (_, directories, _) in enumerate(self.waiting) if handle.path in directories]
            if self.model == "journal":
                self.carry(concerned[-1] + 1 if concerned else 0)
            else:
                for index in concerned:
                    self.waiting[index][0](self.durable_names)
                self.waiting = [w for i, w in enumerate(self.waiting) if i not in concerned]
                self.changed = True

    do_fdatasync = do_fsync

    def do_syncfs(self, pid, table, words, value):
        open_files = {handle.inode for table in self.handles.values() for handle in table.values() if handle.inode}
        for inode in set(self.names.values()) - {DIRECTORY} | open_files:
            inode.durable = bytes(inode.now)
        self.carry(len(self.waiting))

    # What may be found

    def states(self):
        """Tables of path and content (None: a directory), each with how it came about."""
        waiting = self.waiting
        if self.model == "journal":
            choices = [(f"the first {count} of {len(waiting)} changes of names", waiting[:count]) for count in range(len(waiting) + 1)]
        else:
            last = waiting[-12:]
            early = waiting[:len(waiting) - len(last)]
            subsets = [waiting, []] + [[w for w in waiting if w is not one] for one in last] + [early + [one] for one in last]
            subsets += [[w for w in waiting if w not in pair] for pair in itertools.combinations(last, 2)]
            choices = [(f"{len(s)} of {len(waiting)} changes of names", s) for s in subsets]
        for how, operations in choices:
            names = dict(self.durable_names)
            for operation, _, _ in operations:
                operation(names)
            # What is in a directory that did not get there cannot be found.
            for path in sorted(names):
                if path not in self.roots and os.path.dirname(path) not in names:
                    del names[path]
            dirty = [i for i in {v for v in names.values() if isinstance(v, Inode)} if not i.is_clean]
            for kind, content in CONTENTS:
                yield f"{how}, data not synced: {kind}", {p: None if i is DIRECTORY else content(i) for p, i in names.items()}
                if not dirty:
                    break
                if len(dirty) > 1:
                    for one in dirty:
                        yield (f"{how}, one file's data not synced: {kind}",
                               {p: None if i is DIRECTORY else content(i) if i is one else bytes(i.now) for p, i in names.items()})


def half(inode):
    now = bytes(inode.now)
    grown = len(now) - len(inode.durable)
    return now[:len(inode.durable) + grown // 2] if grown > 0 else now


def zeros(inode):
    """As long as it was to be, with nothing of what was not synced."""
    return inode.durable[:len(inode.now)] + b"\0" * (len(inode.now) - len(inode.durable))


def hole(inode):
    """One block did not get there."""
    now = bytearray(inode.now)
    start = max(len(inode.durable), len(now) // 2)
    now[start:start + 512] = b"\0" * len(now[start:start + 512])
    return bytes(now)


CONTENTS = [("all", lambda inode: bytes(inode.now)), ("nothing", lambda inode: inode.durable), ("half", half), ("zeros", zeros), ("a hole", hole)]
