"""An installed relais with one fault at a time, as an administrator makes them: --check names it and says what to type, --status
and the log where they can, and the mail that was sent meanwhile arrives when it is mended. Printed as a table."""
import functools, os, pwd, re, shutil, signal, socket, subprocess, sys, threading, time
from harness import as_user, eventually, run, test
import queuefiles

FAULTS = []
CONF, INETD, ALIASES, CERTIFICATE, KEY = "/etc/relais/relais.conf", "/etc/inetd.conf", "/etc/aliases", "/etc/relais/cert.pem", "/etc/relais/key.pem"


def fault(name, told, status=None, log=None):
    """Registers a generator: what stands before its yield plants the fault, what stands behind it mends it. `told`: what --check
    must say, as a pattern; `status`, `log`: the same of --status and the log, while a message waits."""
    def register(function):
        FAULTS.append((name, told, status, log, function))
        return function
    return register


def edit(path, pattern, replacement):
    text = open(path).read()
    changed = re.sub(pattern, replacement, text, flags=re.M)
    assert changed != text, f"{pattern} is not in {path}"
    with open(path, "w") as file:
        file.write(changed)


def reread(i):
    i.inetd.send_signal(signal.SIGHUP)


def check(i):
    done = subprocess.run([i.prefix + "/sbin/queue-runner", "--check"], capture_output=True, timeout=120)
    return done.returncode, done.stdout.decode() + done.stderr.decode()


def in_file(name, told, path, pattern, replacement, is_inetd=False, **more):
    """A fault that is one change of a file."""
    @fault(name, told, **more)
    def change(i):
        before = open(path).read()
        edit(path, pattern, replacement)
        if is_inetd:
            reread(i)
        yield
        with open(path, "w") as file:
            file.write(before)
        if is_inetd:
            reread(i)


in_line = functools.partial(in_file, path=INETD, is_inetd=True)


def in_mode(name, told, path, mode=None, owner=None, **more):
    """A fault that is a mode or an owner; `path` below the spool, the state, or absolute."""
    @fault(name, told, **more)
    def change(i):
        place = path.format(spool=i.spool, state=i.directory + "/state", libexec=i.prefix + "/libexec/relais", directory=i.directory)
        about = os.stat(place)
        if owner:
            shutil.chown(place, *owner)
        if mode is not None:
            os.chmod(place, mode)
        yield
        os.chown(place, about.st_uid, about.st_gid)
        os.chmod(place, about.st_mode & 0o7777)


# TLS
in_mode("a key that tls-relay cannot read", r"key\.pem: relaist cannot read it .*chmod 0640", KEY, 0o600, ("root", "root"))
in_mode("a key that anybody may read", r"key\.pem: holds the private key and anybody", KEY, 0o644)
in_file("a damaged certificate", r"cert\.pem: certificate: ", path=CERTIFICATE, pattern=r"\A.*\n.*\n", replacement="nonsense\n")
in_file("a certificate that is not there", r"missing\.pem: no such file", path=CONF, pattern="cert.pem", replacement="missing.pem")


def certificate(i, days, also_key=False):
    def make(*arguments):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=inst.example",
            "-keyout", i.directory + "/new.key", "-out", i.directory + "/new.pem", *arguments)
    before = {path: open(path, "rb").read() for path in (CERTIFICATE, KEY)}
    if days < 0:
        # A certificate of a day, re-signed with its end in the past.
        make("-days", "1")
        run("openssl", "x509", "-in", i.directory + "/new.pem", "-signkey", i.directory + "/new.key", "-days", str(days), "-out", i.directory + "/new.pem")
    else:
        make("-days", str(days))
    for path, new in ((CERTIFICATE, "new.pem"),) + (((KEY, "new.key"),) if also_key else ()):
        with open(path, "wb") as file:
            file.write(open(f"{i.directory}/{new}", "rb").read())
    return before


def restore(before):
    for path, content in before.items():
        with open(path, "wb") as file:
            file.write(content)


