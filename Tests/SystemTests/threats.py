"""Attacks that other mail servers have fallen to, on the built programs: the T-numbers are those of Tests/threats.tsv."""
import base64, concurrent.futures, contextlib, ctypes, imaplib, os, poplib, resource, socket, subprocess, threading, time
from harness import RELEASE, USER, address, arrived, eventually, need, send, test


class Line:
    """A client by hand: bytes out, lines in."""

    def __init__(self, host, service, timeout=30):
        self.socket = socket.create_connection((host.address, host.ports[service]), timeout=timeout)
        self.file = self.socket.makefile("rb")
        self.greeting = self.file.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def ask(self, text):
        """One command, one line of answer."""
        self.send(text if isinstance(text, bytes) else text + "\r\n")
        return self.file.readline()

    def rest(self):
        """What comes until the server closes, or resets because there was more to read."""
        with contextlib.suppress(OSError):
            return self.file.read()
        return b""


def smtp(i):
    line = Line(i.a, "smtp")
    line.send("EHLO x.example\r\n")
    while line.file.readline()[3:4] == b"-":
        pass
    return line


def imap(i):
    line = Line(i.a, "imap")
    assert line.ask(f"a LOGIN {USER} secret").startswith(b"a OK")
    return line


def until(line, tag):
    """Lines up to the tagged one."""
    lines = []
    while not lines or not lines[-1].startswith(tag):
        lines.append(line.file.readline())
        assert lines[-1], lines
    return lines


def count(i):
    return len(i.a.delivered())


def store(i, text, flags="new"):
    """A message put into the mailbox by a program that is not ours."""
    store.number += 1
    name = f"{int(time.time())}.T{store.number}.test"
    with open(f"{i.a.maildir}/{flags}/{name}", "wb") as file:
        file.write(text)
    return name


store.number = 0


@test("numbers at their edges are no other numbers (T6, T29, T42)")
def numbers(i):
    with smtp(i) as line:
        for number in ("-1", "0x10", "+5", "18446744073709551626", "9" * 30, "", "1.0", " 5"):
            assert line.ask(f"MAIL FROM:<a@far.example> SIZE={number}")[:1] == b"5", number
        for number in ("4294967296", "9223372036854775807"):
            assert line.ask(f"MAIL FROM:<a@far.example> SIZE={number}")[:3] == b"552", number
        assert line.ask("NOOP")[:3] == b"250"
    for number in ("2147483648", "4294967295", "4294967296", "9223372036854775808", "18446744073709551626", "-1", "0x10", "", "+5"):
        with Line(i.a, "imap") as line:
            assert b" OK" not in line.ask(f"a LOGIN {{{number}}}"), number
        with imap(i) as line:
            answer = line.ask(f"b APPEND INBOX {{{number}}}")
            assert answer.startswith((b"b NO", b"b BAD")), (number, answer)
    store(i, b"Subject: edges\n\nbody\n")
    with imap(i) as line:
        line.send("b SELECT INBOX\r\n")
        until(line, b"b ")
        for words in ("FETCH 0 FLAGS", "FETCH 4294967296 FLAGS", "FETCH 1:18446744073709551617 FLAGS", "UID FETCH 0 FLAGS",
                      "FETCH 1 BODY[]<0.0>", "FETCH 1 BODY[]<-1.5>", "FETCH 1 BODY[0]", "FETCH 1 BODY[4294967296]", "STORE 0 FLAGS ()"):
            line.send(f"c {words}\r\n")
            assert until(line, b"c ")[-1].startswith(b"c BAD"), words
        for words in ("FETCH 1 BODY.PEEK[]<4294967295.4294967295>", "UID FETCH 4294967295:1 FLAGS", "FETCH *:* UID", "FETCH 1 BODY.PEEK[99999]"):
            line.send(f"c {words}\r\n")
            assert until(line, b"c ")[-1].startswith(b"c OK"), words


@test("BDAT is not there, and what follows it is no message (T4)")
def chunks(i):
    before = count(i)
    with smtp(i) as line:
        line.send(f"MAIL FROM:<a@far.example>\r\nRCPT TO:<{address(i.a)}>\r\nBDAT 12 LAST\r\nx\n.\ny\r.\rzzz\r\nQUIT\r\n")
        answer = line.rest()
    assert b"\r\n50" in answer and b"queued" not in answer, answer
    assert count(i) == before


