"""What scripts/demo shows, as the user for whom it runs."""
import os, pwd, subprocess, sys, tempfile, time
import importlib.machinery, importlib.util

here = os.path.dirname(os.path.abspath(__file__))
loader = importlib.machinery.SourceFileLoader("instance", os.path.join(here, "instance"))
instance = importlib.util.module_from_spec(importlib.util.spec_from_loader("instance", loader))
loader.exec_module(instance)

USER = pwd.getpwuid(os.getuid()).pw_name
directory = tempfile.mkdtemp(prefix="relais-demo-")
os.chmod(directory, 0o755)
failures = 0


def show(what, action):
    """One line: what happened, and how long it took."""
    global failures
    begin = time.perf_counter()
    try:
        result = action()
        mark = "ok"
    except Exception as error:
        result, mark = f"{type(error).__name__}: {error}", "FAILED"
        failures += 1
    milliseconds = (time.perf_counter() - begin) * 1000
    print(f"{mark:>6} {milliseconds:7.0f} ms  {what}" + (f": {result}" if result else ""), flush=True)


def run(*command, input=None):
    done = subprocess.run(command, input=input, capture_output=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError((done.stderr or done.stdout).decode(errors="replace").strip()[-300:])
    return done.stdout.decode(errors="replace")


def wait_for(host, needle):
    deadline = time.time() + 20
    while time.time() < deadline:
        for path in host.delivered():
            try:
                if needle in open(path, errors="replace").read():
                    return os.path.relpath(path, directory)
            except FileNotFoundError:
                pass
        time.sleep(0.005)
    raise RuntimeError(f"no message with {needle!r} arrived at {host.name}")


def curl_send(host, sender, recipient, subject, *options):
    run("curl", "-sS", "-k", "--crlf", *options, f"smtp://{host.address}:{host.ports['smtp']}", "--mail-from", sender, "--mail-rcpt",
        recipient, "-T", "-", input=f"From: {sender}\nTo: {recipient}\nSubject: {subject}\n\nHello.\n".encode())


i = instance.Instance(directory)
print(f"relais: two hosts, a.example and b.example, for the user {USER}, in {directory}\n")
show("a name server (nsd) and two inetds with all of relais's services start", lambda: i.start() and None)
a, b = i.a, i.b


def script_to_maildir():
    run(*a.command("sendmail-compat", "-t"), input=f"To: {USER}@a.example\nSubject: from a script\n\nHello.\n".encode())
    return wait_for(a, "Subject: from a script")


def stranger_to_other_host():
    curl_send(a, "stranger@far.example", f"{USER}@b.example", "from a stranger", "--ssl-reqd")
    return wait_for(b, "Subject: from a stranger")


def by_pop():
    text = run("curl", "-sS", "-k", "--ssl-reqd", "-u", f"{USER}:secret", f"pop3://{b.address}:{b.ports['pop3']}/1")
    return next(line.strip() for line in text.splitlines() if line.startswith("Subject:"))


def by_imap():
    text = run("curl", "-sS", "-k", "-u", f"{USER}:secret", f"imaps://{a.address}:{a.ports['imaps']}/INBOX;MAILINDEX=1;SECTION=HEADER.FIELDS%20(SUBJECT)")
    return text.strip()


def by_fetchmail():
    rc, out = directory + "/fetchmailrc", directory + "/fetched"
    with open(rc, "w") as file:
        file.write(f"poll {b.address} service {b.ports['imap']} protocol IMAP user {USER} password secret sslproto '' fetchall keep mda \"cat >>{out}\"\n")
    os.chmod(rc, 0o700)
    run("fetchmail", "-f", rc, "--nosyslog", "--pidfile", directory + "/fetchmail.pid")
    return os.path.relpath(out, directory)


def mbox():
    run(f"{a.programs}/local-deliver", "-C", mbox_config, USER + "@a.example", "x@far.example", input=b"Subject: into an mbox\n\nFrom here on it is quoted.\n")
    return os.path.relpath(mbox_file, directory)


def refused():
    done = subprocess.run(["curl", "-sS", "--crlf", f"smtp://{a.address}:{a.ports['smtp']}", "--mail-from", "x@y.example", "--mail-rcpt", "nobody-there@a.example",
                           "-T", "-"], input=b"Subject: x\n\n", capture_output=True, timeout=30)
    assert done.returncode != 0, "it was taken"
    return done.stderr.decode().strip()


def bounce():
    curl_send(a, f"{USER}@a.example", "nobody-there@b.example", "to nobody")
    return wait_for(a, "Undelivered Mail Returned to Sender")


def thousand():
    import smtplib
    for part in range(4):
        with smtplib.SMTP(a.address, a.ports["smtp"], timeout=60) as client:
            for number in range(250):
                client.sendmail("x@far.example", [f"{USER}@a.example"], f"Subject: bulk {part}.{number}\r\n\r\nHello.\r\n")
    count = lambda: sum(1 for _ in a.delivered())
    deadline = time.time() + 60
    while count() < 1000 and time.time() < deadline:
        time.sleep(0.02)
    return f"{count()} files in the Maildir"


def waiting():
    curl_send(a, f"{USER}@a.example", "x@dead.example", "to a dead host")
    deadline = time.time() + 60
    while time.time() < deadline:
        listing = run(*a.command("queue-runner", "--list"))
        if "refused" in listing.lower():
            return " ".join(listing.split("(")[-1].split(")")[0].split())
        time.sleep(0.05)
    raise RuntimeError("no deferral")


def by_submission():
    import smtplib, ssl
    with smtplib.SMTP_SSL(a.address, a.ports["submissions"], timeout=60, context=ssl._create_unverified_context()) as laptop:
        laptop.login(USER, "secret")
        laptop.sendmail(f"{USER}@a.example", [f"{USER}@b.example"], f"From: {USER}@a.example\r\nSubject: from a laptop\r\n\r\nHello.\r\n")
    return wait_for(b, "Subject: from a laptop")


mbox_file = directory + "/a.example/mbox"
mbox_config = directory + "/a.example/mbox.conf"
with open(a.config) as settings, open(mbox_config, "w") as file:
    file.writelines(f"mailbox = {mbox_file}\n" if line.startswith("mailbox") else line for line in settings)

show("a script hands a message to sendmail; it is in the Maildir", script_to_maildir)
show("a stranger hands one to smtpd over TLS; it goes to b.example by MX", stranger_to_other_host)
show("the owner reads it by POP3 with STLS", by_pop)
show("the owner reads the other by IMAP over TLS", by_imap)
show("fetchmail fetches it by IMAP", by_fetchmail)
show("a laptop logs in and submits one over TLS; it goes to b.example", by_submission)
show("one message into an mbox, by hand", mbox)
show("mail for an unknown user is refused at once", refused)
show("mail for an unknown user elsewhere comes back", bounce)
show("a thousand messages come in by SMTP and are delivered", thousand)
show("mail for a dead host waits, and mailq says why", waiting)
show("mxlookup many.example", lambda: run(f"{a.programs}/mxlookup", "-p", str(i.dns.port), "many.example", "127.0.0.1").splitlines()[-1])
show("the installation check", lambda: run(*a.command("queue-runner", "--check")).strip())

programs = a.programs
print(f"""
Everything is still running. To go on by hand:
  tail -f {a.log}
  curl --crlf smtp://{a.address}:{a.ports['smtp']} --mail-from you@far.example --mail-rcpt {USER}@b.example -T message
  curl -k -u {USER}:secret imaps://{b.address}:{b.ports['imaps']}/INBOX
  {programs}/queue-runner -C {a.config} --list
  {programs}/mxlookup -p {i.dns.port} many.example 127.0.0.1
  {here}/instance stop {directory}""")
sys.exit(1 if failures else 0)