@fault("a key of another certificate", r"cert\.pem: private key: .*mismatch")
def other_key(i):
    before = certificate(i, 2)
    yield
    restore(before)


@fault("an expired certificate", r"cert\.pem: certificate: expired .* ago")
def expired(i):
    before = certificate(i, -1, also_key=True)
    yield
    restore(before)


@fault("a certificate with a day left", r"cert\.pem: certificate: expires in \d+ hours")
def ending(i):
    before = certificate(i, 1, also_key=True)
    yield
    restore(before)


# inetd
in_line("no smtp line", r"smtp: no line for smtpd.*append to", pattern=r"^127.*smtpd\n", replacement="")
in_line("no imap line", r"imap2: no line for imapd.*append to", pattern=r"^127.*imapd\n", replacement="")
in_line("no line for the kick", r"service/kick: nobody answers: append to .*queue-runner --kick", pattern=r"^.*--kick\n", replacement="",
        status="service/kick: nobody answers")
in_line("no line for local-deliver", r"queue/local: nobody answers: append to .* root ", pattern=r"^.*local-deliver --service\n", replacement="",
        status="mail for local-deliver waits: .*nobody answers", log="queue/local")
in_line("no line for remote-deliver", r"queue/remote: nobody answers: append to .* relaisr ", pattern=r"^.*remote-deliver --service\n", replacement="")
in_line("no line for tls-relay", r"net/tls: nobody answers: append to .* relaist ", pattern=r"^.*tls-relay\n", replacement="")
in_line("no line for IMAP's login", r"net/imap: nobody answers: append to .* root .*imapd --mailbox", pattern=r"^\S*/net/imap .*\n|^\S*/net/imap\t.*\n", replacement="")
for program, right, wrong in (("local-deliver", "root", "nobody"), ("local-deliver", "root", "relaisq"), ("remote-deliver", "relaisr", "root"),
                              ("queue-runner", "relaisq", "nobody"), ("queue-runner", "relaisq", "root"), ("smtpd", "relaisd", "root"), ("smtpd", "relaisd", "nobody"),
                              ("imapd", "relaisn", "relaisd"), ("tls-relay", "relaist", "relaisd"), ("checkpassword", "root", "relaisn")):
    in_line(f"{program} as {wrong}", rf"inetd\.conf:\d+: .*{program} runs as {wrong}, and must as {right}: .*HUP",
            pattern=rf"\b{right}(\s+\S*/{program}\s)", replacement=rf"{wrong}\1",
            log={("local-deliver", "nobody"): "in the line for .*queue/local"}.get((program, wrong)))


@fault("another program at local-deliver's socket", r"queue/local: starts .*/remote-deliver, and should local-deliver")
def other_program(i):
    before = open(INETD).read()
    edit(INETD, r"/local-deliver(\s+)local-deliver", r"/remote-deliver\1remote-deliver")
    reread(i)
    yield
    restore({INETD: before.encode()})
    reread(i)


@fault("a line for a program that is not there", r"no-such-deliver: no such program")
def no_program(i):
    before = open(INETD).read()
    edit(INETD, r"/remote-deliver(\s+)remote-deliver", r"/no-such-deliver\1remote-deliver")
    reread(i)
    yield
    restore({INETD: before.encode()})
    reread(i)


@fault("inetd does not run", r"service/kick: nobody answers, though .*: start inetd", status="nobody answers")
def no_inetd(i):
    i.inetd.terminate()
    i.inetd.wait()
    yield
    i.start()


@fault("inetd hangs", r"takes connections and says nothing: is inetd stopped")
def stopped(i):
    i.inetd.send_signal(signal.SIGSTOP)
    yield
    i.inetd.send_signal(signal.SIGCONT)


