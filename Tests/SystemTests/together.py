"""Several sessions at a time over one user's mailboxes."""
import os, re, threading
from harness import RELEASE, USER, run, test
from readonly import Home
from sessions import letter


def homes(i, name):
    for mailbox in ("Maildir/", "mbox"):
        with Home(i, f"{name}-{mailbox.strip('/')}", mailbox) as home:
            yield home, mailbox


@test("what APPEND and COPY bring is recent to one session, the first that selects the mailbox, and to no other")
def recent(i):
    for home, _ in homes(i, "recent"):
        with home.session() as one, home.session() as two, home.session() as three:
            assert one.say("APPEND INBOX", letter("a").encode()).startswith("OK [APPENDUID")
            assert "* 1 EXISTS\n* 1 RECENT" in one.say("SELECT INBOX")
            assert "* 1 EXISTS\n* 0 RECENT" in two.say("SELECT INBOX")
            assert one.say("CREATE other").startswith("OK") and one.say("COPY 1 other").startswith("OK [COPYUID")
            assert one.say("APPEND other (\\Seen)", letter("b").encode()).startswith("OK [APPENDUID")
            # Who only looks takes nothing away.
            for command, words in (("STATUS other (RECENT)", "RECENT 2"), ("EXAMINE other", "* 2 RECENT")):
                answer = three.say(command)
                assert words in answer, (answer, home.path)
            answer = two.say("SELECT other")
            assert "* 2 EXISTS\n* 2 RECENT" in answer, answer
            assert "* 2 EXISTS\n* 0 RECENT" in one.say("SELECT other") and one.say("SEARCH RECENT").startswith("* SEARCH\n")
            # In a mailbox that is open it is recent to whoever hears of it first.
            assert one.say("APPEND other", letter("c").encode()).startswith("* 3 EXISTS\n* 1 RECENT\nOK [APPENDUID")
            answer = two.say("NOOP")
            assert answer.startswith("* 3 EXISTS\n* 2 RECENT\nOK"), answer
            assert re.findall(r"(\d) FETCH \(FLAGS \([^)]*\\Recent", two.say("FETCH 1:* FLAGS")) == ["1", "2"]
            # When some of them go there are fewer.
            one.say("STORE 1 +FLAGS (\\Deleted)")
            assert one.say("EXPUNGE").startswith("* 1 EXPUNGE\nOK")
            assert two.say("NOOP").startswith("* 1 EXPUNGE\n* 1 RECENT\nOK")
            two.say("STORE 1 +FLAGS (\\Deleted)")
            answer = two.say("EXPUNGE")
            assert answer.startswith("* 1 EXPUNGE\n* 0 RECENT\nOK"), answer


@test("subscriptions that two sessions change at once are all there")
def subscribing(i):
    for home, _ in homes(i, "subscribing"):
        with home.session() as one, home.session() as two:
            answers = []

            def subscribe(session, name):
                answers.extend(session.say(f"SUBSCRIBE {name}{number}") for number in range(60))
                answers.extend(session.say(f"UNSUBSCRIBE {name}{number}") for number in range(0, 60, 2))
            threads = [threading.Thread(target=subscribe, args=words) for words in ((one, "a"), (two, "b"))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(answers) == 180 and all(answer.startswith("OK") for answer in answers), set(answers)
            names = re.findall(r'"?([ab]\d+)"?$', one.say('LSUB "" "*"'), re.M)
            assert sorted(names) == sorted(f"{letter}{number}" for letter in "ab" for number in range(1, 60, 2)), names


@test("COPY beside deliveries into the same mailbox: UIDs in the order of the set, none given twice, each message under its own")
def copying(i):
    count = 40
    for home, mailbox in homes(i, "copying"):
        with home.session() as session, home.session() as watching:
            for number in range(count):
                assert session.say("APPEND INBOX", letter(f"m{number}").encode()).startswith("OK")
            session.say("SELECT INBOX")
            session.say("CREATE target")
            place = home.path + ("/Maildir/.target/" if mailbox == "Maildir/" else "/mail/target")
            done = threading.Event()
            conf = home.conf + ".deliver"
            with open(conf, "w") as file:
                file.write(open(home.conf).read().replace(f"mailbox = ~/{mailbox}", f"mailbox = {place}"))
            delivered = []

            def deliver():
                while not done.is_set() or len(delivered) < 5:
                    subject = f"d{len(delivered)}"
                    run(os.path.join(RELEASE, "local-deliver"), "-C", conf, f"{USER}@home.example", "x@far.example", input=letter(subject).encode())
                    delivered.append(subject)
            thread = threading.Thread(target=deliver)
            thread.start()
            copied = []
            try:
                watching.say("SELECT target")
                for _ in range(5):
                    answer = session.say(f"COPY 1:{count} target")
                    found = re.search(r"OK \[COPYUID (\d+) (\S+) (\S+)\]", answer)
                    assert found, (answer, home.read("log") if os.path.exists(home.path + "/log") else "")
                    given = [uid for part in found[3].split(",") for uid in range(int(part.split(":")[0]), int(part.split(":")[-1]) + 1)]
                    assert len(given) == count and given == sorted(given), given
                    copied.append(given)
                    watching.say("NOOP")
            finally:
                done.set()
                thread.join()
            session.say("SELECT target")
            answer = session.say("FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            subjects = {int(uid): subject for uid, subject in re.findall(r"UID (\d+) BODY.*?Subject: ([^\r\n]*)", answer, re.S)}
            assert all([subjects[uid] for uid in given] == [f"m{number}" for number in range(count)] for given in copied)
            rest = [subject for uid, subject in sorted(subjects.items()) if not any(uid in given for given in copied)]
            assert rest == delivered, (rest, delivered)
