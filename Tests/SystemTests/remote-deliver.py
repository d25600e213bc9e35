#!/usr/bin/env python3
"""remote-deliver against hostile servers: a row a behaviour, each with what must be reported.

usage: remote-deliver.py PROGRAM [ROW...]

Every server runs in this process on a loopback port of its own. A row is right when each recipient got the
expected verdict, the program ended in time with the expected status, nothing it printed has a control byte
in it, and (where the row says so) the server heard exactly what it should have.
"""
import concurrent.futures, os, re, socket, ssl, subprocess, sys, tempfile, threading, time

PROGRAM = sys.argv[1]
WANTED = sys.argv[2:]
HERE = os.path.dirname(os.path.abspath(__file__))
QUICK = ["-o", "reply-timeout=1s", "-o", "data-start-timeout=1s", "-o", "data-timeout=1s",
         "-o", "data-block-timeout=2s", "-o", "connect-timeout=1s", "-o", "delivery-limit=20s"]
MESSAGE = b"Subject: x\n\n.dot\nbody\n"
HELLO = b"250-mx\r\n250-PIPELINING\r\n250 8BITMIME\r\n"


class Gone(Exception):
    pass


class Server(threading.Thread):
    """One listening socket; `talk(self, number)` is called for each connection."""

    def __init__(self, talk):
        super().__init__(daemon=True)
        self.talk, self.connections, self.heard, self.messages = talk, 0, [], []
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(20)
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                self.peer, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.buffer = b""
            try:
                self.talk(self)
            except (Gone, OSError):
                pass
            finally:
                self.peer.close()

    def say(self, text):
        self.peer.sendall(text)

    def line(self):
        while b"\r\n" not in self.buffer:
            more = self.peer.recv(65536)
            if not more:
                raise Gone
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        self.heard.append(line)
        return line

    def message(self):
        while not (b"\r\n" + self.buffer).find(b"\r\n.\r\n") >= 0:
            more = self.peer.recv(65536)
            if not more:
                raise Gone
            self.buffer += more
        end = (b"\r\n" + self.buffer).find(b"\r\n.\r\n")
        text, self.buffer = self.buffer[:end], self.buffer[end + 3:]
        self.messages.append(text)

    def wait(self):
        """Says nothing until the client goes away."""
        self.peer.settimeout(30)
        while self.peer.recv(65536):
            pass


def ordinary(change={}, greeting=b"220 mx ESMTP\r\n"):
    """A server that does what is usual, but for some commands: bytes are said, a function is called."""
    def talk(s):
        def answer(key, usual):
            what = change.get(key, usual)
            if callable(what):
                what(s)
            else:
                s.say(what)
        answer("greeting", greeting)
        while True:
            line = s.line()
            word = line.split(b" ")[0].split(b":")[0].upper().decode("latin-1")
            if word == "DATA":
                answer("DATA", b"354 go\r\n")
                said = change.get("DATA", b"354")
                if callable(said) or not said.startswith(b"354"):
                    continue
                s.message()
                answer("end", b"250 2.0.0 Ok\r\n")
            elif word == "RCPT" and line in change:
                answer(line, b"")
            elif word == "QUIT":
                answer("QUIT", b"221 bye\r\n")
                return
            else:
                answer(word, {"EHLO": HELLO, "HELO": b"250 mx\r\n"}.get(word, b"250 2.1.0 Ok\r\n"))
    return talk


def close(s):
    raise Gone


def reset(s):
    s.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    raise Gone


def silence(s):
    s.wait()
    raise Gone


def drip(s):
    """A byte now and then: each read succeeds, the reply never comes."""
    for byte in b"250-" + b"x" * 1000:
        s.say(bytes([byte]))
        time.sleep(0.2)


def endless(s):
    """Lines without end."""
    while True:
        s.say(b"250-more\r\n" * 1000)


def stream(s):
    """One line without end."""
    while True:
        s.say(b"2" * 65536)


def tls(s, certificate="good", then=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(CERTIFICATES, certificate + ".pem"), os.path.join(CERTIFICATES, "key.pem"))
    s.buffer = b""
    s.peer = context.wrap_socket(s.peer, server_side=True)
    if then:
        then(s)


