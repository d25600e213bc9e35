#!/usr/bin/env python3
"""scripts/bench access: what readers wait for, in a Maildir and in an mbox of 10,000 messages. As an ordinary user.

access.py DIRECTORY [--tsv]

Each program has the same messages in a home of its own and is started on a socket, as inetd does it. In a round all do one
thing, one behind the other, and the round after that in the other order; what takes no time is done often in a round, since
who is asked first is found asleep. Figures are medians, and the ratio is the median of the ratios. Dovecot is as it comes: it
keeps what it has read in its own index and cache, and writes flags into an mbox later.
`before` in the environment names a directory of older programs to be measured in the same rounds.
"""
import os, random, re, socket, statistics, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
OURS = os.path.join(HERE, "..", "..", ".build-release", "release")
DOVECOT = "/usr/lib/dovecot"
ROUNDS = int(os.environ.get("rounds", "5"))
MESSAGES = int(os.environ.get("messages", "10000"))
ONE = MESSAGES // 2
# Odd, so that a flag that one round set last the next takes away.
SHOTS = 21
TSV = "--tsv" in sys.argv
WORDS = ("report budget meeting review draft release schedule invoice contract travel garden harvest window bridge river station "
         "printer kernel socket buffer thread ticket customer delivery weather concert lecture chapter archive mailbox").split()


def letters():
    """What mailing lists, people and programs write: most of it short, some with an attachment."""
    chance = random.Random(1)
    text = lambda count: "\n".join(" ".join(chance.choices(WORDS, k=9)) for _ in range(count)) + "\n"
    for number in range(MESSAGES):
        sender = f"{chance.choice(WORDS)}{chance.randrange(200)}@{chance.choice(WORDS)}.example"
        date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(1700000000 + number * 60))
        header = (f"Return-Path: <{sender}>\nReceived: from mx.far.example (mx.far.example [192.0.2.7])\n\tby mx.a.example with ESMTPS id {number:x};\n\t{date}\n"
                  f"From: {chance.choice(WORDS).title()} {chance.choice(WORDS).title()} <{sender}>\nTo: user@a.example, {chance.choice(WORDS)}@b.example\n"
                  f"Subject: {' '.join(chance.choices(WORDS, k=5))}\nDate: {date}\nMessage-ID: <{number}.{chance.getrandbits(64):x}@far.example>\nMIME-Version: 1.0\n")
        body = text(chance.randrange(5, 60))
        if number == ONE:
            body += "needle\n"
        if number % 10:
            yield header + "Content-Type: text/plain; charset=utf-8\n\n" + body
        else:
            data = "\n".join(f"{chance.getrandbits(432):x}"[:72] for _ in range(150)) + "\n"
            yield (header + f"Content-Type: multipart/mixed; boundary=\"b{number}\"\n\n--b{number}\nContent-Type: text/plain\n\n{body}--b{number}\n"
                   f"Content-Type: application/pdf; name=\"a.pdf\"\nContent-Transfer-Encoding: base64\n\n{data}--b{number}--\n")


def fill(home, is_maildir):
    os.makedirs(home)
    if is_maildir:
        for half in ("cur", "new", "tmp"):
            os.makedirs(f"{home}/Maildir/{half}")
    mbox = None if is_maildir else open(home + "/mbox", "w")
    for number, letter in enumerate(letters()):
        if is_maildir:
            size, lines = len(letter), letter.count("\n")
            with open(f"{home}/Maildir/cur/{1700000000 + number * 60}.M{number}P1Q1R1.host,S={size},W={size + lines}:2,S", "w") as file:
                file.write(letter)
        else:
            mbox.write(f"From x@far.example {time.asctime(time.gmtime(1700000000 + number * 60))}\n" + letter.replace("\n\n", "\nStatus: RO\n\n", 1) + "\n")
    if mbox:
        mbox.close()


class Program:
    """An IMAP or POP3 server of one maker over its own copy of the messages."""

    def __init__(self, name, home, is_maildir, imap, pop3):
        self.name, self.home, self.commands = name, home, {"imap": imap, "pop3": pop3}
        fill(home, is_maildir)

    def start(self, protocol):
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(600)
        begin = time.perf_counter()
        self.process = subprocess.Popen(self.commands[protocol], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, cwd=self.home,
                                        env={"HOME": self.home, "USER": "user", "TZ": "UTC"})
        theirs.close()
        self.buffer = bytearray(1 << 20)
        if protocol == "imap":
            self.receive(re.compile(rb"\r\n\Z"))
        else:
            # Dovecot says nothing before it is asked.
            self.socket.sendall(b"STAT\r\n")
            self.receive(re.compile(rb"(?:^|\r\n)\+OK %d \d+\r\n\Z" % MESSAGES))
        return time.perf_counter() - begin

    def receive(self, end):
        """Reads until what came last matches `end`: how much came, and its end."""
        tail, size = b"", 0
        while not end.search(tail):
            count = self.socket.recv_into(self.buffer)
            if count == 0:
                sys.exit(f"bench: {self.name} ended the session: {tail!r}")
            size += count
            tail = (tail + bytes(self.buffer[max(0, count - 400):count]))[-400:]
        return size, tail

    def imap(self, command):
        begin = time.perf_counter()
        self.socket.sendall(f"a {command}\r\n".encode())
        size, tail = self.receive(re.compile(rb"(?:^|\r\n)a (?:OK|NO|BAD)[^\r\n]*\r\n\Z"))
        seconds = time.perf_counter() - begin
        if b"a OK" not in tail:
            sys.exit(f"bench: {self.name}: {command}: {tail!r}")
        return seconds, size

    def pop3(self, command, lines):
        begin = time.perf_counter()
        self.socket.sendall(f"{command}\r\n".encode())
        size, tail = self.receive(re.compile(rb"(?:^|\r\n)(?:\.|-ERR[^\r\n]*)\r\n\Z" if lines else rb"\r\n\Z"))
        return time.perf_counter() - begin, size

    def end(self, command):
        self.socket.sendall(command)
        while self.socket.recv_into(self.buffer):
            pass
        self.socket.close()
        self.process.wait()


