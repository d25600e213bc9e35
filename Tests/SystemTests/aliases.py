"""Aliases from end to end: each address once, however it is reached, and whoever answers for a fault hears of it."""
import contextlib, os, pwd, re
from harness import USER, address, arrived, eventually, log_of, mailbox_text, run, test


@contextlib.contextmanager
def aliases(host, text):
    """The host's aliases with these in addition, for a while."""
    path = host.directory + "/aliases"
    before = open(path).read()
    try:
        with open(path, "w") as file:
            file.write(before + text)
        yield
    finally:
        with open(path, "w") as file:
            file.write(before)


def ended(host, *addressed, sender="sender@far.example", subject):
    """Hands a message in; when it and all that came of it is done with, its lines of the log."""
    done = run(*host.command("sendmail-compat", "-v", "-i", "-f", sender, *addressed), input=f"Subject: {subject}\n\nx\n".encode())
    first = done.split()[-1].decode()

    def family():
        text, known = log_of(host), [first]
        for identity in known:
            for line in re.findall(rf"{identity}: .*", text):
                known += [other for other in re.findall(r"(?:forwarded as|, |notification:) ([0-9a-z]{24})\b", line) if other not in known]
        return known if all(f"{identity}: removed" in text for identity in known) else None
    known = eventually(family, f"{subject}: all that came of {first} is removed", 60)
    return known, [line for line in log_of(host).splitlines() if any(identity in line for identity in known)]


def copies(host, subject):
    return [text for text in mailbox_text(host) if f"Subject: {subject}\n".encode() in text]


@test("an alias is expanded once: twenty-four levels of two are one copy, whoever is addressed")
def expanded_once(i):
    text = f"twice: {USER}, {USER}, {USER.upper()}@a.example\nt1: {USER}, t3\nt2: t3, {USER}, {USER}@b.example\nt3: {USER}+t, {USER}@b.example\n"
    text += "".join(f"l{n}: l{n + 1}, m{n + 1}\nm{n}: m{n + 1}, l{n + 1}\n" for n in range(24)) + f"l24: {USER}\nm24: {USER}@b.example\n"
    with aliases(i.a, text):
        for number, (addressed, here, there, most) in enumerate(((["twice@a.example"], 1, 0, 2), (["l0@a.example"], 1, 1, 2), (["t1@a.example", "t2@a.example"], 2, 1, 3),
                                                                 (["t2@a.example", address(i.a), address(i.b)], 2, 1, 2), (["l0@a.example", "m0@a.example", address(i.a)], 1, 1, 3))):
            subject = f"once-{number}-"
            known, lines = ended(i.a, *addressed, subject=subject)
            eventually(lambda: len(copies(i.b, subject)) >= there, subject)
            assert (len(copies(i.a, subject)), len(copies(i.b, subject))) == (here, there), (addressed, lines)
            assert len(known) <= most, (addressed, known)


@test("an alias that names itself and others reaches each once; programs and files run once")
def itself_and_programs(i):
    ran = i.a.directory + "/ran"
    with aliases(i.a, f"{USER}: {USER}, {USER}@b.example\nlog: \"|echo x >>{ran}\"\np1: log, {USER}\np2: log, log, {USER}\n"):
        known, lines = ended(i.a, address(i.a), subject="itself")
        eventually(lambda: copies(i.b, "itself"), "the other host's copy")
        assert len(copies(i.a, "itself")) == 1 and len(copies(i.b, "itself")) == 1 and len(known) == 2, lines
        known, lines = ended(i.a, "p1@a.example", "p2@a.example", "log@a.example", subject="programs")
        eventually(lambda: copies(i.b, "programs"), "the other host's copy")
        assert len(copies(i.a, "programs")) == 1 and len(copies(i.b, "programs")) == 1, lines
        assert open(ran).read() == "x\n", lines


@test("a list in a file that names its own alias reaches the others once, and nobody hears of a loop; one that names nothing else is told")
def list_of_itself(i):
    path = i.a.directory + "/own-list"
    with open(path, "w") as file:
        file.write(f"own\n{USER}\n{USER}@b.example\n")
    with open(path + "-alone", "w") as file:
        file.write("alone\n")
    with aliases(i.a, f"own: :include:{path}\nalone: :include:{path}-alone\n"):
        _, lines = ended(i.a, "own@a.example", subject="own-list")
        eventually(lambda: copies(i.b, "own-list"), "the other host's copy")
        assert len(copies(i.a, "own-list")) == 1 and len(copies(i.b, "own-list")) == 1 and not any("bounced" in line for line in lines), lines
        _, lines = ended(i.a, "alone@a.example", subject="alone")
        assert any("dsn=5.4.6" in line and "status=bounced" in line for line in lines), lines


@test("a .forward that leads back into the alias ends, and the sender hears of it; the others have theirs")
def forward_into_alias(i):
    forward = f"{pwd.getpwnam(USER).pw_dir}/.forward+loop"
    with aliases(i.a, f"round: {USER}+loop, {USER}@b.example\n"):
        with open(forward, "w") as file:
            file.write("round\n")
        try:
            known, lines = ended(i.a, "round@a.example", sender=address(i.a), subject="round")
        finally:
            os.unlink(forward)
        arrived(i.b, b"Subject: round\n")
        assert len(copies(i.b, "round")) == 1 and len(known) <= 5, lines
        assert any("5.4.6" in line and "loop" in line for line in lines), lines


@test("an alias that comes to nothing or to too much is returned, and told to its owner or the postmaster")
def at_fault(i):
    chain = "".join(f"c{n}: c{n + 1}\n" for n in range(120)) + f"c120: {USER}\nowner-c0: {USER}+owner\n"
    with aliases(i.a, chain + "x1: x2\nx2: x1\n"):
        for name, status, owner in (("c0", "5.2.4", f"{USER}+owner@a.example"), ("x1", "5.4.6", None)):
            subject = f"fault-{name}"
            _, lines = ended(i.a, f"{name}@a.example", sender=f"{USER}+sender@a.example", subject=subject)
            assert any(f"dsn={status}" in line and "status=bounced" in line for line in lines), lines
            told = [text for text in mailbox_text(i.a) if f"Subject: {subject}".encode() in text]
            assert len(told) == 2, (name, told)
            assert any(b"Delivered-To: " + f"{USER}+sender@".encode() in text for text in told), told
            assert any(b"an Alias Is at Fault" in text and (owner is None or f"Delivered-To: {owner}".encode() in text) for text in told), told
