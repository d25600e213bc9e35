"""What a program hands in by sendmail: who gets it, and who is told where somebody does not."""
import re, subprocess
from harness import *


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
                            (("-f", "alerts"), rf"alerts@\S*{host}"), (("-F", "Net Data"), rf"Net Data <{USER}@\S*{host}>")):
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
