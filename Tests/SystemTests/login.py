"""Logging in: guessing, a right password that meets trouble, and passwords in the clear."""
import array, contextlib, fcntl, os, re, socket, struct, subprocess, threading, time
from harness import RELEASE, TOP, USER, eventually, log_of, test

GUESSERS, ELSEWHERE = "127.0.0.81", "127.0.0.82"


def imap_login(host, source, user, password, service="imap"):
    """The tagged answer to one LOGIN."""
    with socket.create_connection((host.address, host.ports[service]), 30, (source, 0)) as client, client.makefile("rb") as lines:
        lines.readline()
        client.sendall(f'a LOGIN "{user}" "{password}"\r\n'.encode())
        answer = lines.readline()
        while answer.startswith(b"* "):
            answer = lines.readline()
        return answer


def pop_login(host, source, user, password):
    with socket.create_connection((host.address, host.ports["pop3"]), 30, (source, 0)) as client, client.makefile("rb") as lines:
        lines.readline()
        client.sendall(f"USER {user}\r\nPASS {password}\r\n".encode())
        lines.readline()
        return lines.readline()


@test("while eight clients of an address guess, the right password gets in from there at the first try, and no guess is answered at once (T19)")
def guessing(i):
    done, answers, took = threading.Event(), [], []

    def guesser(number):
        while not done.is_set():
            begin = time.monotonic()
            answer = imap_login(i.a, GUESSERS, USER if number % 2 else "nobody", f"wrong{number}")
            took.append(time.monotonic() - begin)
            answers.append(answer)
    threads = [threading.Thread(target=guesser, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: log_so_far(i.a).count(f"rip={GUESSERS}") >= 8, "eight guesses at a time")
        for _ in range(3):
            assert b"a OK" in imap_login(i.a, GUESSERS, USER, "secret")
            assert b"+OK" in pop_login(i.a, GUESSERS, USER, "secret")
            assert b"a OK" in imap_login(i.a, ELSEWHERE, USER, "secret")
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert answers and set(answers) == {b"a NO [AUTHENTICATIONFAILED] Wrong name or password\r\n"}, set(answers)
    assert min(took) >= 2, min(took)
    log = log_of(i.a)
    lines = [line for line in log.splitlines() if f"rip={GUESSERS}" in line]
    assert sum("Login:" in line for line in lines) == 6, lines
    assert sum("auth failed" in line for line in lines) == len(answers), "a failure was counted that was none"


def record(user, password, client, tag=b"a", pipelined=b""):
    """What imapd sends to checkpassword."""
    net = lambda *fields: b"".join(b"%d:%s," % (len(f), f) for f in fields)
    return net(net(b"login1", user.encode(), password.encode(), client.encode(), net(tag, pipelined, b"0")))


def ask(connection, data, client):
    """Sends a record with the client's socket; the answer's one byte."""
    connection.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [client.fileno()]))])
    return connection.recv(10)


def log_so_far(host):
    return log_of(host) if os.path.exists(host.log) else ""


class Service:
    """checkpassword as inetd starts it, over a socket of ours."""

    def __init__(self, config, *command):
        self.ours, theirs = socket.socketpair()
        self.near, self.far = socket.socketpair()
        self.ours.settimeout(60), self.near.settimeout(60)
        self.process = subprocess.Popen([os.path.join(RELEASE, "checkpassword"), "-C", config, "--service", *command], stdin=theirs, stdout=theirs)
        theirs.close()

    def ask(self, user, password, client="192.0.2.7"):
        return ask(self.ours, record(user, password, client), self.far)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in (self.ours, self.near, self.far):
            end.close()
        self.process.wait(20)


def places(host, address):
    """Takes all of an address's places among the attempts: what many guesses under way do."""
    file = open(f"{host.directory}/slots/login", "r+b")
    hash = 2166136261
    for byte in socket.inet_aton(address):
        hash = (hash ^ byte) * 16777619 & 0xFFFFFFFF
    lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, (1 << 20) + hash * 256, 256, 0)
    fcntl.fcntl(file, 37, lock)  # F_OFD_SETLK
    return file


