"""Two imapds, a delivery, mutt and Dovecot on one mailbox at a time: what is set stays set, and no message is lost, doubled or
under another's UID. RELAIS_SECONDS says for how long, RELAIS_SEED from which seed."""
import contextlib, hashlib, imaplib, os, random, re, subprocess, threading, time, traceback
from harness import RELEASE, USER, address, log_of, need, run, test

SECONDS = float(os.environ.get("RELAIS_SECONDS", "10"))
SEED = int(os.environ.get("RELAIS_SEED", "0")) or random.randrange(1, 1 << 31)
SYSTEM = ["\\Answered", "\\Flagged", "\\Draft", "\\Seen"]
KEYWORDS = ["one", "two", "three"]
READERS = ["imapd-1", "imapd-2", "dovecot"]
MUTT_KEYS = {"\\Flagged": "!", "\\Answered": "r"}


def share(name, *of):
    """Which of `of` owns `name`: the same in every run of a seed."""
    return of[int.from_bytes(hashlib.sha256(f"{SEED} {name}".encode()).digest()[:4], "big") % len(of)]


def text(name):
    """Of a size that few others have: mutt knows by the file's size that messages have moved, and Dovecot, too, if it changes
    within a second."""
    lines = [f"{name} {n} " + hashlib.sha256(f"{name}{n}".encode()).hexdigest() for n in range(share(name + "size", 1, 20, 400))]
    lines += ["." * share(name + "rest", *range(1, 900))]
    return "\r\n".join(lines) + "\r\n"


def message(name):
    return f"From: a@far.example\r\nSubject: {name} here\r\nX-Name: {name}\r\nMessage-ID: <{name}@far.example>\r\n\r\n{text(name)}"


class Books:
    """What the actors did, as far as they were told that it is done.

    A message is still (it stays where it is, and each of its flags is one reader's to set and take away), moving (its owner's
    alone, there and back), going (its owner marks it as deleted, or not any more; whoever comes expunges) or mutt's (who writes
    all the flags of what it changes; the others' are lost then, its own must not be)."""

    def __init__(self):
        self.lock, self.trace = threading.Lock(), []
        # Mutt and Dovecot expunge what was marked as deleted when they looked last, whatever became of that.
        self.purging = threading.Lock()
        # Of an mbox mutt reads only what is new, and writes all of it: what others set meanwhile it may undo.
        self.when, self.rewritten = {}, 0
        self.flags, self.uids, self.validities = {}, {}, {}
        # Which messages must be there, must not, and may have been marked as deleted when somebody expunged; the last of a
        # message's life is to be kept.
        self.present, self.gone, self.perhaps, self.kept = set(), set(), set(), set()
        self.counts, self.faults, self.number = {}, [], 0

    def new(self):
        with self.lock:
            self.number += 1
            return f"m{self.number}x"

    def kind(self, name): return share(name, "still", "still", "still", "moving", "going", "mutt")
    def owner(self, name): return share(name + "owner", *READERS)

    def flag_owner(self, name, flag):
        if self.kind(name) == "mutt" and flag in MUTT_KEYS: return "mutt"
        return share(name + flag, *READERS) if self.kind(name) in ("still", "mutt") else self.owner(name)

    def arrived(self, who, name, folder):
        with self.lock:
            # Somebody may have seen it, and chosen it to go, before this is written down.
            if name not in self.perhaps:
                self.present.add(name)
        self.note(who, "append", name, folder)

    def may_go(self, name):
        with self.lock:
            self.present.discard(name)
            self.perhaps.add(name)

    def mutt_wrote(self, since):
        with self.lock:
            self.rewritten = time.time()
            for key in [key for key, moment in self.when.items() if moment >= since and self.kind(key[0]) != "mutt"]:
                self.flags.pop(key, None)

    def note(self, who, what, *rest):
        with self.lock:
            self.trace.append((round(time.time(), 3), who, what, *rest))
            self.counts[who, what] = self.counts.get((who, what), 0) + 1

    def fault(self, *what):
        with self.lock:
            self.trace.append((round(time.time(), 3), "FAULT", *what))
            self.faults.append(" ".join(map(str, what)))

    def saw(self, who, folder, validity, uid, name):
        """One UID has one message, and one message in a folder one UID."""
        with self.lock:
            if self.validities.setdefault(folder, validity) != validity:
                self.faults.append(f"{who}: UIDVALIDITY of {folder} was {self.validities[folder]}, and is {validity}")
            if self.uids.setdefault((folder, validity, uid), name) != name:
                self.faults.append(f"{who}: UID {uid} of {folder} was {self.uids[folder, validity, uid]}, and is {name}")