D, Z, F = "delivered", "deferred", "failed"
GARBAGE = bytes(range(256)).replace(b"\r", b"").replace(b"\n", b"")
NO_REPLIES = {
    "2500": b"2500\r\n", "25": b"25\r\n", "999": b"999 x\r\n", "bare LF": b"250 ok\n",
    "bare CR": b"250 ok\r250 ok\r\n", "letters": b"OK fine\r\n", "150": b"150 x\r\n", "NUL": b"\0\0\0\r\n",
    "an empty line": b"\r\n", "codes that differ": b"250-a\r\n251 b\r\n", "garbage": GARBAGE + b"\r\n",
    "a megabyte": b"2" * 1000000 + b"\r\n", "HTTP": b"HTTP/1.1 200 OK\r\n\r\n",
    "leading space": b" 250 ok\r\n", "a minus": b"-250 ok\r\n", "lower case ok": b"ok\r\n",
    "129 lines": b"250-x\r\n" * 128 + b"250 x\r\n"}

ROWS = {
    # name: (talk, [verdict of each recipient], what else is wanted)
    "an ordinary server": (ordinary(), [D, D], {}),
    "no pipelining": (ordinary({"EHLO": b"250 mx\r\n"}), [D, D], {}),
    "HELO only": (ordinary({"EHLO": b"500 what\r\n"}), [D, D], {}),
    "replies of many lines": (ordinary({"MAIL": b"250-a\r\n" * 50 + b"250 b\r\n"}), [D, D], {}),
    "a greeting of many lines": (ordinary(greeting=b"220-a\r\n220-b\r\n220 c\r\n"), [D, D], {}),
    "replies without text": (ordinary({"MAIL": b"250\r\n", "end": b"250\r\n"}), [D, D], {}),
    "an end without QUIT's reply": (ordinary({"QUIT": close}), [D, D], {}),
    "no reply to QUIT": (ordinary({"QUIT": silence}), [D, D], {"within": 8}),
    # Silence, at each stage
    **{f"silence at {k}": (ordinary({k: silence}), [Z, Z], {}) for k in
       ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"]},
    # The connection ends, at each stage
    **{f"close at {k}": (ordinary({k: close}), [Z, Z], {}) for k in
       ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"]},
    **{f"reset at {k}": (ordinary({k: reset}), [Z, Z], {}) for k in
       ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"]},
    # A byte now and then, at each stage
    **{f"drip at {k}": (ordinary({k: drip}), [Z, Z], {}) for k in
       ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"]},
    **{f"endless lines at {k}": (ordinary({k: endless}), [Z, Z], {}) for k in
       ["greeting", "EHLO", "MAIL", "end"]},
    **{f"an endless line at {k}": (ordinary({k: stream}), [Z, Z], {}) for k in
       ["greeting", "EHLO", "MAIL", "end"]},
    # What is no reply, at each stage
    **{f"{n} for a reply to {k}": (ordinary({k: t}), [Z, Z], {})
       for k in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"] for n, t in NO_REPLIES.items()},
    "354 for a reply to MAIL": (ordinary({"MAIL": b"354 go\r\n"}), [Z, Z], {}),
    "control bytes in a refusal": (ordinary({"RCPT": b"550 5.1.1 a\x1b[2J\x00\x07\xff" + b"\r\n"}), [F, F], {}),
    "a header in a refusal": (ordinary({"RCPT": b"550-5.1.1 a\r\n550-X-Evil: 1\r\n550 \tfold\r\n"}), [F, F], {}),
    "8 bit in a refusal": (ordinary({"end": "550 5.7.1 verboten: ü\r\n".encode()}), [F, F], {}),
    "a bare status code": (ordinary({"RCPT": b"550 5.7.2\r\n"}), [F, F], {"status": "5.7.2"}),
    "a status code of another class": (ordinary({"RCPT": b"550 2.0.0 fine\r\n"}), [F, F], {"status": "5.0.0"}),
    "a status code too long": (ordinary({"RCPT": b"550 5.1111.1 x\r\n"}), [F, F], {"status": "5.0.0"}),
    # Refusals
    "554 greeting": (ordinary(greeting=b"554 no\r\n"), [Z, Z], {}),
    "421 greeting": (ordinary(greeting=b"421 busy\r\n"), [Z, Z], {}),
    "MAIL refused": (ordinary({"MAIL": b"550 5.7.1 no\r\n"}), [F, F], {}),
    "one recipient refused": (ordinary({b"RCPT TO:<a@mx>": b"550 5.1.1 no\r\n"}), [F, D], {}),
    "one recipient later": (ordinary({b"RCPT TO:<a@mx>": b"450 4.2.1 no\r\n"}), [Z, D], {}),
    "all recipients refused, DATA accepted": (ordinary({"RCPT": b"550 no\r\n"}), [F, F], {}),
    "DATA refused": (ordinary({"DATA": b"554 no\r\n"}), [F, F], {}),
    "DATA answered 250": (ordinary({"DATA": b"250 no\r\n"}), [Z, Z], {}),
    "message refused": (ordinary({"end": b"554 5.6.0 no\r\n"}), [F, F], {}),
    "message later": (ordinary({"end": b"451 4.3.0 no\r\n"}), [Z, Z], {}),
    "421 after the message": (ordinary({"end": b"421 4.3.2 no\r\n"}), [Z, Z], {}),
    # Extensions
    "SIZE too small": (ordinary({"EHLO": b"250-mx\r\n250 SIZE 5\r\n"}), [F, F], {"status": "5.3.4"}),
    "SIZE beyond numbers": (ordinary({"EHLO": b"250-mx\r\n250 SIZE 99999999999999999999\r\n"}), [D, D], {}),
    "SIZE negative": (ordinary({"EHLO": b"250-mx\r\n250 SIZE -1\r\n"}), [D, D], {}),
    "AUTH of 10 kB": (ordinary({"EHLO": b"250-mx\r\n" + b"250-AUTH " + b"X" * 1900 + b"\r\n250 SIZE\r\n"}), [D, D], {}),
    "garbage among extensions": (ordinary({"EHLO": b"250-mx\r\n250-" + GARBAGE + b"\r\n250- \r\n250-\r\n250 8BITMIME\r\n"}), [D, D], {}),
    # TLS
    "STARTTLS": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n",
                           "STARTTLS": lambda s: (s.say(b"220 go\r\n"), tls(s))}), [D, D], {"tls": True}),
    "STARTTLS with commands injected": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": lambda s: (
        s.say(b"220 go\r\n250-evil\r\n250 SIZE 1\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n"), tls(s))}),
        [D, D], {"tls": True}),
    "STARTTLS refused": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": b"454 no\r\n"}), [D, D], {}),
    "STARTTLS refused, required": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": b"454 no\r\n"}),
                                   [Z, Z], {"options": ["-o", "smtp-tls=required"]}),
    "STARTTLS not offered, required": (ordinary(), [Z, Z], {"options": ["-o", "smtp-tls=required"], "status": "4.7.4"}),
    "garbage for a handshake": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": lambda s: (
        s.say(b"220 go\r\n"), time.sleep(0.1), s.say(b"hello\r\n" * 10), close(s))}), [D, D], {"connections": 2, "clear-second": True}),
    "garbage for a handshake, required": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": lambda s: (
        s.say(b"220 go\r\n"), time.sleep(0.1), s.say(b"hello\r\n" * 10), close(s))}), [Z, Z],
        {"options": ["-o", "smtp-tls=required"]}),
    "silence for a handshake, required": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": lambda s: (
        s.say(b"220 go\r\n"), silence(s))}), [Z, Z], {"options": ["-o", "smtp-tls=required"]}),
    "a good certificate": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n",
                                     "STARTTLS": lambda s: (s.say(b"220 go\r\n"), tls(s))}), [D, D],
                           {"verify": True, "tls": True}),
    "an expired certificate": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n",
                                         "STARTTLS": lambda s: (s.say(b"220 go\r\n"), tls(s, "expired"))}), [Z, Z],
                               {"verify": True}),
    "another's certificate": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n",
                                        "STARTTLS": lambda s: (s.say(b"220 go\r\n"), tls(s, "other"))}), [Z, Z],
                              {"verify": True}),
    "close_notify in the middle, then clear text": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": lambda s: (
        s.say(b"220 go\r\n"), tls(s, then=lambda s: (s.line(), s.say(HELLO), s.line(),
                                                     setattr(s, "peer", s.peer.unwrap()), s.say(b"250 ok\r\n" * 5), silence(s))))}),
        [Z, Z], {}),
}


