"""Two hosts on one queue: each has its own network, name, processes and inetd; the queue and the mailboxes are on a shared
filesystem, GlusterFS with a client for each host, and once more on one directory. Only root can try it."""
import collections, os, pwd, re, shutil, signal, smtplib, subprocess, sys
from harness import LeftOut, Tally, enter_namespace, eventually, instance, run, temporary

ADDRESS = "10.77.0.1"
USER = "relais-test"


# What runs on a host: a mail host under inetd, which does what it is told on its standard input, a line a command.

def host_main(name, directory, shared):
    host = instance.Host(directory, "shared.example", "127.0.0.1", 2500, 5300, extra={
        "queue-directory": f"{shared}/queue", "service-directory": f"{directory}/service", "mailbox": f"{shared}/home/%u/Maildir/", "dns-servers": ""})
    host.make()
    # The same without anybody to wake: what is injected so waits for a run.
    with open(host.config) as good, open(directory + "/quiet.conf", "w") as quiet:
        quiet.write(good.read().replace(f"service-directory = {directory}/service", f"service-directory = {directory}/nowhere"))
    host.start()

    def smtp(first, count):
        with smtplib.SMTP("127.0.0.1", host.ports["smtp"], timeout=60) as client:
            for number in range(first, first + count):
                client.sendmail("far@far.example", [f"{USER}@shared.example"], f"Subject: number {number}\r\n\r\n{'x' * 2000}\r\n")

    def fill(first, count):
        for number in range(first, first + count):
            run(f"{host.programs}/sendmail-compat", "-C", directory + "/quiet.conf", "-i", "-f", "far@far.example", f"{USER}@shared.example",
                input=f"Subject: number {number}\n\n{'x' * 2000}\n".encode())

    def sweep():
        run(*host.command("queue-runner"), timeout=120)

    commands = {"smtp": smtp, "fill": fill, "sweep": sweep}
    print("ready", flush=True)
    for line in sys.stdin:
        word, *numbers = line.split()
        try:
            commands[word](*map(int, numbers))
            print("done", flush=True)
        except Exception as error:
            print(f"failed: {error!r}".replace("\n", " "), flush=True)


# What the test sees of it.

