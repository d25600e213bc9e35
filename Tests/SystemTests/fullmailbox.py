"""Mailboxes on a full disk, or on one that is mounted read-only (a small tmpfs; for root): what is there can be read and removed,
and what does not fit leaves nothing."""
import os
from fulldisk import SmallDisk
from harness import run, test
from sessions import Session, in_mbox, letter, validity

LONG = "".join(f"{number:03} of a message of some length\n" for number in range(100))


class Disk(SmallDisk):
    """A home whose mailbox is on a disk that `fill` fills."""

    def __init__(self, directory, mailbox, size="512k", **more):
        super().__init__(directory, "home", size=size, mailbox=mailbox, **more)

    def __enter__(self):
        super().__enter__()
        self.own()
        return self

    def own(self):
        run("chown", "-R", "ann:ann", self.directory + "/home")

    def write(self, name, text, mode="w"):
        path = f"{self.directory}/home/ann/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, mode) as file:
            file.write(text)
        self.own()

    def fill(self):
        """Of blocks, and of names where they are limited."""
        super().fill()
        number = 0
        while self.inodes:
            try:
                open(f"{self.directory}/home/{number}", "w").close()
                number += 1
            except OSError:
                break

    def session(self, program="imapd"):
        return Session(program, self.directory + "/conf", self.directory + "/home/ann", "ann")

    def files(self):
        """All that is in the home, by name, with sizes."""
        found = {}
        for place, _, names in os.walk(f"{self.directory}/home/ann"):
            found.update({os.path.relpath(f"{place}/{name}", self.directory): os.path.getsize(f"{place}/{name}") for name in names})
        return found


def refuses(disk, session):
    """APPEND and COPY have no room, and leave nothing."""
    before, used = disk.files(), disk.used()
    for answer in (session.say("APPEND INBOX", letter("new", LONG * 9).encode()), session.say("COPY 1 INBOX"), session.say("COPY 1:* INBOX")):
        assert answer.startswith("NO [OVERQUOTA]"), answer
    assert disk.files() == before and disk.used() == used, (before, disk.files(), used, disk.used())


@test("an mbox on a full disk is selected, read, marked and emptied; its UIDs are nobody else's later")
def full_mbox(i):
    for inodes in (0, 40):
        with Disk(i.directory, "mbox", inodes=inodes) as disk:
            disk.write("mbox", in_mbox("a", LONG) + in_mbox("b", LONG))
            with disk.session() as session:
                lasting = validity(session.say("SELECT INBOX"))
            disk.write("mbox", in_mbox("c", LONG) + in_mbox("d", LONG), "a")
            disk.fill()
            with disk.session() as session:
                answer = session.say("SELECT INBOX")
                assert "* 4 EXISTS" in answer and "[READ-WRITE]" in answer and validity(answer) == lasting and "UIDNOTSTICKY" not in answer, answer
                given = session.uids()
                assert [given[name] for name in "ab"] == [1, 2] and 2 < given["c"] < given["d"], given
                refuses(disk, session)
                # That it was read cannot be written, and is no reason to refuse it.
                answer = session.say("FETCH 3 (BODY[])")
                assert LONG.replace("\n", "\r\n") in answer and "Seen" not in answer and answer.endswith("\nOK Fetch completed"), answer
                assert session.say("STORE 1 +FLAGS (\\Flagged)").startswith("* 1 FETCH (FLAGS (\\Flagged")
                # What has no room beside the message is refused, unless it is to go.
                assert session.say("STORE 3 +FLAGS (\\Flagged)").startswith("NO [OVERQUOTA]")
                assert session.say("STORE 4 +FLAGS (\\Deleted)").startswith("* 4 FETCH (FLAGS (\\Deleted")
                assert session.say("EXPUNGE").startswith("* 4 EXPUNGE\n")
                assert session.say("STORE 1,3 +FLAGS (\\Deleted)").count("FETCH") == 2
                answer = session.say("EXPUNGE")
                assert answer.startswith("* 3 EXPUNGE\n* 1 EXPUNGE\n") and answer.endswith("OK Expunge completed"), answer
                assert session.uids() == {"b": 2}
            assert disk.mail().count("Subject: ") == 1 and in_mbox("b", LONG).split("\n\n")[1] in disk.mail()
            disk.enlarge()
            disk.write("mbox", in_mbox("e"), "a")
            with disk.session() as session:
                assert validity(session.say("SELECT INBOX")) == lasting
                assert session.uids()["b"] == 2 and session.uids()["e"] > given["d"], (given, session.uids())


