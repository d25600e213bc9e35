"""Mailboxes that their reader may not write to."""
import os, shutil
from harness import run, test
from sessions import Session, in_mbox, letter, validity


class Home:
    """A home of its own for a test, and a configuration that says where mail is in it."""

    def __init__(self, i, name, mailbox):
        self.path = f"{i.directory}/readonly-{name}"
        os.makedirs(self.path)
        self.conf = self.path + "/relais.conf"
        with open(self.conf, "w") as file:
            file.write(f"hostname = home.example\nmailbox = ~/{mailbox}\nlog = {self.path}/log\nslots-directory = {self.path}\n")

    def write(self, name, text):
        os.makedirs(os.path.dirname(f"{self.path}/{name}"), exist_ok=True)
        with open(f"{self.path}/{name}", "w") as file:
            file.write(text)

    def read(self, name):
        return open(f"{self.path}/{name}").read()

    def session(self, program="imapd"):
        return Session(program, self.conf, self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run("chmod", "-R", "u+rwX", self.path)
        shutil.rmtree(self.path)


@test("an mbox that may not be written to is READ-ONLY; its UIDs are the same as long as it is, and never another message's")
def readonly_mbox(i):
    with Home(i, "mbox", "in/mbox") as home:
        text = in_mbox("a") + in_mbox("b")
        home.write("in/mbox", text)
        os.chmod(home.path + "/in/mbox", 0o444)
        seen = {}
        for directory_mode in (0o755, 0o555):
            os.chmod(home.path + "/in", directory_mode)
            for command in ("SELECT", "EXAMINE"):
                with home.session() as session:
                    answer = session.say(f"{command} INBOX")
                    assert "* 2 EXISTS" in answer and "[PERMANENTFLAGS ()]" in answer and "OK [READ-ONLY]" in answer, answer
                    assert "NO [UIDNOTSTICKY]" in answer, answer
                    seen[validity(answer)] = session.uids()
                    assert "Hello." in session.say("FETCH 1 (BODY[])")
                    assert session.say("STORE 1 +FLAGS (\\Deleted)").startswith("NO [READ-ONLY]")
                    assert session.say("EXPUNGE").startswith("NO [READ-ONLY]")
                    assert session.say("APPEND INBOX", letter("c").encode()).startswith("NO [NOPERM]")
                    assert session.say("COPY 1 INBOX").startswith("NO [NOPERM]")
                    assert "OK" in session.say("CREATE other") and session.say("COPY 1 other").startswith("OK [COPYUID")
                    assert "OK" in session.say("DELETE other")
        assert list(seen.values()) == [{"a": 1, "b": 2}], seen
        assert home.read("in/mbox") == text and os.listdir(home.path + "/in") == ["mbox"]
        # Who may write changes it: to a session that goes on its UIDs are what they were, to the next they are others'.
        with home.session() as session:
            answer = session.say("SELECT INBOX")
            assert validity(answer) in seen
            os.chmod(home.path + "/in/mbox", 0o644)
            home.write("in/mbox", in_mbox("b") + in_mbox("c"))
            os.chmod(home.path + "/in/mbox", 0o444)
            assert "* 1 EXPUNGE" in session.say("NOOP") and session.uids() == {"b": 2, "c": 3}
            with home.session() as other:
                answer = other.say("SELECT INBOX")
                assert validity(answer) not in seen and other.uids() == {"b": 1, "c": 2}
                before = validity(answer)
        # As soon as it can be written they last.
        os.chmod(home.path + "/in/mbox", 0o644)
        os.chmod(home.path + "/in", 0o755)
        for _ in range(2):
            with home.session() as session:
                answer = session.say("SELECT INBOX")
                assert "[READ-WRITE]" in answer and "UIDNOTSTICKY" not in answer and validity(answer) > before, answer
                assert session.uids() == {"b": 1, "c": 2} and home.read("in/mbox").count("X-UID: ") == 2
                before = validity(answer) - 1
        # And where it says them itself, they do without that.
        os.chmod(home.path + "/in/mbox", 0o444)
        with home.session() as session:
            answer = session.say("SELECT INBOX")
            assert "[READ-ONLY]" in answer and "UIDNOTSTICKY" not in answer and validity(answer) == before + 1, answer
            assert session.uids() == {"b": 1, "c": 2} and "UIDNEXT 3" in answer


@test("POP3 over an mbox that may not be written to: all but the removal, which QUIT says; unique-ids are those of before and after")
def readonly_pop3(i):
    with Home(i, "pop3", "in/mbox") as home:
        text = in_mbox("a") + in_mbox("b", "x\n") + in_mbox("b", "y\n")
        home.write("in/mbox", text)
        ids = []
        for mode in (0o644, 0o444, 0o444, 0o644):
            os.chmod(home.path + "/in/mbox", mode)
            with home.session("pop3d") as session:
                assert session.greeting.startswith("+OK 3 "), session.greeting
                ids.append(session.say("UIDL"))
                assert "Hello." in session.say("RETR 1") and session.say("DELE 1").startswith("+OK")
                answer = session.say("QUIT" if mode == 0o444 else "RSET")
                assert answer.startswith("-ERR [SYS/TEMP] 1 " if mode == 0o444 else "+OK"), answer
        assert len(set(ids)) == 1 and len(set(ids[0].split("\n"))) == 5 and home.read("in/mbox") == text, ids
        # Of two with the same header one goes: the other keeps its unique-id, by imapd's numbers as well.
        with home.session() as session:
            session.say("SELECT INBOX")
        with home.session("pop3d") as session:
            assert session.say("DELE 2").startswith("+OK") and session.say("QUIT").startswith("+OK")
        with home.session("pop3d") as session:
            assert session.say("UIDL 2").split()[2] == ids[0].split("\n")[3].split()[1]


@test("a Maildir that may not be written to is READ-ONLY, listed or not; POP3 reads it")
def readonly_maildir(i):
    with Home(i, "maildir", "Maildir/") as home:
        for name in ("new/1.a.h", "cur/2.b.h:2,S"):
            home.write(f"Maildir/{name}", letter(name[6]))
        os.makedirs(home.path + "/Maildir/tmp")
        places = [f"{home.path}/Maildir{half}" for half in ("", "/new", "/cur", "/tmp")]
        files = lambda: sorted(name for place in places for name in os.listdir(place))
        before = files()
        seen = {}
        for place in places:
            os.chmod(place, 0o555)
        for _ in range(2):
            with home.session() as session:
                answer = session.say("SELECT INBOX")
                assert "* 2 EXISTS" in answer and "[READ-ONLY]" in answer and "NO [UIDNOTSTICKY]" in answer, answer
                seen[validity(answer)] = session.uids()
                assert "From: x@far" in session.say("FETCH 2 (BODY[])")
                assert session.say("STORE 1 +FLAGS (\\Deleted)").startswith("NO [READ-ONLY]")
                assert session.say("APPEND INBOX", letter("c").encode()).startswith("NO [NOPERM]")
            with home.session("pop3d") as session:
                assert session.greeting.startswith("+OK 2 "), session.greeting
                assert session.say("UIDL") == "+OK\n1 1.a.h\n2 2.b.h\n." and "From: x@far" in session.say("RETR 2")
        assert list(seen.values()) == [{"a": 1, "b": 2}] and files() == before, (seen, files())
        for place in places:
            os.chmod(place, 0o755)
        with home.session() as session:
            answer = session.say("SELECT INBOX")
            lasting = validity(answer)
            assert "[READ-WRITE]" in answer and lasting > max(seen) and session.uids() == {"a": 1, "b": 2}
        for place in places:
            os.chmod(place, 0o555)
        with home.session() as session:
            answer = session.say("SELECT INBOX")
            assert validity(answer) == lasting and "[READ-ONLY]" in answer and "UIDNOTSTICKY" not in answer, answer
