"""SMTP out, beside Postfix: a server that says odd things a row, what became of each recipient, and how many copies it took."""
import os, re, subprocess
from beside_hosts import Table, USER
from harness import eventually
from outgoing_rows import FORMS, STAGES
from outgoing_servers import MESSAGE, Server, close, ordinary, then_close

SERVER = "127.0.0.6"
CONFUSED = "a server that is out of step decides nothing (RFC 5321 §4.2.1); Postfix returns the mail as a protocol error"
TAKEN = "its 250 was said: RFC 5321 §4.2.1 lets a client go by the code of any line; another try would be another copy"
EHLO_LATER = "4xx is no unknown command (RFC 5321 §3.2): the next host is asked, or this one later, for EHLO"
SIGNED_STAYS = "RFC 1847 §2.1: what was signed is not changed; Postfix converts it, and the signature is wrong then"
NO_EIGHT = "encoded words lose nothing (RFC 6152 §3, RFC 2047); Postfix takes it for mail of SMTPUTF8 and returns it"
A, B = b"RCPT TO:<a@%s>", b"RCPT TO:<b@%s>"


def content(body):
    return b"Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + body


EIGHT = "ü\n".encode()
SIGNED = (b"Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/signed; boundary=s\nContent-Transfer-Encoding: 8bit\n\n--s\n"
          b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + EIGHT + b"--s\n\nsig\n--s--\n")
SEVEN = {"EHLO": b"250 mx\r\n"}

# name, what the server does, why the two differ, the message
ROWS = [
    ("ordinary", {}, None),
    *[(f"{name} everywhere", {k: form(c) for k, c in STAGES.items()}, None) for name, form in FORMS.items()
      if name not in ("a NUL", "a NUL behind the code", "a tab")],  # Postfix waits for another line after some of these
    ("571 for MAIL", {"MAIL": b"571 5.7.1 no\r\n"}, None),
    ("571 for all recipients", {"RCPT": b"571 5.7.1 no\r\n"}, None),
    ("571 for one recipient", {A: b"571 5.7.1 no\r\n"}, None),
    ("499 for one recipient", {A: b"499 no\r\n"}, None),
    ("552 for one recipient", {A: b"552 5.2.2 full\r\n"}, None),
    ("571 for a greeting", {"greeting": b"571 no\r\n"}, None),
    ("571 for EHLO", {"EHLO": b"571 what\r\n"}, None),
    ("571 for EHLO and HELO", {"EHLO": b"571 no\r\n", "HELO": b"571 no\r\n"}, None),
    ("451 for EHLO", {"EHLO": b"451 later\r\n"}, EHLO_LATER),
    ("580 for DATA", {"DATA": b"580 no\r\n"}, None),
    ("580 for the message", {"end": b"580 no\r\n"}, None),
    *[(f"451 at {k}", {k: b"451 4.3.0 later\r\n"}, None) for k in ("greeting", "MAIL", "RCPT", "DATA", "end")],
    *[(f"421 at {k}", {k: b"421 4.3.2 down\r\n"}, None) for k in STAGES],
    *[(f"close at {k}", {k: close}, None) for k in STAGES],
    ("451 for QUIT", {"QUIT": b"451 bye\r\n"}, None),
    ("250 for DATA", {"DATA": b"250 no\r\n"}, CONFUSED),
    ("354 for the message", {"end": b"354 more\r\n"}, CONFUSED),
    ("354 for a recipient", {"RCPT": b"354 what\r\n"}, CONFUSED),
    ("250 without a line end, then close", {"end": then_close(b"250 ok")}, TAKEN),
    ("250- never continued, then close", {"end": then_close(b"250-ok\r\n")}, TAKEN),
    ("SIZE too small", {"EHLO": b"250-mx\r\n250 SIZE 5\r\n"}, None),
    ("8 bit, 8BITMIME", {}, None, content(EIGHT)),
    ("8 bit, no 8BITMIME", SEVEN, None, content(EIGHT)),
    ("8 bit in a signed part, no 8BITMIME", SEVEN, SIGNED_STAYS, SIGNED),
    ("8 bit in a subject, no 8BITMIME", SEVEN, NO_EIGHT, "Subject: ü\n\nx\n".encode()),
    ("8 bit in a forwarded message, no 8BITMIME", SEVEN, None, b"Subject: x\nMIME-Version: 1.0\nContent-Type: message/rfc822\n"
     b"Content-Transfer-Encoding: 8bit\n\n" + content(EIGHT)),
    ("a header line of 2,000", {}, None, b"Subject: x\nReferences:" + b" <a@b.example>" * 145 + b"\n\nx\n"),
    ("a line of 1,500", {}, None, b"Subject: x\n\n" + b"x" * 1500 + b"\n"),
]


def become(log, domain, start):
    """The last that was said of a and b."""
    with open(log, errors="replace") as file:
        file.seek(start)
        text = file.read()
    states = {}
    for name, state in re.findall(r"to=<([ab])@" + re.escape(domain) + r">.* status=(sent|deferred|bounced)", text):
        states[name] = state
    return states if len(states) == 2 else None


def outcome(peer, log, domain, change, message):
    change = {(k % domain.encode() if isinstance(k, bytes) else k): v for k, v in change.items()}
    server = Server(ordinary(change), SERVER, 25)
    start = os.path.getsize(log) if os.path.exists(log) else 0
    try:
        done = peer.sendmail("-f", f"{USER}@a.example", f"a@{domain}", f"b@{domain}", input=message)
        assert done.returncode == 0, done
        states = eventually(lambda: become(log, domain, start), f"an outcome for {domain} at {peer.name}", 90)
    finally:
        server.stop()
    copies = [m for m in server.messages if m]
    words = f"{states['a']}, {states['b']}; {len(copies)}"
    if any(not m.isascii() for m in copies):
        words += ", 8 bit"
    if any(len(line) > 998 for m in copies for line in m.split(b"\r\n")):
        words += ", long lines"
    return words


def run_table(both):
    table = Table("SMTP out: what became of two recipients, and copies taken")
    subprocess.run(["postconf", "-c", both.theirs.config, "-e", "smtp_tls_security_level=none"], check=True)
    subprocess.run(["postfix", "-c", both.theirs.config, "reload"], check=True, capture_output=True)
    log = os.path.dirname(both.theirs.config) + "/log"
    for number, (name, change, reason, *message) in enumerate(ROWS):
        # Another domain a row: neither remembers what the last one did.
        found = [outcome(peer, path, f"r{number}{letter}.gone.example", change, message[0] if message else MESSAGE)
                 for peer, path, letter in ((both.theirs, log, "p"), (both.ours, both.ours.host.log, "r"))]
        table.row(name, *found, reason)
    return table