@fault("another server has the port", r"127\.0\.0\.5:\d+: smtpd does not serve: another server answers: 220 .*Postfix")
def other_server(i):
    i.inetd.terminate()
    i.inetd.wait()
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((i.address, i.ports["smtp"]))
        server.listen()

        def serve():
            try:
                while True:
                    client, _ = server.accept()
                    client.sendall(b"220 inst.example ESMTP Postfix\r\n")
                    client.close()
            except OSError:
                pass
        threading.Thread(target=serve, daemon=True).start()
        i.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
    i.inetd.terminate()
    i.inetd.wait()
    i.start()


# Programs and times
@fault("sendmail is another mail system's", r"/usr/sbin/sendmail: another mail system's.*ln -sf .*/sbin/sendmail")
def other_sendmail(i):
    i.lead_sendmail(target="/bin/true")
    yield
    i.lead_sendmail()


@fault("no sendmail", r"/usr/sbin/sendmail: missing.*ln -sf")
def no_sendmail(i):
    os.unlink("/usr/sbin/sendmail")
    yield
    i.lead_sendmail()


in_mode("sendmail-compat without its bit", r"sendmail-compat: must be set-group-ID relaisi.*chmod 2711", "{libexec}/sendmail-compat", 0o711)
in_mode("sendmail-compat of another group", r"sendmail-compat: must be set-group-ID relaisi.*chown root:relaisi", "{libexec}/sendmail-compat", 0o2711, ("root", "root"))
in_mode("a program that others may change", r"smtpd: others than its owner may change it", "{libexec}/smtpd", 0o777)


@fault("no cron line", r"no cron line and no timer starts queue-runner each minute: .*\* \* \* \* \* relaisq \S+/queue-runner")
def no_cron(i):
    before = open("/etc/cron.d/relais", "rb").read()
    os.unlink("/etc/cron.d/relais")
    yield
    restore({"/etc/cron.d/relais": before})


in_file("no cron line for --clean", r"starts queue-runner --clean each day", path="/etc/cron.d/relais", pattern=r"^.*--clean.*\n", replacement="")
in_file("a cron line of another user", r"cron\.d/relais:\d+: queue-runner as ann may not read the queue", path="/etc/cron.d/relais", pattern=r"(\* \* \* \*\s+)relaisq", replacement=r"\1ann")

# Aliases
in_mode("aliases that anybody may write", r"aliases: anybody may write it.*chmod 0644", ALIASES, 0o666)
in_mode("aliases of a user", r"aliases: belongs to user id 7001.*chown root", ALIASES, None, ("ann",))
in_mode("aliases that smtpd cannot read", r"aliases: relaisd.* cannot read it.*chmod 0644", ALIASES, 0o600)
for name, told, text in (
        ("mail for root that no login reads", r"root: no login reads its mail.*root: you", "postmaster: ann\n"),
        ("root's alias is a system account", r"root: no login reads its mail", "root: daemon\n"),
        ("an alias loop", r"aliases:2: a loop: a -> b -> a", "root: ann\na: b\nb: a\n"),
        ("an alias to nobody", r"aliases:2: sales leads to nobodyhere: user unknown", "root: ann\nsales: nobodyhere\n"),
        ("an alias without its colon", r"aliases:2: ", "root: ann\nsales ann\n"),
        ("a catch-all line of another host's domain", r"aliases:2: @there.example matches no address", "root: ann\n@there.example: ann\n"),
        ("a catch-all of a star", r"aliases:2: ", "root: ann\n*: ann\n")):
    in_file(name, told, path=ALIASES, pattern=r"\A[^\0]*\Z", replacement=text.replace("\\", "\\\\"))

# Configuration
in_file("a host name without a dot", r"inst: a host name without a dot.*set hostname = ", path=CONF, pattern=r"^hostname = inst\.example", replacement="hostname = inst")
in_mode("relais.conf for root alone", r"relais\.conf: relaisd, relaisq.*ordinary users cannot read it.*chmod 0644", CONF, 0o600)
in_mode("a log that only root may write", r"/log: relaisd.* cannot write it", "{directory}/log", 0o600)