# What is asked, and how many octets come at least, so that nobody is measured who does not answer.
IMAP = [
    ("SELECT", "SELECT INBOX", 0), ("FETCH 1:* FLAGS", "FETCH 1:* (FLAGS)", 20 * MESSAGES),
    ("FETCH 1:* ENVELOPE", "FETCH 1:* (ENVELOPE)", 200 * MESSAGES), ("FETCH of one body", f"FETCH {ONE} (BODY.PEEK[])", 500),
    ("FETCH 1:* of the bodies", "FETCH 1:* (BODY.PEEK[])", 1500 * MESSAGES),
    ("STORE of one flag", f"STORE {ONE} %sFLAGS (\\Flagged)", 20), ("STORE 1:* of a flag", "STORE 1:* %sFLAGS (\\Answered)", 20 * MESSAGES),
    ("SEARCH FROM", "SEARCH FROM garden7@", 10), ("SEARCH TEXT", "SEARCH TEXT needle", 10),
]


def imap(programs, turn, note):
    for program in programs:
        program.start("imap")
    for what, command, least in IMAP:
        # Each flag is set in one round, or shot, and taken away in the next.
        for shot in range(turn, turn + SHOTS) if " of one" in what else [turn]:
            for program in programs[::-1 if shot % 2 else 1]:
                seconds, size = program.imap(command % "+-"[shot % 2] if "%s" in command else command)
                note(what, program, seconds, size, least)
    for program in programs:
        program.end(b"a LOGOUT\r\n")


def pop3(programs, turn, note):
    order = programs[::-1 if turn % 2 else 1]
    for program in order:
        note("pop3: start and STAT", program, program.start("pop3"), 0, 0)
    for command in ("LIST", "UIDL"):
        for program in order:
            note(command, program, *program.pop3(command, True), 7 * MESSAGES)
    for shot in range(SHOTS):
        for program in order[::-1 if shot % 2 else 1]:
            note("RETR of one", program, *program.pop3(f"RETR {ONE}", True), 500)
    for program in order:
        answers = [program.pop3(f"RETR {number}", True) for number in range(1, MESSAGES + 1)]
        note("RETR of each", program, sum(seconds for seconds, _ in answers), sum(size for _, size in answers), 1500 * MESSAGES)
    for program in programs:
        program.end(b"QUIT\r\n")


def row(what, ours, peer, figure, ratio):
    shown = [f"{value * 1000:.2f}" if value < 0.01 else f"{value * 1000:.1f}" for value in (ours, figure)]
    if TSV:
        print(what, shown[0], peer, shown[1], f"{ratio:.2f}", sep="\t", flush=True)
    else:
        print(f"{what:42} {shown[0]:>10}   {peer:10} {shown[1]:>10} {ratio:8.2f}", flush=True)


def measure(kind, directory):
    is_maildir = kind == "Maildir"
    place = f"{directory}/{kind}"
    os.makedirs(place)
    with open(place + "/relais.conf", "w") as file:
        file.write(f"hostname = mx.a.example\nlog = {place}/log\nmailbox = ~/{'Maildir/' if is_maildir else 'mbox'}\n")
    with open(place + "/dovecot.conf", "w") as file:
        location = "maildir:~/Maildir" if is_maildir else "mbox:~/mail:INBOX=~/mbox"
        file.write(f"protocols = imap pop3\nssl = no\nbase_dir = {place}\nlog_path = {place}/dovecot.log\nstats_writer_socket_path =\n"
                   f"mail_location = {location}\nnamespace inbox {{\n  inbox = yes\n}}\n")
    tools = lambda directory: [[f"{directory}/{tool}", "-C", place + "/relais.conf", "--mailbox"] for tool in ("imapd", "pop3d")]
    programs = [Program("relais", place + "/ours", is_maildir, *tools(OURS))]
    if os.environ.get("before"):
        programs.append(Program("before", place + "/before", is_maildir, *tools(os.environ["before"])))
    programs.append(Program("Dovecot", place + "/dovecot", is_maildir, *([f"{DOVECOT}/{tool}", "-c", place + "/dovecot.conf"] for tool in ("imap", "pop3"))))
    os.sync()
    figures = {}

    def note(what, program, seconds, size, least):
        # The first time is for what each keeps of what it has seen.
        if turn < 0:
            return
        if size < least:
            sys.exit(f"bench: {program.name} answered {what} with {size} octets")
        figures.setdefault(what, {}).setdefault(program.name, []).append(seconds)
    for protocol in (imap, pop3):
        for turn in range(-1, ROUNDS):
            protocol(programs, turn, note)
    for what, of in figures.items():
        ours = of["relais"]
        for program in programs[1:]:
            theirs = of[program.name]
            ratio = statistics.median(b / a for a, b in zip(ours, theirs))
            row(f"{kind}, {what}, ms", statistics.median(ours), program.name, statistics.median(theirs), ratio)


if __name__ == "__main__":
    for kind in ("Maildir", "mbox"):
        measure(kind, sys.argv[1])