def make_certificates(directory):
    run = lambda *words: subprocess.run(words, check=True, capture_output=True)
    path = lambda name: os.path.join(directory, name)
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path("key.pem"))
    open(path("cnf"), "w").write("[ca]\nbasicConstraints=CA:TRUE\n[good]\nsubjectAltName=IP:127.0.0.1\n"
                                 "[other]\nsubjectAltName=IP:127.0.0.2,DNS:mx\n[req]\ndistinguished_name=dn\n[dn]\n")
    run("openssl", "req", "-config", path("cnf"), "-x509", "-new", "-key", path("key.pem"), "-days", "10",
        "-extensions", "ca", "-subj", "/CN=authority", "-out", path("ca.pem"))
    for name, section, days in [("good", "good", "10"), ("other", "other", "10"), ("expired", "good", "-1")]:
        run("openssl", "req", "-config", path("cnf"), "-new", "-key", path("key.pem"), "-subj", "/CN=" + name,
            "-out", path(name + ".csr"))
        if days == "-1":
            open(path("index"), "w").close()
            open(path("serial"), "w").write("10\n")
            open(path("cacnf"), "w").write(
                f"[ca]\ndefault_ca=d\n[d]\ndatabase={path('index')}\nnew_certs_dir={directory}\nserial={path('serial')}\n"
                "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n[good]\nsubjectAltName=IP:127.0.0.1\n")
            run("openssl", "ca", "-batch", "-config", path("cacnf"), "-in", path(name + ".csr"), "-cert", path("ca.pem"),
                "-keyfile", path("key.pem"), "-startdate", "20200101000000Z", "-enddate", "20210101000000Z",
                "-extensions", "good", "-notext", "-out", path(name + ".pem"))
        else:
            run("openssl", "x509", "-req", "-in", path(name + ".csr"), "-CA", path("ca.pem"), "-CAkey", path("key.pem"),
                "-CAcreateserial", "-days", days, "-extfile", path("cnf"), "-extensions", section,
                "-out", path(name + ".pem"))


