"""Who logs in may send: the ways in which mail programs submit, and what each hears when something is wrong."""
import base64, os, smtplib, ssl, subprocess, tempfile
import logs
from harness import USER, address, arrived, eventually, log_of, need, replace, test

UNVERIFIED = ssl._create_unverified_context()
GUESSER = "127.0.0.78"


def log_so_far(host):
    return log_of(host) if os.path.exists(host.log) else ""


def submission(host, source="127.0.0.1"):
    """A client that has TLS."""
    client = smtplib.SMTP(host.address, host.ports["submission"], local_hostname="laptop.example", timeout=60, source_address=(source, 0))
    client.starttls(context=UNVERIFIED)
    client.ehlo()
    return client


def submissions(host):
    return smtplib.SMTP_SSL(host.address, host.ports["submissions"], local_hostname="laptop.example", timeout=60, context=UNVERIFIED)


def text(subject, author):
    return f"From: {author}\r\nTo: you@b.example\r\nSubject: {subject}\r\n\r\nHello.\r\n"


def ways(i, subject, mechanism, password):
    """Commands that submit a message, each program in its way."""
    home = tempfile.mkdtemp(prefix="relais-submit-")
    me, to, host, starttls, tls = address(i.a), address(i.b), i.a.address, i.a.ports["submission"], i.a.ports["submissions"]
    letter = text(subject, me).replace("\r\n", "\n").encode()
    swaks = ["swaks", "--to", to, "--from", me, "--header", f"Subject: {subject}", "--auth", mechanism, "--auth-user", USER, "--auth-password", password]
    yield "swaks, STARTTLS", [*swaks, "--server", f"{host}:{starttls}", "-tls"], b""
    yield "swaks, TLS", [*swaks, "--server", f"{host}:{tls}", "-tlsc"], b""
    curl = ["curl", "-sS", "-k", "--crlf", "-u", f"{USER}:{password}", "--login-options", f"AUTH={mechanism}", "--mail-from", me, "--mail-rcpt", to, "-T", "-"]
    yield "curl, STARTTLS", [*curl, "--ssl-reqd", f"smtp://{host}:{starttls}"], letter
    yield "curl, TLS", [*curl, f"smtps://{host}:{tls}"], letter
    msmtp = ["msmtp", "-C", "/dev/null", f"--host={host}", "--tls=on", "--tls-certcheck=off", f"--auth={mechanism.lower()}", f"--user={USER}",
             f"--passwordeval=echo {password}", f"--from={me}"]
    yield "msmtp, STARTTLS", [*msmtp, f"--port={starttls}", to], letter
    yield "msmtp, TLS", [*msmtp, f"--port={tls}", "--tls-starttls=off", to], letter
    with open(home + "/muttrc", "w") as file:
        file.write(f'set from="{me}"\nset smtp_url="smtps://{USER}@{host}:{tls}"\nset smtp_pass="{password}"\nset smtp_authenticators="{mechanism.lower()}"\n'
                   'set ssl_verify_host=no\nset ssl_verify_dates=no\nset certificate_file=""\nset copy=no\nset ssl_usesystemcerts=no\n'
                   f'set certificate_file="{i.a.directory}/tls.pem"\nset use_envelope_from=yes\n')
    yield "mutt, TLS", ["mutt", "-n", "-F", home + "/muttrc", "-s", subject, to], b"Hello.\n"
    with open(home + "/letter", "wb") as file:
        file.write(letter)
    yield "git send-email, STARTTLS", ["git", "-c", "user.name=Me", "-c", f"user.email={me}", "-c", "sendemail.smtpsslcertpath=", "send-email", "--quiet", "--confirm=never", "--from", me, "--to", to, "--envelope-sender", me,
                                       "--smtp-server", host, "--smtp-server-port", str(starttls), "--smtp-encryption", "tls", "--smtp-user", USER,
                                       "--smtp-pass", password, "--smtp-auth", mechanism, home + "/letter"], b""


@test("swaks, curl, msmtp, mutt and git send-email submit with each mechanism that they know, over STARTTLS and over TLS; with a wrong password nothing is sent")
def by_programs(i):
    for program in ("swaks", "curl", "msmtp", "mutt", "git"):
        need(program)
    tried = []
    environment = dict(os.environ, HOME=tempfile.mkdtemp(prefix="relais-home-"))
    for mechanism in ("PLAIN", "LOGIN"):
        for password in ("secret", "wrong"):
            for number, (name, command, letter) in enumerate(ways(i, f"submit-{mechanism}-{password}", mechanism, password)):
                # A wrong password is answered late, by the same rule for all: one program shows it.
                if password == "wrong" and number not in (0, 5):
                    continue
                before = log_of(i.a).count("sasl_username=") if os.path.exists(i.a.log) else 0
                done = subprocess.run(command, input=letter, capture_output=True, timeout=60, env=environment)
                assert (done.returncode == 0) == (password == "secret"), (name, mechanism, password, done)
                new = eventually(lambda: [line for line in log_of(i.a).splitlines() if "sasl_username=" in line][before:], f"{name} in the log")
                wanted = f"sasl_method={mechanism}, sasl_username={USER}" if password == "secret" else f"SASL {mechanism} authentication failed: "
                assert any(wanted in line for line in new), (name, mechanism, new)
                tried.append(name)
    for mechanism in ("PLAIN", "LOGIN"):
        received = arrived(i.b, f"Subject: submit-{mechanism}-secret".encode())
        assert b"with ESMTPSA id " in received and b"\nmessage-id: <" in received.lower() and b"\nDate: " in received, received
    assert not [name for name in i.b.delivered() if b"-wrong" in open(name, "rb").read()]
    return f"{len(tried)} times"


