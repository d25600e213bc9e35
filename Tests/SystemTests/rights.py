"""Who delivers as whom on an installed relais: processes for several accounts, deliverers that lack their rights, accounts that are no
person's or have no home."""
import contextlib, os, pwd, shutil, socket, subprocess
from harness import as_user, eventually, run, test
from planted import CONF, INETD, edit, reread
from seam import lines
import queuefiles


def waiting(i, *messages):
    """A message each, of relaisq's own making: recipients and subject. Their ids. Nobody is told, nor at work."""
    eventually(lambda: not i.processes("queue-runner"), "the end of the runner")
    owner, names = pwd.getpwnam("relaisq"), []
    for recipients, subject in messages:
        name, data = queuefiles.message("ann@inst.example", recipients, f"Subject: {subject}\n\nHello.\n".encode())
        path = f"{i.spool}/incoming/{name}"
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, 0o660)
        os.chown(path, owner.pw_uid, owner.pw_gid)
        names.append(name)
    return names


def in_queue(i):
    return {name for place in ("incoming", "deferred") for _, _, names in os.walk(f"{i.spool}/{place}") for name in names}


@test("a process that delivers for another account is told when the queue-runner went away: it begins no other command, and all is delivered at the next run")
def delegate_told(i):
    place = i.directory + "/delegate"
    os.makedirs(place)
    shutil.chown(place, "relaisa")
    ran, go, program = place + "/ran", place + "/go", i.directory + "/program"
    with open(program, "w") as file:
        file.write(f"#!/bin/sh\ncat >/dev/null\necho x >>{ran}\nwhile [ ! -e {go} ]; do sleep 0.1; done\n")
    os.chmod(program, 0o755)
    i.aliases(f'postmaster: bob\nroot: bob\nann: "|{program}"\n')
    try:
        # The third goes to ann's account, whatever the alias says: so two accounts are needed.
        names = waiting(i, (["ann@inst.example"], "one"), (["ann@inst.example"], "two"), ([("ann@inst.example", "X-EXPANDED=ACCOUNT")], "told-three"))
        has = lambda: any(b"Subject: told-three" in open(path, "rb").read() for path in i.maildir("ann"))
        runner = subprocess.Popen([i.prefix + "/sbin/queue-runner"], stdin=subprocess.DEVNULL)
        eventually(lambda: len(lines(ran)) == 1, "the first command")
        assert len(i.processes("local-deliver")) == 2, i.processes("local-deliver")
        runner.kill()
        runner.wait()
        with open(go, "w"):
            pass
        eventually(lambda: not i.processes("local-deliver"), "the end of the deliverers")
        assert len(lines(ran)) == 1 and not has() and set(names) <= in_queue(i)
        run(i.prefix + "/sbin/queue-runner")
        eventually(lambda: has() and not set(names) & in_queue(i), "delivery of all")
        # The first, whose end nobody heard of, again.
        assert len(lines(ran)) == 3, lines(ran)
    finally:
        with open(go, "w"):
            pass
        i.aliases()


@test("a process that delivers for another account sees a changed alias before its next message, which waits where somebody else would be left out")
def changed_for_delegate(i):
    place = i.directory + "/changed"
    os.makedirs(place)
    shutil.chown(place, "relaisa")
    ran, go = place + "/ran", place + "/go"
    for name in ("old", "new"):
        with open(f"{i.directory}/{name}", "w") as file:
            file.write(f"#!/bin/sh\ncat >/dev/null\necho {name} >>{ran}\nwhile [ ! -e {go} ]; do sleep 0.1; done\n")
        os.chmod(f"{i.directory}/{name}", 0o755)
    i.aliases(f'postmaster: bob\nroot: bob\nann: "|{i.directory}/old"\n')
    try:
        names = waiting(i, (["ann@inst.example"], "first"), (["ann@inst.example"], "changed-second"), ([("ann@inst.example", "X-EXPANDED=ACCOUNT")], "third"))
        runner = subprocess.Popen([i.prefix + "/sbin/queue-runner"], stdin=subprocess.DEVNULL)
        eventually(lambda: lines(ran) == ["old"], "the first command")
        assert len(i.processes("local-deliver")) == 2
        i.aliases(f'postmaster: bob\nroot: bob\nann: "|{i.directory}/new", bob\n')
        with open(go, "w"):
            pass
        runner.wait(60)
        assert lines(ran) == ["old"] and set(names) & in_queue(i) == {names[1]}, (lines(ran), in_queue(i))
        assert "has changed meanwhile" in next(line for line in open(i.directory + "/log") if names[1] in line and "status=" in line)
        run(i.prefix + "/sbin/queue-runner", "--retry", names[1])
        run(i.prefix + "/sbin/queue-runner")
        i.arrived("bob", b"Subject: changed-second")
        assert lines(ran) == ["old", "new"], lines(ran)
    finally:
        with open(go, "w"):
            pass
        i.aliases()


