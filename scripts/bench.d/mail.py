#!/usr/bin/env python3
"""scripts/bench in, queue: messages a second beside a private Postfix (and Exim), on one loop-mounted ext4 with a journal.

As root. Rounds are interleaved, figures are medians; a round that lost a message does not count. `in` is mail coming in by
SMTP; `queue` has more of that, and mail going out, and what comes from sendmail(8).
"""
import importlib.machinery, importlib.util, os, pwd, re, shutil, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
loader = importlib.machinery.SourceFileLoader("instance", os.path.join(HERE, "..", "instance"))
instance = importlib.util.module_from_spec(importlib.util.spec_from_loader("instance", loader))
loader.exec_module(instance)

USER = "relais-test"
ROUNDS = int(os.environ.get("rounds", "3"))
CEILING = os.environ["ceiling"]
PEER = os.environ["peer"]
BEFORE = os.environ.get("before")
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


def as_user(*command):
    return ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", *command]


def inetd(config, inside=()):
    null = open("/dev/null", "w")
    process = subprocess.Popen([*inside] + as_user("inetd", "-i", "-q", "1024", "-R", "1000000", config), stdin=subprocess.DEVNULL, stdout=null, stderr=null)
    time.sleep(0.5)
    return process


class Server:
    """What all have: `address`, `port` and `recipient` for smtp-source."""
    address, recipient, process = "127.0.0.1", f"{USER}@a.example", None

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()


class Ours(Server):
    """relais under inetd, everything as one user. `mode`: keep (nobody delivers), local, out (to the sink, when told)."""
    name, programs = "relais", instance.RELEASE

    def __init__(self, place, mode, sink=None):
        base = instance.free_port_base()
        extra = {"peer-port": str(sink), "dns-servers": f"127.0.0.1#{DNS_PORT}"} if sink else {}
        self.host = instance.Host(place, "a.example", "127.0.0.1", base, DNS_PORT, self.programs, user=USER, extra=extra)
        self.host.make()
        path = place + "/inetd.conf"
        silent = {"keep": "/service/", "local": "", "out": "/service/kick"}[mode]
        lines = [line for line in open(path) if not silent or silent not in line]
        open(path, "w").writelines(lines)
        account = pwd.getpwnam(USER)
        run("chown", "-R", f"{account.pw_uid}:{account.pw_gid}", place)
        self.port = base
        self.sendmail, self.caller = self.host.command("sendmail-compat", "-t"), USER
        self.process = inetd(path)

    def go(self):
        run(*as_user(*self.host.command("queue-runner")))

    def accepted(self):
        return sum(len(files) for _, _, files in os.walk(self.host.queue + "/incoming"))

    def clear(self):
        for root, _, files in os.walk(self.host.queue + "/incoming"):
            for name in files:
                os.unlink(os.path.join(root, name))

    def left(self):
        return self.accepted() + sum(len(files) for _, _, files in os.walk(self.host.queue + "/deferred"))

    def delivered(self):
        return len(self.host.delivered())


class Before(Ours):
    """Older programs of ours, from the directory that `before` names."""
    name, programs = "before", BEFORE