def check(name):
    talk, verdicts, wanted = ROWS[name]
    server = Server(talk)
    options = QUICK + wanted.get("options", [])
    if wanted.get("verify"):
        options += ["-o", "smtp-tls=verified", "-o", "tls-authorities=" + os.path.join(CERTIFICATES, "ca.pem")]
    start = time.time()
    problems = []
    try:
        done = subprocess.run([PROGRAM, "-C", CONFIGURATION, *options, f"127.0.0.1:{server.port}", "s@client", "a@mx", "b@mx"],
                              input=MESSAGE, capture_output=True, timeout=wanted.get("within", 12))
    except subprocess.TimeoutExpired:
        return name, ["did not end"]
    finally:
        server.listener.close()
    lines = done.stdout.decode("latin-1").splitlines()
    if [line.split(" ")[1] for line in lines] != verdicts:
        problems.append(f"reported {lines}")
    status = 75 if Z in verdicts else 69 if F in verdicts else 0
    if done.returncode != status:
        problems.append(f"exit {done.returncode}, not {status}")
    if re.search(rb"[^\x20-\x7e\n]", done.stdout + done.stderr):
        problems.append(f"control bytes in {done.stdout + done.stderr!r}")
    if "status" in wanted and not all(line.split(" ")[2] == wanted["status"] for line in lines):
        problems.append(f"status in {lines}")
    if wanted.get("tls") and b"TLS connection established" not in done.stderr:
        problems.append("no TLS")
    if "connections" in wanted and server.connections != wanted["connections"]:
        problems.append(f"{server.connections} connections")
    if D in verdicts and server.messages != [b"Subject: x\r\n\r\n..dot\r\nbody\r\n"]:
        problems.append(f"server took {server.messages}")
    if len(server.messages) > 1:
        problems.append("sent more than once")
    return name, problems


