"""What a program hands in by sendmail: who gets it, and who is told where somebody does not."""
import os, pwd, re, subprocess
from harness import USER, address, arrived, eventually, log_of, mailbox_text, run, test


def sendmail(host, *words, input):
    return subprocess.run(host.command("sendmail-compat", *words), input=input.encode("latin-1"), capture_output=True, timeout=60)


ADDRESSED = (
    # The field; how many get the message of those that it names; 65: nobody, and the caller hears it.
    ("u@b.example <{u}@b.example>", 1), ("[List] Bob <{u}@b.example>", 1), ("[a, b] Bob <{u}@b.example>", 1), ("One <{u}@b.example", 1),
    ("{u}@b.example {u}@a.example", 2), ("{u}@b.example.", 1), ("\"x@y\" <{u}@b.example>", 1), ("<@x.example:{u}@b.example>", 1),
    ("{u}@b.example; {u}@a.example;", 2), ("Team: {u}@b.example, {u}@a.example;", 2), ("<>, {u}@b.example,,", 1), ("A <{u}@b.example> B <{u}@a.example>", 2),
    ("=?utf-8?q?a,_b?= <{u}@b.example>", 1), ("J\xf6rg <{u}@b.example>", 1), ("Bob\n <{u}@b.example>,\n\t{u}@a.example", 2), ("Re: Fwd: x <{u}@b.example>", 1),
    ("Bob Smith {u}@b.example", 65), ("\"Bob <{u}@b.example>", 65), ("{u}@b.example (Bob, x@b.example", 65), ("Bob <>", 65),
    ("{u}@b.example@", 65), ("<{u}@b.example c>", 65), ("bob smith", 65), ("{u}@b.example: {u}@a.example", 65),
)


@test("sendmail -t: a recipient that is not sent to is told, and then nobody is sent to")
def told_or_sent(i):
    for number, (field, expected) in enumerate(ADDRESSED):
        subject = f"addressed-{number}-"
        done = sendmail(i.a, "-t", "-oi", "-v", input=f"From: x@a.example\nTo: {field.format(u=USER)}\nCc: {USER}+cc@a.example\nSubject: {subject}\n\nx\n")
        if expected == 65:
            assert done.returncode == 65 and done.stderr and not done.stdout, (field, done)
            continue
        assert done.returncode == 0, (field, done)
        identity = done.stdout.split()[-1].decode()
        line = eventually(lambda: re.search(rf"{identity}: from=.*", log_of(i.a)), field)
        assert f"nrcpt={expected + 1} " in line[0], (field, line[0])
        eventually(lambda: f"{identity}: removed" in log_of(i.a), field)
    refused = [n for n, (_, expected) in enumerate(ADDRESSED) if expected == 65]
    assert log_of(i.a).count("no address in ") >= len(refused)
    assert not any(f"addressed-{n}-".encode() in text for host in (i.a, i.b) for text in mailbox_text(host) for n in refused)


@test("sendmail changes no header field that it does not understand")
def untouched(i):
    kept = ("From: Support [Billing] <desk@a.example>", "Reply-To: Bob Smith u@d", "Sender: a b <root", "Resent-From: \"open")
    done = sendmail(i.a, "-oi", address(i.a), input="".join(f"{line}\n" for line in kept) + "Subject: untouched\n\nx\n")
    assert done.returncode == 0, done
    text = arrived(i.a, b"Subject: untouched")
    for line in kept:
        assert f"\n{line}\n".encode() in text, (line, text)


@test("sendmail -f x writes From: x where there is none, with the name of -F")
def named_sender(i):
    host = i.a.name
    for words, expected in ((("-F", "Net Data", "-f", "alerts@corp.example"), "Net Data <alerts@corp.example>"), (("-f", "alerts@corp.example"), "alerts@corp.example"),
                            (("-f", "alerts"), rf"alerts@\S*{host}"), (("-F", "Net Data"), rf"Net Data <{USER}@\S*{host}>"), (("-F", b"J\xf6rg"), rf"=\?unknown-8bit\?B\?SvZyZw==\?= <{USER}@\S*{host}>")):
        subject = f"named-{len(words)}-{words[-1]}"
        assert sendmail(i.a, *words, address(i.a), input=f"Subject: {subject}\n\nx\n").returncode == 0
        text = arrived(i.a, f"Subject: {subject}\n".encode())
        assert re.search(rf"^From: {expected}$", text.decode(), re.M), (words, text)


@test("lines that an mbox puts in front of a message go, and text that begins at once stays text")
def mbox_lines(i):
    for number, front in enumerate((">From x@y Mon Jan  1\n", "From x@y Mon Jan  1\n>From z@y Mon Jan  1\n")):
        done = sendmail(i.a, "-t", "-i", input=f"{front}To: {address(i.a)}\nSubject: mbox-{number}-\n\nx\n")
        assert done.returncode == 0, done
        text = arrived(i.a, f"Subject: mbox-{number}-".encode())
        assert b"From x@y" not in text and b"From z@y" not in text, text
    assert sendmail(i.a, "-i", address(i.a), input="Hello at-once\nSubject: text\n\nx\n").returncode == 0
    head, _, body = arrived(i.a, b"Hello at-once").partition(b"\n\n")
    assert body == b"Hello at-once\nSubject: text\n\nx\n" and b"Message-ID:" in head, (head, body)


