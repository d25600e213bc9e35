"""The main job end to end, with clients that we did not write."""
import imaplib, poplib, smtplib, ssl, subprocess, time
from harness import RELEASE, USER, address, arrived, eventually, log_of, mailbox_text, need, run, send, test


@test("a script's message goes through sendmail-compat into a Maildir, at once")
def by_sendmail(i):
    run(*i.a.command("sendmail-compat", "-t"), input=f"To: {address(i.a)}\nSubject: by-sendmail\n\nHello.\n".encode())
    text = arrived(i.a, b"Subject: by-sendmail", 5)
    assert b"Message-ID:" in text and b"Date:" in text and b"From:" in text, text


@test("a stranger's message goes by SMTP to another host, found by MX, over TLS")
def by_smtp(i):
    send(i.a, address(i.b), "by-smtp")
    text = arrived(i.b, b"Subject: by-smtp")
    assert b"with ESMTPS" in text and text.count(b"Received:") == 2, text


@test("swaks delivers, with STARTTLS where it can")
def by_swaks(i):
    run(need("swaks"), "--server", f"{i.a.address}:{i.a.ports['smtp']}", "--to", address(i.a), "--from", "x@far.example",
        "--header", "Subject: by-swaks")
    arrived(i.a, b"Subject: by-swaks")


@test("curl sends and fetches, by SMTP, POP3 and IMAP, in the clear and over TLS")
def by_curl(i):
    run(need("curl"), "-sS", "--crlf", f"smtp://{i.a.address}:{i.a.ports['smtp']}", "--mail-from", "x@far.example", "--mail-rcpt",
        address(i.a), "-T", "-", input=b"Subject: by-curl\n\nHello.\n")
    arrived(i.a, b"Subject: by-curl")
    login = ["-sS", "-k", "-u", f"{USER}:secret"]
    count = len(i.a.delivered())
    for url in (f"pop3://{i.a.address}:{i.a.ports['pop3']}/", f"pop3s://{i.a.address}:{i.a.ports['pop3s']}/"):
        listing = run("curl", *login, url)
        assert len(listing.split(b"\r\n")) >= count, listing
    for scheme, options in (("imap", []), ("imap", ["--ssl-reqd"]), ("imaps", [])):
        url = f"{scheme}://{i.a.address}:{i.a.ports[scheme]}/INBOX"
        found = run("curl", *login, *options, url + "?SUBJECT%20by-curl")
        assert found.startswith(b"* SEARCH ") and found.strip() != b"* SEARCH", found
    run("curl", "-sS", "-k", "--crlf", "--ssl-reqd", f"smtp://{i.a.address}:{i.a.ports['smtp']}", "--mail-from", "x@far.example",
        "--mail-rcpt", address(i.a), "-T", "-", input=b"Subject: by-curl-tls\n\nHello.\n")
    assert b"with ESMTPS" in arrived(i.a, b"Subject: by-curl-tls")


@test("Python's smtplib, poplib and imaplib pass")
def by_python(i):
    body = ".dot\r\n..two\r\n" + "x" * 2000 + "\r\nlast"
    send(i.a, address(i.a), "by-python", body=body)
    arrived(i.a, b"Subject: by-python")
    pop = poplib.POP3(i.a.address, i.a.ports["pop3"], timeout=30)
    pop.stls(ssl._create_unverified_context())
    pop.user(USER)
    pop.pass_("secret")
    assert pop.stat()[0] == len(pop.list()[1]) == len(pop.uidl()[1])
    lines = [b"\r\n".join(pop.retr(n + 1)[1]) for n in range(pop.stat()[0])]
    assert any(t.endswith(body.encode()) for t in lines), "the message came back changed"
    number = next(n for n, t in enumerate(lines) if b"Subject: by-python" in t) + 1
    assert len(pop.top(number, 1)[1]) < 14
    pop.dele(number)
    pop.quit()
    assert not any(b"Subject: by-python\n" in t for t in mailbox_text(i.a))
    imap = imaplib.IMAP4(i.a.address, i.a.ports["imap"])
    imap.starttls(ssl._create_unverified_context())
    imap.login(USER, "secret")
    imap.create("Kept")
    status, data = imap.append("Kept", "(\\Seen)", None, b"Subject: kept\r\n\r\nbody\r\n")
    assert status == "OK" and b"APPENDUID" in data[0], data
    assert imap.select("Kept") == ("OK", [b"1"])
    uid = imap.fetch("1", "(UID)")[1][0]
    imap.logout()
    again = imaplib.IMAP4(i.a.address, i.a.ports["imap"])
    again.login(USER, "secret")
    again.select("Kept")
    assert again.fetch("1", "(UID)")[1][0] == uid, "UIDs survive"
    again.logout()


