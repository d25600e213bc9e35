"""Beside Dovecot on the same messages: what FETCH and SEARCH say is the same, or the difference is of a kind that imapkinds argues."""
from harness import RELEASE, USER, test
import os, re, subprocess
import hardmessages, imapkinds

SEED = int(os.environ.get("RELAIS_SEED", "0")) or 20261127
COUNT = int(os.environ.get("RELAIS_MESSAGES", "300"))
ITEMS = ["RFC822.SIZE", "INTERNALDATE", "RFC822.HEADER", "BODY[]", "BODY[HEADER]", "BODY[TEXT]", "BODY[]<3.50>", "BODY[TEXT]<10.20>", "BODY[]<100000.5>",
         "BODY[HEADER.FIELDS (SUBJECT TO X-FOLD)]", "BODY[HEADER.FIELDS (FROM DATE CONTENT-TYPE X-NONE)]", "BODY[HEADER.FIELDS.NOT (SUBJECT RECEIVED)]",
         "BODY[HEADER.FIELDS.NOT (TO FROM DATE CONTENT-TYPE X-LONG)]", "BODY[HEADER.FIELDS (SUBJECT)]<4.10>", "BODY[1.1.1.1.1.1.1]"]
# Of each part that either program tells of, of one behind them, and of one that is in them.
SECTIONS = ["", ".MIME", ".HEADER", ".TEXT", ".HEADER.FIELDS (SUBJECT TO CONTENT-TYPE)", ".HEADER.FIELDS.NOT (SUBJECT RECEIVED CONTENT-TYPE)"]
PARTS = ["<0.20>", "<7.30>", "<33.2000>", "<100000.5>"]
DAYS = ["1-Jan-2026", "2-Jan-2026", "31-Dec-2025", "28-Feb-2025", "3-Mar-2025", "4-Mar-2025", "2-Mar-2024", "3-Apr-1999", "4-May-1998", "5-Jun-2018", "6-Jul-2019", "7-Aug-2050", "8-Aug-2050", "1-Jan-1970", "2-Jan-1970"]
ARRIVALS = ["14-Jul-2017", "22-Jul-2017", "23-Jul-2017", "1-Jan-2020", "1-Jan-1990", "1-Jan-2100"]
WORDS = ["plain", "joerg", "J\xc3\xb6rg", "\"folded subject with\"", "\"\"", "list", "\"two  blanks\"", "\"[tag]\"", "\"a second one\"", "behind", "GR\xc3\x9c\xc3\x9fE", "\xe4\xbb\xb6\xe5\x90\x8d", "\xc3\xa4\xc3\xb6",
         "broken", "quote", "utf-8", "Ulm", "text", "r\xc3\xa4tsel", "xxxxxxxx", "ge"]
PEOPLE = ["ann", "bob", "\"Ann B\"", "joerg", "J\xc3\xb6rg", "example.com", "desk@", "Billing", "ann.smith@example.com", "\"ann . smith\"", "@example", "relay.example", "nested", "team", "undisclosed", "\"\"", "192.0.2.1", "\"a b\"",
          "\"Ann, B.\"", "\"<ann@example.com>\"", "open", "second@example.com", "fold", "Dr"]
TEXTS = ["needle", "\"From here\"", ".dot", "\"caf\xc3\xa9\"", "\"a line with =\"", "\"not a boundary\"", "\"plain line\"", "Reporting-MTA", "Final-Recipient", "preamble", "epilogue", "\"what it is\"", "attachment", "xxxxxxxxxx",
         "gr\xc3\xbc\xc3\x9fe", "ann@example.com", "example.com", "\"folded subject\"", "Subject", "X-Empty", "quoted@example.com", "\"this line is no field\"", "MIME-Version", "iso-8859-1", "\xc3\xa4", "\xe6\x97\xa5\xe6\x9c\xac",
         "\"\"", "a.txt", "a=20b", "tab", "Joerg", "J\xc3\xb6rg", "boundary", "rates.txt", "5.1.1"]