@test("text without end is ended by message-size-limit, whatever it consists of")
def endless(i):
    small = i.a.config + ".small"
    with open(i.a.config) as old, open(small, "w") as new:
        new.write(re.sub(r"(?m)^message-size-limit.*\n", "", old.read()) + "message-size-limit = 500K\n")
    command = [word if word != i.a.config else small for word in i.a.command("sendmail-compat", "-i", "x@a.example")]
    for text in ("\\0", "\\n", "\\r", "x", "A: b\\n", "\\r\\n", " \\n", "From \\n", ".\\0", "Subject: "):
        feeder = subprocess.Popen(["python3", "-c", f"import os\nwhile True: os.write(1, b'{text}' * 100000)"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            done = subprocess.run(command, stdin=feeder.stdout, capture_output=True, timeout=120)
        finally:
            feeder.stdout.close()
            feeder.wait(30)
        assert done.returncode in (65, 69) and b"larger than" in done.stderr, (text, done)


@test("sendmail -bs on a pipe takes lines that end in LF, and offers no STARTTLS; text without end ends")
def by_pipe(i):
    for end in ("\n", "\r\n"):
        subject = f"by-pipe-{len(end)}"
        lines = ["EHLO x", f"MAIL FROM:<{address(i.a)}>", f"RCPT TO:<{address(i.a)}>", "DATA", f"Subject: {subject}", "", "..x", ".", "QUIT"]
        done = sendmail(i.a, "-bs", input="".join(line + end for line in lines))
        assert done.returncode == 0 and b"STARTTLS" not in done.stdout, done
        assert [line[:3] for line in done.stdout.splitlines() if line[3:4] == b" "] == [b"220", b"250", b"250", b"250", b"354", b"250", b"221"], done
        assert arrived(i.a, f"Subject: {subject}\n".encode()).endswith(b"\n\n.x\n")
    small = i.a.config + ".small"
    command = [word if word != i.a.config else small for word in i.a.command("sendmail-compat", "-bs")]
    script = f"EHLO x\nMAIL FROM:<>\nRCPT TO:<{address(i.a)}>\nDATA\n"
    feeder = subprocess.Popen(["python3", "-c", f"import os\nos.write(1, {script.encode()!r})\nwhile True: os.write(1, bytes(100000))"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        done = subprocess.run(command, stdin=feeder.stdout, capture_output=True, timeout=120)
    finally:
        feeder.stdout.close()
        feeder.wait(30)
    assert b"\n552 " in done.stdout, done.stdout


@test("newaliases tells each line that is at fault, and what was quoted or dotted is the address")
def told_aliases(i):
    path = i.a.directory + "/aliases"
    before = open(path).read()
    try:
        with open(path, "w") as file:
            file.write(f'i1: "{USER}@b.example"\ni2: {USER}@a.example.\n' + before)
        done = sendmail(i.a, "-bi", input="")
        assert done.returncode == 0 and not done.stderr, done
        for name, host in (("i1", i.b), ("i2", i.a)):
            assert sendmail(i.a, f"{name}@a.example", input=f"Subject: quoted-{name}\n\nx\n").returncode == 0
            arrived(host, f"Subject: quoted-{name}\n".encode())
        with open(path, "w") as file:
            file.write("i3: a;b@c\n@there.example: x\n*: x\n" + before)
        done = sendmail(i.a, "-bi", input="")
        assert done.returncode == 78 and [f"{path}:{n}: ".encode() in done.stderr for n in (1, 2, 3)] == [True] * 3, done
        os.chmod(path, 0o666)
        done = sendmail(i.a, "-bi", input="")
        assert done.returncode == 78 and b"can be written by everybody" in done.stderr, done
        assert sendmail(i.a, address(i.a), input="Subject: unsafe-aliases\n\nx\n").returncode == 0
        eventually(lambda: "can be written by everybody" in log_of(i.a) and re.search(r"status=deferred \(recipient lookup failed\)", log_of(i.a)), "mail waits")
    finally:
        os.chmod(path, 0o644)
        with open(path, "w") as file:
            file.write(before)
    run(*i.a.command("queue-runner", "--retry", "all"))
    arrived(i.a, b"Subject: unsafe-aliases\n", 60)


@test("a .forward that others may write is not obeyed, and mail is not kept back for it")
def unsafe_forward(i):
    forward = f"{pwd.getpwnam(USER).pw_dir}/.forward+unsafe"
    for number, make in enumerate((lambda: os.chmod(forward, 0o664), lambda: os.chmod(forward, 0o666), lambda: (os.rename(forward, forward + ".x"), os.symlink(forward + ".x", forward)))):
        try:
            with open(forward, "w") as file:
                file.write(f"{USER}@b.example\n")
            make()
            assert sendmail(i.a, f"{USER}+unsafe@a.example", input=f"Subject: unsafe-{number}-\n\nx\n").returncode == 0
            arrived(i.a, f"Subject: unsafe-{number}-".encode())
        finally:
            for path in (forward, forward + ".x"):
                if os.path.lexists(path):
                    os.unlink(path)
    assert log_of(i.a).count("not followed, mail goes to the mailbox") >= 3