HOSTS = ["", ".", "..", "a..b", ".a", "[", "]", "[]", "[]:25", "[a", "a]", "[a]b", "[a]:", "[a]:0", "[a]:65536", "[a]:-1",
         ":25", "a:", "a:0", "a:65536", "a:-1", "a:+5", "a:2x", "a:99999999999999999999", "a b", "a\nb", "a;b", "$(id)",
         "a@b", "[1.2.3]", "[1.2.3.4.5]", "[256.1.1.1]", "[IPv6:192.0.2.1]", "[IPv6:zz]", "::1", "2001:db8::1:25",
         "a" * 64, ".".join(["a" * 63] * 5), "\x1b[2J", "a\\.b", "/tmp/x", "-"]
SETTINGS = ["", "=", "x", "x=y", "smtp-port", "smtp-port=", "smtp-port=0", "smtp-port=65536", "smtp-port=x", "smtp-port=+25",
            "smtp-tls=maybe", "reply-timeout=", "reply-timeout=0", "reply-timeout=-1s", "reply-timeout=1w", "reply-timeout=x",
            "reply-timeout=99999999999999999999s", "dns-servers=x", "dns-servers=127.0.0.1#0", "dns-servers=127.0.0.1#x",
            "dns-servers=127.0.0.1:53", "outgoing-address=x", "permitted-networks=127.0.0.1/33", "ip-version=5",
            "tls-authorities=x", "messages-per-session=0", "SMTP-PORT=25", " smtp-port=25"]
WRONG = ([[h, "s@x", "r@y"] for h in HOSTS] + [["-o", s, "x", "s@x", "r@y"] for s in SETTINGS]
         + [[], ["x"], ["x", "s@x"], ["-Z"], ["--nonsense"], ["-C"], ["-o"], ["--set"], ["-n"], ["-n", "a..b"], ["-n", "-x"], ["--lmtp=1", "x", "s", "r"], ["--help=1"], ["--"]])


def check_wrong(words):
    """A command line that cannot be obeyed: status 64, one clean line on stderr, nothing on stdout."""
    done = subprocess.run([PROGRAM, "-C", CONFIGURATION, *words], input=MESSAGE, capture_output=True, timeout=20)
    if (done.returncode == 64 and not done.stdout and done.stderr.count(b"\n") == 1
            and not re.search(rb"[^\x20-\x7e\n]", done.stderr)):
        return None
    return f"{words}: exit {done.returncode}, {done.stdout!r}, {done.stderr!r}"


# ---- As queue-runner's service: jobs over a socket, messages as open files.

def netstring(payload):
    return b"%d:%s," % (len(payload), payload)


def job(recipients, offset=0, length=len(MESSAGE), destination=b"", identity=b"0abc", sender=b"s@client", parameters=b""):
    fields = [b"job1", identity, b"1700000000000000", sender, parameters, b"remote", destination, b"%d" % offset,
              b"%d" % length, b"%d" % len(recipients)]
    for index, address in enumerate(recipients):
        fields += [address, b"", b"%d" % (10 + index)]
    return netstring(b"".join(map(netstring, fields)))


END = netstring(netstring(b"end1"))


def fields(payload):
    while payload:
        size, rest = payload.split(b":", 1)
        yield rest[:int(size)]
        payload = rest[int(size) + 1:]


class Service:
    """remote-deliver --service with our end of its socket."""

    def __init__(self, options=()):
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(15)
        self.program = subprocess.Popen([PROGRAM, "--service", "-C", CONFIGURATION, *QUICK, *options],
                                        stdin=theirs, stdout=theirs, stderr=theirs)
        theirs.close()

    def send(self, record, content=None):
        if content is None:
            self.socket.sendall(record)
            return
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.flush()
            socket.send_fds(self.socket, [record], [file.fileno()])

    def answer(self):
        """Reports as (job, recipient, verdict, status), and whether the end mark came."""
        received = b""
        try:
            while part := self.socket.recv(65536):
                received += part
        except ConnectionResetError:
            pass
        self.program.wait(15)
        reports, ended = [], False
        for payload in fields(received):
            record = list(fields(payload))
            if record == [b"end1"]:
                ended = True
            else:
                reports.append((int(record[1]), int(record[2]), record[3].decode(), record[4].decode()))
        return reports, ended