@test("an unknown user and a relay are refused at RCPT; a relaying network may relay")
def refusals(i):
    with smtplib.SMTP(i.a.address, i.a.ports["smtp"], timeout=30) as client:
        client.ehlo()
        client.mail("x@far.example")
        assert client.rcpt("nobody-there@a.example")[0] == 550
        assert client.rcpt(address(i.a))[0] == 250


@test("a wrong password is refused, late; the right one behind it is taken")
def wrong_password(i):
    imap = imaplib.IMAP4(i.a.address, i.a.ports["imap"])
    begin = time.time()
    try:
        imap.login(USER, "wrong")
        raise AssertionError("a wrong password was taken")
    except imaplib.IMAP4.error as error:
        assert "AUTHENTICATIONFAILED" in str(error), error
    assert time.time() - begin >= 1.9
    imap.login(USER, "secret")
    imap.logout()


@test("what is pipelined behind LOGIN and PASS is not lost")
def pipelined(i):
    import socket
    for port, text, last in (
        ("imap", f"a LOGIN {USER} secret\r\nb NOOP\r\nc LOGOUT\r\n", b"c OK"),
        ("pop3", f"USER {USER}\r\nPASS secret\r\nSTAT\r\nQUIT\r\n", b"+OK Bye"),
    ):
        with socket.create_connection((i.a.address, i.a.ports[port]), 30) as client:
            client.sendall(text.encode())
            answer = b""
            while part := client.recv(65536):
                answer += part
            assert last in answer, answer


@test("an idling session hears of new mail")
def idle(i):
    import socket
    with socket.create_connection((i.a.address, i.a.ports["imap"]), 30) as client:
        stream = client.makefile("rwb")
        stream.write(f"a LOGIN {USER} secret\r\nb SELECT INBOX\r\nc IDLE\r\n".encode())
        stream.flush()
        while not stream.readline().startswith(b"+ "):
            pass
        send(i.a, address(i.a), "for-idle")
        deadline = time.time() + 20
        while b"EXISTS" not in stream.readline():
            assert time.time() < deadline
        stream.write(b"DONE\r\nd LOGOUT\r\n")
        stream.flush()
        rest = stream.read()
        assert b"c OK" in rest and b"d OK" in rest, rest


@test("aliases and .forward lead on; a bounce comes back for an unknown address")
def aliases(i):
    send(i.a, "team@a.example", "to-team", sender=address(i.a))
    arrived(i.a, b"Subject: to-team")
    bounce = arrived(i.a, b"Undelivered Mail Returned to Sender")
    assert b"friend@b.example" in bounce and b"multipart/report" in bounce and b"Status: 5.1.1" in bounce


@test("mail for a dead host waits, and mailq says why and for whom")
def deferred(i):
    send(i.a, "x@dead.example", "to-dead")
    eventually(lambda: "status=deferred" in log_of(i.a), "a deferral in the log", 60)
    listing = eventually(lambda: (lambda t: t if b"refused" in t.lower() else None)(
        run(*i.a.command("queue-runner", "--list", "to=x@dead.example"))), "the reason in mailq", 30)
    assert b"-- " in listing and b"x@dead.example" in listing
    # Only what was asked for is listed: a message that is just leaving would be gone when its turn comes below.
    # A star says that the runner has it at this moment.
    identity = listing.split(b"\n")[1].split()[0].decode().rstrip("*")
    # While the runner still has the message, the answer is "try again".
    for option in ("--hold", "--release", "--hold", "--remove"):
        eventually(lambda: subprocess.run(i.a.command("queue-runner", option, identity), capture_output=True).returncode == 0, option)
    assert identity.encode() not in run(*i.a.command("queue-runner", "--list"))


@test("mail for a domain that takes none comes back at once")
def null_mx(i):
    send(i.a, "x@null.example", "to-null", sender=address(i.a))
    arrived(i.a, b"x@null.example")


@test("the installation check is satisfied")
def check(i):
    assert b"all is well" in run(*i.a.command("queue-runner", "--check"))


@test("mxlookup says what host says, for every kind of answer")
def mxlookup(i):
    for name in ("a.example", "many.example", "null.example", "plain.example", "alias.example", "missing.example", "nothing.example"):
        ours = subprocess.run([f"{RELEASE}/mxlookup", "-p", str(i.dns.port), name, "127.0.0.1"], capture_output=True, timeout=30)
        host = subprocess.run([need("host"), "-p", str(i.dns.port), "-t", "mx", name, "127.0.0.1"], capture_output=True, timeout=30)
        assert sorted(ours.stdout.splitlines()) == sorted(host.stdout.splitlines()), (name, ours.stdout, host.stdout)
        assert ours.returncode == host.returncode, name