class Reader(threading.Thread):
    """An IMAP session that does what its random numbers say, over and over."""

    def __init__(self, who, command, listing, books, end):
        super().__init__(name=who)
        self.who, self.command, self.listing, self.books, self.end = who, command, listing, books, end
        self.random, self.client, self.folder, self.known = random.Random(f"{SEED} {who}"), None, None, {}

    def run(self):
        try:
            while time.time() < self.end:
                try:
                    self.step()
                except imaplib.IMAP4.abort:
                    # Dovecot ends a session that has the sizes of before mutt wrote its Lines into the header.
                    if self.who != "dovecot":
                        raise
                    self.books.note(self.who, "broke off")
                    self.client = self.folder = None
                time.sleep(self.random.uniform(0, 0.05))
            self.leave()
        except Exception:
            self.books.fault(self.who, traceback.format_exc(limit=6))

    def uid(self, *words):
        kind, data = self.client.uid(*words)
        return kind == "OK", data

    def enter(self, folder):
        if not self.client:
            self.client = imaplib.IMAP4_stream(self.command)
            self.client.create("Box")
        kind, data = self.client.select(folder)
        assert kind == "OK", data
        self.folder, self.known = folder, {}
        self.validity = int(self.client.response("UIDVALIDITY")[1][0])
        self.look(1)

    def leave(self):
        if self.client:
            self.client.logout()
        self.client = self.folder = None

    def look(self, first):
        done, data = self.uid("FETCH", f"{first}:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (X-NAME)])")
        if not done:
            return
        for item in data:
            if isinstance(item, tuple):
                uid, name = re.search(rb"UID (\d+)", item[0]), re.search(rb"X-Name: (m\d+x)", item[1])
                if uid and name:
                    self.known[int(uid[1])] = name[1].decode()
                    self.books.saw(self.who, self.folder, self.validity, int(uid[1]), name[1].decode())

    def choose(self, *kinds, mine=True):
        uids = [uid for uid, name in self.known.items() if self.books.kind(name) in kinds and (not mine or self.books.owner(name) == self.who)]
        uid = self.random.choice(uids) if uids else None
        return uid, self.known.get(uid)

    def step(self):
        if not self.folder:
            return self.enter(self.random.choice(["INBOX", "INBOX", "Box"]))
        steps = [(30, self.store), (6, self.read), (8, self.noop), (6, self.move), (6, self.delete), (6, self.undelete), (5, self.expunge),
                 (4, self.append), (3, self.search), (2, self.close), (1, self.leave)]
        self.random.choices([step for _, step in steps], [weight for weight, _ in steps])[0]()

    def flags_of(self, data, uid):
        """What the answers say of a message's flags last; None if they say nothing."""
        said = [item[0] if isinstance(item, tuple) else item for item in data if item]
        said = [s for s in said if re.search(rb"UID %d\b" % uid, s) and b"FLAGS (" in s]
        return re.search(rb"FLAGS \(([^)]*)\)", said[-1])[1].decode().split() if said else None

    def store(self):
        uid, name = self.choose("still", "moving", "going", "mutt", mine=False)
        flags = [flag for flag in SYSTEM + KEYWORDS if name and self.books.flag_owner(name, flag) == self.who]
        if not flags:
            return
        flag = self.random.choice(flags)
        self.set_flag(uid, name, flag, self.random.random() < 0.7)

    def set_flag(self, uid, name, flag, on):
        with self.books.lock:
            self.books.flags.pop((name, flag), None)
        begun = time.time()
        done, data = self.uid("STORE", str(uid), "+FLAGS" if on else "-FLAGS", f"({flag})")
        flags = self.flags_of(data, uid) if done else None
        if flags is None or (flag in flags) != on:
            return False
        with self.books.lock:
            self.books.when[name, flag] = time.time()
            if self.books.rewritten < begun:
                self.books.flags[name, flag] = on
        self.books.note(self.who, "set" if on else "unset", name, flag, self.folder, uid)
        return True

    def read(self):
        uid, name = self.choose("still", "moving", "going", mine=False)
        if not name or self.books.flag_owner(name, "\\Seen") != self.who:
            return
        with self.books.lock:
            self.books.flags.pop((name, "\\Seen"), None)
        done, data = self.uid("FETCH", str(uid), "(BODY[TEXT])")
        found = [item[1] for item in data if isinstance(item, tuple)] if done else []
        if not found:
            return
        if found[0].decode() != text(name):
            self.books.fault(self.who, "another text under", name, self.folder, uid, found[0][:80])
        self.books.note(self.who, "read", name)

    def noop(self):
        self.client.noop()
        self.look(max(self.known, default=0) + 1 if self.random.random() < 0.7 else 1)

    def search(self):
        done, data = self.uid("SEARCH", "DELETED")
        for uid in map(int, data[0].split() if done and data[0] else []):
            name = self.known.get(uid)
            if name and self.books.kind(name) in ("still", "moving"):
                self.books.fault(self.who, "is deleted, though nobody did that:", name)

    def move(self):
        uid, name = self.choose("moving")
        if not name:
            return
        other = "Box" if self.folder == "INBOX" else "INBOX"
        done, data = self.uid("MOVE", str(uid), other)
        self.books.note(self.who, "move" if done else "move failed", name, self.folder, other, data)
        self.known.pop(uid, None)

    def delete(self):
        uid, name = self.choose("going")
        if name and name not in self.books.kept:
            self.books.may_go(name)
            self.set_flag(uid, name, "\\Deleted", True)

    def undelete(self):
        """What is there without the mark, and will not get it again, must stay."""
        uid, name = self.choose("going")
        if not name or name not in self.books.perhaps or not self.books.purging.acquire(blocking=False):
            return
        try:
            if self.set_flag(uid, name, "\\Deleted", False) and "\\Deleted" not in self.listing(self.folder).get(name, ["\\Deleted"]):
                with self.books.lock:
                    self.books.present.add(name)
                    self.books.kept.add(name)
                self.books.note(self.who, "undelete", name)
        finally:
            self.books.purging.release()

    @contextlib.contextmanager
    def looking(self):
        """Nobody undeletes between Dovecot's last look and what it removes."""
        if self.who != "dovecot":
            yield
            return
        with self.books.purging:
            # What it appends ends with its taking the directory for read: what another changed shortly before, it would not see.
            for place in self.listing.places(self.folder):
                os.utime(place)
            self.client.noop()
            yield

    def expunge(self):
        uid, name = self.choose("going")
        with self.looking():
            if name and self.books.flags.get((name, "\\Deleted")) and self.random.random() < 0.5:
                done, _ = self.uid("EXPUNGE", str(uid))
                if done:
                    with self.books.lock:
                        self.books.gone.add(name)
            else:
                done = self.client.expunge()[0] == "OK"
        self.books.note(self.who, "expunge" if done else "expunge failed")

    def append(self):
        name = self.books.new()
        kind, data = self.client.append(self.folder, None, None, message(name).encode())
        if kind != "OK":
            return self.books.fault(self.who, "append", data)
        told = re.search(rb"APPENDUID (\d+) (\d+)", data[0])
        if told:
            self.books.saw(self.who, self.folder, int(told[1]), int(told[2]), name)
        self.books.arrived(self.who, name, self.folder)

    def close(self):
        with self.looking():
            self.client.close()
        self.folder = None


