"""Servers that remote-deliver is tried against: each runs in this process, on a loopback port of its own."""
import os, socket, ssl, subprocess, sys, tempfile, threading, time

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else None
QUICK = ["-o", "reply-timeout=1s", "-o", "data-start-timeout=1s", "-o", "data-timeout=1s",
         "-o", "data-block-timeout=2s", "-o", "connect-timeout=1s", "-o", "delivery-limit=20s"]
# For rows in which no time-out is tried.
PATIENT = [*QUICK, "-o", "reply-timeout=60s", "-o", "data-start-timeout=60s", "-o", "data-timeout=60s", "-o", "data-block-timeout=60s",
           "-o", "connect-timeout=60s", "-o", "delivery-limit=120s"]
MESSAGE = b"Subject: x\n\n.dot\nbody\n"
GARBAGE = bytes(range(256)).replace(b"\r", b"").replace(b"\n", b"")
HELLO = b"250-mx\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
CERTIFICATES = tempfile.mkdtemp(prefix="remote-deliver-")
CONFIGURATION = os.path.join(CERTIFICATES, "relais.conf")
with open(CONFIGURATION, "w") as file:
    file.write("hostname = client.example\nlog = stderr\n")


class Gone(Exception):
    pass


class Server(threading.Thread):
    """One listening socket; `talk(self, number)` is called for each connection."""

    def __init__(self, talk, address="127.0.0.1", port=0):
        super().__init__(daemon=True)
        self.talk, self.connections, self.heard, self.messages = talk, 0, [], []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
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

    def stop(self):
        """Refuses connections from now on: closing alone leaves a thread that still accepts one."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

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
        self.buffer = b"\r\n" + self.buffer
        searched = 0
        while (end := self.buffer.find(b"\r\n.\r\n", searched)) < 0:
            searched = max(0, len(self.buffer) - 4)
            more = self.peer.recv(65536)
            if not more:
                raise Gone
            self.buffer += more
        text, self.buffer = self.buffer[2:end + 2], self.buffer[end + 5:]
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
                if callable(said) or not said.startswith(b"3"):
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


def then_close(text):
    """Says something and goes away."""
    def act(s):
        s.say(text)
        raise Gone
    return act


def then_silence(text):
    def act(s):
        s.say(text)
        silence(s)
    return act


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