@test("an mbox whose first look falls on a full disk has UIDs for the session, which are the same as long as it is, and can be emptied")
def full_mbox_unnumbered(i):
    with Disk(i.directory, "mbox") as disk:
        disk.write("mbox", in_mbox("a", LONG) + in_mbox("b", LONG) + in_mbox("c", LONG))
        os.makedirs(f"{disk.directory}/home/ann/mail/.imap")
        disk.own()
        disk.fill()
        before = disk.files()
        seen = {}
        for _ in range(2):
            with disk.session() as session:
                answer = session.say("SELECT INBOX")
                assert "* 3 EXISTS\n* 3 RECENT" in answer and "[READ-WRITE]" in answer and "NO [UIDNOTSTICKY]" in answer, answer
                seen[validity(answer)] = session.uids()
                # That it was read cannot be written, and is no reason to refuse it.
                answer = session.say("FETCH 3 (BODY[])")
                assert LONG.replace("\n", "\r\n") in answer and "Seen" not in answer and answer.endswith("\nOK Fetch completed"), answer
                refuses(disk, session)
        assert list(seen.values()) == [{"a": 1, "b": 2, "c": 3}], seen
        assert {name: size for name, size in disk.files().items() if size} == {name: size for name, size in before.items() if size}
        with disk.session() as session:
            session.say("SELECT INBOX")
            session.say("STORE 1:2 +FLAGS (\\Deleted)")
            assert session.say("STORE 1 -FLAGS (\\Deleted)").startswith("* 1 FETCH (FLAGS (")
            answer = session.say("EXPUNGE")
            assert answer.startswith("* 2 EXPUNGE\n* 2 RECENT\nOK"), answer
            assert session.uids() == {"a": 1, "c": 3}
        disk.enlarge()
        with disk.session() as session:
            answer = session.say("SELECT INBOX")
            assert validity(answer) not in seen and "UIDNOTSTICKY" not in answer and session.uids() == {"a": 1, "c": 2}, answer


