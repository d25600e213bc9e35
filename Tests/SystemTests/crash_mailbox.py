"""The steps of a mailbox's life: each is one command of a reader, broken as the steps of a message are (crash_steps.py).

What must be true afterwards is told by two states: the one before the command, and the one that the command makes when
nothing happens. A message is never under another's UID, no UIDVALIDITY changes, what the command does not name is as it was,
and what it does name is as before or as after; when it was answered with OK, as after. A message has come by the way (`LATE`),
whose UID nobody has been told.
"""
import collections, os, re
from crash import Scene
from crash_steps import Step
from harness import USER

State = collections.namedtuple("State", "mailboxes validity subscriptions")
LENGTH = 40
LATE = "late"


def text(subject):
    return f"From: far@far.example\nSubject: {subject}\n\n" + "".join(f"line {n} of {subject}\n" for n in range(LENGTH))


def wire(subject):
    return text(subject).replace("\n", "\r\n").encode()


def lines_of(output):
    """Lines of a server: the text without literals, and the literals."""
    position = 0
    while position < len(output):
        line, literals = b"", []
        while True:
            end = output.find(b"\r\n", position)
            part, position = (output[position:], len(output)) if end < 0 else (output[position:end], end + 2)
            line += part
            if not (match := re.search(rb"\{(\d+)\}$", part)):
                break
            literals.append(output[position:position + int(match[1])])
            position += int(match[1])
        yield line, literals


