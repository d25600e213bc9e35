#!/usr/bin/env python3
"""smtpd as inetd starts it: the transcripts of Tests/SMTPTests/Dialogs, and what an engine cannot show.

usage: smtpd.py PROGRAM [TLS-RELAY]

A queue and a configuration of its own in a temporary directory; every client is a stranger on loopback. After
each row the queue holds what was acknowledged and nothing else, and no process is left.
"""
import os, re, shutil, smtplib, socket, ssl, struct, subprocess, sys, tempfile, threading, time
import dialogfiles

PROGRAM = os.path.abspath(sys.argv[1])
RELAY = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None
ROOT = tempfile.mkdtemp(prefix="smtpd-test-")
QUEUE = os.path.join(ROOT, "queue")
LOG = os.path.join(ROOT, "log")
failures = []


def configure(**changes):
    keys = {"hostname": "here", "local-domains": "here x", "relay-networks": "192.0.2.0/24",
            "queue-directory": QUEUE, "slots-directory": os.path.join(ROOT, "slots"), "net-directory": os.path.join(ROOT, "net"), "log": LOG,
            "aliases-file": os.path.join(ROOT, "aliases"), "message-size-limit": "100000",
            "minimum-free-space": "0", "recipient-limit": "10", "smtp-connections-per-address": "256"}
    keys.update({name.replace("_", "-"): value for name, value in changes.items()})
    path = os.path.join(ROOT, "relais.conf")
    with open(path, "w") as file:
        file.writelines(f"{name} = {value}\n" for name, value in keys.items() if value is not None)
    return path


def prepare():
    for name in ["queue/incoming", "net", "slots"]:
        os.makedirs(os.path.join(ROOT, name), exist_ok=True)
    with open(os.path.join(ROOT, "aliases"), "w") as file:
        file.writelines(f"{name}: /dev/null\n" for name in ["local"] + [f"user{n}" for n in range(20)])


class Session:
    """A client's socket, and the smtpd behind it."""

    def __init__(self, configuration, *arguments, at="127.0.0.1"):
        with socket.create_server((at, 0)) as listener:
            self.socket = socket.create_connection(listener.getsockname())
            served, _ = listener.accept()
        self.socket.settimeout(60)
        self.process = subprocess.Popen([PROGRAM, "-C", configuration, *arguments],
                                        stdin=served, stdout=served, stderr=served)
        served.close()
        self.buffer = b""

    def line(self):
        while b"\r\n" not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                return None
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def reply(self):
        while (line := self.line()) is not None and line[3:4] == "-":
            pass
        return line

    def say(self, text):
        self.socket.sendall(text)

    def ask(self, text):
        self.say(text)
        return self.reply()

    def ask_all(self, *lines):
        return [self.ask(line + b"\r\n") for line in lines]

    def rest(self):
        text = self.buffer
        try:
            while more := self.socket.recv(65536):
                text += more
        except ConnectionResetError:
            text += b"<reset>"
        return text

    def end(self):
        self.socket.close()
        return self.process.wait(20)


def stored():
    """What is in the queue, which is emptied: recipients with their parameters, and content, our own Received field taken off."""
    found = []
    directory = os.path.join(QUEUE, "incoming")
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        with open(path, "rb") as file:
            head, body = file.read().split(b"\n\n", 1)
        os.remove(path)
        length = int(re.search(rb"^content 0*(\d+)$", head, re.M)[1])
        content = re.sub(rb"\AReceived: .*\n(\t.*\n)+", b"", body[:length])
        found.append(([path + parameters for path, parameters in re.findall(rb"^to <(.*)>((?: .*)?)$", head, re.M)], content))
    return found


def check(row, found, expected):
    if found != expected:
        failures.append(f"{row}: expected {expected!r}, found {found!r}")