class Delivery(threading.Thread):
    def __init__(self, command, books, end):
        super().__init__(name="delivery")
        self.command, self.books, self.end, self.random = command, books, end, random.Random(f"{SEED} delivery")

    def run(self):
        while time.time() < self.end:
            name = self.books.new()
            done = subprocess.run(self.command, input=message(name).replace("\r\n", "\n").encode(), capture_output=True)
            if done.returncode:
                self.books.fault("delivery", done)
            else:
                self.books.arrived("delivery", name, "INBOX")
            time.sleep(self.random.uniform(0, 0.25))


class Mutt(threading.Thread):
    """Opens the mailbox, marks some of its own messages, perhaps deletes one, writes it back."""

    def __init__(self, box, home, listing, books, end):
        super().__init__(name="mutt")
        self.box, self.home, self.listing, self.books, self.end = box, home, listing, books, end
        self.random = random.Random(f"{SEED} mutt")
        with open(f"{home}/muttrc", "w") as file:
            file.write('set mark_old=no\nset quit=yes\nset record=""\nset wait_key=no\nset folder=""\nset header_cache=""\nset sleep_time=0\n'
                       'set move=no\n')

    def run(self):
        try:
            while time.time() < self.end:
                self.step()
                time.sleep(self.random.uniform(0, 0.5))
        except Exception:
            self.books.fault("mutt", traceback.format_exc(limit=6))

    def step(self):
        names = [name for name in self.listing("INBOX") if self.books.kind(name) == "mutt"]
        if not names:
            return
        victim = self.random.choice(names) if self.random.random() < 0.15 else None
        is_mbox, begun = not os.path.isdir(self.box), time.time()
        with self.books.purging if victim or is_mbox else contextlib.nullcontext():
            self.visit(names, victim)
            if is_mbox:
                self.books.mutt_wrote(begun)
        if is_mbox:
            time.sleep(self.random.uniform(1, 3))

    def visit(self, names, victim):
        # Without a victim it expunges nothing.
        keys, marked = "<enter-command>set delete=yes maildir_trash=" + ("no<enter>" if victim else "yes<enter>"), []
        if not victim and not os.path.isdir(self.box):
            keys = "<enter-command>set delete=no<enter>"
        for name in self.random.sample(names, min(len(names), 3)):
            flag = self.random.choice(list(MUTT_KEYS))
            on = self.random.random() < 0.7
            with self.books.lock:
                self.books.flags.pop((name, flag), None)
            keys += f"<tag-pattern>~s {name}<enter><tag-prefix-cond><{'set' if on else 'clear'}-flag>{MUTT_KEYS[flag]}<end-cond><untag-pattern>~A<enter>"
            marked.append((name, flag, on))
        if victim:
            self.books.may_go(victim)
            keys += f"<delete-pattern>~s {victim}<enter>"
        # Where an mbox has changed, it reads that, and does not write.
        keys += "<sync-mailbox><sync-mailbox><sync-mailbox><quit><exit>"
        done = subprocess.run(["script", "-qec", f"timeout --foreground 5 mutt -n -F {self.home}/muttrc -f {self.box} -e 'push \"{keys}\"'", "/dev/null"],
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                       env={"TERM": "xterm", "HOME": self.home, "PATH": os.environ["PATH"], "USER": USER})
        if done.returncode == 124:
            # It forgets what was typed ahead when something fails.
            self.books.note("mutt", "gave up")
        now = self.listing("INBOX")
        for name, flag, on in marked:
            if name in now and (flag in now[name]) == on:
                with self.books.lock:
                    self.books.flags[name, flag] = on
                self.books.note("mutt", "set" if on else "unset", name, flag)
        if victim:
            self.books.note("mutt", "delete" if victim not in now else "delete failed", victim)
            if victim not in now:
                with self.books.lock:
                    self.books.gone.add(victim)