class Remote:
    """A host, from outside."""

    def __init__(self, name, directory, shared):
        self.name, self.directory, self.shared, self.client = name, directory, shared, None

    def start(self):
        account = pwd.getpwnam(USER)
        os.makedirs(self.directory, exist_ok=True)
        os.chown(self.directory, account.pw_uid, account.pw_gid)
        inside = (f"hostname {self.name} && ip link set lo up && exec setpriv --reuid {account.pw_uid} --regid {account.pw_gid} --clear-groups "
                  f"env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME={self.directory} USER={USER} python3 -B {os.path.abspath(__file__)} {self.name} {self.directory} {self.shared}")
        self.process = subprocess.Popen(["unshare", "-n", "-u", "-m", "-p", "--fork", "--mount-proc", "--kill-child", "sh", "-c", inside],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", f"{self.name} did not start"

    def begin(self, *command):
        print(*command, file=self.process.stdin, flush=True)

    def finish(self):
        answer = self.process.stdout.readline()
        assert answer == "done\n", f"{self.name}: {answer}"

    def do(self, *command):
        self.begin(*command)
        self.finish()

    def die(self):
        """All processes of the host at once, and its client of the filesystem."""
        if self.client:
            os.kill(self.client, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def log(self):
        with open(self.directory + "/log", errors="replace") as file:
            return file.read()


class Cluster:
    """A shared place and two hosts on it."""

    def __init__(self, directory, places):
        self.directory, self.places = directory, places
        account = pwd.getpwnam(USER)
        for path in (places[0], f"{places[0]}/home", f"{places[0]}/home/{USER}"):
            os.makedirs(path, exist_ok=True)
            os.chown(path, account.pw_uid, account.pw_gid)
        self.hosts = [Remote(f"host{number}", f"{directory}/host{number}", place) for number, place in enumerate(places, 1)]
        for host in self.hosts:
            host.start()

    def both(self, *commands):
        for host, command in zip(self.hosts, commands):
            host.begin(*command)
        for host in self.hosts:
            host.finish()

    def waiting(self):
        queue = self.places[1] + "/queue"
        return os.listdir(queue + "/incoming") + [name for _, _, names in os.walk(queue + "/deferred") for name in names]

    def subjects(self):
        """How often each number was delivered."""
        new = f"{self.places[1]}/home/{USER}/Maildir/new"
        counts = collections.Counter()
        for name in os.listdir(new) if os.path.isdir(new) else []:
            with open(f"{new}/{name}", "rb") as file:
                text = file.read()
            assert text.endswith(b"x" * 2000 + b"\n"), f"{name} is not whole"
            counts[int(re.search(rb"Subject: number (\d+)", text)[1])] += 1
        return counts

    def delivered_count(self):
        new = f"{self.places[1]}/home/{USER}/Maildir/new"
        return len(os.listdir(new)) if os.path.isdir(new) else 0

    def stop(self):
        for host in self.hosts:
            host.process.kill()
            host.process.wait()


def glusterfs(directory):
    """A volume of two replicas, and a client for each host: their mount points and process ids."""
    for place in ("/var/lib/glusterd", "/var/log/glusterfs", "/var/run/gluster"):
        os.makedirs(place, exist_ok=True)
        run("mount", "-t", "tmpfs", "none", place)
    run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    for link in ("lo", "v0", "v1"):
        run("ip", "link", "set", link, "up")
    run("ip", "addr", "add", ADDRESS + "/24", "dev", "v0")
    run("glusterd")
    eventually(lambda: subprocess.run(["gluster", "volume", "list"], capture_output=True).returncode == 0, "glusterd's answer")
    bricks = [f"{directory}/brick{number}" for number in (1, 2)]
    for brick in bricks:
        os.makedirs(brick)
    run("gluster", "--mode=script", "volume", "create", "mail", "replica", "2", *(f"{ADDRESS}:{brick}" for brick in bricks), "force")
    run("gluster", "--mode=script", "volume", "start", "mail")
    places = []
    for number in (1, 2):
        place = f"{directory}/shared{number}"
        os.makedirs(place)
        run("mount", "-t", "glusterfs", f"{ADDRESS}:/mail", place)
        os.chmod(place, 0o755)
        places.append(place)
    clients = []
    for place in places:
        found = run("pgrep", "-f", f"glusterfs .*{place}$").split()
        assert len(found) == 1, found
        clients.append(int(found[0]))
    return places, clients


def at_once(cluster):
    """Mail that comes in at both hosts at once, then 600 messages that both find waiting."""
    cluster.both(("smtp", 0, 200), ("smtp", 200, 200))
    eventually(lambda: not cluster.waiting(), "an empty queue", 60)
    cluster.both(("fill", 400, 300), ("fill", 700, 300))
    assert len(cluster.waiting()) == 600, len(cluster.waiting())
    cluster.both(("sweep",), ("sweep",))
    eventually(lambda: not cluster.waiting(), "an empty queue", 60)
    counts = cluster.subjects()
    assert counts == {number: 1 for number in range(1000)}, \
        f"missing {[n for n in range(1000) if not counts[n]][:10]}, doubled {[n for n, c in counts.items() if c > 1][:10]}"
    shares = [len(re.findall(r"status=sent", host.log())) for host in cluster.hosts]
    assert sum(shares) == 1000, shares
    return f"1000 messages, {shares[0]} by one host, {shares[1]} by the other"


def killed(cluster):
    """One dies when it has begun: the other finishes."""
    before = cluster.delivered_count()
    cluster.both(("fill", 1000, 300), ("fill", 1300, 300))
    for host in cluster.hosts:
        host.begin("sweep")
    eventually(lambda: cluster.delivered_count() > before + 50, "the first deliveries")
    victim, survivor = cluster.hosts
    victim.die()
    survivor.finish()

    def swept():
        survivor.do("sweep")
        return not cluster.waiting()
    eventually(swept, "the survivor to finish", 90)
    counts = cluster.subjects()
    missing = [number for number in range(1600) if not counts[number]]
    doubled = [number for number in range(1600) if counts[number] > 1]
    assert not missing, missing
    # In flight is at most one batch, and a delivery made again meets its own file.
    assert len(doubled) <= 1, doubled
    return f"600 messages, one host killed in the middle: {len(doubled)} twice, none lost"


def one_directory(directory):
    place = f"{directory}/one"
    os.makedirs(place)
    return [place, place], [None, None]


def try_kind(tally, kind, make, directory):
    cluster = None

    def begin():
        nonlocal cluster
        if make is glusterfs and not os.path.exists("/dev/fuse"):
            raise LeftOut("this system has no /dev/fuse")
        places, clients = make(directory)
        cluster = Cluster(f"{directory}/{kind.split()[0]}", places)
        for host, client in zip(cluster.hosts, clients):
            host.client = client
        return at_once(cluster)
    failed = tally.failed
    try:
        tally.run(f"two hosts on one queue deliver each message once, on {kind}", begin)
        if cluster and tally.failed == failed:
            tally.run(f"one host dies, the other finishes, on {kind}", killed, cluster)
        for host in cluster.hosts if cluster and tally.failed > failed else []:
            print(host.name, host.log()[-1500:])
    finally:
        if cluster:
            cluster.stop()


def run_suite(words):
    enter_namespace("-n", "-m", "-p", "--fork", "--mount-proc", "--kill-child")
    try:
        pwd.getpwnam(USER)
    except KeyError:
        run("useradd", "--create-home", "--shell", "/bin/sh", USER)
    directory, tally = temporary("hosts"), Tally("hosts")
    for kind, make in (("GlusterFS", glusterfs), ("one directory", one_directory)):
        if not words or any(word in kind for word in words):
            try_kind(tally, kind, make, directory)
    for place in (f"{directory}/shared1", f"{directory}/shared2"):
        subprocess.run(["umount", "-l", place], capture_output=True)
    if not tally.failed:
        shutil.rmtree(directory, ignore_errors=True)
    return tally.end()


if __name__ == "__main__":
    host_main(*sys.argv[1:])