def relay(told, what, mode, owner, text):
    @fault(what, told)
    def plant(i):
        before, path = open(CONF).read(), "/etc/relais/relay-passwords"
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        shutil.chown(path, owner)
        with open(CONF, "a") as file:
            file.write(f"relay-host = smtps://me@mail.example.net\nrelay-passwords = {path}\n")
        yield
        restore({CONF: before.encode()})
        os.unlink(path)


relay(r"relay-passwords: others may read or change the passwords in it: chmod 0600", "passwords of relay-host that anybody may read", 0o644, "relaisr",
      "mail.example.net me x\n")
relay(r"relay-passwords: relaisr cannot read it: chown relaisr .*; chmod 0600", "passwords of relay-host that are root's", 0o600, "root", "mail.example.net me x\n")
relay(r"relay-passwords:1: expected", "a password of relay-host without its login", 0o600, "relaisr", "mail.example.net x\n")
relay(r"no password of me: add a line `mail.example.net me password`", "a login of relay-host without its password", 0o600, "relaisr", "mail.example.net you x\n")


@fault("a users file that anybody may read", r"users: holds passwords and anybody may read it")
def open_users(i):
    before = open(CONF).read()
    with open("/etc/relais/users", "w") as file:
        file.write("ann:{PLAIN}x::::/:\n")
    os.chmod("/etc/relais/users", 0o644)
    with open(CONF, "a") as file:
        file.write("users-file = /etc/relais/users\n")
    yield
    restore({CONF: before.encode()})


# The queue and its neighbours
in_mode("the net directory is open", r"state/net: anybody may ask for logins: chmod 0710", "{state}/net", 0o755)
in_mode("the net directory is shut", r"state/net: relaisd, relaisn cannot pass it.*chgrp relaisn", "{state}/net", 0o700)
in_mode("a slots file of another user", r"slots/smtp: relaisd cannot write it", "{state}/slots/smtp", 0o600, ("root", "root"))
in_mode("a queue that anybody may enter", r"spool: has mode 0755: chmod 0710", "{spool}", 0o755)
in_mode("incoming/ without its bits", r"spool/incoming: has mode 0755: chmod 03733", "{spool}/incoming", 0o755)
in_mode("deferred/ of root", r"spool/deferred: belongs to user id 0: chown relaisq", "{spool}/deferred", 0o700, ("root",))


@fault("no slots directory", r"state/slots: no such directory: .*scripts/install")
def no_slots(i):
    os.rename(i.directory + "/state/slots", i.directory + "/state/slots.away")
    yield
    os.rename(i.directory + "/state/slots.away", i.directory + "/state/slots")


@fault("relaisd is not in group relaisn", r"relaisd: not in group relaisn.*usermod -a -G relaisn relaisd")
def no_group(i):
    run("gpasswd", "-d", "relaisd", "relaisn")
    yield
    run("usermod", "-a", "-G", "relaisn", "relaisd")


def deferred(i, subject):
    """A message for bob that waits in a bucket which is due."""
    name, data = queuefiles.message("ann@inst.example", ["bob@inst.example"], f"Subject: {subject}\n\nHello.\n".encode())
    bucket = f"{i.spool}/deferred/{int(time.time()) // 60 - 1}"
    os.makedirs(bucket, exist_ok=True)
    with open(f"{bucket}/{name}", "wb") as file:
        file.write(data)
    owner = pwd.getpwnam("relaisq")
    for path in (bucket, f"{bucket}/{name}"):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    os.chmod(bucket, 0o700)
    os.chmod(f"{bucket}/{name}", 0o660)
    return bucket


@fault("a bucket that relaisq cannot read", r"deferred/\d+: relaisq cannot read what is deferred there: chown relaisq ")
def bucket(i):
    place = deferred(i, "in-a-bucket-of-root")
    os.chown(place, 0, 0)
    yield
    run("bash", "-c", re.search(r"can(?:not).*?there: (.*)", check(i)[1]).group(1))
    i.expected.append("in-a-bucket-of-root")


