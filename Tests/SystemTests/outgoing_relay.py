"""Relays: hosts that somebody of ours chose, where we log in. Each is a provider that does one thing wrong, or right."""
import base64, os, subprocess
from outgoing_service import END, Service, job
from outgoing_servers import CERTIFICATES, CONFIGURATION, MESSAGE, PATIENT, PROGRAM, Server, ordinary, tls

PASSWORD = "correct horse"
PLAIN = b"AUTH PLAIN " + base64.b64encode(f"\0me\0{PASSWORD}".encode())
OFFER = b"250-mx\r\n250-PIPELINING\r\n250-AUTH LOGIN PLAIN\r\n250 STARTTLS\r\n"


def encoded(text):
    return base64.b64encode(text.encode())


def passwords(text, mode=0o600):
    path = os.path.join(CERTIFICATES, f"passwords-{len(text)}-{mode}")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def begin_tls(certificate="good"):
    """Remembers how much was heard in the clear."""
    def act(s):
        s.say(b"220 go\r\n")
        s.clear = len(s.heard)
        tls(s, certificate)
    return act


def from_the_first_byte(certificate="good"):
    def act(s):
        s.clear = 0
        tls(s, certificate)
        s.say(b"220 mx ESMTP\r\n")
    return act


def check_plain(s):
    """Takes the right login and no other."""
    s.say(b"235 2.7.0 ok\r\n" if s.heard[-1] == PLAIN else b"535 5.7.8 wrong\r\n")


def ask_login(s):
    for question, answer in (b"VXNlcm5hbWU6", "me"), (b"UGFzc3dvcmQ6", PASSWORD):
        s.say(b"334 " + question + b"\r\n")
        if s.line() != encoded(answer):
            return s.say(b"535 5.7.8 wrong\r\n")
    s.say(b"235 2.7.0 ok\r\n")


STARTTLS = {"EHLO": OFFER, "STARTTLS": begin_tls(), "AUTH": check_plain}
SMTPS = {"greeting": from_the_first_byte(), "EHLO": OFFER, "AUTH": check_plain}
FILE = f"127.0.0.1 me {PASSWORD}\n"
WRONG = "127.0.0.1 me wrong\n"

# name: (scheme, what the provider does, passwords or None, verdict, a part of what is said, connections)
ROWS = {
    "STARTTLS, PLAIN": ("smtp", STARTTLS, FILE, "delivered", "2.0.0", 1),
    "TLS from the first byte, PLAIN": ("smtps", SMTPS, FILE, "delivered", "2.0.0", 1),
    "LOGIN where nothing else is offered": ("smtps", SMTPS | {"EHLO": b"250-mx\r\n250 AUTH=LOGIN\r\n", "AUTH": ask_login}, FILE, "delivered", "2.0.0", 1),
    "no password, none wanted, smtps": ("smtps", SMTPS, None, "delivered", "2.0.0", 1),
    "no password, none wanted": ("smtp", {}, None, "delivered", "2.0.0", 1),
    "wrong password": ("smtps", SMTPS, WRONG, "deferred", "4.7.8", 1),
    "454 for AUTH": ("smtps", SMTPS | {"AUTH": b"454 4.7.0 later\r\n"}, FILE, "deferred", "4.7.0", 1),
    "421 for AUTH": ("smtps", SMTPS | {"AUTH": b"421 4.7.0 busy\r\n"}, FILE, "deferred", "4.7.0", 1),
    "534 for AUTH": ("smtps", SMTPS | {"AUTH": b"534 5.7.9 use another way\r\n"}, FILE, "deferred", "4.7.9", 1),
    "a password where none is wanted": ("smtps", SMTPS | {"EHLO": b"250 mx\r\n"}, FILE, "deferred", "4.7.4", 1),
    "no way to log in that we know": ("smtps", SMTPS | {"EHLO": b"250-mx\r\n250 AUTH NTLM GSSAPI\r\n"}, FILE, "deferred", "4.7.4", 1),
    "530 for MAIL, and no password": ("smtps", SMTPS | {"MAIL": b"530 5.7.0 Authentication required\r\n"}, None, "deferred", "4.7.0", 1),
    "STARTTLS taken out on the way": ("smtp", STARTTLS | {"EHLO": b"250-mx\r\n250 AUTH PLAIN\r\n"}, FILE, "deferred", "4.7.4", 1),
    "STARTTLS refused": ("smtp", STARTTLS | {"STARTTLS": b"454 4.7.0 not now\r\n"}, FILE, "deferred", "4.7.0", 1),
    "STARTTLS refused for good": ("smtp", STARTTLS | {"STARTTLS": b"502 what?\r\n"}, FILE, "deferred", "4.0.0", 1),
    "HELO alone": ("smtp", STARTTLS | {"EHLO": b"502 what?\r\n"}, FILE, "deferred", "4.7.4", 1),
    "another's certificate": ("smtp", STARTTLS | {"STARTTLS": begin_tls("other")}, FILE, "deferred", "4.7.5", 1),
    "another's certificate, smtps": ("smtps", SMTPS | {"greeting": from_the_first_byte("other")}, FILE, "deferred", "4.7.5", 1),
    "an expired certificate, smtps": ("smtps", SMTPS | {"greeting": from_the_first_byte("expired")}, FILE, "deferred", "4.7.5", 1),
    "another's certificate, smtps, no password": ("smtps", SMTPS | {"greeting": from_the_first_byte("other")}, None, "deferred", "4.7.5", 1),
    "a server in the clear at the port of smtps": ("smtps", {"EHLO": OFFER}, FILE, "deferred", "4.7.5", 1),
    "235 before SCRAM is over": ("smtps", SMTPS | {"EHLO": b"250-mx\r\n250 AUTH SCRAM-SHA-256\r\n", "AUTH": b"235 2.7.0 welcome\r\n"}, FILE,
                                 "deferred", "4.7.4", 1),
    "challenges without end": ("smtps", SMTPS | {"AUTH": b"334 \r\n"}, FILE, "deferred", "4.7.4", 1),
    "a challenge that is no base 64": ("smtps", SMTPS | {"EHLO": b"250-mx\r\n250 AUTH SCRAM-SHA-256\r\n", "AUTH": b"334 \xff\xff!\r\n"}, FILE,
                                       "deferred", "4.7.4", 1),
}