SEARCHES = [f"{key} {day}" for key in ("SENTBEFORE", "SENTON", "SENTSINCE") for day in DAYS] + [f"{key} {day}" for key in ("BEFORE", "ON", "SINCE") for day in ARRIVALS] \
    + [f"{key} {size}" for key in ("LARGER", "SMALLER") for size in (0, 1, 300, 1000, 1500, 5000, 100000)] \
    + [f"SUBJECT {word}" for word in WORDS] + [f"{key} {word}" for key in ("FROM", "TO", "CC", "BCC", "HEADER Sender", "HEADER Reply-To") for word in PEOPLE] \
    + [f"{key} {word}" for key in ("BODY", "TEXT") for word in TEXTS] \
    + ["HEADER X-Empty \"\"", "HEADER X-None \"\"", "HEADER Message-ID x@y", "HEADER Message-ID \"\"", "HEADER Message-ID zzzz", "HEADER Date Jan", "HEADER Date \"\"", "HEADER Date CEST", "HEADER In-Reply-To q@w",
       "HEADER Content-Type boundary", "HEADER Content-Type \"\"", "HEADER X-Fold value", "HEADER X-Fold \"\"", "HEADER X-Tab value", "HEADER X-Nul a", "HEADER X-Cr b", "HEADER X-Long yyyy", "HEADER X-Huge iiii",
       "HEADER \"X Bad Name\" value", "HEADER MIME-Version 1.0", "HEADER Subject list", "HEADER Content-Description \xc3\xa4", "HEADER To joerg",
       "NOT SUBJECT plain", "OR SUBJECT plain FROM bob", "NOT (FROM ann TO bob)", "LARGER 300 SMALLER 1500 NOT BODY needle", "NOT SENTON 1-Jan-2026", "NOT SENTBEFORE 1-Jan-2026"] \
    + ["CHARSET ISO-8859-1 SUBJECT {4}\r\nJ\xf6rg", "CHARSET US-ASCII SUBJECT plain", "CHARSET ISO-8859-1 BODY {4}\r\ncaf\xe9"]