@test("an address with too many attempts is told to come later, which is no failure; who logged in from there lately is let through")
def crowded(i):
    imapd = (os.path.join(RELEASE, "imapd"), "-C", i.a.config, "--mailbox")
    for client in ("192.0.2.7", "192.0.2.8"):
        with Service(i.a.config, *imapd) as service:
            assert service.ask(USER, "secret", client) == b"K"
            assert b"a OK" in service.near.recv(500)
    with places(i.a, "192.0.2.7"), places(i.a, "192.0.2.9"), places(i.a, "0.0.0.0"):
        for user, password, client, answer in ((USER, "secret", "192.0.2.7", b"K"), (USER, "wrong", "192.0.2.7", b"D"), (USER, "secret", "192.0.2.8", b"K"),
                                               (USER, "secret", "192.0.2.9", b"Z"), (USER, "wrong", "192.0.2.9", b"Z"), ("other", "x", "192.0.2.7", b"Z"),
                                               # What is no address does not escape: it has one place for all.
                                               (USER, "wrong", "nonsense", b"Z"), (USER, "wrong", "192.0.2.8, rip=192.0.2.99", b"Z"), (USER, "wrong", "", b"Z")):
            with Service(i.a.config, *imapd) as service:
                got = service.ask(user, password, client)
                assert got == answer, (user, password, client, got)
    log = [line for line in log_of(i.a).splitlines() if "rip=192.0.2." in line or "rip=local" in line]
    assert not any("192.0.2.99" in line for line in log), log
    assert not any("auth failed" in line for line in log if "rip=192.0.2.9" in line or "rip=local" in line), log
    assert sum("too many attempts at a time" in line for line in log) == 6, log


@test("a user has so many sessions from one address, of each protocol, and not one more; those of others, and from elsewhere, are not counted; one that ends makes room")
def sessions(i):
    users = "".join(f"{name}:{{PLAIN}}secret:{os.getuid()}:{os.getgid()}::{i.directory}/several:\n" for name in (USER, "other"))
    config, log = variant(i, "several", users=users, mailbox="~/Maildir/", sessions_per_user="2")
    programs = {name: (os.path.join(RELEASE, name), "-C", config, "--mailbox") for name in ("imapd", "pop3d")}
    with contextlib.ExitStack() as open_ones:
        def log_in(program, user, client):
            service = Service(config, *programs[program])
            answer = service.ask(user, "secret", client)
            service.far.close()
            if answer == b"K":
                assert b"OK" in service.near.recv(500)
                open_ones.enter_context(service)
            else:
                service.__exit__()
            return answer, service
        first = log_in("imapd", USER, "192.0.2.7")
        second = log_in("imapd", USER, "192.0.2.7")
        assert (first[0], second[0]) == (b"K", b"K"), log()
        for program, user, client, answer in (("imapd", USER, "192.0.2.7", b"L"), ("imapd", USER, "192.0.2.8", b"K"), ("imapd", "other", "192.0.2.7", b"K"),
                                              ("pop3d", USER, "192.0.2.7", b"K"), ("imapd", USER, "2001:db8::1", b"K"), ("imapd", USER, "2001:db8::2", b"K"),
                                              ("imapd", USER, "2001:db8::3", b"L"), ("imapd", USER, "2001:db8:0:1::1", b"K"), ("imapd", USER, "local", b"K")):
            assert log_in(program, user, client)[0] == answer, (program, user, client, log())
        second[1].near.close()
        assert second[1].process.wait(20) == 0
        assert log_in("imapd", USER, "192.0.2.7")[0] == b"K" and log_in("imapd", USER, "192.0.2.7")[0] == b"L"
        # What the session has of it can be read, and not written.
        held = [os.path.join(f"/proc/{first[1].process.pid}/fd", name) for name in os.listdir(f"/proc/{first[1].process.pid}/fd")]
        held = [path for path in held if "/sessions/" in os.readlink(path)]
        assert len(held) == 1 and not os.lstat(held[0]).st_mode & 0o200, held
    assert log().count("warning: imap-login: too many sessions: user=<" + USER) == 3 and "cannot be counted" not in log(), log()
    # Where nothing can be counted, mail can be read.
    os.rename(f"{i.directory}/several/slots/sessions", f"{i.directory}/several/slots/away")
    open(f"{i.directory}/several/slots/sessions", "w").close()
    with Service(config, *programs["imapd"]) as service:
        assert service.ask(USER, "secret", "192.0.2.7") == b"K" and b"OK" in service.near.recv(500)
    assert "sessions cannot be counted: " in log(), log()


