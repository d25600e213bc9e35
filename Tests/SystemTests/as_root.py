"""What only root can try, in a mount namespace of its own: an installed relais with all its users, and power cuts."""
import imaplib, importlib, os, poplib, pwd, shutil, smtplib, socket, stat, subprocess
from harness import TOP, Tally, as_user, enter_namespace, eventually, run, run_tests, temporary, test
from installed import Installed

MODULES = ("as_root", "planted", "rights", "systemd", "powercut", "fulldisk", "fullmailbox")


@test("an installed relais passes its own check, with all owners and modes")
def check(i):
    done = subprocess.run([i.prefix + "/sbin/queue-runner", "--check"], capture_output=True)
    assert done.returncode == 0, done.stdout.decode()
    special = run("find", i.directory, "-xdev", "-perm", "/6000", "-type", "f").decode().split()
    assert [os.path.basename(p) for p in special] == ["sendmail-compat"], special


@test("a package is made without users; what is installed there goes again, mail and configuration only with --purge")
def package(i):
    root = i.directory + "/package"
    environment = dict(os.environ, DESTDIR=root, PREFIX="/usr")
    files = lambda: {os.path.relpath(os.path.join(place, name), root) for place, _, names in os.walk(root) for name in names}
    run("bash", TOP + "/scripts/install", "--no-users", env=environment)
    made = files()
    assert {"usr/libexec/relais/smtpd", "usr/sbin/queue-runner", "usr/bin/mxlookup", "usr/sbin/mailq", "usr/share/man/man7/relais.7"} <= made, made
    with open(root + "/var/spool/relais/incoming/mail", "w"):
        pass
    run("bash", TOP + "/scripts/uninstall", env=environment)
    assert files() == {"etc/relais/relais.conf", "var/spool/relais/incoming/mail"} | {name for name in made if name.startswith("var/lib/")}, files()
    run("bash", TOP + "/scripts/uninstall", "--purge", env=environment)
    assert not files(), files()


@test("mail that comes by SMTP is delivered as the recipient, who owns it")
def by_smtp(i):
    with smtplib.SMTP(i.address, i.ports["smtp"], timeout=30) as client:
        client.starttls()
        client.sendmail("x@far.example", ["ann@inst.example"], "Subject: to-ann\r\n\r\nHello.\r\n")
    status = os.stat(i.arrived("ann", b"Subject: to-ann"))
    assert status.st_uid == 7001 and status.st_mode & 0o777 == 0o600, status


@test("an ordinary user sends with sendmail, and can neither read the queue nor put a file into it")
def by_sendmail(i):
    done = as_user("ann", i.prefix + "/sbin/sendmail", "bob@inst.example", input=b"Subject: to-bob\n\nHello.\n")
    assert done.returncode == 0, done.stderr
    path = i.arrived("bob", b"Subject: to-bob")
    assert os.stat(path).st_uid == 7002
    assert b"ann@inst.example" in open(path, "rb").read()
    assert as_user("ann", "ls", i.spool).returncode != 0
    assert as_user("ann", "touch", i.spool + "/incoming/x").returncode != 0
    listing = as_user("ann", i.prefix + "/sbin/mailq")
    assert listing.returncode == 77 and listing.stderr, listing


@test("mail for root that no alias claims goes to relaisa's mailbox, postmaster's to its alias")
def to_root(i):
    i.aliases("postmaster: ann\n")
    assert as_user("ann", i.prefix + "/sbin/sendmail", "root", input=b"Subject: to-root\n\n").returncode == 0
    state = i.directory + "/state/relaisa"
    eventually(lambda: run("find", state, "-type", "f", "-path", "*new*").strip(), "mail for root in " + state)
    with smtplib.SMTP(i.address, i.ports["smtp"], timeout=30) as client:
        client.sendmail("x@far.example", ["postmaster"], "Subject: to-postmaster\r\n\r\n")
    i.arrived("ann", b"Subject: to-postmaster")
    i.aliases()


@test("system passwords open POP3 and IMAP, wrong ones and system accounts do not")
def logins(i):
    for name, password, opens in (("ann", "right ann", True), ("ann", "right bob", False), ("root", "", False), ("relaisq", "x", False)):
        imap = imaplib.IMAP4(i.address, i.ports["imap2"])
        try:
            imap.login(name, f'"{password}"' if not password else password)
            assert opens, f"{name} was let in"
            assert imap.select()[0] == "OK"
            imap.logout()
        except imaplib.IMAP4.error as error:
            assert not opens, error
    pop = poplib.POP3(i.address, i.ports["pop3"], timeout=30)
    pop.user("bob")
    pop.pass_("right bob")
    assert pop.stat()[0] >= 1
    pop.quit()


