"""Beside Dovecot's pop3 on the same messages: what is listed and sent is the same; names of messages stay."""
import os, subprocess
from harness import test
import hardmessages
from beside_imap import SEED, prepare

COUNT = 100
LINES = [0, 1, 3, 1000000]


class Session:
    def __init__(self, command):
        self.process = subprocess.Popen(command, shell=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        # Dovecot's says nothing to who is logged in already.
        if "/dovecot/pop3" not in command:
            assert self.line().startswith(b"+OK")

    def line(self):
        return self.process.stdout.readline()

    def say(self, command):
        self.process.stdin.write(command.encode() + b"\r\n")
        self.process.stdin.flush()
        return self.line()

    def lines(self, command):
        """The lines of an answer that has several, as they are sent; nothing where it is refused."""
        if not self.say(command).startswith(b"+OK"):
            return None
        lines = []
        while (line := self.line()) != b".\r\n":
            assert line.endswith(b"\n"), line
            lines.append(line)
        return lines

    def end(self, command="QUIT"):
        self.say(command)
        self.process.communicate(timeout=30)


def facts(command):
    """(what was asked, number of the message) → what was said."""
    session, found = Session(command), {}
    found["STAT", "all"] = session.say("STAT").split()[1:3]
    for line in session.lines("LIST"):
        number, size = line.split()
        found["LIST", int(number)] = size
    for number in range(0, COUNT + 2):
        found["LIST of", number] = session.say(f"LIST {number}").split()[:3] if 0 < number <= COUNT else session.say(f"LIST {number}")[:4]
        found["RETR", number] = session.lines(f"RETR {number}")
        for count in LINES:
            found[f"TOP {count}", number] = session.lines(f"TOP {number} {count}")
    session.end()
    return found


def names(command, end="QUIT"):
    session = Session(command)
    told = [line.split()[1] for line in session.lines("UIDL")]
    session.end(end)
    return told


def names_stay(command, maildir):
    """Over sessions, after flags were changed by another program, and after mail was removed and more has come."""
    first = names(command)
    assert len(set(first)) == COUNT and names(command) == first
    files = sorted(os.listdir(f"{maildir}/cur"))
    for name in files[::3]:
        os.rename(f"{maildir}/cur/{name}", f"{maildir}/cur/{name.split(':')[0]}:2,S")
    assert names(command) == first, "flags have changed names"
    with open(f"{maildir}/new/1900000000.M1P1.host", "wb") as file:
        file.write(b"Subject: new\n\nnew\n")
    session = Session(command)
    assert session.say("DELE 2").startswith(b"+OK") and session.say("DELE 50").startswith(b"+OK")
    session.end()
    left = names(command)
    assert left[:-1] == [name for number, name in enumerate(first, 1) if number not in (2, 50)] and left[-1] not in first


@test("beside Dovecot's pop3 on 100 hard messages: sizes, messages and their tops are the same, and their names stay")
def beside_dovecot_pop3(i):
    assert os.path.exists("/usr/lib/dovecot/pop3"), "dovecot-pop3d is not installed"
    directory, texts = f"{i.directory}/beside-pop3", hardmessages.messages(SEED, COUNT)
    commands = [command.replace("/imapd -C", "/pop3d -C").replace("/dovecot/imap ", "/dovecot/pop3 ") for command in prepare(directory, texts)]
    ours, theirs = (facts(command) for command in commands)
    different = [key for key in ours if ours[key] != theirs[key]]
    assert len(ours) == len(theirs) > COUNT * 6 and all(ours["RETR", number] is not None for number in range(1, COUNT + 1))
    assert not different, f"seed {SEED}, {len(different)} differ: " + "; ".join(f"{asked} of {number}: {ours[asked, number]!r:.300} {theirs[asked, number]!r:.300}" for asked, number in different[:8])
    names_stay(commands[0], f"{directory}/imapd/Maildir")
    return f"seed {SEED}, {len(ours)} answers"