def service_several():
    server = Server(ordinary())
    service = Service()
    to = b"127.0.0.1:%d" % server.port
    # The content is in the middle of the file, and the file's position is somewhere else.
    service.send(job([b"a@mx", b"b@mx"], offset=7, length=len(MESSAGE), destination=to), b"ENVELOP" + MESSAGE + b"TRAILER")
    service.send(job([b"c@mx"], length=6, destination=to, identity=b"1abc"), b"second")
    service.send(END)
    answer = service.answer()
    ok = (answer == ([(0, 10, "L", "2.0.0"), (0, 11, "L", "2.0.0"), (1, 10, "L", "2.0.0")], True)
          and server.connections == 1 and service.program.returncode == 0
          and server.messages == [b"Subject: x\r\n\r\n..dot\r\nbody\r\n", b"second\r\n"])
    return None if ok else f"{answer} {server.connections} {server.messages}"


def service_session_limit():
    server = Server(ordinary())
    service = Service(["-o", "messages-per-session=2"])
    for number in range(5):
        service.send(job([b"a@mx"], destination=b"127.0.0.1:%d" % server.port, identity=b"%da" % number), MESSAGE)
    service.send(END)
    reports, ended = service.answer()
    ok = len(reports) == 5 and ended and server.connections == 3 and len(server.messages) == 5
    return None if ok else f"{reports} {server.connections}"


def service_short_file():
    """A file that ends before its message does is never sent as a message."""
    server = Server(ordinary())
    service = Service()
    service.send(job([b"a@mx"], length=100000, destination=b"127.0.0.1:%d" % server.port), MESSAGE)
    service.send(END)
    reports, ended = service.answer()
    ok = [r[2] for r in reports] == ["Z"] and ended and not server.messages
    return None if ok else f"{reports} {server.messages}"


def service_runner_gone():
    """The runner is gone when the message has been written: it is not committed."""
    arrived, gone = threading.Event(), threading.Event()
    change = {"DATA": lambda s: (arrived.set(), gone.wait(10), s.say(b"354 go\r\n"))}
    server = Server(ordinary(change))
    service = Service()
    service.send(job([b"a@mx"], destination=b"127.0.0.1:%d" % server.port), MESSAGE)
    service.send(END)
    arrived.wait(10)
    service.socket.close()
    gone.set()
    service.program.wait(15)
    time.sleep(0.2)
    return None if not server.messages else f"{server.messages}"


def service_literal():
    """Nobody reaches a host of ours by writing its address into a mail address (T71)."""
    server = Server(ordinary())
    problems = []
    for domain in [b"[127.0.0.1]", b"[IPv6:::1]", b"[0.0.0.0]"]:
        service = Service(["-o", f"smtp-port={server.port}"])
        service.send(job([b"a@" + domain], destination=domain), MESSAGE)
        service.send(END)
        reports, ended = service.answer()
        if [r[2:] for r in reports] != [("D", "5.4.4")] or not ended:
            problems.append(f"{domain}: {reports}")
    if server.connections:
        problems.append("connected")
    return "; ".join(problems) or None


def service_too_many():
    """A server that takes one recipient a message gets as many messages as it wants."""
    def talk(s):
        s.say(b"220 mx\r\n")
        taken = 0
        while True:
            word = s.line()[:4].upper()
            if word == b"DATA":
                s.say(b"354 go\r\n")
                s.message()
                taken = 0
            elif word == b"RCPT":
                taken += 1
                if taken > 1:
                    s.say(b"452 4.5.3 too many\r\n")
                    continue
            elif word == b"EHLO":
                s.say(HELLO)
                continue
            s.say(b"250 2.0.0 Ok\r\n")
            if word == b"QUIT":
                return
    server = Server(talk)
    service = Service()
    service.send(job([b"a@mx", b"b@mx", b"c@mx"], destination=b"127.0.0.1:%d" % server.port), MESSAGE)
    service.send(END)
    reports, ended = service.answer()
    ok = [r[2] for r in reports] == ["L"] * 3 and ended and len(server.messages) == 3
    return None if ok else f"{reports} {server.messages}"