def dialog(path, configuration):
    name = os.path.basename(path)
    messages, fresh, closed = [], True, False
    lines = list(dialogfiles.lines(path))
    if ("offer", b"TLS") in lines:
        return 0
    # Those of a login: tables of their own in submitting.py, with a real checkpassword behind them.
    if any(kind == "log" for kind, _ in lines):
        return 0
    if ("our", b"own client") in lines:
        configuration = configure(relay_networks="127.0.0.0/8")
    session = Session(configuration)
    for kind, rest in lines:
        if kind == "C:":
            session.say(dialogfiles.unescape(rest) + b"\r\n")
        elif kind in ("S:", "S~"):
            heard = session.line() or ""
            if not dialogfiles.matches(kind, rest, heard.encode("latin-1")):
                failures.append(f"{name}: expected {rest.decode()}, heard {heard!r}")
                break
        elif kind == "closed":
            closed = True
        elif kind == "to":
            if fresh:
                messages.append(([], b""))
            fresh = False
            words = rest.split(b" ", 1)
            recipient = b" ".join([words[0] if b"@" in words[0] else words[0] + b"@here"] + words[1:])
            if recipient not in messages[-1][0]:
                messages[-1][0].append(recipient)
        elif kind == "M:":
            fresh = True
            messages[-1] = (messages[-1][0], messages[-1][1] + rest + b"\n")
    if closed:
        check(name, session.rest(), b"")
    check(name, session.end(), 0)
    check(name, stored(), messages)
    return 1


OPEN = [b"EHLO x", b"MAIL FROM:<a@b.example>", b"RCPT TO:<local@here>", b"DATA"]


def half_close(configuration):
    """T24: what ended in the middle is not kept; what ended with its dot is, and is acknowledged."""
    for text, kept in [(b"x\r\n", 0), (b"x\r\n.", 0), (b"x\r\n.\r", 0), (b"x\r\n.\r\n", 1), (b"x\r\n.\n", 0)]:
        session = Session(configuration)
        session.reply()
        session.ask_all(*OPEN)
        session.say(text)
        session.socket.shutdown(socket.SHUT_WR)
        check("half-close", session.rest().startswith(b"250 2.0.0 Ok: queued as "), bool(kept))
        check("half-close", session.end(), 0)
        check("half-close", len(stored()), kept)