@test("TLS for who asks in the clear is refused, old versions and odd names are (T9, T34)")
def tls(i):
    hello = bytes.fromhex("16030100a5010000a10303") + bytes(160)
    with Line(i.a, "smtp") as line:
        line.send(hello + b"\r\n")
        assert line.file.readline()[:1] in (b"5", b"")
    for service in ("imaps", "pop3s", "smtps"):
        target = f"{i.a.address}:{i.a.ports[service]}"
        for words in (["-tls1"], ["-tls1_1"]):
            done = subprocess.run([need("openssl"), "s_client", "-connect", target, *words], input=b"", capture_output=True, timeout=30)
            assert done.returncode != 0 and b"Cipher is (NONE)" in done.stdout, (service, words)
        for name in ("a" * 200 + ".example", "x\\", "..", "\\0x"):
            done = subprocess.run(["openssl", "s_client", "-connect", target, "-servername", name, "-quiet", "-no_ign_eof"], input=b"",
                                  capture_output=True, timeout=30)
            assert done.returncode >= 0
    with Line(i.a, "imap") as line:
        line.send("a STARTTLS\r\nb NOOP\r\n")
        assert line.file.readline().startswith(b"a OK")
        line.socket.settimeout(1)
        try:
            assert not line.file.readline().startswith(b"b "), "a command of the clear was answered"
        except OSError:
            pass


@test("a line without end costs a reply or the connection, and no memory (T10, T48)")
def long_lines(i):
    for service, prefix in (("smtp", b"HELO "), ("imap", b"a LOGIN "), ("pop3", b"USER "), ("pop3", b"PASS %s%n%x"), ("pop3", b"APOP ")):
        for size in (1 << 20, 32 << 20):
            with Line(i.a, service) as line:
                with contextlib.suppress(OSError):
                    line.send(prefix + b"x" * size + b"\r\n")
                with contextlib.suppress(OSError):
                    line.socket.shutdown(socket.SHUT_WR)
                answer = line.rest()
                assert answer.count(b"\n") <= 3 and not answer.startswith((b"2", b"+OK", b"a OK")), (service, answer[:200])
    # The same with 64 MB of address space for everything.
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (64 << 20, 64 << 20))
    for program, prefix in (("smtpd", b"HELO "), ("imapd", b"a LOGIN "), ("pop3d", b"USER ")):
        child = subprocess.Popen([f"{RELEASE}/{program}", "--config", i.a.config], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, preexec_fn=limit)
        with contextlib.suppress(OSError):
            child.stdin.write(prefix + b"x" * (32 << 20) + b"\r\n")
        with contextlib.suppress(OSError):
            child.stdin.close()
        assert child.wait(30) >= 0, (program, child.returncode)


@test("one long line is one command, at each length around a buffer's (T11)")
def one_command(i):
    for length in [n + d for n in (512, 1024, 2048, 4096, 8192, 65536) for d in (-2, -1, 0, 1)]:
        with smtp(i) as line:
            line.send(b"NOOP " + b"x" * length + b"QUIT\r\nRSET\r\nQUIT\r\n")
            codes = [answer[:3] for answer in line.rest().splitlines()]
            assert len(codes) == 3 and codes[1:] == [b"250", b"221"], (length, codes)


@test("a dot that a buffer's end puts at the front of a piece ends nothing (T12)")
def dots(i):
    sizes = [n + d for n in (512, 1000, 2048, 4096, 8192, 16384, 32768, 65536) for d in (-2, -1, 0, 1)]
    body = "".join("x" * n + ".\r\n" for n in sizes)
    send(i.a, address(i.a), "dots at the edges", body=body)
    text = arrived(i.a, b"Subject: dots at the edges")
    assert text.endswith(body.replace("\r\n", "\n").encode())


