"""Users of the users file, in domains of their own: they receive, and read what they received."""
import contextlib, glob, imaplib, os, poplib, re, smtplib, subprocess
from harness import USER, address, eventually, log_of, run, send, test
from aliases import aliases, ended

V, W = "v.example", "w.example"


@contextlib.contextmanager
def users(host, text, **settings):
    """The host with these lines in its users file, and other settings, for a while. Mailboxes are in homes: the user's own stays where
    it was."""
    config, place = host.config, host.directory + "/users"
    before = open(config).read(), open(place).read()
    settings = {"virtual_domains": f"{V} {W}", "mailbox": "~/Maildir/"} | settings
    changed = before[0]
    for key, value in settings.items():
        changed = re.sub(f"(?m)^{key.replace('_', '-')} = .*\n", "", changed) + f"{key.replace('_', '-')} = {value}\n"
    try:
        for path, what in ((place, before[1] + text), (config, changed)):
            with open(path, "w") as file:
                file.write(what)
        yield
    finally:
        for path, what in ((config, before[0]), (place, before[1])):
            with open(path, "w") as file:
                file.write(what)


def line(host, name, password, home=None):
    home = f"{host.directory}/vmail/{name.partition('@')[2]}/{name.partition('@')[0]}" if home is None else home
    return f"{name}:{{PLAIN}}{password}:{os.getuid()}:{os.getgid()}::{home}:\n"


def by_pop(host, name, password):
    """The texts of the maildrop; None: not let in."""
    client = poplib.POP3(host.address, host.ports["pop3"], timeout=30)
    try:
        client.user(name)
        client.pass_(password)
        return [b"\n".join(client.retr(number + 1)[1]) for number in range(client.stat()[0])]
    except poplib.error_proto:
        return None
    finally:
        client.close()


def by_imap(host, name, password):
    client = imaplib.IMAP4(host.address, host.ports["imap"], timeout=30)
    try:
        client.login(name, password)
        count = int(client.select()[1][0])
        return [client.fetch(str(number + 1), "(RFC822)")[1][0][1] for number in range(count)]
    except imaplib.IMAP4.error:
        return None
    finally:
        client.shutdown()


def texts(maildir):
    """The messages that a Maildir has got."""
    return [open(path, "rb").read() for path in glob.glob(maildir + "new/*")]


def answers(host, *recipients):
    """What RCPT is answered."""
    with smtplib.SMTP(host.address, host.ports["smtp"], timeout=30) as client:
        client.ehlo()
        client.mail("x@far.example")
        return [client.rcpt(recipient)[0] for recipient in recipients]


@test("users of two domains of their own who have one local part get and read each their own mail, by POP3 and by IMAP; nobody of the host has mail there")
def virtual_two_domains(i):
    with users(i.a, line(i.a, f"ann@{V}", "one") + line(i.a, f"Ann@{W}", "two") + f"bad@{V}:{{PLAIN}}x\n"):
        wanted = {f"ann@{V}": 250, f"ANN+x@{W}": 250, f"{USER}@{V}": 550, "ann@a.example": 550, f"root@{V}": 550, f"team@{V}": 550, f"bad@{V}": 451,
                  f"postmaster@{V}": 250, address(i.a): 250}
        assert answers(i.a, *wanted) == list(wanted.values()), answers(i.a, *wanted)
        # Who has had no mail can log in.
        assert by_pop(i.a, f"ann@{V}", "one") == [] and by_imap(i.a, f"ann@{W}", "two") == []
        for recipient, subject in ((f"Ann@{V.upper()}", "for-v"), (f"ann+x@{W}", "for-w")):
            send(i.a, recipient, subject)
        for domain, password, subject in ((V, "one", "for-v"), (W, "two", "for-w")):
            for read in (by_pop, by_imap):
                texts = eventually(lambda: read(i.a, f"ann@{domain}", password), f"mail for ann@{domain}")
                assert len(texts) == 1 and f"Subject: {subject}".encode() in texts[0], texts
        assert by_pop(i.a, f"ann@{V}", "two") is None and by_imap(i.a, "ann", "one") is None
        assert os.stat(f"{i.a.directory}/vmail/{V}").st_mode & 0o777 == 0o700


