#!/usr/bin/env python3
"""scripts/bench in: how fast mail comes in by SMTP, beside a private Postfix, on one loop-mounted ext4 with a journal.

As root. Rounds are interleaved, figures are medians of messages a second; a round that lost a message does not count.
"""
import importlib.machinery, importlib.util, os, pwd, re, shutil, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
loader = importlib.machinery.SourceFileLoader("instance", os.path.join(HERE, "..", "instance"))
instance = importlib.util.module_from_spec(importlib.util.spec_from_loader("instance", loader))
loader.exec_module(instance)

USER = "relais-test"
ROUNDS = int(os.environ.get("RELAIS_BENCH_ROUNDS", "3"))
TSV = "--tsv" in sys.argv


def run(*command, check=True, **more):
    done = subprocess.run(command, capture_output=True, **more)
    if check and done.returncode != 0:
        sys.exit(f"bench: {' '.join(command)}: {done.stderr.decode()[-400:] or done.stdout.decode()[-400:]}")
    return done.stdout.decode()


def source(address, port, recipient, sessions, messages, size, keep):
    """Messages a second of smtp-source."""
    options = ["-d"] if keep else []
    begin = time.perf_counter()
    run("smtp-source", *options, "-s", str(sessions), "-m", str(messages), "-l", str(size), "-f", "x@far.example", "-t", recipient, f"{address}:{port}")
    return begin