@test("headers of any size have one answer, soon (T13)")
def headers(i):
    for what in ("X: " + "x" * (1 << 20), "".join(f"X{n}: y\r\n" for n in range(10_000)), "X: y\r\n" + " z\r\n" * 100_000,
                 "To: " + ",\r\n ".join(f"u{n}@far.example" for n in range(20_000)), "To: " + "(" * 100_000, 'From: "' + "\\" * 100_001):
        begin = time.time()
        with smtp(i) as line:
            line.send(f"MAIL FROM:<>\r\nRCPT TO:<{address(i.a)}>\r\nDATA\r\n{what.rstrip()}\r\n\r\nx\r\n.\r\nQUIT\r\n")
            codes = [answer[:3] for answer in line.rest().splitlines()]
        assert codes[:3] == [b"250", b"250", b"354"] and codes[4:] == [b"221"] and codes[3][:1] in b"25", codes
        assert time.time() - begin < 15


@test("an address is no command, and no escape sequence gets out (T15, T16, T84)")
def commands(i):
    canary = f"{i.directory}/canary"
    for local in (f";touch${{IFS}}{canary};", f"|touch {canary}", f"`touch {canary}`", f"$(touch {canary})", f"${{run{{/bin/touch {canary}}}}}"):
        for path in (f"<{local}@a.example>", f'<"{local}"@a.example>', f"<{USER}+{local}@a.example>", f'<"{USER}+{local}"@a.example>'):
            with smtp(i) as line:
                line.send(f"MAIL FROM:{path}\r\nMAIL FROM:<>\r\nRCPT TO:{path}\r\nRCPT TO:<{address(i.a)}>\r\nDATA\r\nx: {local}\r\n\r\n.\r\nQUIT\r\n")
                line.rest()
    with Line(i.a, "smtp") as line:
        for word in (b"\x1b[2J", b"a\rb", b"a\0b", b"\x07", "é".encode(), b"x" * 3000):
            answer = line.ask(b"HELO " + word + b"\r\n")
            assert not any(byte < 32 and byte not in (10, 13) or byte > 126 for byte in answer), answer
    for service, commands in (("imap", (b"a LOGIN \x1b[31m x\r\n", b'b LOGIN "\x1b]0;x" "\x07"\r\n', b"\x1b c NOOP\r\n")),
                              ("pop3", (b"USER \x1b[31m\r\n", b"PASS \x1b\r\n"))):
        with Line(i.a, service) as line:
            for command in commands:
                assert b"\x1b" not in line.ask(command)
    time.sleep(0.2)
    assert not os.path.exists(canary)
    for line in open(i.a.log, "rb"):
        assert not any(byte < 32 and byte != 10 or byte > 126 for byte in line) and len(line) < 5000, line[:300]


@test("no broken exchange logs anybody in, nor keeps others out (T17, T18, T33)")
def exchanges(i):
    right = base64.b64encode(f"\0{USER}\0secret".encode()).decode()
    broken = ["=", "*", "A", "====", "AGE=", right[:-1], right + "=", right + "\0", right[:8] + " " + right[8:],
              base64.b64encode(f"\0{USER}\0secret\0".encode()).decode(), base64.b64encode(f"\0{USER}\0secret\0x".encode()).decode(),
              base64.b64encode(f"x\0{USER}\0secret".encode()).decode(), base64.b64encode(f"{USER}\0secret".encode()).decode(),
              base64.b64encode(b"\0\0").decode(), base64.b64encode(b"").decode(), "A" * 5000, "é", "\x1b"]
    def attempt(service, begin, response, one_line):
        with Line(i.a, service) as line:
            line.send(f"{begin} {response}\r\n" if one_line else f"{begin}\r\n{response}\r\n")
            with contextlib.suppress(OSError):
                line.socket.shutdown(socket.SHUT_WR)
            answer = line.rest()
            assert not any(word in answer for word in (b"a OK", b"+OK Logged", b"+OK 0", b"235")), (service, response, answer)

    # Each wrong password takes its time, so all of them at once.
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        list(pool.map(lambda words: attempt(*words), [
            (service, begin, response, one_line) for service, begin in
            (("imap", "a AUTHENTICATE PLAIN"), ("pop3", "AUTH PLAIN"), ("smtp", "AUTH PLAIN"))
            for response in broken for one_line in (True, False)]))
    with Line(i.a, "imap") as line:
        assert line.ask("a AUTHENTICATE PLAIN").startswith(b"+")
    for password in (b"secret\0x", b"secret ", b" secret", b"SECRET"):
        with Line(i.a, "pop3") as line:
            line.ask(f"USER {USER}")
            assert line.ask(b"PASS " + password + b"\r\n").startswith(b"-ERR")
    with imap(i) as line:
        assert line.ask(f"b AUTHENTICATE PLAIN {right}").startswith(b"b BAD")
        assert line.ask(f"c LOGIN {USER} secret").startswith(b"c BAD")