def reset(configuration):
    """T24: a client that resets the connection leaves nothing; one that did so before we looked may not relay."""
    for text in [b"", b"x\r\n", b"x\r\n."]:
        session = Session(configuration)
        session.reply()
        session.ask_all(*OPEN)
        session.say(text)
        session.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        check("reset", session.end(), 0)
        check("reset", stored(), [])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        served, _ = listener.accept()
    client.sendall(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@far.example>\r\nDATA\r\nx\r\n.\r\n")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    process = subprocess.run([PROGRAM, "-C", configuration], stdin=served, stdout=served, stderr=served)
    served.close()
    check("reset", (process.returncode, stored()), (0, []))


def floods(configuration):
    """T25: a client that talks on is sent away, and learns why."""
    for flood in [b"JUNK\r\n" * 20000, b"x" * 2_000_000, b"EHLO x\r\nMAIL FROM:<>\r\n" + b"RCPT TO:<a@far.example>\r\n" * 9000]:
        session = Session(configuration)

        def pour():
            try:
                session.say(flood)
                session.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        sender = threading.Thread(target=pour)
        sender.start()
        heard = session.rest()
        sender.join()
        check("flood", b"421 4.7.0 Too many errors" in heard.splitlines()[-1] if len(flood) < 200_000 else b"421 4.7.0" in heard, True)
        check("flood", session.end(), 0)
    check("flood", stored(), [])


def endless(configuration):
    """Content without end, whatever it consists of: the client is sent away, and learns why."""
    for text in [b"x\r\n", b"\0", b"\r\n.\r"]:
        session = Session(configuration)
        session.reply()
        session.ask_all(*OPEN)

        def pour():
            try:
                while True:
                    session.say(text * 50_000)
            except OSError:
                pass
        sender = threading.Thread(target=pour)
        sender.start()
        heard = session.rest().splitlines()
        sender.join()
        check("endless", [line[:9] for line in heard[:2]], [b"552 5.3.4", b"421 4.7.0"])
        check("endless", session.end(), 0)
    check("endless", stored(), [])


def silence(_):
    """A silent client is told so; a slow one is ended by the session's limit, in the middle of a message too."""
    session = Session(configure(smtp_timeout="1s"))
    session.reply()
    check("silence", session.rest(), b"421 4.4.2 here Timeout\r\n")
    check("silence", session.end(), 0)
    session = Session(configure(smtp_session_limit="2s"))
    session.reply()
    session.ask_all(*OPEN)
    try:
        for _ in range(100):
            session.say(b"x\r\n")
            time.sleep(0.1)
    except OSError:
        pass
    check("slow", session.end(), 0)
    check("slow", stored(), [])


def slots(_):
    """One connection more than allowed is refused with 421; when one ends there is room again."""
    path = configure(smtp_connections="2")
    sessions = [Session(path) for _ in range(2)]
    check("slots", [session.reply()[:3] for session in sessions], ["220", "220"])
    refused = Session(path)
    check("slots", refused.reply(), "421 4.3.2 here Too many connections, try again later")
    refused.end()
    for session in sessions:
        session.end()
    again = Session(path)
    check("slots", again.reply()[:3], "220")
    again.end()


def loop(configuration):
    """T26: a message that has been through too many hosts is refused."""
    for hops, code in [(99, "250"), (100, "554")]:
        session = Session(configuration)
        session.reply()
        session.ask_all(*OPEN)
        answer = session.ask(b"Received: by x\r\n" * hops + b"\r\nx\r\n.\r\n")
        check("loop", (answer or "")[:3], code)
        session.end()
        check("loop", len(stored()), 1 if code == "250" else 0)


def full(_):
    """No room: asked to come again, nothing kept."""
    session = Session(configure(minimum_free_space="900000G"))
    session.reply()
    check("full", session.ask_all(b"EHLO x", b"MAIL FROM:<>")[1], "452 4.3.1 Insufficient system storage")
    session.end()


def broken(_):
    """A configuration that cannot be used says nothing of itself to the client."""
    session = Session(configure(nonsense="1"))
    check("broken", session.rest(), b"421 4.3.5 Service not available: its configuration is being mended\r\n")
    check("broken", session.end(), 78)


def large(configuration):
    """A message of the limit comes out as it went in, dots and all; one octet more, as RFC 1870 counts them, is refused."""
    lines = [b"." * (n % 7) + b"x" * (n % 991) for n in range(190)]
    content = b"\n".join(lines) + b"\n"
    for size, code in [(100_000, "250"), (100_001, "552")]:
        body = content + b"y" * (size - 2 - len(content) - content.count(b"\n")) + b"\n"
        octets = len(body) + body.count(b"\n")
        check("large", octets, size)
        session = Session(configuration)
        session.reply()
        session.ask_all(*OPEN)
        wire = b"".join((b"." if line[:1] == b"." else b"") + line + b"\r\n" for line in body.split(b"\n")[:-1])
        check("large", (session.ask(wire + b".\r\n") or "")[:3], code)
        session.end()
        check("large", stored(), [([b"local@here"], body)] if code == "250" else [])
    # Half of what came in by short lines is their ends.
    session = Session(configuration)
    session.reply()
    session.ask_all(*OPEN)
    check("large", session.ask(b"\r\n" * 50_001 + b".\r\n"), "552 5.3.4 Message is larger than this server takes")
    check("large", session.ask_all(*OPEN[1:])[-1][:3], "354")
    check("large", (session.ask(b"\r\n" * 50_000 + b".\r\n") or "")[:3], "250")
    session.end()
    check("large", stored(), [([b"local@here"], b"\n" * 50_000)])


def beyond(_):
    """1,200 recipients with a limit of 1,000: a thousand get the message at once, the rest by the next transaction."""
    session = Session(configure(recipient_limit="1000", relay_domains="far.example."))
    session.reply()
    session.ask_all(*OPEN[:2])
    left = [b"many%d@far.example" % n for n in range(1200)]
    for expected in (1000, 200):
        session.say(b"".join(b"RCPT TO:<%s>\r\n" % recipient for recipient in left))
        answers = [session.reply() for _ in left]
        taken = [recipient for recipient, answer in zip(left, answers) if answer == "250 2.1.5 Ok"]
        check("beyond", {a for a in answers if a[:3] != "250"}, {"452 4.5.3 Too many recipients"} if expected == 1000 else set())
        check("beyond", (session.ask(b"DATA\r\n") or "")[:3], "354")
        check("beyond", (session.ask(b"x\r\n.\r\n") or "")[:3], "250")
        check("beyond", [to for to, _ in stored()], [taken])
        check("beyond", len(taken), expected)
        left = [recipient for recipient in left if recipient not in taken]
        session.ask(b"MAIL FROM:<a@b.example>\r\n")
    session.end()


def steady(_):
    """A session goes on past its limit for as long as messages come; a slow one with a large message is not cut."""
    session = Session(configure(smtp_session_limit="2s"))
    session.reply()
    session.ask(b"EHLO x\r\n")
    started = time.time()
    count = 0
    while time.time() < started + 4:
        check("steady", session.ask_all(*OPEN[1:], b"x\r\n.")[-1][:3], "250")
        count += 1
        time.sleep(0.1)
    check("steady", len(stored()), count)
    session.ask_all(*OPEN[1:])
    started = time.time()
    while time.time() < started + 4:
        session.say(b"x" * 500 + b"\r\n")
        time.sleep(0.1)
    check("steady", (session.ask(b".\r\n") or "")[:3], "250")
    session.end()
    check("steady", len(stored()), 1)


def ourselves(configuration):
    """RFC 1123 5.2.17: an address of ours in brackets is as good as our name; another one is another host's."""
    session = Session(configuration)
    session.reply()
    answers = session.ask_all(*OPEN[:2], b"RCPT TO:<local@[127.0.0.1]>", b"RCPT TO:<user1@[IPv6:::1]>", b"RCPT TO:<user2@[127.0.0.1]>",
                              b"RCPT TO:<user3@[IPv6:::ffff:127.0.0.1]>", b"RCPT TO:<nobody.here@[127.0.0.1]>", b"RCPT TO:<local@[192.0.2.7]>", b"DATA", b"x\r\n.")
    check("ourselves", [answer[:9] for answer in answers[2:8]], ["250 2.1.5"] * 4 + ["550 5.1.1", "550 5.7.1"])
    session.end()
    check("ourselves", [to for to, _ in stored()], [[b"local@[127.0.0.1]", b"user1@[IPv6:::1]", b"user2@[127.0.0.1]", b"user3@[IPv6:::ffff:127.0.0.1]"]])
    # Where other hosts are on loopback, only what this connection came in on is this one.
    session = Session(configure(permitted_networks="127.0.0.0/8"), at="127.0.0.9")
    session.reply()
    answers = session.ask_all(*OPEN[:2], b"RCPT TO:<local@[127.0.0.9]>", b"RCPT TO:<local@here>", b"RCPT TO:<local@[127.0.0.8]>", b"DATA", b"x\r\n.")
    check("ourselves", [answer[:9] for answer in answers[2:5]], ["250 2.1.5"] * 2 + ["550 5.7.1"])
    session.end()
    check("ourselves", [to for to, _ in stored()], [[b"local@here"]])


def fronts(_):
    """A message without a header keeps its text as text; what our own clients left out is added, a stranger's mail is left alone."""
    def sent(path, content):
        session = Session(path)
        session.reply()
        session.ask_all(*OPEN)
        check("fronts", (session.ask(content.replace(b"\n", b"\r\n") + b".\r\n") or "")[:3], "250")
        session.end()
        return stored()[0][1]
    stranger, ours = configure(), os.path.join(ROOT, "ours.conf")
    shutil.copy(configure(relay_networks="127.0.0.0/8"), ours)
    stranger = configure()
    whole = b"From: a@b.example\nTo: c@d.example\nDate: Fri, 27 Nov 2026 08:00:00 +0000\nMessage-ID: <1@b.example>\n"
    for path in (stranger, ours):
        check("fronts", sent(path, whole + b"\nx\n"), whole + b"\nx\n")
        check("fronts", sent(path, b"From a@b Fri Nov 27 08:00:00 2026\n" + whole + b"\nx\n"), whole + b"\nx\n")
        check("fronts", sent(path, b">From a@b Fri Nov 27 08:00:00 2026\n" + whole + b"\nx\n"), whole + b"\nx\n")
        check("fronts", sent(path, whole + b"no field\nSubject: text\n"), whole + b"\nno field\nSubject: text\n")
        # Longer than what is held: nothing is lost.
        long = whole + b"X-Long: " + b"x" * 900 + b"\n" + b" y\n" * 9000 + b"\nx\n"
        check("fronts", sent(path, long) == long, True)
        check("fronts", sent(path, whole), whole + (b"\n" if path == ours else b""))
    check("fronts", sent(stranger, b"Hello world\nsecond line\n"), b"\nHello world\nsecond line\n")
    check("fronts", sent(stranger, b"\nx\n"), b"\nx\n")
    check("fronts", sent(stranger, b""), b"")
    check("fronts", sent(stranger, b"Subject: x\nFrom: app\n\nx\n"), b"Subject: x\nFrom: app\n\nx\n")
    check("fronts", re.fullmatch(rb"Subject: no date\nFrom: app@here\nTo: root@here\nDate: .* [+-]\d{4}\nMessage-ID: <[a-z0-9]+@here>\n\nx\n",
                                 sent(ours, b"Subject: no date\nFrom: app\nTo: root\n\nx\n")) is not None, True)
    check("fronts", re.fullmatch(rb"From: a@b.example\nDate: .*\nMessage-ID: <.*@here>\nTo: undisclosed-recipients:;\n\nHello world\nSubject: y\n",
                                 sent(ours, b"Hello world\nSubject: y\n")) is not None, True)


def by_pipe(configuration):
    """T77: the same on a pipe, where the client is a program of this host and may send anywhere."""
    text = b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@far.example>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
    done = subprocess.run([PROGRAM, "-C", configuration], input=text, capture_output=True)
    codes = [line[:3] for line in done.stdout.splitlines() if line[3:4] == b" "]
    check("pipe", (codes, done.returncode), ([b"220", b"250", b"250", b"250", b"354", b"250", b"221"], 0))
    check("pipe", [(to, text.endswith(b"\n\nx\n")) for to, text in stored()], [([b"a@far.example"], True)])


def peers(configuration):
    """Programs that we did not write are served: Python's smtplib, curl, swaks."""
    session = Session(configuration)
    client = smtplib.SMTP(local_hostname="client.example")
    client.sock, client.file = session.socket, session.socket.makefile("rb")
    check("smtplib", client.getreply()[0], 220)
    check("smtplib", client.sendmail("a@b.example", ["local@here", "no@here"], "Subject: x\n\n.\n"),
          {"no@here": (550, b"5.1.1 User unknown")})
    client.quit()
    session.end()
    check("smtplib", stored(), [([b"local@here"], b"Subject: x\n\n.\n")])
    message = os.path.join(ROOT, "message")
    with open(message, "wb") as file:
        file.write(b"Subject: x\r\n\r\n..\r\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        client = subprocess.Popen(["curl", "-sS", f"smtp://127.0.0.1:{port}/client.example", "--mail-from", "a@b.example",
                                   "--mail-rcpt", "local@here", "-T", message])
        served, _ = listener.accept()
    subprocess.run([PROGRAM, "-C", configuration], stdin=served, stdout=served, stderr=served)
    served.close()
    check("curl", (client.wait(20), stored()), (0, [([b"local@here"], b"Subject: x\n\n..\n")]))
    done = subprocess.run(["swaks", "--pipe", f"{PROGRAM} -C {configuration}", "--helo", "client.example", "--from",
                           "a@b.example", "--to", "local@here", "--body", ".x", "--pipeline"], capture_output=True)
    check("swaks", done.returncode, 0)
    found = stored()
    check("swaks", [(to, b"\n\n.x\n" in text) for to, text in found], [([b"local@here"], True)])