class Postfix(Server):
    """A private Postfix with Debian's master.cf, nothing in a chroot."""
    name = "Postfix"

    def __init__(self, place, mode, sink=None):
        self.config, self.port, self.queue = place + "/config", instance.free_port_base(), place + "/queue"
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
        if mode != "local":
            settings["defer_transports"] = "local smtp"
        if sink:
            settings |= {"relayhost": f"[127.0.0.5]:{sink}", "smtp_dns_support_level": "disabled", "mynetworks": "127.0.0.0/8"}
        with open(self.config + "/main.cf", "w") as file:
            file.writelines(f"{key} = {value}\n" for key, value in settings.items())
        lines = []
        for line in open("/usr/share/postfix/master.cf.dist" if os.path.exists("/usr/share/postfix/master.cf.dist") else "/etc/postfix/master.cf"):
            line = re.sub(r"^(\S+\s+\S+\s+\S+\s+\S+\s+)y", r"\1n", line)
            lines.append(re.sub(r"^smtp(\s+inet)", rf"127.0.0.1:{self.port}\1", line))
        with open(self.config + "/master.cf", "w") as file:
            file.writelines(lines)
        self.sendmail, self.caller = [shutil.which("sendmail"), "-C", self.config, "-t"], "root"  # who may name a configuration
        run("postfix", "-c", self.config, "start")
        time.sleep(1)

    def set(self, key, value):
        run("postconf", "-c", self.config, "-e", f"{key}={value}")
        run("postfix", "-c", self.config, "reload")
        time.sleep(1)

    def go(self):
        run("postqueue", "-c", self.config, "-f")

    def left(self):
        return self.files("maildrop", "incoming", "active", "deferred")

    def files(self, *names):
        return sum(len(files) for name in names for _, _, files in os.walk(f"{self.queue}/{name}"))

    def accepted(self):
        return self.files("maildrop", "incoming", "active", "deferred")

    def clear(self):
        run("postsuper", "-c", self.config, "-d", "ALL", check=False)

    def delivered(self):
        return sum(len(files) for root, _, files in os.walk(self.mail) if root.endswith(("/new", "/cur")))

    def stop(self):
        run("postfix", "-c", self.config, "stop", check=False)
        time.sleep(1)


class Exim(Server):
    """exim -bs under inetd, a process a connection, as ours; Debian's package, unpacked."""
    name = "exim -bs"

    def __init__(self, place):
        package = place + "/package"
        os.makedirs(package)
        run("apt-get", "download", "-q", "exim4-daemon-light", cwd=package)
        run("dpkg", "-x", package + "/" + os.listdir(package)[0], package)
        self.port, self.spool = instance.free_port_base(), place + "/spool"
        os.makedirs(self.spool)
        with open(place + "/exim.conf", "w") as file:
            file.write(f"spool_directory = {self.spool}\nlog_file_path = {self.spool}/log-%s\nprimary_hostname = mx.a.example\n"
                       "queue_only\nacl_smtp_rcpt = accept\nacl_smtp_data = accept\nhost_lookup =\nrfc1413_query_timeout = 0s\n"
                       f"exim_user = {USER}\nexim_group = {USER}\nnever_users =\nsmtp_accept_queue_per_connection = 0\n"
                       "begin routers\nall:\n driver = accept\n transport = none\nbegin transports\nnone:\n driver = appendfile\n file = /dev/null\n")
        with open(place + "/inetd.conf", "w") as file:
            file.write(f"127.0.0.1:{self.port} stream tcp nowait.1000000 {USER} {package}/usr/sbin/exim4 exim -C {place}/exim.conf -bs\n")
        run("chown", "-R", f"{USER}:{USER}", place)
        # The package's Exim insists on its user; nobody but this one process sees the file that names it.
        account = pwd.getpwnam(USER)
        with open(place + "/passwd", "w") as file:
            file.write(open("/etc/passwd").read() + f"Debian-exim:x:{account.pw_uid}:{account.pw_gid}::/:/bin/false\n")
        with open(place + "/group", "w") as file:
            file.write(open("/etc/group").read() + f"Debian-exim:x:{account.pw_gid}:\n")
        shell = f'mount --bind {place}/passwd /etc/passwd && mount --bind {place}/group /etc/group && exec "$@"'
        self.process = inetd(place + "/inetd.conf", ["unshare", "--mount", "sh", "-c", shell, "sh"])

    def accepted(self):
        return sum(name.endswith("-H") for _, _, files in os.walk(self.spool + "/input") for name in files)

    def clear(self):
        shutil.rmtree(self.spool + "/input", ignore_errors=True)


class Greeter(Server):
    """inetd and a static C program that greets: what a process a connection can do at most.

    Where there is a hypervisor, much of its time and of ours is glibc's: 43 CPUID instructions before main, each a trap.
    """
    name = "inetd, C"

    def __init__(self, place):
        os.makedirs(place)
        self.port = instance.free_port_base()
        with open(place + "/inetd.conf", "w") as file:
            file.write(f"127.0.0.1:{self.port} stream tcp nowait.1000000 {USER} {PEER} peer 220\n")
        self.process = inetd(place + "/inetd.conf")