@test("a right password without a home directory is told to come later, by IMAP and POP3, and the connection goes on; a wrong one is wrong")
def homeless(i):
    os.rename(f"{i.directory}/home/bob", f"{i.directory}/home/away")
    try:
        imap = imaplib.IMAP4(i.address, i.ports["imap2"])
        for password, answer in (("right bob", b"[UNAVAILABLE] "), ("wrong", b"[AUTHENTICATIONFAILED] "), ("right bob", b"[UNAVAILABLE] ")):
            try:
                imap.login("bob", password)
                raise AssertionError("bob was let in")
            except imaplib.IMAP4.error as error:
                assert answer in error.args[0], error
        pop = poplib.POP3(i.address, i.ports["pop3"], timeout=30)
        for password, answer in (("right bob", b"-ERR [SYS/TEMP] "), ("wrong", b"-ERR [AUTH] ")):
            pop.user("bob")
            try:
                pop.pass_(password)
                raise AssertionError("bob was let in")
            except poplib.error_proto as error:
                assert error.args[0].startswith(answer), error
        assert pop.capa(), "the connection goes on"
        pop.quit()
    finally:
        os.rename(f"{i.directory}/home/away", f"{i.directory}/home/bob")
    log = open(i.directory + "/log").read()
    assert log.count(f"chdir {i.directory}/home/bob: No such file") == 3 and log.count("auth failed, 1 attempts): user=<bob>") == 2, log
    imap = imaplib.IMAP4(i.address, i.ports["imap2"])
    imap.login("bob", "right bob")
    imap.logout()


@test("imapd --verify, run by root, mends a user's mailbox as that user: what it makes is the user's, and links lead it nowhere that the user may not go")
def verify_as_root(i):
    home = i.directory + "/home/bob"
    assert as_user("bob", "sh", "-c", f"mkdir -p {home}/Maildir/cur {home}/Maildir/new && echo x >{home}/Maildir/cur/1.a.h:2,").returncode == 0
    command = (i.prefix + "/libexec/relais/imapd", "--verify")
    done = subprocess.run([*command, "bob"], capture_output=True, timeout=60)
    assert done.returncode == 0 and b" mended, 0 left" in done.stdout and not done.stderr, done
    for name in ("tmp", "dovecot-uidlist"):
        assert os.stat(f"{home}/Maildir/{name}").st_uid == 7002, name
    with open(i.directory + "/secret-list", "w") as file:
        file.write("3 V1 N1\n")
    os.chmod(i.directory + "/secret-list", 0o600)
    os.remove(home + "/Maildir/dovecot-uidlist")
    os.symlink(i.directory + "/secret-list", home + "/Maildir/dovecot-uidlist")
    done = subprocess.run([*command, "bob"], capture_output=True, timeout=60)
    assert done.returncode == 69 and open(i.directory + "/secret-list").read() == "3 V1 N1\n", done
    os.remove(home + "/Maildir/dovecot-uidlist")
    for name, status in (("root", 77), ("nobody-there", 67)):
        assert subprocess.run([*command, name], capture_output=True, timeout=60).returncode == status, name
    assert as_user("ann", *command, "bob").returncode == 77
    assert as_user("bob", *command, "bob").returncode == 0


def limits(process):
    """How many processes it may have, and whether others of its user may look into its memory: files of /proc are root's then."""
    most = next(line.split()[2] for line in open(f"/proc/{process['Pid']}/limits") if line.startswith("Max processes"))
    return most, os.stat(f"/proc/{process['Pid']}/maps").st_uid != 0


@test("users of the users file get their mail as their own uids, or as one for all, and read it; smtpd sees no password")
def virtual_users(i):
    before, made = open("/etc/relais/relais.conf").read(), i.directory + "/vmail"
    os.makedirs(made + "/one")
    os.chown(made + "/one", 7100, 7100)
    os.makedirs(made + "/two")
    os.chown(made + "/two", 7101, 7101)
    lines = [("ann@one.example", 7100, made + "/one/ann"), ("bob@one.example", 7100, made + "/one/deep/bob"), ("ann@two.example", 7101, made + "/two")]
    try:
        for path, mode, text in (("users", 0o644, "".join(f"{name}:x:{uid}:{uid}::{home}:\n" for name, uid, home in lines) + "ann:x\n"),
                                 ("users.shadow", 0o600, "".join(f"{name}:{{PLAIN}}right {name}\n" for name, _, _ in lines + [("ann", 0, "")]))):
            with open("/etc/relais/" + path, "w") as file:
                file.write(text)
            os.chmod("/etc/relais/" + path, mode)
        with open("/etc/relais/relais.conf", "w") as file:
            file.write(before + "virtual-domains = one.example two.example\nusers-file = /etc/relais/users\n")
        done = subprocess.run([i.prefix + "/sbin/queue-runner", "--check"], capture_output=True)
        assert done.returncode == 0, done.stdout.decode()
        with smtplib.SMTP(i.address, i.ports["smtp"], timeout=30) as client:
            client.starttls()
            client.sendmail("x@far.example", [name for name, _, _ in lines] + ["ann@inst.example"], "Subject: to-virtual\r\n\r\nHello.\r\n")
            client.mail("x@far.example")
            assert [client.rcpt(name)[0] for name in ("bob@two.example", "ann@inst.example", "root@one.example", "relaisq@one.example")] == [550, 250, 550, 550]
        for name, uid, home in lines + [("ann", 7001, i.directory + "/home/ann")]:
            def stored():
                return [f"{home}/Maildir/new/{file}" for file in (os.listdir(home + "/Maildir/new") if os.path.isdir(home + "/Maildir/new") else [])]
            found = eventually(lambda: [path for path in stored() if b"to-virtual" in open(path, "rb").read()], f"mail for {name}")
            assert len(found) == 1 and os.stat(found[0]).st_uid == uid, (name, found)
            imap = imaplib.IMAP4(i.address, i.ports["imap2"])
            imap.login(name, f"right {name}")
            assert int(imap.select()[1][0]) >= 1
            imap.logout()
            pop = poplib.POP3(i.address, i.ports["pop3"], timeout=30)
            pop.user(name)
            pop.pass_(f"right {name}")
            pop.quit()
        done = subprocess.run([i.prefix + "/libexec/relais/imapd", "--verify", "ann@two.example"], capture_output=True)
        assert done.returncode == 0 and as_user("ann", i.prefix + "/libexec/relais/imapd", "--verify", "ann@two.example").returncode == 77, done
        # One file that root alone may read: smtpd does not know who is there, refuses nobody of theirs, and --check says what to do.
        os.chmod("/etc/relais/users", 0o600)
        with smtplib.SMTP(i.address, i.ports["smtp"], timeout=30) as client:
            client.ehlo()
            client.mail("x@far.example")
            assert [client.rcpt(name)[0] for name in ("ann@one.example", "bob@inst.example", "ghost@inst.example")] == [451, 250, 550]
        done = subprocess.run([i.prefix + "/sbin/queue-runner", "--check"], capture_output=True)
        assert done.returncode == 78 and b"/etc/relais/users: relaisd cannot read it" in done.stdout, done
    finally:
        with open("/etc/relais/relais.conf", "w") as file:
            file.write(before)