@test("the first look at an mbox wants room for what it adds to each message and for the longest one, not for another mbox")
def first_look(i):
    count, texts = 1000, [in_mbox(str(number), "x" * 70 + "\n" + LONG[:number * 2]) for number in range(1000)]
    growth = 0
    for share in (4, 1, 0.5):
        with Disk(i.directory, "mbox", size="8m") as disk:
            disk.write("mbox", "".join(texts))
            os.makedirs(f"{disk.directory}/home/ann/mail/.imap")
            disk.own()
            before = os.path.getsize(disk.mailbox)
            disk.fill()
            # All the room there is at first; then as much as it must do with, and some blocks for .relais-uids; then less.
            free = before * 2 if share == 4 else int((growth + len(max(texts, key=len)) + 3 * 4096) * share)
            with open(f"{disk.directory}/home/ballast", "r+") as ballast:
                ballast.truncate(os.path.getsize(ballast.name) - (free // 4096 + 1) * 4096)
            with disk.session() as session:
                answer = session.say("SELECT INBOX")
                assert ("UIDNOTSTICKY" in answer) == (share < 1), (share, answer)
                assert session.uids() == {str(number): number + 1 for number in range(count)}
            if share == 4:
                growth = os.path.getsize(disk.mailbox) - before
            assert os.path.getsize(disk.mailbox) == before + (growth if share >= 1 else 0)
    assert growth <= 75 * count and growth < before / 10, (growth, before)
    return f"{growth / count:.0f} bytes a message, of {before // count}"


@test("POP3 over an mbox and a Maildir on a full disk: RETR, DELE and QUIT; unique-ids stay")
def full_pop3(i):
    for mailbox in ("mbox", "Maildir/"):
        with Disk(i.directory, mailbox) as disk:
            if mailbox == "mbox":
                disk.write("mbox", in_mbox("a", LONG) + in_mbox("b", LONG))
            else:
                for name in ("new/1.a.h", "cur/2.b.h:2,S", "tmp/x"):
                    disk.write("Maildir/" + name, letter(name[6:7], LONG))
                os.unlink(f"{disk.directory}/home/ann/Maildir/tmp/x")
            with disk.session("pop3d") as session:
                ids = session.say("UIDL").split("\n")
            if mailbox != "mbox":
                os.unlink(f"{disk.directory}/home/ann/Maildir/relais-pop3.lock")
            disk.fill()
            for left in (ids[1:3], ids[2:3], []):
                with disk.session("pop3d") as session:
                    assert [line.split()[1] for line in session.say("UIDL").split("\n")[1:-1]] == [line.split()[1] for line in left], disk.log()
                    if left:
                        assert "099 of a message" in session.say("RETR 1") and session.say("DELE 1").startswith("+OK")
                    assert session.say("QUIT").startswith("+OK"), disk.log()


@test("a Maildir on a full disk is selected, read, marked and emptied, whether or not there is room for the line of a new message")
def full_maildir(i):
    for listed, inodes in (("all", 0), ("all", 40), ("some", 0), ("none", 0), ("none", 40)):
        with Disk(i.directory, "Maildir/", inodes=inodes) as disk:
            for name in ("new/1.a.h", "cur/2.b.h:2,S", "tmp/x"):
                disk.write("Maildir/" + name, letter(name[6:7], LONG))
            os.unlink(f"{disk.directory}/home/ann/Maildir/tmp/x")
            lasting = None
            if listed != "none":
                with disk.session() as session:
                    lasting = validity(session.say("SELECT INBOX"))
                path = f"{disk.directory}/home/ann/Maildir/dovecot-uidlist"
                lines = open(path).read().split("\n", 1)
                if listed == "some":
                    # A line more begins another block.
                    room = 4096 - os.path.getsize(path) - 1
                    with open(path, "w") as file:
                        file.write(f"{lines[0]} X{'x' * (room - 1)}\n{lines[1]}")
                    assert os.path.getsize(path) == 4096
                disk.write("Maildir/new/3.c.h", letter("c", LONG))
            disk.fill()
            seen = {}
            for _ in range(2):
                with disk.session() as session:
                    answer = session.say("SELECT INBOX")
                    exist = 2 if listed == "none" else 3
                    assert f"* {exist} EXISTS" in answer and "[READ-WRITE]" in answer, answer
                    assert ("UIDNOTSTICKY" in answer) == (listed != "all") and (validity(answer) == lasting) == (listed == "all"), answer
                    seen[validity(answer)] = session.uids()
                    answer = session.say("FETCH 1 (BODY.PEEK[])")
                    assert LONG.replace("\n", "\r\n") in answer and answer.endswith("\nOK Fetch completed"), answer
                    refuses(disk, session)
            assert list(seen.values()) == [dict(zip("abc", range(1, exist + 1)))], seen
            with disk.session() as session:
                session.say("SELECT INBOX")
                assert session.say("STORE 1 +FLAGS (\\Deleted)").startswith("* 1 FETCH (FLAGS (\\Deleted")
                assert session.say("EXPUNGE").startswith("* 1 EXPUNGE\n")
                assert session.uids() == dict(zip("bc", range(2, exist + 1)))
            disk.enlarge()
            disk.write("Maildir/new/4.d.h", letter("d"))
            with disk.session() as session:
                answer = session.say("SELECT INBOX")
                assert "UIDNOTSTICKY" not in answer, answer
                if listed == "all":
                    assert validity(answer) == lasting and session.uids() == {"b": 2, "c": 3, "d": 4}, session.uids()
                else:
                    assert validity(answer) not in seen and (lasting is None or validity(answer) == lasting), (answer, seen)


@test("on a filesystem that is mounted read-only mailboxes are READ-ONLY, and POP3 says at QUIT that nothing is removed")
def readonly_filesystem(i):
    for mailbox in ("mbox", "Maildir/"):
        for listed in (True, False):
            with Disk(i.directory, mailbox) as disk:
                if mailbox == "mbox":
                    disk.write("mbox", in_mbox("a") + in_mbox("b"))
                else:
                    for name in ("new/1.a.h", "cur/2.b.h:2,S", "tmp/x"):
                        disk.write("Maildir/" + name, letter(name[6:7]))
                    os.unlink(f"{disk.directory}/home/ann/Maildir/tmp/x")
                if listed:
                    with disk.session() as session:
                        lasting = validity(session.say("SELECT INBOX"))
                run("mount", "-o", "remount,ro", disk.directory + "/home")
                before, seen = disk.files(), {}
                for _ in range(2):
                    with disk.session() as session:
                        answer = session.say("SELECT INBOX")
                        assert "* 2 EXISTS" in answer and "[READ-ONLY]" in answer and ("UIDNOTSTICKY" in answer) != listed, answer
                        assert not listed or validity(answer) == lasting
                        seen[validity(answer)] = session.uids()
                        assert "Hello." in session.say("FETCH 1 (BODY[])")
                        assert session.say("STORE 1 +FLAGS (\\Deleted)").startswith("NO [READ-ONLY]")
                        assert session.say("APPEND INBOX", b"x").startswith("NO [NOPERM]")
                        assert session.say("CREATE x").startswith("NO [NOPERM]")
                    with disk.session("pop3d") as session:
                        assert "Hello." in session.say("RETR 2") and session.say("DELE 2").startswith("+OK")
                        assert session.say("QUIT").startswith("-ERR [SYS/TEMP] 1 ")
                assert list(seen.values()) == [{"a": 1, "b": 2}] and disk.files() == before, seen