def maildir_listing(path):
    """The names of the messages in a folder on disk, with flags; a file that is renamed meanwhile is looked for again."""
    letters = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}
    def listing(folder):
        found, place = {}, path if folder == "INBOX" else f"{path}/.{folder}"
        for half in ("new", "cur") * 2:
            for name in os.listdir(f"{place}/{half}"):
                try:
                    with open(f"{place}/{half}/{name}", "rb") as file:
                        match = re.search(rb"X-Name: (m\d+x)", file.read(2000))
                except FileNotFoundError:
                    continue
                if match:
                    found[match[1].decode()] = [letters[letter] for letter in name.rpartition(":2,")[2] if letter in letters and ":2," in name]
        return found
    listing.places = lambda folder: [f"{path if folder == 'INBOX' else f'{path}/.{folder}'}/{half}" for half in ("new", "cur")]
    return listing


def mbox_listing(path, others):
    """The same for mboxes, under the lock."""
    import fcntl
    letters = {"R": "\\Seen", "A": "\\Answered", "F": "\\Flagged", "D": "\\Deleted", "T": "\\Draft"}
    def listing(folder):
        with open(path if folder == "INBOX" else f"{others}/{folder}", "rb+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            content = file.read()
        found = {}
        for part in re.split(rb"(?m)^From ", content)[1:]:
            head = part.split(b"\n\n", 1)[0]
            match, status = re.search(rb"X-Name: (m\d+x)", head), b"".join(re.findall(rb"(?m)^(?:X-)?Status: *(\w*)", head)).decode()
            if match:
                found[match[1].decode()] = [letters[letter] for letter in status if letter in letters]
        return found
    listing.places = lambda folder: []
    return listing


def state(command, books, who):
    """All that a fresh session sees: name → list of (folder, flags)."""
    found = {}
    client = imaplib.IMAP4_stream(command)
    names = sorted(line.rsplit(b" ", 1)[1].strip(b'"') for line in client.list()[1])
    if names != [b"Box", b"INBOX"]:
        books.fault(who, "lists", names)
    for folder in ("INBOX", "Box"):
        kind, count = client.select(folder)
        assert kind == "OK", count
        validity = int(client.response("UIDVALIDITY")[1][0])
        for item in client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (X-NAME)] BODY.PEEK[TEXT])")[1] if int(count[0]) else []:
            if not isinstance(item, tuple):
                continue
            if b"X-NAME" in item[0].upper():
                head, name = item[0], re.search(rb"X-Name: (m\d+x)", item[1])[1].decode()
                uid = int(re.search(rb"UID (\d+)", head)[1])
                books.saw(who, folder, validity, uid, name)
                found.setdefault(name, []).append((folder, re.search(rb"FLAGS \(([^)]*)\)", head)[1].decode().split()))
            elif item[1].decode() != text(name):
                books.fault(who, "another text under", name)
    client.logout()
    return found