def go(scheme, change, lines, options=(), mode=0o600, login=""):
    server = Server(ordinary(change))
    server.clear = 1 << 30
    where = ["-o", f"relay-passwords={passwords(lines, mode)}"] if lines is not None else []
    done = subprocess.run(
        [PROGRAM, "-C", CONFIGURATION, *PATIENT, "-o", f"tls-authorities={CERTIFICATES}/ca.pem", *where, *options,
         f"{scheme}://{login}127.0.0.1:{server.port}", "s@client", "a@far.example"], input=MESSAGE, capture_output=True, timeout=120)
    server.stop()
    return server, done


def trial_relays():
    """What each of them makes of us, and that no password is ever said in the clear."""
    problems = []
    for name, (scheme, change, lines, verdict, said, connections) in ROWS.items():
        server, done = go(scheme, change, lines)
        out = done.stdout.decode()
        if f" {verdict} " not in out or f" {said} " not in out or server.connections != connections:
            problems.append(f"{name}: {out!r} {done.stderr!r} {server.connections} connections")
        if any(line.upper().startswith(b"AUTH") for line in server.heard[:server.clear]):
            problems.append(f"{name}: logged in without TLS: {server.heard}")
        if bool(server.messages) != (verdict == "delivered"):
            problems.append(f"{name}: {len(server.messages)} messages")
        secrets = (PASSWORD, encoded(PASSWORD).decode(), PLAIN.decode().split()[-1])
        if any(secret in out + done.stderr.decode() for secret in secrets):
            problems.append(f"{name}: tells the password")
    return "; ".join(problems) or None


def trial_files():
    """A file that cannot be used: nothing is sent, and it is said which file and what to do."""
    problems = []
    for lines, mode, login, said in [
            (FILE, 0o644, "", "chmod 0600"), (FILE, 0o660, "", "chmod 0600"), ("127.0.0.1 me\n", 0o600, "", ":1: expected"),
            (FILE, 0o600, "you@", "no password of you at 127.0.0.1"), ("", 0o600, "me@", "no password of me")]:
        server, done = go("smtps", SMTPS, lines, mode=mode, login=login)
        if done.returncode != 78 or server.connections or said not in done.stderr.decode() or PASSWORD in done.stderr.decode():
            problems.append(f"{lines!r} {mode:o}: {done} {server.connections}")
    server, done = go("smtps", SMTPS, FILE, login="me@")
    if b" delivered " not in done.stdout:
        problems.append(f"a login by name: {done}")
    return "; ".join(problems) or None


def trial_service():
    """As queue-runner's service: all mail of one relay over one session, a refusal is the destination's, and told once."""
    problems = []
    for lines, verdict, messages in (FILE, "L", 2), (WRONG, "Z", 0):
        server = Server(ordinary(SMTPS))
        server.clear = 0
        service = Service(["-o", f"relay-passwords={passwords(lines)}", "-o", f"tls-authorities={CERTIFICATES}/ca.pem"])
        name = b"smtps://127.0.0.1:%d" % server.port
        for address in (b"a@one.example", b"b@two.example"):
            service.send(job([address], destination=name), MESSAGE)
        service.send(END)
        reports, ended = service.answer()
        server.stop()
        if not ended or len(reports) != 2 or any(report[2] != verdict for report in reports):
            problems.append(f"{lines!r}: {reports} {ended}")
        if len(server.messages) != messages or server.connections != 1:
            problems.append(f"{lines!r}: {len(server.messages)} messages over {server.connections} connections")
    return "; ".join(problems) or None


def trial_which_line():
    """-n says which line of relay-host decides, and as whom it logs in."""
    table = ["-o", "relay-host=smtps://127.0.0.1:1465 .example=[127.0.0.2]:26 from:me@here=smtp://127.0.0.3:587 direct.example=direct",
             "-o", f"relay-passwords={passwords(FILE)}", "-o", "dns-servers=127.0.0.1#1", "-o", "lookup-timeout=1s", "-o", "local-domains=here"]
    problems = []
    for operands, status, wanted in [
            (["a@x.org"], 0, ["relay-host: smtps://127.0.0.1:1465", "login: me", "[127.0.0.1] 127.0.0.1:1465"]),
            (["a@x.org", "me@here"], 0, ["relay-host: from:me@here=smtp://127.0.0.3:587", "[127.0.0.3] 127.0.0.3:587"]),
            (["a@x.example", "me@here"], 0, ["relay-host: .example=[127.0.0.2]:26", "[127.0.0.2] 127.0.0.2:26"]),
            (["a@direct.example", "<>"], 75, ["relay-host: direct.example=direct"]),
            (["a@here"], 0, ["here is a domain of this host"]), (["x.org", "me@here"], 64, []), (["a@x.org", "b@y", "c@z"], 64, []),
            (["smtps://127.0.0.1"], 0, ["login: me", "[127.0.0.1] 127.0.0.1:465"])]:
        done = subprocess.run([PROGRAM, "-C", CONFIGURATION, *table, "-n", *operands], capture_output=True, timeout=30)
        if done.returncode != status or done.stdout.decode().splitlines() != wanted:
            problems.append(f"{operands}: {done}")
    return "; ".join(problems) or None