@test("the client that has too many sessions is told so, and can go on when it has closed one")
def too_many_sessions(i):
    with contextlib.ExitStack() as sessions:
        def log_in():
            client = sessions.enter_context(socket.create_connection((i.a.address, i.a.ports["imap"]), 30, ("127.0.0.84", 0)))
            lines = sessions.enter_context(client.makefile("rb"))
            lines.readline()
            client.sendall(f'a LOGIN "{USER}" "secret"\r\n'.encode())
            return client, lines, lines.readline()
        several = [log_in() for _ in range(30)]
        assert all(answer.startswith(b"a OK") for _, _, answer in several), [answer for _, _, answer in several]
        client, lines, answer = log_in()
        client.sendall(f'b LOGIN "{USER}" "wrong"\r\n'.encode())
        assert lines.readline().startswith(b"b NO [AUTHENTICATIONFAILED] ")
        assert answer == b"a NO [LIMIT] Too many sessions of this user, close others first\r\n", answer
        several[0][0].sendall(b"b LOGOUT\r\n")
        assert several[0][1].read().endswith(b"b OK Logout completed\r\n")
        eventually(lambda: log_in()[2].startswith(b"a OK"), "a session more")


def variant(i, name, lines="", users=None, **settings):
    """A configuration beside the instance's, with other settings and another users file."""
    directory = f"{i.directory}/{name}"
    os.makedirs(f"{directory}/slots", exist_ok=True)
    text = open(i.a.config).read()
    settings = {"slots-directory": directory + "/slots", "log": directory + "/log"} | {k.replace("_", "-"): v for k, v in settings.items()}
    if users is not None:
        with open(directory + "/users", "w") as file:
            file.write(users)
        settings["users-file"] = directory + "/users"
    for key, value in settings.items():
        text = re.sub(f"(?m)^{key} = .*\n", "", text) + f"{key} = {value}\n"
    with open(directory + "/conf", "w") as file:
        file.write(text)
    return directory + "/conf", lambda: open(directory + "/log").read() if os.path.exists(directory + "/log") else ""


@test("a right password without a home directory, or without the program, is told to come later; nothing else reaches the client, and the process ends")
def trouble(i):
    imapd = os.path.join(RELEASE, "imapd")
    users = f"{USER}:{{PLAIN}}secret::::/nonexistent/{USER}:\n"
    config, log = variant(i, "homeless", users=users, mailbox="~/Maildir/")
    for command in ((imapd, "-C", config, "--mailbox"),):
        with Service(config, *command) as service:
            assert service.ask(USER, "secret") == b"Z"
            assert service.ours.recv(10) == b"" and service.process.wait(20) == 111, "it must not go on"
            service.far.close()
            assert service.near.recv(10) == b"", "the client is not to read our answers"
    assert f"chdir /nonexistent/{USER}" in log() and "Login:" not in log(), log()
    config, log = variant(i, "programless")
    with Service(config, "/nonexistent/imapd") as service:
        assert service.ask(USER, "secret") == b"Z" and service.process.wait(20) == 111
    assert "exec /nonexistent/imapd: No such file" in log() and "Login:" not in log(), log()
    # What execve(2) alone can find out comes behind the answer: the client is let go, and a record from it is not read.
    broken = f"{i.directory}/programless/broken"
    with open(broken, "w") as file:
        file.write("#!/nonexistent/interpreter\n")
    os.chmod(broken, 0o755)
    with Service(config, broken) as service:
        service.near.sendall(record(USER, "secret", "192.0.2.7"))
        assert service.ask(USER, "secret") == b"K" and service.process.wait(20) == 111
        service.far.close()
        try:
            assert service.near.recv(10) == b"", "the client is not to read our answers"
        except ConnectionResetError:
            pass  # its record was never read
    assert f"exec {broken}: No such file" in log(), log()
    # By hand.
    for home, mailbox, status in (("/nonexistent/x", "~/Maildir/", 111), ("/nonexistent/x", "/nonexistent/x/mail/", 111), ("/nonexistent/x", f"{i.directory}/elsewhere/", 0), ("", f"{i.directory}/elsewhere/", 0)):
        config, _ = variant(i, "byhand", users=f"{USER}:{{PLAIN}}secret:{os.getuid()}:{os.getgid()}::{home}:\n", mailbox=mailbox, users_file=f"{i.directory}/byhand/users") if home else \
            variant(i, "byhand", users=f"virtual:{{PLAIN}}secret:{os.getuid()}:{os.getgid()}:::\n", mailbox=mailbox)
        reader, writer = os.pipe()
        os.write(writer, f"{USER if home else 'virtual'}\0secret\0\0".encode())
        os.close(writer)
        done = subprocess.run(["sh", "-c", f'exec "$0" "$@" 3<&{reader}', os.path.join(RELEASE, "checkpassword"), "-C", config, "/bin/pwd"], pass_fds=[reader], capture_output=True)
        os.close(reader)
        assert done.returncode == status and done.stdout == (b"/\n" if status == 0 else b""), (home, mailbox, done)