class Ours:
    """relais under inetd, everything as one user; without delivery there is nobody to kick."""

    def __init__(self, place, delivering):
        base = instance.free_port_base()
        self.host = instance.Host(place, "a.example", "127.0.0.1", base, base + 7, user=USER)
        self.host.make()
        if not delivering:
            path = place + "/inetd.conf"
            lines = [line for line in open(path) if "/service/" not in line]
            open(path, "w").writelines(lines)
        account = pwd.getpwnam(USER)
        run("chown", "-R", f"{account.pw_uid}:{account.pw_gid}", place)
        self.recipient, self.address, self.port = f"{USER}@a.example", "127.0.0.1", base
        log = open("/dev/null", "w")
        self.process = subprocess.Popen(["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "inetd", "-i", "-q", "1024", "-R", "1000000",
                                         place + "/inetd.conf"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        instance.time.sleep(0.5)

    def accepted(self):
        return sum(len(files) for _, _, files in os.walk(self.host.queue + "/incoming"))

    def clear(self):
        for root, _, files in os.walk(self.host.queue + "/incoming"):
            for name in files:
                os.unlink(os.path.join(root, name))

    def delivered(self):
        return len(self.host.delivered())

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Postfix:
    """A private Postfix with Debian's master.cf, nothing in a chroot."""

    def __init__(self, place, delivering):
        self.config, self.port, self.address = place + "/config", instance.free_port_base(), "127.0.0.1"
        self.recipient, self.queue = f"{USER}@a.example", place + "/queue"
        self.mail = place + "/mail"
        for directory in (self.config, self.queue, place + "/data", self.mail):
            os.makedirs(directory)
        run("chown", "postfix", place + "/data")
        account = pwd.getpwnam(USER)
        os.chown(self.mail, account.pw_uid, account.pw_gid)
        settings = {
            "compatibility_level": "3.6", "queue_directory": self.queue, "data_directory": place + "/data", "myhostname": "mx.a.example",
            "mydestination": "a.example", "inet_interfaces": "127.0.0.1", "mynetworks": "127.0.0.0/8", "alias_maps": "", "local_recipient_maps": "",
            "home_mailbox": "", "mail_spool_directory": self.mail + "/", "maillog_file": "/dev/null", "maillog_file_prefixes": "/dev",
            "default_destination_concurrency_limit": "10", "smtpd_peername_lookup": "no", "smtpd_client_connection_rate_limit": "0",
            "smtpd_client_connection_count_limit": "0", "in_flow_delay": "0",
        }
        if not delivering:
            settings["defer_transports"] = "local"
        with open(self.config + "/main.cf", "w") as file:
            file.writelines(f"{key} = {value}\n" for key, value in settings.items())
        lines = []
        for line in open("/usr/share/postfix/master.cf.dist" if os.path.exists("/usr/share/postfix/master.cf.dist") else "/etc/postfix/master.cf"):
            line = re.sub(r"^(\S+\s+\S+\s+\S+\s+\S+\s+)y", r"\1n", line)
            lines.append(re.sub(r"^smtp(\s+inet)", rf"127.0.0.1:{self.port}\1", line))
        with open(self.config + "/master.cf", "w") as file:
            file.writelines(lines)
        run("postfix", "-c", self.config, "start")
        time.sleep(1)

    def files(self, *names):
        return sum(len(files) for name in names for _, _, files in os.walk(f"{self.queue}/{name}"))

    def accepted(self):
        return self.files("incoming", "active", "deferred")

    def clear(self):
        run("postsuper", "-c", self.config, "-d", "ALL", check=False)

    def delivered(self):
        return sum(len(files) for root, _, files in os.walk(self.mail) if root.endswith(("/new", "/cur")))

    def stop(self):
        run("postfix", "-c", self.config, "stop", check=False)
        time.sleep(1)


def measure(server, sessions, messages, size, keep, delivering):
    before = server.delivered() if delivering else 0
    begin = source(server.address, server.port, server.recipient, sessions, messages, size, keep)
    if delivering:
        deadline = time.time() + 120
        while server.delivered() - before < messages:
            if time.time() > deadline:
                sys.exit("bench: mail did not arrive")
            time.sleep(0.005)
    seconds = time.perf_counter() - begin
    if not delivering:
        if server.accepted() < messages:
            sys.exit(f"bench: only {server.accepted()} of {messages} messages are in the queue")
        server.clear()
    return messages / seconds


ROWS = [
    ("SMTP in, 4 KiB, 1 session, one a connection", 1, 300, 4096, False, False),
    ("SMTP in, 4 KiB, 10 sessions, one a connection", 10, 1000, 4096, False, False),
    ("SMTP in, 4 KiB, 10 sessions, many a connection", 10, 2000, 4096, True, False),
    ("SMTP in, 100 KiB, 10 sessions, one a connection", 10, 500, 102400, False, False),
    ("in and into a Maildir, 4 KiB, 10 sessions, one a connection", 10, 1000, 4096, False, True),
    ("in and into a Maildir, 4 KiB, 10 sessions, many a connection", 10, 2000, 4096, True, True),
]


def compare(what, servers, *load):
    figures = [[], []]
    for _ in range(ROUNDS):
        for index, server in enumerate(servers):
            figures[index].append(measure(server, *load))
    ours, peer = (statistics.median(values) for values in figures)
    row = [what, f"{ours:.0f}/s", "Postfix", f"{peer:.0f}/s", f"{ours / peer:.2f}"]
    print("\t".join(row) if TSV else f"{row[0]:62} {row[1]:>8}  {row[2]} {row[3]:>8}  {row[4]}", flush=True)


def main():
    directory = tempfile.mkdtemp(prefix="relais-bench-")
    os.chmod(directory, 0o755)
    image, place = directory + "/image", directory + "/disk"
    with open(image, "wb") as file:
        file.truncate(2 << 30)
    os.makedirs(place)
    run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
    run("mount", "-o", "loop", image, place)
    print("# messages a second, both on a loop-mounted ext4 with a journal; ratio above 1: we are ahead", file=sys.stderr)
    servers = []
    try:
        for delivering in (False, True):
            for kind, name in ((Ours, "ours"), (Postfix, "postfix")):
                servers.append(kind(f"{place}/{name}-{delivering}", delivering))
            for server in servers:
                measure(server, 2, 50, 1000, False, delivering)
            for what, sessions, messages, size, keep, wants in ROWS:
                if wants == delivering:
                    compare(what, servers, sessions, messages, size, keep, delivering)
            while servers:
                servers.pop().stop()
    finally:
        # Also when a round failed or the reader of our output went away.
        while servers:
            servers.pop().stop()
        time.sleep(1)
        run("umount", place)
        shutil.rmtree(directory, ignore_errors=True)


main()
