"""imapd --verify: a user's damaged mailboxes, said and mended."""
import os, pwd, shutil, subprocess
from harness import RELEASE, test
from login import variant
from sessions import Session, in_mbox, letter, validity

USER = pwd.getpwuid(os.getuid()).pw_name


def verify(config, *words):
    done = subprocess.run([os.path.join(RELEASE, "imapd"), "-C", config, "--verify", *words], capture_output=True, timeout=60)
    return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()


def state(directory):
    return {os.path.join(place, name): (os.readlink(path) if os.path.islink(path) else open(path).read() if os.path.isfile(path) else None)
            for place, directories, names in os.walk(directory) for name in directories + names for path in [os.path.join(place, name)]}


def put(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def users(home, name=USER):
    return f"{name}:{{PLAIN}}x:{os.getuid()}:{os.getgid()}::{home}:\n"


@test("imapd --verify finds what is wrong in a Maildir, mends what it can, keeps UIDVALIDITY and UIDs, and says what it did; with -n it changes nothing")
def verify_maildir(i):
    home = f"{i.directory}/verify-maildir/home"
    config, _ = variant(i, "verify-maildir", users=users(home), mailbox="~/Maildir/")
    maildir = home + "/Maildir"
    for number in range(1, 5):
        put(f"{maildir}/cur/{number}.{number}.h:2,", letter(f"m{number}"))
    with Session("imapd", config, home) as session:
        session.say("CREATE Sent")
        session.say("SUBSCRIBE Sent")
        known = validity(session.say("SELECT INBOX"))
        before = session.uids()
    assert verify(config, "-n", USER) == (0, ["2 mailboxes verified: all is well"], "")
    lines = open(maildir + "/dovecot-uidlist").read().splitlines()
    put(maildir + "/dovecot-uidlist", "\n".join([lines[0], "what is this", lines[2], lines[1], *lines[3:]]) + "\n9 :9.gone.h\n")
    put(maildir + "/dovecot-keywords", "0 $Junk\nnonsense\n")
    put(maildir + "/subscriptions", "Sent\nSent\nGone\n")
    put(maildir + "/..relais-gone.1.1/cur/1.h:2,", "x")
    shutil.rmtree(maildir + "/.Sent/tmp")
    damaged = state(home)
    code, told, errors = verify(config, "-n", USER)
    assert (code, errors) == (69, "") and state(home) == damaged, (code, told, errors)
    expected = ["..relais-gone.1.1 (would be removed)", "dovecot-uidlist: lines that cannot be read: 2 (would be ", "dovecot-uidlist: lines out of order: 4 (would be put in order)",
                "dovecot-uidlist: lines without a message: 9.gone.h (would be removed)", "dovecot-keywords: lines that cannot be read: 2 (would be removed)",
                ".Sent/tmp: is missing (would be made again)", "subscriptions: names twice: Sent (would be ", "subscriptions: names of no mailbox: Gone (nothing is wrong with that)"]
    for words in expected:
        assert sum(words in line for line in told) == 1, (words, told)
    assert len(told) == len(expected) + 1 and told[-1] == "2 mailboxes verified: 7 things would be mended, 0 left for you to look into", told
    code, told, errors = verify(config, USER)
    assert (code, errors) == (0, "") and told[-1] == "2 mailboxes verified: 7 things mended, 0 left for you to look into", (code, told, errors)
    assert f"{maildir}/.Sent/tmp: is missing: made again" in told, told
    assert verify(config, USER) == (0, [f"{maildir}/subscriptions: names of no mailbox: Gone (nothing is wrong with that)", "2 mailboxes verified: all is well"], "")
    with Session("imapd", config, home) as session:
        assert validity(session.say("SELECT INBOX")) == known and session.uids() == before
    os.symlink("/etc/passwd", maildir + "/cur/7.link:2,")
    code, told, _ = verify(config, USER)
    assert code == 69 and told[-1] == "2 mailboxes verified: 0 things mended, 1 left for you to look into", told
    # Whom it is for.
    for words, status, what in ((["no-such-user"], 67, "no account no-such-user"), (["root"], 77, "root"), ([], 64, "one user"), ([USER, USER], 64, "one user"),
                                (["--mailbox", USER], 64, "serves no client"), (["--tls", USER], 64, "serves no client")):
        code, told, errors = verify(config, *words)
        assert code == status and not told and what in errors, (words, code, told, errors)
    done = subprocess.run([os.path.join(RELEASE, "imapd"), "-n"], capture_output=True)
    assert done.returncode == 64 and b"--verify" in done.stderr, done
    put(f"{i.directory}/verify-maildir/users", users(home) + f"other:{{PLAIN}}x:{os.getuid() + 1}:{os.getgid()}::{home}:\n")
    code, told, errors = verify(config, "other")
    assert code == 77 and not told and "only other and root" in errors, (code, told, errors)


@test("imapd --verify finds mboxes without UIDs and such as are none, gives UIDs under the same UIDVALIDITY, and leaves what is no mbox alone")
def verify_mbox(i):
    home = f"{i.directory}/verify-mbox/home"
    config, _ = variant(i, "verify-mbox", users=users(home), mailbox="~/inbox")
    put(home + "/inbox", in_mbox("a") + in_mbox("b") + in_mbox("c"))
    with Session("imapd", config, home) as session:
        known = validity(session.say("SELECT INBOX"))
        session.say("CREATE kept")
    assert verify(config, USER) == (0, ["2 mailboxes verified: all is well"], "")
    text = open(home + "/inbox").read()
    put(home + "/inbox", text.replace("X-UID: 2\n", "").replace("X-UID: 3\n", "X-UID: 1\n"))
    put(home + "/mail/notes", "Buy milk.\n")
    damaged = state(home)
    expected = ["inbox: messages without a UID: 2", "inbox: messages with a UID that cannot be theirs: 3", "mail/notes: is no mbox"]
    code, told, errors = verify(config, "-n", USER)
    assert (code, errors) == (69, "") and state(home) == damaged, (code, told, errors)
    assert [line.partition(" (")[0] for line in told[:-1]] == [f"{home}/{words}" for words in expected], told
    assert told[-1] == "3 mailboxes verified: 2 things would be mended, 1 left for you to look into", told
    code, told, _ = verify(config, USER)
    assert code == 69 and told[-1] == "3 mailboxes verified: 2 things mended, 1 left for you to look into", told
    os.remove(home + "/mail/notes")
    assert verify(config, USER) == (0, ["2 mailboxes verified: all is well"], "")
    with Session("imapd", config, home) as session:
        assert validity(session.say("SELECT INBOX")) == known and session.uids() == {"a": 1, "b": 4, "c": 5}, session.uids()