@test("where mailboxes are elsewhere, a missing home directory keeps nobody from them, by POP3 and by IMAP")
def elsewhere(i):
    for form in ("Maildir/", "mbox"):
        place = f"{i.directory}/elsewhere-{form.strip('/')}"
        os.makedirs(place, exist_ok=True)
        config, log = variant(i, "homeless-" + form.strip("/"), users=f"{USER}:{{PLAIN}}secret::::/nonexistent/{USER}:\n", mailbox=f"{place}/{form}")
        # The folders beside an mbox are in the home directory: who has none has INBOX.
        for program in ("imapd", "pop3d"):
            with Service(config, os.path.join(RELEASE, program), "-C", config, "--mailbox") as service:
                assert service.ask(USER, "secret") == b"K"
                lines = service.near.makefile("rb")
                service.far.close()
                assert b"OK" in lines.readline(), log()
                service.near.sendall(b"b SELECT INBOX\r\n" if program == "imapd" else b"STAT\r\n")
                answer = lines.readline()
                while answer.startswith(b"* "):
                    answer = lines.readline()
                lines.close()
                assert answer.startswith((b"b OK", b"+OK 0 0")), (answer, log())


class Reader:
    """pop3d or imapd on an accepted connection, as inetd starts them."""

    def __init__(self, program, config):
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.client = socket.create_connection(server.getsockname(), 30, (GUESSERS, 0))
            theirs = server.accept()[0]
        self.process = subprocess.Popen([os.path.join(RELEASE, program), "-C", config], stdin=theirs, stdout=theirs)
        theirs.close()
        self.lines = self.client.makefile("rb")
        self.greeting = self.lines.readline()

    def say(self, line, end):
        """All lines up to the one that begins with one of `end`."""
        self.client.sendall(line + b"\r\n")
        text = b""
        while True:
            answer = self.lines.readline()
            text += answer
            if not answer or answer.startswith(end):
                return text

    def start_tls(self, line, end):
        import ssl
        assert end in self.say(line, end)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.client = context.wrap_socket(self.client)
        self.lines = self.client.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.client.close()
        self.process.wait(30)


