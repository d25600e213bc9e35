"""Mail as people's programs hand it in: addresses that exist, names of this host, messages that lack what they should have."""
import re, smtplib
from harness import USER, arrived, run, test


def say(host, *lines):
    """A dialogue; the codes of its replies."""
    codes = []
    with smtplib.SMTP(host.address, host.ports["smtp"], timeout=60) as client:
        for line in lines:
            client.send(line + "\r\n")
            codes.append(client.getreply()[0])
    return codes


def fields(text):
    return {name.lower(): value for name, value in re.findall(rb"^([^\s:]+):[ \t]*(.*)$", text.split(b"\n\n")[0], re.M)}


@test("an address of this host in brackets is this host's, by SMTP and by sendmail, and never goes round")
def own_literal(i):
    # Both hosts may send to 127/8: only the address that the client came in on tells 127.0.0.2 from a third host's.
    for host in (i.a, i.b):
        assert say(host, "EHLO me", "MAIL FROM:<s@far.example>", f"RCPT TO:<{USER}@[{host.address}]>", "DATA",
                   f"Subject: literal {host.address}\r\n\r\nx\r\n.")[2:] == [250, 354, 250]
        assert arrived(host, f"Subject: literal {host.address}".encode()).count(b"\nReceived: ") == 1
    run(*i.a.command("sendmail-compat", f"{USER}@[127.0.0.1]"), input=b"Subject: literal by sendmail\n\nx\n")
    arrived(i.a, b"Subject: literal by sendmail")
    assert say(i.a, "EHLO me", "MAIL FROM:<s@far.example>", "RCPT TO:<nobody.here@[127.0.0.1]>", f"RCPT TO:<{USER}@[300.1.1.1]>")[2:] == [550, 501]
    # Another host's address is another host's.
    say(i.a, "EHLO me", "MAIL FROM:<s@far.example>", f"RCPT TO:<{USER}@[127.0.0.2]>", "DATA", "Subject: literal elsewhere\r\n\r\nx\r\n.")
    arrived(i.b, b"Subject: literal elsewhere")


@test("long local parts, dots anywhere, and a dot behind the domain are taken, sent on and delivered")
def odd_addresses(i):
    for number, (sender, recipient) in enumerate([
            (f"bounce+{'x' * 150}@far.example", f"{USER}+{'y' * 150}@a.example."), (f"bounce+{'x' * 150}@far.example", f"{USER}+{'y' * 150}@b.example"),
            ("a..b@far.example.", f"{USER}+..@a.example"), (".a..b.@far.example.", f"{USER}+a..@b.example.")]):
        host = i.a if "@a." in recipient else i.b
        assert say(i.a, "HELO my pc", f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA", f"Subject: odd-{number}.\r\n\r\nx\r\n.")[1:] == [250, 250, 354, 250]
        path = fields(arrived(host, f"Subject: odd-{number}.".encode()))[b"return-path"].decode()
        assert path.replace('"', "") == f"<{sender.rstrip('.')}>", path


@test("what a program of ours hands in by SMTP is completed, and text without a header stays text")
def completed(i):
    taken = say(i.a, "EHLO me", "MAIL FROM: app", f"RCPT TO: {USER}@b.example", "DATA", "Subject: no date\r\nFrom: app\r\nTo: root\r\n\r\nx\r\n.")
    assert taken[1:] == [250, 250, 354, 250], taken
    found = fields(arrived(i.b, b"Subject: no date"))
    assert found[b"from"] == b"app@mx.a.example" and found[b"to"] == b"root@mx.a.example", found
    assert found[b"message-id"].endswith(b"@mx.a.example>") and found[b"date"] and found[b"return-path"] == b"<app@mx.a.example>", found
    say(i.a, "EHLO me", "MAIL FROM:<s@a.example>", f"RCPT TO:<{USER}@b.example>", "DATA", "Hello world\r\nsecond: line\r\n.")
    text = arrived(i.b, b"\n\nHello world\nsecond: line\n")
    assert fields(text)[b"from"] == b"s@a.example", text