def compare(books, seen, other, box):
    """What imapd and Dovecot see at the end, with the books and with each other."""
    for name in {*books.present, *books.perhaps} | set(seen):
        places = seen.get(name, [])
        if len(places) > 1:
            books.fault("doubled:", name, books.kind(name), places)
        if name in books.gone and places:
            books.fault("is back:", name, books.kind(name), places)
        if name in books.present and not places:
            books.fault("lost:", name, books.kind(name), books.owner(name))
        for flag in SYSTEM + KEYWORDS:
            on = books.flags.get((name, flag))
            # What mutt changes, it writes as it saw it last; in an mbox it knows no drafts, and drops the letter.
            if books.kind(name) == "mutt" and flag not in MUTT_KEYS or flag == "\\Draft" and os.path.isfile(box):
                on = None
            if on is not None and places and (flag in places[0][1]) != on:
                books.fault(f"{flag} of", name, books.kind(name), "is" if not on else "is not", "set, by", books.flag_owner(name, flag), places)
    plain = lambda found: {name: [(folder, sorted(set(flags) - {"\\Recent"})) for folder, flags in places] for name, places in found.items()}
    if plain(seen) != plain(other):
        books.fault("imapd and Dovecot see it differently:", [(n, seen.get(n), other.get(n)) for n in {*seen, *other} if plain(seen).get(n) != plain(other).get(n)][:5])


