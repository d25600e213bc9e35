"""Beside Dovecot on the same messages: what FETCH and SEARCH say is the same, or the difference is argued in a line here."""
from harness import *
import re
import hardmessages

SEED = int(os.environ.get("RELAIS_SEED", "0")) or 20261127
COUNT = int(os.environ.get("RELAIS_MESSAGES", "300"))
# Structures, envelopes and what depends on them differ where a message is broken: each program guesses what was meant.
ITEMS = ["RFC822.SIZE", "INTERNALDATE", "BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "BODY.PEEK[HEADER.FIELDS (SUBJECT TO X-FOLD)]",
         "BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT RECEIVED)]", "BODY.PEEK[]<3.50>", "BODY.PEEK[TEXT]<10.20>", "BODY.PEEK[]<100000.5>", "RFC822.HEADER"]
SEARCHES = ["SUBJECT plain", "SUBJECT joerg", "SUBJECT \"folded subject with\"", "SUBJECT \"\"", "TO bob", "TO team", "HEADER Subject list", "HEADER X-Empty \"\"",
            "HEADER Message-ID x@y", "HEADER To joerg", "SENTON 1-Jan-2026", "SENTON 5-Jun-2018", "SENTSINCE 1-Jan-2026", "BEFORE 1-Jan-2020", "SINCE 1-Jan-2020",
            "LARGER 1000", "SMALLER 300", "LARGER 100000", "CHARSET UTF-8 SUBJECT {5}\r\nJ\xc3\xb6rg", "CHARSET UTF-8 SUBJECT {7}\r\nGR\xc3\x9c\xc3\x9fE",
            "CHARSET ISO-8859-1 SUBJECT {4}\r\nJ\xf6rg", "CHARSET UTF-8 BODY {6}\r\ncaf\xc3\xa9 ", "CHARSET UTF-8 SUBJECT {6}\r\n\xe4\xbb\xb6\xe5\x90\x8d"]


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

    def end(self):
        self.process.communicate(b"z LOGOUT\r\n", timeout=30)


def facts(command, count):
    """(what was asked, number of the message) → what was said."""
    session, found = Session(command), {}
    session.say("SELECT INBOX")
    for item in ITEMS:
        answers, end = session.say(f"FETCH 1:{count} ({item})")
        found[item, "end"] = end[1]
        for answer in answers:
            if len(answer) > 3 and answer[2] == b"FETCH":
                found[item, int(answer[1])] = answer[3][1]
    for search in SEARCHES:
        answers, end = session.say("SEARCH " + search)
        found[search, "end"] = end[1]
        hits = {int(number) for answer in answers if answer[1:2] == [b"SEARCH"] for number in answer[2:]}
        for number in range(1, count + 1):
            found[search, number] = number in hits
    session.end()
    return found


def argued(asked, ours, theirs):
    """What differs though both are right, and why."""
    if asked == "INTERNALDATE":
        # A day of one digit has a blank in front (RFC 3501 §9, date-day-fixed); Dovecot writes a nought.
        return ours.replace(b" ", b"0", 1) == theirs
    if "HEADER.FIELDS" in asked:
        # The delimiting blank line is always included (RFC 3501 §6.4.5), also where the message has none.
        return ours in (theirs + b"\r\n", theirs + b"\r\n\r\n")
    return False


@test("beside Dovecot on 300 hard messages: sizes, dates, headers, texts, parts of them, and searches by them are the same, or argued")
def beside_dovecot(i):
    assert os.path.exists("/usr/lib/dovecot/imap"), "dovecot-imapd is not installed"
    directory, texts = f"{i.directory}/beside", hardmessages.messages(SEED, COUNT)
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
    ours = facts(f"cd {directory}; HOME={directory}/imapd USER={USER} TZ=UTC {RELEASE}/imapd -C {directory}/relais.conf --mailbox", COUNT)
    theirs = facts(f"cd {directory}; HOME={directory}/dovecot USER={USER} TZ=UTC /usr/lib/dovecot/imap -c {directory}/dovecot.conf", COUNT)
    different = [key for key in ours if ours[key] != theirs.get(key) and not argued(key[0], ours[key], theirs.get(key))]
    assert len(ours) == len(theirs) > COUNT * len(ITEMS), (len(ours), len(theirs))
    assert not different, f"seed {SEED}, {len(different)} differ: " + "; ".join(f"{asked} of {number}: {ours[asked, number]!r:.200} {theirs.get((asked, number))!r:.200}" for asked, number in different[:8])
    return f"seed {SEED}, {len(ours)} answers"