@test("an alias of one address, and one of all others of a domain, are taken at RCPT and led on; they are nobody's in another domain, and loops end")
def virtual_aliases(i):
    text = f"info@{V}: {USER}, ann@{W}\nann@{W}: ann@{W}\n@{W}: {USER}\nsales@{V}: info@{V}\nround@{V}: x@{W}, y@{W}\nloop@{V}: loop2@{V}\nloop2@{V}: loop@{V}\n"
    os.makedirs(f"{i.a.directory}/in")
    with users(i.a, line(i.a, f"ann@{W}", "one") + line(i.a, f"sales@{V}", "two"), mailbox=f"{i.a.directory}/in/%u/"), aliases(i.a, text):
        wanted = {f"info@{V}": 250, f"INFO+x@{V.upper()}": 250, f"other@{W}": 250, f"{USER}@{W}": 250, f"ann@{W}": 250, f"other@{V}": 550,
                  "info@a.example": 550, f'"info@{V}"@a.example': 550, f"info@{V}@a.example": 501, f"x@{V}": 550, f"sales@{V}": 250}
        assert answers(i.a, *wanted) == list(wanted.values()), answers(i.a, *wanted)

        def stored(name, subject):
            return len([m for m in texts(f"{i.a.directory}/in/{name}/") if f"Subject: {subject}\n".encode() in m])
        # The account of that address is behind the alias.
        for number, (recipient, mine, anns) in enumerate([(f"info@{V}", 1, 1), (f"sales@{V}", 1, 1), (f"other@{W}", 1, 0), (f"ann@{W}", 0, 1), (f"round@{V}", 1, 0)]):
            ended(i.a, recipient, subject=f"va-{number}")
            assert (stored(USER, f"va-{number}"), stored(f"ann@{W}", f"va-{number}"), stored(f"sales@{V}", f"va-{number}")) == (mine, anns, 0), recipient
        _, lines = ended(i.a, f"loop@{V}", subject="va-loop")
        assert any("leads nowhere but to itself" in entry for entry in lines), lines
        said = run(*i.a.command("sendmail-compat", "-bv", f"sales@{V}", f"y@{W}")).decode()
        assert f"alias info@{V}, 2 targets" in said and f"ann@{W}... deliverable: mailbox of ann@{W}" in said and f"alias @{W}, 1 targets" in said, said
    with aliases(i.a, "x@nowhere.example: y\n"):
        done = subprocess.run(i.a.command("sendmail-compat", "-bi"), capture_output=True)
        assert done.returncode == 78 and b"x@nowhere.example matches no address" in done.stderr, done


@test("what is said of users of the users file: by sendmail -bv, local-deliver -n and imapd --verify")
def virtual_said(i):
    with users(i.a, line(i.a, f"ann@{V}", "one") + line(i.a, f"low@{V}", "two").replace(f":{os.getuid()}:", ":0:")):
        said = run(*i.a.command("sendmail-compat", "-bv", f"ann+x@{V}")).decode()
        assert f"deliverable: mailbox of ann@{V}" in said, said
        for recipient, status in ((f"{USER}@{V}", 67), (f"low@{V}", 67)):
            done = subprocess.run(i.a.command("local-deliver", "-n", recipient, "<>"), capture_output=True)
            assert done.returncode == status, done
        said = run(*i.a.command("local-deliver", "-n", f"ann@{V}", "<>")).decode()
        assert f"as ann@{V}: mailbox {i.a.directory}/vmail/{V}/ann/Maildir/" in said, said
        said = run(*i.a.command("imapd", "--verify", f"ann@{V}")).decode()
        assert "1 mailbox verified: all is well" in said, said


@test("a .forward in the home of a user of the users file is followed, also to the same local part in another domain")
def virtual_forward(i):
    home = f"{i.a.directory}/vmail/{V}/fwd"
    os.makedirs(home)
    with open(home + "/.forward", "w") as file:
        file.write(f"fwd, fwd@{W}\n")
    with users(i.a, line(i.a, f"fwd@{V}", "one") + line(i.a, f"fwd@{W}", "two")):
        ended(i.a, f"fwd@{V}", subject="forward-v")
        for domain, password in ((V, "one"), (W, "two")):
            texts = by_imap(i.a, f"fwd@{domain}", password)
            assert len(texts) == 1 and b"Subject: forward-v" in texts[0], (domain, texts)


@test("mail for a user whose home cannot be made waits, and the log says why; it comes when it can")
def virtual_home(i):
    place = i.a.directory + "/locked"
    os.makedirs(place, exist_ok=True)
    os.chmod(place, 0o500)
    with users(i.a, line(i.a, f"homeless@{V}", "one", f"{place}/homeless")):
        send(i.a, f"homeless@{V}", "no-home")
        eventually(lambda: re.search(rf"homeless@{V}: home {place}/homeless: mkdir .*Permission denied", log_of(i.a)), "the cause in the log")
        eventually(lambda: "home directory cannot be made" in log_of(i.a), "the deferral in the log")
        assert by_pop(i.a, f"homeless@{V}", "one") is None
        os.chmod(place, 0o700)
        run(*i.a.command("queue-runner", "--retry", "all"))
        texts = eventually(lambda: by_pop(i.a, f"homeless@{V}", "one"), "the mail that waited")
        assert len(texts) == 1, texts