@fault("a spool that belongs to root", r"\A\S*/spool: belongs to root, .*chown relaisq:relaisi [^\n]*\n(?!.*user id 0)")
def spool(i):
    deferred(i, "in-a-spool-of-root")
    run("chown", "-R", "root:root", i.spool)
    yield
    words = i.install().decode()
    assert f"mended: {i.spool}: " in words and "mended: owner and mode of" in words, words
    assert "mended:" not in i.install().decode()
    i.expected.append("in-a-spool-of-root")


# What is done with each

def try_one(i, number, name, told, status, log, function):
    begin = os.path.getsize(i.directory + "/log")
    planted = function(i)
    next(planted)
    try:
        subject = f"planted-{number:02}."
        sent = as_user("ann", i.prefix + "/sbin/sendmail", "bob", input=f"Subject: {subject}\n\nHello.\n".encode())
        said = lambda: (lambda text: text if re.search(told, text, re.S) else None)(check(i)[1])
        # inetd reads its file when it comes to that.
        text = eventually(said, f"--check says {told}: {check(i)[1]}", 5)
        assert check(i)[0] == 78
        if status:
            eventually(lambda: re.search(status, run(i.prefix + "/sbin/queue-runner", "--status", check=False).decode()), f"--status says {status}")
        if log:
            eventually(lambda: re.search(log, open(i.directory + "/log").read()[begin:]), f"the log says {log}")
        early = any(subject.encode() in open(path, "rb").read() for path in i.maildir("bob"))
    finally:
        next(planted, None)
    fate = f"refused ({sent.returncode})"
    if sent.returncode == 0:
        i.expected.append(subject)
        fate = "delivered at once" if early else "waited, then delivered"
    else:
        assert sent.stderr.strip(), f"sendmail ended with {sent.returncode} and without a word"
    place = re.search(told, text, re.S).start()
    return fate, text[text.rfind("\n", 0, place) + 1:].split("\n")[0]


@test("each planted fault is named by --check, with what to type; mail that was taken arrives when it is mended")
def planted_faults(i):
    i.expected, rows, problems = [], [], []
    assert check(i)[0] == 0, check(i)[1]
    wanted = os.environ.get("RELAIS_FAULTS", "")
    for number, (name, *rest) in enumerate(FAULTS):
        if not re.search(wanted, name):
            continue
        try:
            fate, line = try_one(i, number, name, *rest)
            rows.append(f"{name:46} {fate:24} {line[:150]}")
        except Exception as error:
            problems.append(f"{name}: {error}")
            print(f"        {problems[-1]}", file=sys.stderr)
        everywhere = lambda: b"".join(open(path, "rb").read() for path in i.maildir("bob"))

        def arrived():
            run(i.prefix + "/sbin/queue-runner", "--retry", "all", check=False)
            run(i.prefix + "/sbin/queue-runner", check=False)
            return all(subject.encode() in everywhere() for subject in i.expected)
        try:
            eventually(arrived, "all that was taken", 60)
            eventually(lambda: check(i)[0] == 0, "all is well again", 30)
        except AssertionError as error:
            i.expected = [subject for subject in i.expected if subject.encode() in everywhere()]
            problems.append(f"{name}: mended: {error}: {check(i)[1]}")
            print(f"        {problems[-1]}", file=sys.stderr)
    returned = [text for text in (open(path, "rb").read() for path in i.maildir("ann")) if b"MAILER-DAEMON" in text and b"planted-" in text]
    if returned:
        problems.append(f"{len(returned)} messages were returned: {returned[0][-1500:].decode()}")
    assert not problems, "\n".join(problems)
    return f"{len(rows)} faults, {len(i.expected)} messages\n" + "\n".join("        " + row for row in rows)


@test("who may not look is told what was not checked, and never that all is well")
def what_others_see(i):
    for user in ("ann", "relaisq"):
        done = as_user(user, i.prefix + "/sbin/queue-runner", "--check")
        text = done.stdout.decode()
        assert "not checked: " in text and "all is well" not in text, (user, text)
        assert done.returncode == 0, (user, text)
        assert "nothing is wrong in what could be looked at" in text, (user, text)