def wait_until(condition, what, seconds=120):
    deadline = time.time() + seconds
    while not condition():
        if time.time() > deadline:
            sys.exit(f"bench: {what}")
        time.sleep(0.003)


def incoming(server, sessions, messages, size, keep):
    """A tenth more comes before and does not count: the machine may have rested while a slow server was measured."""
    if isinstance(server, Greeter):
        connect = lambda count: float(run(CEILING, "connect", server.address, str(server.port), str(sessions), str(count)))
        connect(messages // 10)
        return connect(messages)
    if isinstance(server, Exim):
        messages //= 10  # it waits a fifth of a second at each QUIT
    before = max(sessions, messages // 10)
    source(server.address, server.port, server.recipient, sessions, before, size, keep)
    begin = source(server.address, server.port, server.recipient, sessions, messages, size, keep)
    seconds = time.perf_counter() - begin
    if server.accepted() < before + messages:
        sys.exit(f"bench: only {server.accepted()} of {before + messages} messages are in the queue of {server.name}")
    server.clear()
    return messages / seconds


def into_maildir(server, sessions, messages, size, keep):
    before = server.delivered()
    begin = source(server.address, server.port, server.recipient, sessions, messages, size, keep)
    wait_until(lambda: server.delivered() - before >= messages, f"{server.name} did not deliver")
    return messages / (time.perf_counter() - begin)


def outgoing(server, messages, size):
    """`messages` are queued; then they all go to the sink, which counts them itself."""
    if isinstance(server, Postfix):
        server.set("defer_transports", "smtp")
    source(server.address, server.port, "x@d1.live.example", 10, messages, size, True)
    if isinstance(server, Postfix):
        server.set("defer_transports", "")
    with Sink(server.sink) as sink:
        begin = time.perf_counter()
        server.go()
        wait_until(lambda: server.left() == 0, f"{server.name} still has messages")
        seconds = time.perf_counter() - begin
    if sink.messages != messages:
        sys.exit(f"bench: {sink.messages} of {messages} messages from {server.name} reached the sink")
    return messages / seconds


class Sink:
    """smtp-sink, with its own count."""

    def __init__(self, port):
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(["smtp-sink", "-4", "-c", "-u", USER, f"127.0.0.5:{port}", "1000"], stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=subprocess.DEVNULL)
        time.sleep(0.2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.output.seek(0)
        counts = re.findall(r"mesg=(\d+)", self.output.read().decode())
        self.messages = int(counts[-1]) if counts else 0


def submitted(server, calls, size):
    message = b"From: x@far.example\nTo: %s\nSubject: bench\n\n" % server.recipient.encode() + b"x" * 63 + b"\n"
    message += (b"x" * 63 + b"\n") * (size // 64)
    with tempfile.NamedTemporaryFile() as file:
        file.write(message)
        file.flush()
        os.chmod(file.name, 0o644)
        rate = float(run(CEILING, "run", str(calls), file.name, *server.sendmail, user=server.caller))
    if server.accepted() < calls:
        sys.exit(f"bench: only {server.accepted()} of {calls} messages are in the queue of {server.name}")
    server.clear()
    return rate


def show(what, ours, peer, figure):
    row = [what, f"{ours:.0f}/s", peer, f"{figure:.0f}/s", f"{ours / figure:.2f}"]
    print("\t".join(row) if TSV else f"{row[0]:62} {row[1]:>8}  {row[2]:12} {row[3]:>8}  {row[4]}", flush=True)


def compare(what, measure, servers, *load):
    """A row for each of `servers` but the first, which is ours; ours as a figure."""
    figures = [[] for _ in servers]
    for _ in range(ROUNDS):
        for index, server in enumerate(servers):
            figures[index].append(measure(server, *load))
    medians = [statistics.median(values) for values in figures]
    for server, figure in zip(servers[1:], medians[1:]):
        show(what, medians[0], server.name, figure)
    return medians[0]


class Disk:
    """A loop-mounted ext4 with a journal, and what runs on it."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="relais-bench-")
        os.chmod(self.directory, 0o755)
        image, self.place = self.directory + "/image", self.directory + "/disk"
        with open(image, "wb") as file:
            file.truncate(3 << 30)
        os.makedirs(self.place)
        run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
        run("mount", "-o", "loop", image, self.place)
        self.servers = []
        self.dns = instance.NameServer(self.directory + "/dns", DNS_PORT)
        self.dns.start()
        return self

    def start(self, kind, *arguments):
        server = kind(f"{self.place}/{len(os.listdir(self.place))}", *arguments)
        self.servers.append(server)
        return server

    def start_before(self, *arguments):
        return [self.start(Before, *arguments)] if BEFORE else []

    def stop(self):
        while self.servers:
            self.servers.pop().stop()

    def __exit__(self, *_):
        # Also when a round failed or the reader of our output went away.
        self.stop()
        self.dns.stop()
        time.sleep(1)
        run("umount", self.place)
        shutil.rmtree(self.directory, ignore_errors=True)


def bench_in(disk, many):
    ours, postfix = disk.start(Ours, "keep"), disk.start(Postfix, "keep")
    exim, greeter = disk.start(Exim), disk.start(Greeter)
    before = disk.start_before("keep")
    for server in (ours, postfix, exim, *before):
        incoming(server, 2, 50, 1000, False)
    for sessions in (1, 10, 50) if many else (1, 10):
        rate = compare(f"SMTP in, 4 KiB, {sessions} sessions, one a connection", incoming,
                       [ours, *before, greeter, postfix] + [exim] * (sessions < 50), sessions, 1000, 4096, False)
        directory = f"{disk.place}/fsync-{sessions}"
        rates = []
        for number in range(ROUNDS):
            os.makedirs(f"{directory}/{number}")
            rates.append(float(run(CEILING, "fsync", f"{directory}/{number}", str(sessions), "1000")))
        show(f"   the ceiling: one fsync a file, {sessions} writers", rate, "fsync", statistics.median(rates))
    for sessions in (1, 10, 50) if many else (10,):
        compare(f"SMTP in, 4 KiB, {sessions} sessions, many a connection", incoming, [ours, *before, postfix], sessions, 1000 if sessions == 1 else 2000, 4096, True)
        compare(f"SMTP in, 100 KiB, {sessions} sessions, one a connection", incoming, [ours, *before, postfix], sessions, 200 if sessions == 1 else 500, 102400, False)
    if many:
        compare("SMTP in, 100 KiB, 10 sessions, many a connection", incoming, [ours, *before, postfix], 10, 500, 102400, True)
        compare("sendmail -t, one after the other, 4 KiB", submitted, [ours, *before, postfix], 200, 4096)
    disk.stop()


def bench_maildir(disk, many):
    ours, postfix = disk.start(Ours, "local"), disk.start(Postfix, "local")
    before = disk.start_before("local")
    for server in (ours, postfix, *before):
        into_maildir(server, 2, 50, 1000, False)
    for keep, name in ((False, "one"), (True, "many")):
        compare(f"in and into a Maildir, 4 KiB, 10 sessions, {name} a connection", into_maildir, [ours, *before, postfix], 10, 1000 if not keep else 2000, 4096, keep)
    if many:
        postfix.set("default_destination_concurrency_limit", "2")
        compare("the same, many, Postfix with its own concurrency (2)", into_maildir, [ours, *before, postfix], 10, 2000, 4096, True)
    disk.stop()


def bench_out(disk):
    port = instance.free_port_base() + 40
    servers = [disk.start(Ours, "out", port), *disk.start_before("out", port), disk.start(Postfix, "out", port)]
    for server in servers:
        server.sink = port
    for messages, size in ((1000, 4096), (1000, 102400)):
        compare(f"{messages} queued, then out to a sink, {size >> 10} KiB", outgoing, servers, messages, size)
    disk.stop()


def main():
    many = "queue" in sys.argv
    print("# messages a second, all on a loop-mounted ext4 with a journal; ratio above 1: we are ahead", file=sys.stderr)
    with Disk() as disk:
        bench_in(disk, many)
        bench_maildir(disk, many)
        if many:
            bench_out(disk)


DNS_PORT = instance.free_port_base() + 45
main()