@test("who is there is not to be learned from words (T19)")
def enumeration(i):
    for service, command in (("imap", "a LOGIN {} wrong"), ("pop3", "USER {}")):
        answers = set()
        for name in (USER, "nobody-at-all"):
            with Line(i.a, service) as line:
                answer = line.ask(command.format(name))
                if service == "pop3":
                    answer += line.ask("PASS wrong")
                answers.add(answer.replace(name.encode(), b""))
        assert len(answers) == 1, answers
    with smtp(i) as line:
        for verb in ("VRFY", "EXPN"):
            assert line.ask(f"{verb} {USER}") == line.ask(f"{verb} nobody-at-all")


@test("a NUL cuts nothing short (T21, T32)")
def nul(i):
    before = count(i)
    with smtp(i) as line:
        assert line.ask(b"NOOP\0x\r\n")[:1] == b"5"
        assert line.ask(f"RCPT TO:<{address(i.a)}\0@x>")[:1] == b"5"
        line.send(f"MAIL FROM:<>\r\nRCPT TO:<{address(i.a)}>\r\nDATA\r\nSubject: nul\r\n\r\na\0b\r\n.\r\nNOOP\r\nQUIT\r\n")
        codes = [answer[:1] for answer in line.rest().splitlines()]
        assert codes == [b"2", b"2", b"3", b"5", b"2", b"2"], codes
    assert count(i) == before
    with Line(i.a, "imap") as line:
        for command in (f'a LOGIN "{USER}\0x" secret', f'a LOGIN {USER} "secret\0"', f"a LOGIN {USER}\0 secret"):
            assert not line.ask(command).startswith(b"a OK")


@test("an unknown user is refused at RCPT, so nothing bounces to a forged sender (T28)")
def backscatter(i):
    with smtp(i) as line:
        assert line.ask("MAIL FROM:<victim@b.example>")[:3] == b"250"
        assert line.ask("RCPT TO:<nobody-at-all@a.example>")[:3] == b"550"
        assert line.ask("DATA")[:1] == b"5"


@test("literals and parentheses cost nobody memory before the login (T30, T31)")
def literals(i):
    with Line(i.a, "imap") as line:
        sent = 0
        try:
            line.send("a LOGIN {104857600+}\r\n")
            for _ in range(1600):
                line.send(b"x" * 65536)
                sent += 1
        except OSError:
            pass
        assert sent < 400, "a literal of 100 MB was read to its end"
    for text in (b"a NOOP " + b"(" * 2000, b"a NOOP " + b")" * 2000, b"a NOOP " + b"()" * 2000):
        held = [Line(i.a, "imap") for _ in range(20)]
        for line in held:
            line.send(text)
        for line in held:
            with line:
                assert b"BAD" in line.ask(b"\r\n")


@test("a pattern of stars ends soon (T36)")
def stars(i):
    with imap(i) as line:
        for n in range(30):
            line.ask(f"b CREATE {'a' * 20}{n}")
        begin = time.time()
        line.send('c LIST "" "' + "*a" * 40 + '..b"\r\nd LIST "" "' + "%a*" * 30 + 'b"\r\n')
        until(line, b"d ")
        assert time.time() - begin < 5
        for n in range(30):
            line.ask(f"e DELETE {'a' * 20}{n}")