def crowd(i, host, mailbox, dovecot_location, box, listing):
    """Runs all of them, and compares what is there with the books."""
    home, books = f"{host.directory}/home/{USER}", Books()
    config = f"{host.directory}/{'mbox' if box.endswith('mbox') else 'maildir'}.conf"
    with open(host.config) as old, open(config, "w") as file:
        file.writelines(line for line in old if not line.startswith("mailbox ="))
        file.write(f"mailbox = {mailbox}\n")
    dovecot = f"{host.directory}/dovecot.conf"
    with open(dovecot, "w") as file:
        file.write(f"protocols = imap\nssl = no\nbase_dir = {host.directory}\nlog_path = {host.directory}/dovecot.log\nstats_writer_socket_path =\n"
                   f"mail_location = {dovecot_location}\nmbox_lazy_writes = no\nmbox_dirty_syncs = no\nmail_never_cache_fields = size.physical size.virtual mime.parts\nnamespace inbox {{\n  inbox = yes\n  separator = {'/' if box.endswith('mbox') else '.'}\n}}\n")
    imapd = f"HOME={home} USER={USER} {RELEASE}/imapd -C {config} --mailbox"
    foreign = f"HOME={home} USER={USER} /usr/lib/dovecot/imap -c {dovecot} 2>>{host.directory}/dovecot.err"
    assert os.path.exists("/usr/lib/dovecot/imap"), "dovecot-imapd is not installed"
    need("mutt"), need("script")
    logged = log_of(host) if os.path.exists(host.log) else ""
    end = time.time() + SECONDS
    deliver = [f"{RELEASE}/local-deliver", "-C", config, address(host), "x@far.example"]
    for n in range(20):
        name = books.new()
        run(*deliver, input=message(name).replace("\r\n", "\n").encode())
        books.arrived("delivery", name, "INBOX")
    # An empty mbox has no place for its UIDVALIDITY, and each program would give it one.
    first = Reader("imapd-1", imapd, listing, books, end)
    first.enter("INBOX")
    first.folder = "Box"
    first.append()
    first.leave()
    actors = [Reader("imapd-1", imapd, listing, books, end), Reader("imapd-2", imapd, listing, books, end), Reader("dovecot", foreign, listing, books, end),
              Delivery(deliver, books, end), Mutt(box, home, listing, books, end)]
    for actor in actors:
        actor.start()
    for actor in actors:
        actor.join(SECONDS + 120)
        if actor.is_alive():
            books.fault(actor.name, "does not come to an end")
    for line in (log_of(host) if os.path.exists(host.log) else "")[len(logged):].splitlines():
        if " imapd" in line and "error" in line:
            books.fault(line)
    seen = state(imapd, books, "imapd")
    try:
        other = state(foreign, books, "dovecot")
    except imaplib.IMAP4.abort:
        other = state(foreign, books, "dovecot")
    compare(books, seen, other, box)
    with open(f"{box}.trace", "w") as file:
        file.writelines(" ".join(map(str, row)) + "\n" for row in books.trace)
    figures = {}
    for (who, what), count in sorted(books.counts.items()):
        figures.setdefault(who, []).append(f"{what} {count}")
    summary = f"seed {SEED}, {SECONDS:.0f} s, {len(seen)} of {books.number} messages left, {len(books.flags)} flags compared; " + "; ".join(f"{who}: {', '.join(words)}" for who, words in figures.items())
    assert not books.faults, f"{len(books.faults)} faults, {box}.trace, {summary}\n" + "\n".join(books.faults[:20])
    return summary


@test("two imapds, a delivery, mutt and Dovecot in one Maildir: no message lost, doubled or under another's UID, no flag undone")
def crowd_maildir(i):
    host, home = i.a, f"{i.a.directory}/home/{USER}"
    path = f"{home}/crowd"
    return crowd(i, host, path + "/", f"maildir:{path}", path, maildir_listing(path))


@test("the same in one mbox")
def crowd_mbox(i):
    host, home = i.a, f"{i.a.directory}/home/{USER}"
    path = f"{home}/mbox"
    return crowd(i, host, path, f"mbox:{home}/mail:INBOX={path}", path, mbox_listing(path, f"{home}/mail"))
