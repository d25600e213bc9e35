#!/usr/bin/env python3
"""tls-relay with OpenSSL clients that are not ours: handshakes, bulk, ends, requests that are none.

usage: tls-relay.py PROGRAM
"""
import os, socket, ssl, subprocess, sys, tempfile, threading, time, warnings

PROGRAM = sys.argv[1]
warnings.simplefilter("ignore")
problems, rows = [], 0


def expect(what, found, wanted):
    global rows
    rows += 1
    if found != wanted:
        problems.append(f"{what}: {found!r}, not {wanted!r}")


def start(configuration=None):
    ours, theirs = socket.socketpair()
    relay = subprocess.Popen([PROGRAM, "-C", configuration or CONFIGURATION], stdin=theirs, stdout=theirs, stderr=theirs)
    theirs.close()
    ours.settimeout(20)
    return ours, relay


def connection():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    listener.close()
    client.settimeout(20)
    return client, server


def ask(program, files, request=b"serve smtp 5"):
    socket.send_fds(program, [bytes([len(request)]) + request], [f.fileno() for f in files])


def record(program):
    length = program.recv(1)
    if not length:
        return None
    text = b""
    while len(text) < length[0]:
        text += program.recv(length[0] - len(text))
    return text


def begin(version=None, request=b"serve smtp 5"):
    """A client with TLS, the program's end, and the relay between."""
    client, server = connection()
    program, relay = start()
    ask(program, [server], request)
    expect("ready", record(program), b"ready")
    server.close()
    context = ssl.create_default_context(cafile=os.path.join(DIRECTORY, "cert.pem"))
    if version:
        context.maximum_version = version
    client = context.wrap_socket(client, server_hostname="mail.example.org")
    return client, program, relay, record(program)


def bulk(send, receive, count=3_000_000):
    data = os.urandom(count)
    threading.Thread(target=lambda: send(data), daemon=True).start()
    got = b""
    while len(got) < count:
        part = receive(65536)
        if not part:
            break
        got += part
    return got == data


def ordinary(version, name):
    client, program, relay, established = begin(version)
    expect(f"{name} established", established.split()[:2], [b"established", name.encode()])
    client.sendall(b"EHLO x\r\n")
    expect("client heard", program.recv(100), b"EHLO x\r\n")
    program.sendall(b"250 ok\r\n")
    expect("program heard", client.recv(100), b"250 ok\r\n")
    expect("bulk in", bulk(client.sendall, program.recv), True)
    expect("bulk out", bulk(program.sendall, client.recv), True)
    # The program ends: close_notify, then the end.
    program.shutdown(socket.SHUT_WR)
    expect("end", client.recv(10), b"")
    client.close()
    expect("exit", relay.wait(20), 0)


def application_protocols():
    """A client that names protocols must name ours; a browser ends in the handshake (T23)."""
    for offer, wanted in [(["h2", "http/1.1"], b"failed"), (["smtp"], b"established"), (["x", "esmtp"], b"established"),
                          (["imap"], b"failed"), (["SMTP"], b"failed")]:
        client, server = connection()
        program, relay = start()
        ask(program, [server])
        record(program)
        server.close()
        context = ssl.create_default_context(cafile=os.path.join(DIRECTORY, "cert.pem"))
        context.set_alpn_protocols(offer)
        try:
            client = context.wrap_socket(client, server_hostname="mail.example.org")
            expect(f"{offer} chosen", client.selected_alpn_protocol() in offer, True)
        except ssl.SSLError:
            pass
        expect(f"a client that wants {offer}", record(program).split(b" ")[0], wanted)
        program.close()
        client.close()
        relay.wait(20)


def client_leaves():
    client, program, relay, _ = begin()
    client.sendall(b"DATA")
    raw = client.detach()
    socket.socket(fileno=raw).close()
    got = b""
    while part := program.recv(100):
        got += part
    expect("what a client that leaves had said", got, b"DATA")
    program.sendall(b"451 lost\r\n")
    program.close()
    expect("the relay ends", relay.wait(20) in (0, 74), True)


def half_close():
    client, program, relay, _ = begin()
    client.sendall(b"QUIT\r\n")
    raw = socket.socket(fileno=os.dup(client.fileno()))

    def leave():
        try:
            client.unwrap()  # close_notify; then it waits for ours
        except (OSError, ssl.SSLError):
            pass
    threading.Thread(target=leave, daemon=True).start()
    time.sleep(0.2)
    raw.sendall(b"MAIL FROM:<in@the.clear>\r\n")
    threading.Thread(target=lambda: (time.sleep(0.3), program.sendall(b"221 bye\r\n"), program.close())).start()
    got = b""
    try:
        while part := program.recv(100):
            got += part
    except OSError:
        pass
    expect("nothing behind close_notify is heard", got, b"QUIT\r\n")
    raw.close()
    relay.wait(20)