class MailboxScene(Scene):
    """The same place, of which only the home is looked at."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.states, self.wrong, self.partial, self.is_cut = {}, [], (), False
        self.always = {"HOME": f"{self.work}/home/{USER}", "USER": USER}

    @property
    def home(self):
        return f"{self.work}/home/{USER}"

    def imap(self, commands):
        code, output, errors = self.run("imapd", "--mailbox", input=commands)
        return code, output, errors

    def capture(self):
        """What a reader finds now; all that goes wrong on the way is in `wrong`."""
        self.wrong = []
        code, output, errors = self.imap(b'l LIST "" *\r\nu LSUB "" *\r\nz LOGOUT\r\n')
        if code or b"\r\nl OK" not in output or b"\r\nu OK" not in output:
            self.wrong.append(f"LIST: {code} {output[-200:]} {errors}")
        names = [name for flags, name in re.findall(rb'^\* LIST \(([^)]*)\) "." (\S+)\r$', output, re.M) if b"Noselect" not in flags]
        subscriptions = set(re.findall(rb'^\* LSUB \([^)]*\) "." (\S+)\r$', output, re.M))
        commands = b"".join(b"s%d SELECT %s\r\nf%d UID FETCH 1:* (FLAGS BODY.PEEK[])\r\n" % (n, name, n) for n, name in enumerate(names))
        code, output, errors = self.imap(commands + b"z LOGOUT\r\n")
        if code or errors:
            self.wrong.append(f"reading: {code} {errors}")
        mailboxes, validity = {name: {} for name in names}, {}
        current = iter(names)
        name = next(current, None)
        for line, literals in lines_of(output):
            if match := re.match(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) BODY\[\] \{", line):
                subject = re.search(rb"Subject: (\S+)", literals[0] or b"")
                subject = subject[1].decode() if subject else "?"
                if literals[0].rstrip(b"\r\n") != wire(subject).rstrip(b"\r\n"):
                    # Who dies while it appends leaves a part of that, as imapd(8) says.
                    if subject in self.partial and wire(subject).startswith(literals[0].rstrip(b"\r\n")):
                        continue
                    # A power cut leaves zeros in its place, too, which may go on the message before.
                    if self.is_cut and subject in self.partial and name != b"INBOX":
                        continue
                    if self.is_cut and self.partial and literals[0].startswith(wire(subject).rstrip(b"\r\n")):
                        literals[0] = wire(subject)
                if literals[0].rstrip(b"\r\n") != wire(subject).rstrip(b"\r\n"):
                    self.wrong.append(f"{name}: {match[1]} is damaged: {literals[0][:60]}…, {len(literals[0])} bytes")
                mailboxes[name][int(match[1])] = subject, frozenset(match[2].split()) - {b"\\Recent"}
            elif match := re.match(rb"\* OK \[UIDVALIDITY (\d+)\]", line):
                validity[name] = int(match[1])
            elif match := re.match(rb"([sf])\d+ (\w+)(.*)", line):
                if match[2] != b"OK":
                    self.wrong.append(f"{name}: {line}")
                if match[1] == b"f":
                    name = next(current, None)
        return State(mailboxes, validity, subscriptions)

    # What Scene asks for

    def table(self):
        return []

    def copies(self):
        return []

    def recover(self, boot=False):
        self.wrap, self.environment = {}, {}
        if boot:
            # A lock whose content did not get there is anybody's, and is taken over in time.
            for place, _, names in os.walk(self.home):
                for name in names:
                    if name.endswith(".lock") and not open(f"{place}/{name}", "rb").read().endswith(b"\n"):
                        os.utime(f"{place}/{name}", (1_000_000_000,) * 2)
        return []

    def mboxes(self):
        return [f"{place}/{name}" for place, _, names in os.walk(self.home) for name in names if not name.startswith(".")]

    def context(self, step):
        return self.states[step.key], {os.stat(path).st_ino: os.path.relpath(path, self.home) for path in self.mboxes()}

    def believe(self, step, context):
        """What is told of a file is told by its inode, which a copy does not keep."""
        self.states[step.key], inodes = context
        place = f"{self.home}/mail/.imap"
        for path in [f"{place}/{name}" for name in os.listdir(place) if name.startswith(".relais-move-")] if os.path.isdir(place) else []:
            with open(path, "rb") as file:
                words = file.read().split(b" ")
            if len(words) < 2 or int(words[1]) not in inodes:
                continue
            inode = os.stat(f"{self.home}/{inodes[int(words[1])]}").st_ino
            with open(path, "wb") as file:
                file.write(b" ".join([words[0], b"%d" % inode, *words[2:]]))
            if not path.endswith("-inbox") and path.endswith(words[1].decode()):
                os.rename(path, f"{place}/.relais-move-{inode}")

    def violations(self, step, acknowledged, cut=False):
        before, after = self.states[step.key]
        self.partial, self.is_cut = () if acknowledged or step.local == "Maildir/" else step.partial, cut
        found = self.capture()
        self.partial, self.is_cut = (), False
        return self.wrong + [*compare(before, after, found, acknowledged)]

    def has_kept(self, step):
        """Whether something is there of what was refused."""
        if not step.whole:
            return False
        there, before = self.capture(), self.states[step.key][0]
        return any({uid: value for uid, value in found.items() if value[0] != LATE} != before.mailboxes.get(name) for name, found in there.mailboxes.items())


def compare(before, after, found, acknowledged):
    """What is wrong with `found`."""
    for name, there in found.mailboxes.items():
        old, new = before.mailboxes.get(name), after.mailboxes.get(name)
        if old is None and new is None:
            yield f"{name}: a mailbox that nobody made"
            continue
        if old is not None and found.validity.get(name) != before.validity[name] and found.validity.get(name) != after.validity.get(name):
            yield f"{name}: UIDVALIDITY {found.validity.get(name)}, not {before.validity[name]}"
        old, new = old or {}, new or {}
        arrived = collections.Counter(subject for uid, (subject, _) in new.items() if uid not in old)
        for uid, (subject, flags) in there.items():
            if subject == LATE and uid not in old:
                continue
            allowed = [state[uid] for state in (old, new) if uid in state]
            if uid in old or not arrived[subject]:
                if subject not in [s for s, _ in allowed]:
                    yield f"{name}: {subject} has UID {uid}, which is {allowed}"
                elif flags not in [f for _, f in allowed]:
                    yield f"{name}: {subject} has {set(flags)}, not {[set(f) for _, f in allowed]}"
            else:
                arrived[subject] -= 1
        for uid, (subject, _) in old.items():
            if uid in new and uid not in there:
                yield f"{name}: {subject}, UID {uid}, is gone"
    for name in set(before.mailboxes) & set(after.mailboxes) - set(found.mailboxes):
        yield f"{name}: the mailbox is gone"
    counts = [collections.Counter(subject for there in state.mailboxes.values() for subject, _ in there.values()) for state in (before, after, found)]
    counts[0][LATE] = 1
    for subject in counts[0] | counts[1]:
        least, most = sorted((counts[0][subject], counts[1][subject]))
        # What is on its way from one mailbox to another may be in both.
        if not least <= counts[2][subject] <= most + (not acknowledged and least == most):
            yield f"{subject} is there {counts[2][subject]} times"
    for name in (before.subscriptions | after.subscriptions | found.subscriptions):
        if (name in found.subscriptions) not in (name in before.subscriptions, name in after.subscriptions):
            yield f"{name}: the subscription is lost, or nobody's"
    if acknowledged:
        if known(found) != known(after):
            yield f"answered with OK, and {difference(known(after), known(found))}"
        if found.subscriptions != after.subscriptions:
            yield f"answered with OK, and {found.subscriptions} is subscribed"


def known(state):
    """By UIDs, where somebody has been told them."""
    return {name: {LATE if value[0] == LATE else uid: value for uid, value in there.items()} for name, there in state.mailboxes.items()}


def difference(wanted, found):
    return "; ".join(f"{name.decode()}: {found.get(name)}, not {wanted.get(name)}" for name in {**wanted, **found} if wanted.get(name) != found.get(name))


class MailboxStep(Step):
    scene = MailboxScene

    def __init__(self, name, act, local, yes, victim="imapd", whole=False, partial=(), setup=lambda scene: None):
        super().__init__(f"{name} in {'a Maildir' if local == 'Maildir/' else 'an mbox'}", victim, setup, act, local=local)
        self.yes, self.whole, self.refuses, self.partial = yes, whole, True, partial

    def prepare(self, scene):
        scene.local = self.local
        scene.make()
        fill(scene)
        before = scene.capture()
        if scene.wrong:
            raise AssertionError(scene.wrong)
        # It came when nobody looked.
        self.setup(scene)
        arrive(scene, LATE)
        scene.save(self.key)
        acknowledged, status, words = self.act(scene)
        after = scene.capture()
        if status or not acknowledged or scene.wrong:
            raise AssertionError(f"{self.name}: {status} {words} {scene.wrong}")
        scene.states[self.key] = before, after


def append(mailbox, flags, subject, tag="a"):
    content = wire(subject)
    return f"{tag} APPEND {mailbox} ({flags}) {{{len(content)}+}}\r\n".encode() + content + b"\r\n"


def names(scene):
    return ("Work", "Work.sub") if scene.local == "Maildir/" else ("Work", "Team/sub")


def fill(scene):
    work, sub = names(scene)
    flags = {"one": "\\Seen", "two": "\\Deleted", "three": "", "four": "\\Flagged $old", "five": "\\Deleted \\Answered"}
    code, output, errors = scene.imap(b"".join([
        *(f"a CREATE {name}\r\n".encode() for name in (work, sub)), f"a SUBSCRIBE {work}\r\n".encode(),
        *(append("INBOX", letters, subject) for subject, letters in flags.items()),
        append(work, "\\Seen", "six"), append(sub, "$old", "seven"), b"z LOGOUT\r\n"]))
    assert code == 0 and output.count(b"\r\na OK") == 10, (code, output, errors)


def arrive(scene, subject):
    if scene.local == "Maildir/":
        with open(f"{scene.home}/Maildir/new/1900000000.M1P1.far.example", "w") as file:
            file.write(text(subject))
    else:
        with open(f"{scene.home}/mbox", "a") as file:
            file.write(f"From far@far.example Thu Nov 26 10:00:00 2026\n{text(subject)}\n")


def command(line, selected=True):
    """One command, of which the client hears or does not."""
    def act(scene):
        work, sub = names(scene)
        words = line if isinstance(line, bytes) else line.format(work=work, sub=sub, parent=sub.rsplit(sub[4], 1)[0], dot=sub[4]).encode() + b"\r\n"
        code, output, errors = scene.imap((b"s SELECT INBOX\r\n" if selected else b"") + words + b"z LOGOUT\r\n")
        answer = re.search(rb"^x (OK|NO|BAD)", output, re.M)
        return (answer[1] == b"OK") if answer else None, code, errors or output
    return act


def pop3(scene):
    """A reader that removes by what it knows, not by numbers: where the listing is short of a message, it removes none."""
    def remove(answers):
        whole = len([line for line in answers if line[:1].isdigit()]) == 6
        return b"DELE 1\r\nDELE 3\r\nQUIT\r\n" if whole else b"QUIT\r\n"
    code, output, errors = scene.run("pop3d", "--mailbox", input=b"UIDL\r\n", then=remove)
    replies = output.rpartition(b"\r\n.\r\n")[2].split(b"\r\n")
    if len(replies) < 3 or not (replies[0].startswith(b"+OK") and replies[1].startswith(b"+OK")):
        return None, code, errors or output
    return replies[2].startswith(b"+OK"), code, errors or output


COMMANDS = [
    ("add flags", "x UID STORE 1:4 +FLAGS (\\Answered $new)", {}),
    ("take flags away", "x UID STORE 1,4 -FLAGS.SILENT (\\Seen \\Flagged)", {}),
    ("set flags", "x UID STORE 1:3 FLAGS (\\Draft)", {}),
    ("COPY", "x UID COPY 1,3:4 {work}", {"whole": True, "partial": ("one", "three", "four")}),
    ("MOVE", "x UID MOVE 1,3:4 {work}", {"partial": ("one", "three", "four")}),
    ("EXPUNGE", "x EXPUNGE", {}),
    ("APPEND", append("Work", "\\Flagged $new", "eight", "x"), {"whole": True, "partial": ("eight",)}),
    ("CREATE", "x CREATE New{dot}child", {}),
    ("DELETE", "x DELETE {sub}", {}),
    ("RENAME", "x RENAME {parent} Other", {}),
    ("RENAME of INBOX", "x RENAME INBOX Old", {"partial": ("one", "two", "three", "four", "five", LATE)}),
    ("SUBSCRIBE", "x SUBSCRIBE {sub}", {}),
    ("UNSUBSCRIBE", "x UNSUBSCRIBE {work}", {}),
]
STEPS = [MailboxStep(name, command(line), local, b"\nx OK", **options) for local in ("Maildir/", "mbox") for name, line, options in COMMANDS]
STEPS += [MailboxStep("QUIT", pop3, local, b"+OK Bye", victim="pop3d") for local in ("Maildir/", "mbox")]