@test("a remote-deliver that is root, and cannot become relaisr, gives all back: it is no attempt, and mailq says why")
def remote_as_root(i):
    before = open(INETD).read()
    # Root without the right to become anybody.
    edit(INETD, r"relaisr(\s+)(\S*/remote-deliver)\s+remote-deliver", r"root\1/usr/bin/setpriv setpriv --bounding-set=-setuid,-setgid \2")
    reread(i)
    [name] = waiting(i, (["x@far.invalid"], "far"))
    try:
        def tried():
            run(i.prefix + "/sbin/queue-runner")
            return "remote-deliver is root and cannot become relaisr" in run(i.prefix + "/sbin/queue-runner", "--list").decode()
        eventually(tried, "what mailq says")
        log = [line for line in open(i.directory + "/log") if name in line and "status=" in line]
        assert log and all("dsn=4.3.5, status=deferred" in line for line in log), log
        assert name in in_queue(i) and name not in os.listdir(i.spool + "/log")
        assert "mail for remote-deliver waits: remote-deliver is root" in run(i.prefix + "/sbin/queue-runner", "--status", check=False).decode()
    finally:
        # Before somebody looks for that host.
        run(i.prefix + "/sbin/queue-runner", "--remove", name, check=False)
        with open(INETD, "w") as file:
            file.write(before)
        reread(i)


@test("an smtpd that began without getent can start no program, whatever relais.conf says later; the next one can (T83)")
def starts_nothing(i):
    before = open(CONF).read()
    @contextlib.contextmanager
    def session():
        with socket.create_connection((i.address, i.ports["smtp"]), 30) as client, client.makefile("rb") as answers:
            def say(*commands):
                for command in commands:
                    client.sendall(command.encode() + b"\r\n")
                    answer = answers.readline()
                    while answer[3:4] == b"-":
                        answer = answers.readline()
                return answer[:3]
            answers.readline()
            assert say("EHLO x") == b"250"
            yield lambda: say("RSET", "MAIL FROM:<>", "RCPT TO:<ann@inst.example>")
    try:
        with session() as first:
            assert first() == b"250"
            with open(CONF, "a") as file:
                file.write("user-source = getent\n")
            assert first() == b"451"
            with session() as second:
                assert second() == b"250"
        log = open(i.directory + "/log").read()
        assert "exec /usr/bin/getent: Resource temporarily unavailable" in log, log[-2000:]
    finally:
        with open(CONF, "w") as file:
            file.write(before)


@test("mail for an account of the system, as cron writes it, goes where root's goes: to its alias, else to relaisa's mailbox")
def system_account(i):
    def sent(subject):
        done = as_user("www-data", i.prefix + "/sbin/sendmail", "-i", "www-data", input=f"Subject: {subject}\n\n".encode())
        assert done.returncode == 0, done
    try:
        sent("cron-to-ann")
        assert os.stat(i.arrived("ann", b"Subject: cron-to-ann")).st_uid == 7001
        i.aliases("postmaster: ann\n")
        sent("cron-to-nobody")
        state = i.directory + "/state/relaisa"
        eventually(lambda: run("grep", "-rl", "Subject: cron-to-nobody", state, check=False).strip(), "mail for www-data in " + state)
    finally:
        i.aliases()


@test("a user whose home is missing gets mail where the mailbox is elsewhere, as its owner; else it waits for the home")
def homeless_recipient(i):
    before = open(CONF).read()
    subprocess.run(["userdel", "cy"], capture_output=True)
    run("useradd", "--uid", "7003", "--no-create-home", "--home-dir", "/nonexistent/cy", "--shell", "/bin/sh", "cy")
    place = i.directory + "/mail"
    os.makedirs(place, exist_ok=True)
    os.chmod(place, 0o1777)
    try:
        [name] = waiting(i, (["cy@inst.example"], "for-cy"))
        run(i.prefix + "/sbin/queue-runner")
        assert name in in_queue(i)
        log = next(line for line in reversed(list(open(i.directory + "/log"))) if name in line and "status=" in line)
        assert "status=deferred (home directory is not usable)" in log, log
        with open(CONF, "a") as file:
            file.write(f"mailbox = {place}/%u\n")
        run(i.prefix + "/sbin/queue-runner", "--retry", name)
        eventually(lambda: os.path.exists(place + "/cy") and "Subject: for-cy" in open(place + "/cy").read(), "mail for cy in " + place)
        status = os.stat(place + "/cy")
        assert status.st_uid == 7003 and status.st_mode & 0o777 == 0o600, status
    finally:
        with open(CONF, "w") as file:
            file.write(before)
        run("userdel", "cy")