@test("each program works as the user that the table says, without capabilities, and without what its role never needs (T83)")
def privileges(i):
    with socket.create_connection((i.address, i.ports["smtp"])) as smtp, socket.create_connection((i.address, i.ports["imap2"])) as before, \
            socket.create_connection((i.address, i.ports["imap2"])) as after:
        smtp.recv(100), before.recv(100), after.recv(200)
        after.sendall(b'a LOGIN ann "right ann"\r\n')
        assert b"a OK" in after.recv(500)
        seen = {"smtpd": i.processes("smtpd"), "imapd": i.processes("imapd")}
        uid = lambda name: str(pwd.getpwnam(name).pw_uid)
        assert {p["Uid"].split()[1] for p in seen["smtpd"]} == {uid("relaisd")}
        assert {p["Uid"].split()[1] for p in seen["imapd"]} == {uid("relaisn"), "7001"}, seen["imapd"]
        for process in seen["smtpd"] + seen["imapd"]:
            assert process["Uid"].split() == [process["Uid"].split()[0]] * 4 and int(process["CapEff"], 16) == 0, process
            assert "0" not in process["Groups"].split() and process["NoNewPrivs"] == "1", process
        # Sessions of tests before this one may still be on their way out.
        before, after = (next(process for process in seen["imapd"] if process["Uid"].split()[0] == user) for user in (uid("relaisn"), "7001"))
        assert [limits(process) for process in seen["smtpd"]] == [("1", True)] and limits(before) == ("1", False), (limits(before), seen["smtpd"])
        # It starts charset-decode.
        assert limits(after)[0] != "1" and limits(after)[1], limits(after)


@test("a service that cannot read relais.conf says so in syslog, whichever it is")
def not_wordless(i):
    devices, broken = i.directory + "/dev", i.directory + "/broken.conf"
    os.mkdir(devices)
    for name, minor in (("null", 3), ("urandom", 9)):
        os.mknod(f"{devices}/{name}", stat.S_IFCHR | 0o666, os.makedev(1, minor))
    with open(broken, "w") as file:
        file.write("hostname = x\nno-such-key = 1\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(devices + "/log")
        log.settimeout(30)
        for program, *words in (("smtpd",), ("pop3d",), ("imapd",), ("tls-relay",), ("checkpassword", "--service", "/bin/true"), ("local-deliver", "--service"), ("remote-deliver", "--service")):
            ours, theirs = socket.socketpair()
            process = subprocess.Popen(["unshare", "-m", "sh", "-c", f'mount --bind {devices} /dev && exec "$0" "$@"', f"{i.prefix}/libexec/relais/{program}", "-C", broken, *words],
                                       stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
            if program == "tls-relay":
                socket.send_fds(ours, [b"\x0cserve smtp 5"], [theirs.fileno()])
            theirs.close()
            said = log.recv(4096).decode()
            assert f"/{program}[" in said and f"error: {broken}:2: " in said, said
            if program == "tls-relay":
                assert b"refused relais.conf cannot be used" in ours.recv(100)
            ours.close()
            assert process.wait(30) != 0, program


def run_suite(words):
    enter_namespace("-m")
    for name in MODULES:
        importlib.import_module(name)
    directory, tally = temporary("root"), Tally("root")
    try:
        installed = Installed(directory)
        try:
            run_tests(tally, MODULES, words, installed)
        finally:
            installed.stop()
        if tally.failed:
            print(open(directory + "/log").read()[-3000:])
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return tally.end()