@test("plaintext-login: never refuses LOGIN, AUTHENTICATE and USER until TLS is there, and offers none; loopback and always take them")
def plaintext(i):
    import base64
    plain = base64.b64encode(f"\0{USER}\0secret".encode())
    login = f'LOGIN "{USER}" secret'.encode()
    for value in ("never", "loopback", "always"):
        config, _ = variant(i, "plaintext-" + value, plaintext_login=value)
        with Reader("imapd", config) as imap:
            assert (b"LOGINDISABLED" in imap.greeting) == (value == "never") != (b"AUTH=PLAIN" in imap.greeting), imap.greeting
            capability = imap.say(b"a CAPABILITY", b"a ")
            assert (b"LOGINDISABLED" in capability) == (value == "never") and b"STARTTLS" in capability, capability
            if value == "never":
                for tag, command in ((b"b", login), (b"c", b"AUTHENTICATE PLAIN " + plain), (b"d", b"AUTHENTICATE PLAIN"), (b"e", b"authenticate plain =")):
                    assert imap.say(tag + b" " + command, tag + b" ").startswith(tag + b" NO [PRIVACYREQUIRED] "), command
                imap.start_tls(b"f STARTTLS", b"f OK")
                capability = imap.say(b"g CAPABILITY", b"g ")
                assert b"LOGINDISABLED" not in capability and b"AUTH=PLAIN" in capability and b"STARTTLS" not in capability, capability
            assert imap.say(b"h " + login, b"h ").startswith(b"h OK")
        with Reader("imapd", config) as imap:
            if value == "never":
                imap.start_tls(b"f STARTTLS", b"f OK")
            assert b"h OK" in imap.say(b"h AUTHENTICATE PLAIN " + plain, b"h ")
        with Reader("pop3d", config) as pop:
            capabilities = pop.say(b"CAPA", b".")
            assert (b"\r\nUSER\r\n" in capabilities) == (value != "never") and b"\r\nSTLS\r\n" in capabilities, capabilities
            if value == "never":
                for command in (b"USER x", b"PASS secret", b"AUTH PLAIN " + plain, b"APOP x 0123456789abcdef0123456789abcdef"):
                    assert pop.say(command, b"-ERR").startswith(b"-ERR"), command
                pop.start_tls(b"STLS", b"+OK")
                assert b"\r\nUSER\r\n" in pop.say(b"CAPA", b".")
            assert pop.say(f"USER {USER}".encode(), (b"+OK", b"-ERR")).startswith(b"+OK")
            assert pop.say(b"PASS secret", (b"+OK", b"-ERR")).startswith(b"+OK")


@test("no error of ours is without words, in the programs that ship and in what was logged so far")
def words(i):
    for program in os.listdir(RELEASE):
        path = os.path.join(RELEASE, program)
        if os.path.isfile(path) and os.access(path, os.X_OK) and program in os.listdir(os.path.join(TOP, "Sources")):
            assert b"cannot print value" not in open(path, "rb").read(), program
    for host in (i.a, i.b):
        assert "cannot print value" not in log_so_far(host)
    # The refusals that had none: too many connections, and a place that cannot be counted in.
    for program, answer, settings in (("pop3d", b"-ERR [IN-USE]", {}), ("imapd", b"* BYE [UNAVAILABLE]", {}), ("smtpd", b"421 ", {})):
        config, log = variant(i, "wordless-" + program, slots_directory=f"{i.directory}/nowhere", relay_networks="", **settings)
        with Reader(program, config) as reader:
            assert reader.greeting.startswith(answer), reader.greeting
        assert f"open {i.directory}/nowhere" in log() and "cannot print" not in log(), log()


@test("no tool repeats raw what steers a terminal: in an option, an operand, the name of a configuration, a line of it (T73)")
def raw(i):
    programs = [name for name in os.listdir(os.path.join(TOP, "Sources")) if name[0].islower() and os.path.exists(os.path.join(RELEASE, name))]
    assert len(programs) >= 11, programs
    evil = "x\x1b[2J\x07\r\n\x7f\xe9"
    place = f"{i.directory}/raw"
    os.makedirs(place, exist_ok=True)
    with open(f"{place}/conf", "w") as file:
        file.write("hostname = a.example\n\x1b[2J\x7f = \x07\n")
    for program in programs:
        config = "--config" if program == "mxlookup" else "-C"
        lines = [["--" + evil], ["-\x1b"], ["--help=" + evil], [config, "/nonexistent/" + evil, "--" + evil]]
        if program != "charset-decode":
            lines += [[config, "/nonexistent/" + evil], [config, f"{place}/conf"], [config, "/nonexistent/" + evil, evil], [config, f"{place}/conf", evil, evil]]
        for words in lines:
            done = subprocess.run([os.path.join(RELEASE, program), *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
            said = done.stdout + done.stderr
            assert not re.search(rb"[^\x20-\x7e\n\r]", said), (program, words, said)
            assert done.returncode != 0, (program, words, said)