def refused(name, said, files=1, request=b"serve smtp 5", raw=None):
    client, server = connection()
    program, relay = start()
    if raw is not None:
        socket.send_fds(program, [raw], [server.fileno()] * files)
    else:
        ask(program, [server] * files, request)
    expect(name, (record(program) or b"").split(b" ")[0], said)
    program.close()
    expect(name + ", exit", relay.wait(20), 76)


def handshake_fails(name, talk, request=b"serve smtp 1"):
    client, server = connection()
    program, relay = start()
    ask(program, [server], request)
    expect(name + ", ready", record(program), b"ready")
    server.close()
    started = time.time()
    try:
        talk(client)
    except (OSError, ssl.SSLError):
        pass
    expect(name, (record(program) or b"").split(b" ")[0], b"failed")
    expect(name + ", nothing more", program.recv(100), b"")
    expect(name + ", in time", time.time() - started < 5, True)
    expect(name + ", exit", relay.wait(20), 76)


def old_version(client):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.wrap_socket(client)


with tempfile.TemporaryDirectory() as DIRECTORY:
    CONFIGURATION = os.path.join(DIRECTORY, "relais.conf")
    path = lambda name: os.path.join(DIRECTORY, name)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    "10", "-subj", "/CN=mail.example.org", "-addext", "subjectAltName=DNS:mail.example.org", "-keyout",
                    path("key.pem"), "-out", path("cert.pem")], check=True, capture_output=True)
    open(CONFIGURATION, "w").write(
        f"tls-certificate = {path('cert.pem')}\ntls-key = {path('key.pem')}\nlog = {path('log')}\n")
    open(path("none.conf"), "w").write(f"log = {path('log')}\n")

    ordinary(None, "TLSv1.3")
    ordinary(ssl.TLSVersion.TLSv1_2, "TLSv1.2")
    application_protocols()
    client_leaves()
    half_close()
    for name, request in {"no protocol": b"serve", "no time": b"serve smtp", "zero": b"serve smtp 0", "minus": b"serve smtp -1",
                          "too long": b"serve smtp 65536", "more words": b"serve smtp 5 6", "another word": b"hello smtp 5",
                          "control bytes": b"serve smtp\n 5", "nothing": b""}.items():
        refused("a request with " + name, b"refused", request=request)
    refused("no descriptor", b"refused", files=0)
    refused("two descriptors", b"refused", files=2)
    refused("a request cut short", b"refused", raw=b"\x20serve")
    refused("more than a request", b"refused", raw=b"\x0cserve smtp 5more")
    handshake_fails("silence", lambda c: None)
    handshake_fails("clear text", lambda c: c.sendall(b"NOOP\r\nNOOP\r\n"))
    handshake_fails("the end", lambda c: c.close())
    handshake_fails("a byte", lambda c: c.sendall(b"\x16"))
    handshake_fails("an old version", old_version)
    handshake_fails("a record that is too long", lambda c: c.sendall(b"\x16\x03\x01\xff\xff" + b"x" * 70000))
    # Who asked goes away during the handshake.
    client, server = connection()
    program, relay = start()
    ask(program, [server], b"serve smtp 60")
    expect("ready", record(program), b"ready")
    server.close()
    program.close()
    expect("nobody wants it", relay.wait(20), 76)
    expect("and the client is let go", client.recv(10), b"")
    # No certificate.
    client, server = connection()
    program, relay = start(path("none.conf"))
    ask(program, [server])
    expect("no certificate", record(program), b"refused no usable certificate")
    expect("no certificate, exit", relay.wait(20), 78)
    expect("no certificate, check", subprocess.run([PROGRAM, "-n", "-C", path("none.conf")], capture_output=True).returncode, 78)
    expect("check", subprocess.run([PROGRAM, "-n", "-C", CONFIGURATION], capture_output=True).returncode, 0)
    expect("a line in the log", b"error: certificate" in open(path("log"), "rb").read(), True)
    # Command lines.
    for words in (["-Z"], ["x"], ["-C"], ["--check=1"], ["--nonsense"], []):
        expect(f"command line {words}", subprocess.run([PROGRAM, *words], stdin=subprocess.DEVNULL, capture_output=True).returncode, 64)

for problem in problems:
    print("not ok:", problem)
print(f"tls-relay: {rows} checks, {len(problems)} wrong")
sys.exit(1 if problems else 0)