@test("Python's smtplib submits with each mechanism; nobody sends before the login, no password goes in the clear, and the third wrong one ends the session")
def by_smtplib(i):
    for connect in (submission, submissions):
        for mechanism in ("PLAIN", "LOGIN"):
            with connect(i.a) as client:
                client.user, client.password = USER, "secret"
                client.ehlo_or_helo_if_needed()
                assert set(client.esmtp_features["auth"].split()) == {"PLAIN", "LOGIN"}
                assert client.mail(address(i.a)) == (530, b"5.7.0 Authentication required")
                assert client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"))[0] == 235
                client.sendmail(address(i.a), [address(i.b)], text(f"smtplib-{mechanism}", address(i.a)))
            arrived(i.b, f"Subject: smtplib-{mechanism}".encode())
    with smtplib.SMTP(i.a.address, i.a.ports["submission"], timeout=30) as client:
        client.ehlo()
        assert "auth" not in client.esmtp_features or i.a.address.startswith("127."), client.esmtp_features
    with submission(i.a) as client:
        for count in range(3):
            code, said = client.docmd("AUTH PLAIN", base64.b64encode(b"\0nobody\0wrong").decode())
            assert code == 535 and said == b"5.7.8 Authentication credentials invalid", (code, said)
        assert client.getreply()[0] == 421


@test("who has logged in sends under addresses that are his: his own, with extensions, by aliases, and what the table gives him; in the envelope, in From and in Sender")
def own_addresses(i):
    table = i.a.directory + "/senders"
    replace(table, f"press@a.example: {USER}\n@sold.example: somebody, {USER}\nteam@a.example: somebody\n")
    before = open(i.a.config).read()
    me, domain = address(i.a), "a.example"
    mine = [me, f"{USER}+lists@{domain}", f"postmaster@{domain}", f"root@{domain}", f"{USER.upper()}@A.EXAMPLE", "press@a.example", "x@sold.example", ""]
    others = ["team@a.example", f"nobody-here@{domain}", f"{USER}@b.example", "press@b.example", f"{USER}@far.example", "x@sold.example.far.example"]
    try:
        replace(i.a.config, before + f"sender-logins-file = {table}\n")
        with submission(i.a) as client:
            client.login(USER, "secret")
            for sender in mine:
                assert client.mail(sender)[0] == 250, sender
                client.rset()
            for sender in others:
                code, said = client.mail(sender)
                assert code == 553 and said == f"5.7.1 Sender address rejected: not owned by user {USER}".encode(), (sender, code, said)
            number = 0
            for author, sender, is_mine in [(f"Me <{me}>", None, True), (f"{USER}", None, True), (f"{me}, press@a.example", None, True), ("Boss <boss@b.example>", None, False),
                                            (f"{me}, boss@b.example", None, False), (me, "boss@b.example", False), ("boss", None, False),
                                            (f"=?utf-8?q?Me?= (x) <{me}>", me, True), (f"{me}\r\nFrom: boss@b.example", None, False), ("<>", None, None)]:
                number += 1
                head = f"From: {author}\r\n" + (f"Sender: {sender}\r\n" if sender else "")
                try:
                    client.sendmail(me, [address(i.b)], f"{head}Subject: author-{number}\r\n\r\nHello.\r\n")
                    assert is_mine is not False, (author, sender)
                except smtplib.SMTPDataError as error:
                    assert not is_mine and error.smtp_code == 554, (author, sender, error)
        arrived(i.b, b"Subject: author-1\n")
        arrived(i.b, b"Subject: author-8\n")
        refused = [line for line in log_of(i.a).splitlines() if "reject: MAIL" in line and "not owned by user" in line]
        assert len(refused) >= len(others) and all("5.7.1" in line for line in refused), refused
    finally:
        replace(i.a.config, before)


@test("fail2ban's filter for Postfix's logins counts each failure once, and no password is in the log, whatever a client sends for one")
def failures_in_the_log(i):
    need("fail2ban-regex")
    directory = tempfile.mkdtemp(prefix="relais-logs-")
    os.chmod(directory, 0o755)
    with logs.instance.Instance(directory, extra={"syslog-name": "postfix"}) as day:
        secrets = [b"OpenSesame1", b"pa55 word", "pässwörd".encode()]
        for secret in secrets:
            with submission(day.a, GUESSER) as client:
                assert client.docmd("AUTH PLAIN", base64.b64encode(b"\0ann\0" + secret).decode())[0] == 535
                for line in (b"AUTH LOGIN", base64.b64encode(b"ann"), base64.b64encode(secret)):
                    code = client.docmd(line.decode())[0]
                assert code == 535
                # Behind an error a client may go on as if there were none.
                for line in (b"AUTH CRAM-MD5", base64.b64encode(b"ann " + secret), base64.b64encode(secret), b"AUTH " + base64.b64encode(secret), b"USER ann", b"PASS " + base64.b64encode(secret)):
                    assert client.docmd(line.decode())[0] >= 500
        eventually(lambda: log_of(day.a).count("disconnect from") >= 3, "the sessions' ends")
        log = log_of(day.a)
        for secret in secrets:
            for shape in (secret, base64.b64encode(secret), base64.b64encode(b"\0ann\0" + secret), base64.b64encode(b"ann " + secret)):
                found = [line for line in log.splitlines() if shape[:9].decode(errors="replace").lower() in line.lower()]
                assert not found, (shape, found)
        assert logs.fail2ban(day.a.log, "postfix", "auth") == [GUESSER] * 6, log
        assert "too many attempts" not in log
    return "6 failures"