@test("messages made to hurt are shown soon, in bounded room (T37, T38, T39)")
def monsters(i):
    nested = b"Content-Type: message/rfc822\n\n"
    parts = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 50_000 + b"--b--\n"
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(1000))
    parameters = b"Content-Type: text/plain" + b"".join(b";\n a*%d*=x" % n for n in range(10_000)) + b"\n\nx\n"
    many = b"To: " + b",\n ".join(b"u%d@x" % n for n in range(20_000)) + b"\n\nx\n"
    quotes = b'From: (\\\nTo: "\\\nCc: g:;,g:a@b;,:;;\nReply-To: <@a,@b:c@d\nSender: (((\nSubject: "\\\n\nx\n'
    names = [store(i, text) for text in (nested * 500, parts, deep, parameters, many, quotes, b"A:b\n" * 200_000)]
    begin = time.time()
    with imap(i) as line:
        line.send("b SELECT INBOX\r\nc FETCH 1:* (ENVELOPE BODYSTRUCTURE RFC822.SIZE)\r\nd NOOP\r\n")
        lines = until(line, b"d ")
        assert any(answer.startswith(b"c OK") for answer in lines)
        line.send("e SEARCH OR OR FROM u1 TO u2 OR SUBJECT x TEXT zzz\r\nf LOGOUT\r\n")
        until(line, b"f ")
    assert time.time() - begin < 20, time.time() - begin
    for path in i.a.delivered():
        if any(name in path for name in names):
            os.remove(path)


@test("SEARCH is bounded, and COMPRESS is not there (T40, T41)")
def search(i):
    store(i, b"Subject: s\n\n" + b"aaaa" * 50_000 + b"\n")
    with imap(i) as line:
        line.send("b SELECT INBOX\r\n")
        until(line, b"b ")
        begin = time.time()
        for words in ("NOT " * 500 + "ALL", "(" * 500 + "ALL" + ")" * 500, "BODY " + "a" * 7000 + "b", "CHARSET X-NONE TEXT x", " ".join(["SEEN"] * 2000)):
            line.send(f"c SEARCH {words}\r\n")
            assert until(line, b"c ")[-1].startswith((b"c OK", b"c NO", b"c BAD")), words[:40]
        assert time.time() - begin < 10
        assert line.ask("d COMPRESS DEFLATE").startswith((b"d BAD", b"d NO"))


@test("a client that does not read, or talks while idling, harms only itself (T43)")
def unread(i):
    with imap(i) as line:
        line.send(b"".join(b"n%d NOOP\r\n" % n for n in range(10_000)))
        assert sum(answer.startswith(b"n") for answer in until(line, b"n9999 ")) == 10_000
        assert line.ask("x IDLE").startswith(b"+")
        assert line.ask("garbage").startswith(b"x BAD")
        assert until_ok(line)


def until_ok(line):
    line.send("y NOOP\r\n")
    return until(line, b"y ")[-1].startswith(b"y OK")


@test("a UID is one message's for ever, whoever removes and appends meanwhile (T44, T47)")
def uids(i):
    begin = count(i)
    seen, stop = {}, threading.Event()

    def churn():
        with imap(i) as line:
            line.send("b CREATE churn\r\nb SELECT churn\r\n")
            until(line, b"b OK"), until(line, b"b OK")
            for n in range(60):
                text = f"Subject: m{n}\r\n\r\n"
                line.send(f"c APPEND churn {{{len(text)}+}}\r\n{text}\r\n")
                until(line, b"c ")
                if n % 3 == 0:
                    line.send("d STORE 1 +FLAGS (\\Deleted)\r\ne EXPUNGE\r\n")
                    until(line, b"e ")
        stop.set()

    worker = threading.Thread(target=churn)
    worker.start()
    while not stop.is_set():
        with imaplib.IMAP4(i.a.address, i.a.ports["imap"]) as client:
            client.login(USER, "secret")
            if client.select("churn", readonly=True)[0] != "OK":
                continue
            for _ in range(5):
                _, data = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
                for item in data or []:
                    if isinstance(item, tuple):
                        uid = item[0].split(b"UID ")[1].split()[0].rstrip(b")")
                        assert seen.setdefault(uid, item[1]) == item[1], (uid, seen[uid], item[1])
    worker.join()
    assert len(seen) > 0 and count(i) == begin
    with imap(i) as line:
        assert line.ask("b DELETE churn").startswith(b"b OK")


@test("an APPEND that is cut short leaves nothing (T45)")
def cut_append(i):
    before = count(i)
    for part in (b"", b"x" * 10, b"x" * 99, b"x" * 100):
        with imap(i) as line:
            line.send(b"b APPEND INBOX {100+}\r\n" + part)
    eventually(lambda: not os.listdir(f"{i.a.maildir}/tmp"), "no temporary file is left")
    assert count(i) == before