def service_extensions():
    """Declared as 8 bit or UTF-8 but ASCII: any server will do; really so: only one that says it can."""
    problems = []
    for content, parameters, hello, verdict in [
            (MESSAGE, b"BODY=8BITMIME SMTPUTF8", b"250 mx\r\n", "L"), ("ü\n".encode(), b"BODY=8BITMIME", b"250 mx\r\n", "D"),
            ("ü\n".encode(), b"BODY=8BITMIME", HELLO, "L"), ("ü\n".encode(), b"SMTPUTF8", HELLO, "D"),
            ("ü\n".encode(), b"SMTPUTF8", b"250-mx\r\n250 SMTPUTF8\r\n", "L")]:
        server = Server(ordinary({"EHLO": hello}))
        service = Service()
        service.send(job([b"a@mx"], length=len(content), parameters=parameters,
                         destination=b"127.0.0.1:%d" % server.port), content)
        service.send(END)
        reports, _ = service.answer()
        if [r[2] for r in reports] != [verdict]:
            problems.append(f"{content} {parameters} {hello}: {reports}")
    return "; ".join(problems) or None


def service_garbage():
    """What are no jobs: nothing is sent, nothing is reported, and the program ends."""
    server = Server(ordinary())
    good = job([b"a@mx"], destination=b"127.0.0.1:%d" % server.port)
    streams = {"nothing": [], "no end": [(good, MESSAGE)], "no file": [(good, None), (END, None)], "garbage": [(GARBAGE, None)],
               "a local job": [(good.replace(b"6:remote", b"5:local"), MESSAGE), (END, None)],
               "an endless number": [(b"9" * 100000, None)], "a huge length": [(b"99999999999999999999:x", None)],
               "a negative length": [(b"-1:x,", None)], "HTTP": [(b"GET / HTTP/1.0\r\n\r\n", None)],
               "an end with a file": [(END, MESSAGE)], "no recipients": [(job([]), MESSAGE), (END, None)],
               "a bad id": [(job([b"a@mx"], identity=b"../x"), MESSAGE), (END, None)],
               "a newline in an address": [(job([b"a@mx\r\nDATA"]), MESSAGE), (END, None)],
               "a negative offset": [(good.replace(b"1:0,", b"2:-1,"), MESSAGE), (END, None)],
               "an empty recipient": [(job([b""]), MESSAGE), (END, None)]}
    problems = []
    for name, parts in streams.items():
        service = Service()
        try:
            for record, content in parts:
                service.send(record, content)
            service.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        try:
            reports, ended = service.answer()
        except (ValueError, socket.timeout, subprocess.TimeoutExpired) as error:
            reports, ended = [repr(error)], False
        if reports or (ended and name != "nothing") or service.program.returncode < 0:
            problems.append(f"{name}: {reports} {ended} exit {service.program.returncode}")
    if server.connections:
        problems.append("a server was called")
    return "; ".join(problems) or None


SERVICE = [service_several, service_session_limit, service_short_file, service_runner_gone, service_literal, service_too_many,
           service_extensions, service_garbage]

with tempfile.TemporaryDirectory() as directory:
    CERTIFICATES = directory
    CONFIGURATION = os.path.join(directory, "relais.conf")
    open(CONFIGURATION, "w").write("hostname = client.example\nlog = stderr\n")
    make_certificates(directory)
    names = [name for name in ROWS if not WANTED or name in WANTED]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for name, problems in pool.map(check, names):
            failed += bool(problems)
            if problems or WANTED:
                print(f"{'not ok' if problems else 'ok'}: {name}: {'; '.join(problems)}")
        for function in [] if WANTED else SERVICE:
            if problem := function():
                failed += 1
                print(f"not ok: {function.__name__}: {problem}")
        for problem in filter(None, pool.map(check_wrong, [] if WANTED else WRONG)):
            failed += 1
            print("not ok:", problem)
    print(f"remote-deliver: {len(names)} hostile servers, {len(WRONG)} wrong command lines, {len(SERVICE)} trials as a service, "
          f"{failed} wrong")
    sys.exit(1 if failed else 0)