class Session:
    def __init__(self, command):
        self.process = subprocess.Popen(command, shell=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout.readline().startswith(b"* PREAUTH")

    def say(self, command):
        """The untagged answers, each as its words: nested lists of bytes, numbers as bytes, NIL as None."""
        pieces = re.split(r"(?<=\})\r\n", command)
        self.process.stdin.write(b"a " + pieces[0].encode("latin-1") + b"\r\n")
        self.process.stdin.flush()
        answers = []
        for piece in pieces[1:]:
            line = self.process.stdout.readline()
            assert line.startswith(b"+"), line
            self.process.stdin.write(piece.encode("latin-1") + b"\r\n")
            self.process.stdin.flush()
        while True:
            line = self.answer()
            if line[0] == b"a":
                return answers, line
            answers.append(line)

    def answer(self):
        stack = [[]]
        while True:
            line = self.process.stdout.readline()
            assert line, "the session ended"
            literal = re.search(rb"\{(\d+)\}\r\n$", line)
            text = line[:literal.start()] if literal else line.rstrip(b"\r\n")
            for word in re.finditer(rb'"((?:[^"\\]|\\.)*)"|\(|\)|BODY\[[^\]]*\](?:<\d+>)?|[^\s()]+', text):
                if word[0] == b"(":
                    stack.append([])
                elif word[0] == b")":
                    done = stack.pop()
                    stack[-1].append(done)
                else:
                    quoted = word[1] is not None
                    stack[-1].append(re.sub(rb"\\(.)", rb"\1", word[1]) if quoted else None if word[0] == b"NIL" else word[0])
            if not literal:
                return stack[0]
            stack[-1].append(self.process.stdout.read(int(literal[1])))

    def fetch(self, numbers, items):
        """(item, number of the message) → what was said of it."""
        found = {}
        for start in range(0, len(items), 90):
            some = items[start:start + 90]
            answers, end = self.say(f"FETCH {numbers} ({' '.join(re.sub('^BODY.', 'BODY.PEEK[', item) if '[' in item else item for item in some)})")
            assert end[1] == b"OK", (end, some)
            named = {re.sub(r"<(\d+)\.\d+>$", r"<\1>", item): item for item in some}
            for answer in answers:
                if answer[2:3] == [b"FETCH"]:
                    found.update({(named[name.decode().upper()], int(answer[1])): value for name, value in zip(answer[3][::2], answer[3][1::2]) if name.decode().upper() in named})
        return found

    def end(self):
        self.process.communicate(b"z LOGOUT\r\n", timeout=30)


ENVELOPE = ["date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc", "in-reply-to", "message-id"]
TAIL = ["disposition", "language", "location", "more"]


def of_envelope(value, asked):
    return {f"{asked} {name}": part for name, part in zip(ENVELOPE + ["more"], value + [None])}


def folded(name, value):
    """Words whose letters' case says nothing (RFC 2045 §5.1, §6.1; RFC 2183 §2), in small letters."""
    if name in ("type", "subtype", "encoding"):
        return value.lower()
    if name == "parameters":
        return value and [text if number % 2 and text != b"US-ASCII" else text.lower() for number, text in enumerate(value)]
    if name == "disposition":
        return value and [value[0].lower(), folded("parameters", value[1])]
    return value


def of_structure(value, asked, path="", inner=""):
    """`body` of RFC 3501 §7.4.2 taken apart: each fact by the number of its part. `inner`: of a message's body, what its own is called."""
    found, rest = {}, list(value)
    name = f"{asked} {path or 'all'}{inner}"
    if isinstance(rest[0], list):
        parts = 0
        while rest and isinstance(rest[0], list):
            parts += 1
            found.update(of_structure(rest.pop(0), asked, f"{path}.{parts}".lstrip(".")))
        found[f"{name} parts"] = parts
        names = ["subtype", "parameters"] + TAIL
    else:
        found[f"{name} parts"] = 0
        names = ["type", "subtype", "parameters", "id", "description", "encoding", "size"]
        if [word.lower() for word in rest[:2]] == [b"message", b"rfc822"]:
            found.update(of_envelope(rest.pop(7), f"{name} envelope"))
            # A multipart in a message counts its parts as the message's; else the message's body is its first.
            body = rest.pop(7)
            isMultipart = isinstance(body[0], list)
            found.update(of_structure(body, asked, path if isMultipart else f"{path}.1".lstrip("."), ".body" if isMultipart else ""))
            names.append("lines")
        elif rest[0].lower() == b"text":
            names.append("lines")
        names += ["md5"] + TAIL
    if asked == "BODY":
        names = [word for word in names if word not in TAIL + ["md5", "parameters"]] if found[f"{name} parts"] else [word for word in names if word not in TAIL + ["md5"]]
    for number, word in enumerate(names):
        if number < len(rest) or word not in ("more",):
            found[f"{name} {word}"] = folded(word, rest[number]) if number < len(rest) else "nothing"
    found[f"{name} behind"] = rest[len(names):]
    return found


def paths(facts):
    """The numbers of the parts that a structure has."""
    return {asked.split()[1].replace(".body", "") for asked in facts if asked.startswith("BODYSTRUCTURE ") and " all" not in asked} | {"1"}


def structures(session, count):
    """number of the message → fact → value"""
    found = {number: {} for number in range(1, count + 1)}
    for (item, number), value in session.fetch(f"1:{count}", ["ENVELOPE", "BODY", "BODYSTRUCTURE"]).items():
        found[number].update(of_envelope(value, item) if item == "ENVELOPE" else of_structure(value, item, "" if isinstance(value[0], list) else "1"))
    return found


def items_of(paths):
    items = []
    for path in sorted(paths | {f"{path}.1" for path in paths} | {re.sub(r"\d+$", lambda last: str(int(last[0]) + 1), path) for path in paths}):
        items += [f"BODY[{path}{section}]" for section in SECTIONS]
        items += [f"BODY[{path}]{part}" for part in PARTS] + [f"BODY[{path}.TEXT]<3.40>", f"BODY[{path}.MIME]<2.9>"]
    return items


def searched(session, count):
    found = {}
    for search in SEARCHES:
        charset = "" if search.startswith("CHARSET") or search.isascii() else "CHARSET UTF-8 "
        if charset:
            search, word = search.rsplit(" ", 1)
            word = word.strip('"')
            search += f" {{{len(word)}}}\r\n{word}"
        answers, end = session.say("SEARCH " + charset + search)
        assert end[1] == b"OK", (search, end)
        hits = {int(number) for answer in answers if answer[1:2] == [b"SEARCH"] for number in answer[2:]}
        found.update({(f"SEARCH {search}", number): number in hits for number in range(1, count + 1)})
    return found


def both_answers(commands, count):
    """What each says: (what was asked, number of the message) → answer. Both are asked for the parts that either has."""
    sessions = [Session(command) for command in commands]
    for session in sessions:
        session.say("SELECT INBOX")
    told = [structures(session, count) for session in sessions]
    found = []
    for session, mine in zip(sessions, told):
        answers = {(asked, number): value for number in mine for asked, value in mine[number].items()}
        answers.update(session.fetch(f"1:{count}", ITEMS))
        for number in range(1, count + 1):
            answers.update(session.fetch(number, items_of(set().union(*(paths(those[number]) for those in told)))))
        answers.update(searched(session, count))
        found.append(answers)
        session.end()
    return found


def prepare(directory, texts):
    """The same messages twice; how to have a session on either."""
    for who in ("imapd", "dovecot"):
        for half in ("cur", "new", "tmp"):
            os.makedirs(f"{directory}/{who}/Maildir/{half}")
        for number, content in enumerate(texts, 1):
            path = f"{directory}/{who}/Maildir/cur/{1700000000 + number}.M{number}P1.host:2,"
            with open(path, "wb") as file:
                file.write(content)
            os.utime(path, (1500000000 + number * 700000,) * 2)
    with open(f"{directory}/dovecot.conf", "w") as file:
        file.write(f"protocols = imap\nssl = no\nbase_dir = {directory}\nmail_location = maildir:~/Maildir\nstats_writer_socket_path =\nnamespace inbox {{\n  inbox = yes\n}}\n")
    with open(f"{directory}/relais.conf", "w") as file:
        file.write(f"mailbox = ~/Maildir/\nhostname = x.example\nlog = {directory}/log\n")
    return (f"cd {directory}; HOME={directory}/imapd USER={USER} TZ=UTC {RELEASE}/imapd -C {directory}/relais.conf --mailbox",
            f"cd {directory}; HOME={directory}/dovecot USER={USER} TZ=UTC /usr/lib/dovecot/imap -c {directory}/dovecot.conf")


@test("beside Dovecot on 300 hard messages: envelopes, structures, sections and searches are the same, or argued")
def beside_dovecot(i):
    assert os.path.exists("/usr/lib/dovecot/imap"), "dovecot-imapd is not installed"
    directory, texts = f"{i.directory}/beside", hardmessages.messages(SEED, COUNT)
    ours, theirs = both_answers(prepare(directory, texts), COUNT)
    kinds, unargued = imapkinds.sort(ours, theirs, texts)
    said = f"seed {SEED}, {len(ours)} answers, {sum(kinds.values())} argued: " + ", ".join(f"{count} {name}" for name, count in kinds.items())
    assert len(ours) > COUNT * 300, len(ours)
    assert not unargued, f"{said}; {len(unargued)} differ: " + "; ".join(f"{asked} of {number}: {mine!r:.200} {other!r:.200}" for (asked, number), mine, other in unargued[:8])
    return said