@test("UIDL is unique and printable whatever the files are called (T53)")
def file_names(i):
    names = [b"1.\x1b[2J.x", b"1.\xff\xfe", b"1." + b"a" * 200, b"1." + b"a" * 201, b"1. spaces in it", b"-rf", b"1.x,S=99999999999999999999:2,", b"%s%n", b"1.tab\tx"]
    for name in names:
        with open(os.path.join(i.a.maildir.encode(), b"new", name), "wb") as file:
            file.write(b"Subject: odd name\n\nx\n")
    client = poplib.POP3(i.a.address, i.a.ports["pop3"])
    client.user(USER)
    client.pass_("secret")
    ids = [line.split(b" ", 1)[1] for line in client.uidl()[1]]
    assert len(set(ids)) == len(ids) and len(ids) >= len(names)
    assert all(0 < len(one) <= 70 and all(32 < byte < 127 for byte in one) for one in ids), ids
    client.quit()
    for half in ("new", "cur"):
        place = os.path.join(i.a.maildir.encode(), half.encode())
        for name in os.listdir(place):
            if any(name.startswith(odd[:40]) for odd in names):
                os.remove(os.path.join(place, name))


@test("a directory that becomes a link between two looks leads nowhere (T56)")
def exchange(i):
    libc = ctypes.CDLL(None, use_errno=True)
    outside, link = f"{i.directory}/outside", f"{i.a.maildir}/../link"
    for half in ("tmp", "new", "cur"):
        os.makedirs(f"{outside}/{half}", exist_ok=True)
    stop, rounds = threading.Event(), [0]

    def swap():
        while not stop.is_set():
            for half in (b"tmp", b"new"):
                with contextlib.suppress(FileExistsError):
                    os.symlink(f"{outside}/{half.decode()}", link)
                for _ in range(200):
                    libc.renameat2(-100, link.encode(), -100, i.a.maildir.encode() + b"/" + half, 2)
                    rounds[0] += 1
                if os.path.islink(f"{i.a.maildir}/{half.decode()}"):
                    libc.renameat2(-100, link.encode(), -100, i.a.maildir.encode() + b"/" + half, 2)
                os.remove(link)

    worker = threading.Thread(target=swap)
    worker.start()
    try:
        for n in range(60):
            subprocess.run([f"{RELEASE}/local-deliver", "--config", i.a.config, address(i.a), "race@far.example"], input=b"Subject: race\n\nx\n",
                           capture_output=True, timeout=60)
    finally:
        stop.set()
        worker.join()
    assert not os.path.islink(f"{i.a.maildir}/new") and not os.path.islink(f"{i.a.maildir}/tmp")
    escaped = [half for half in ("tmp", "new", "cur") if os.listdir(f"{outside}/{half}")]
    assert not escaped, escaped
    return f"{rounds[0]} exchanges"


@test("garbage and other people's files in the queue are parked or passed over, and stop nothing (T78)")
def hostile_queue(i):
    incoming = f"{i.a.queue}/incoming"
    made = []
    for n, text in enumerate((b"", b"\0" * 5000, b"relais-message 1\nid ", b"relais-message 1\n" + b"to <x>\n" * 10_000, os.urandom(3000))):
        made.append(f"{incoming}/{'z' * 23}{n}")
        with open(made[-1], "wb") as file:
            file.write(text)
    for name, make in (("y" * 24, lambda p: os.mkfifo(p)), ("x" * 24, lambda p: os.symlink("/etc/passwd", p)), ("w" * 24, lambda p: os.mkdir(p)),
                       ("../x", None), (".hidden", lambda p: open(p, "w").close()), ("UPPER", lambda p: open(p, "w").close())):
        if make:
            made.append(f"{incoming}/{name}")
            make(made[-1])
    send(i.a, address(i.a), "behind the garbage")
    arrived(i.a, b"Subject: behind the garbage")
    for path in made:
        with contextlib.suppress(OSError):
            os.rmdir(path) if os.path.isdir(path) else os.remove(path)