def tls(_):
    """T7, T8: nothing said in the clear is heard inside; without a relay the client is told so and goes on."""
    key, certificate = os.path.join(ROOT, "key.pem"), os.path.join(ROOT, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=here", "-days", "2",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    path = configure(tls_certificate=certificate, tls_key=key)
    session = Session(path)
    session.reply()
    answers = session.ask_all(b"EHLO x", b"STARTTLS", b"NOOP")
    check("tls", [answer[:3] for answer in answers], ["250", "454", "250"])
    session.end()
    if not RELAY:
        return 0
    service = os.path.join(ROOT, "net", "tls")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(service)
    listener.listen(10)

    def serve():
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            subprocess.Popen([RELAY, "-C", path], stdin=one, stdout=one, stderr=one)
            one.close()
    threading.Thread(target=serve, daemon=True).start()
    context = ssl._create_unverified_context()
    for early in [b"", b"MAIL FROM:<>\r\n"]:
        session = Session(path)
        session.reply()
        session.ask_all(b"EHLO x", *([early.strip()] if early else []))
        check("tls", session.ask(b"STARTTLS\r\n"), "220 2.0.0 Ready to start TLS")
        session.socket = context.wrap_socket(session.socket)
        answers = session.ask_all(b"RCPT TO:<local@here>", b"EHLO x", b"STARTTLS", *OPEN[1:], b"Subject: x\r\n.", b"QUIT")
        check("tls", [answer[:3] for answer in answers], ["503", "250", "503", "250", "250", "354", "250", "221"])
        session.end()
        check("tls", stored(), [([b"local@here"], b"Subject: x\n")])
    # Injected behind STARTTLS: either the handshake fails or the command is never answered.
    session = Session(path)
    session.reply()
    session.ask(b"EHLO x\r\n")
    session.say(b"STARTTLS\r\nNOOP\r\n")
    check("tls injection", session.reply()[:3], "220")
    try:
        session.socket.settimeout(3)
        session.socket = context.wrap_socket(session.socket)
        check("tls injection", session.ask(b"QUIT\r\n"), "221 2.0.0 Bye")
    except (ssl.SSLError, OSError):
        pass
    session.end()
    session = Session(path, "--tls")
    session.socket = context.wrap_socket(session.socket)
    check("tls from the first byte", session.reply()[:3], "220")
    answers = session.ask_all(*OPEN, b"x\r\n.", b"QUIT")
    check("tls from the first byte", [answer[:3] for answer in answers], ["250", "250", "250", "354", "250", "221"])
    session.end()
    check("tls from the first byte", len(stored()), 1)
    listener.close()


prepare()
try:
    ran = sum(dialog(path, configure()) for path in dialogfiles.paths("SMTPTests"))
    check("dialogs", ran >= 7, True)
    rows = [half_close, reset, floods, endless, silence, steady, slots, loop, full, broken, large, beyond, ourselves, fronts, by_pipe, peers, tls]
    for row in rows:
        started = time.time()
        row(configure())
        print(f"{row.__name__:12} {time.time() - started:6.2f} s  {row.__doc__}", flush=True)
    with open(LOG, "rb") as file:
        check("log", re.findall(rb"[^\x20-\x7e\n]", file.read()), [])
finally:
    shutil.rmtree(ROOT)
for failure in failures:
    print("FAILED", failure)
print(f"{ran} dialogs and {len(rows)} rows: " + ("all right" if not failures else f"{len(failures)} failures"))
sys.exit(1 if failures else 0)
