"""Who goes next: what fails, what is slow and what is many must not hold up the rest."""
import contextlib, json, os, socket, subprocess, threading, time
from harness import eventually, instance, log_of, need, run, test
from looking import event, put
import queuefiles

# The whole of it is RELAIS_SCALE=10: 50,000 messages to 5,000 domains.
SCALE = int(os.environ.get("RELAIS_SCALE", "1"))
MESSAGES, DOMAINS = 5000 * SCALE, 500 * SCALE


@contextlib.contextmanager
def black_hole(address, port):
    """A port whose connections are never taken: its queue is full, and the kernel drops what comes."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((address, port))
        yield


@contextlib.contextmanager
def slow_server(address, port, delay):
    """An SMTP server that takes `delay` seconds for each reply."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen(1000)

    def serve(connection):
        with connection, connection.makefile("rwb", buffering=0) as stream:
            def reply(text):
                time.sleep(delay)
                stream.write(text + b"\r\n")
            try:
                reply(b"220 slow.example")
                while line := stream.readline():
                    word = line[:4].upper()
                    if word == b"DATA":
                        reply(b"354 go on")
                        while stream.readline() not in (b".\r\n", b""):
                            pass
                    reply(b"221 bye" if word == b"QUIT" else b"250 well")
            except OSError:
                pass

    def accept():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@contextlib.contextmanager
def sink(address, port):
    process = subprocess.Popen([need("smtp-sink"), "-4", f"{address}:{port}", "1000"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def another_host(i, name, **settings):
    """A host of its own beside the instance's two, with an empty queue."""
    directory = f"{i.directory}/{name}"
    host = instance.Host(directory, "c.example", "127.0.0.8", i.a.ports["smtp"], i.dns.port,
                         extra={"peer-port": i.a.ports["smtp"], **settings})
    host.make()
    host.start()
    try:
        yield host
    finally:
        host.stop()
        eventually(lambda: not running(host), "the end of the runner", 30)


def running(host):
    return subprocess.run(["pgrep", "-f", f"{host.config} --kick"], capture_output=True).returncode == 0


def sent(host, domain):
    return sum(f".{domain}.example>" in line and "status=sent" in line for line in log_of(host).splitlines()) \
        if os.path.exists(host.log) else 0


def kick(host):
    run(*host.command("queue-runner"), timeout=600)


def time_of_live(i, name, sorts):
    """Seconds until all mail for live domains is gone; `sorts` says which other sorts there are."""
    with another_host(i, name, **{"connect-timeout": "30s"}) as host:
        envelopes = []
        for number in range(MESSAGES):
            domain = number % DOMAINS
            sort = sorts.get(domain % 10, "live")
            if sort:
                envelopes.append((f"s{number % 7}@far.example", [f"u{number}@d{domain}.{sort}.example"]))
        queuefiles.fill(f"{host.queue}/incoming", envelopes)
        live = sum(".live." in recipients[0] for _, recipients in envelopes)
        begin = time.time()
        runner = subprocess.Popen(host.command("queue-runner"), stdin=subprocess.DEVNULL)
        try:
            eventually(lambda: sent(host, "live") >= live, f"{live} messages to live domains", 60 + 30 * SCALE)
            taken = time.time() - begin
            assert sent(host, "live") == live
        finally:
            runner.terminate()
            runner.wait()
        return taken


@test(f"{MESSAGES} messages to {DOMAINS} domains, a tenth dead, a tenth slow: the live ones go as if the others were not there")
def dead_and_slow(i):
    port = i.a.ports["smtp"]
    with sink("127.0.0.5", port), black_hole("127.0.0.6", port), slow_server("127.0.0.7", port, 0.5):
        alone = time_of_live(i, "alone", {8: None, 9: None})
        among = time_of_live(i, "among", {8: "gone", 9: "slow"})
    return f"{among:.1f} s among them, {alone:.1f} s without them"


@test("one sender's 5000 messages do not hold up another's one")
def fair(i):
    with sink("127.0.0.5", i.a.ports["smtp"]), another_host(i, "fair") as host:
        queuefiles.fill(f"{host.queue}/incoming", (
            ("many@far.example", [f"u{number}@d{number % 100}.live.example"]) for number in range(5000)))
        run(*host.command("sendmail-compat", "-f", "one@far.example", "last@d1.live.example"), input=b"Subject: one\n\n")
        eventually(lambda: sent(host, "live") == 5001, "5001 messages to live domains", 60)
        lines = [line for line in log_of(host).splitlines() if "status=sent" in line]
        place = next(n for n, line in enumerate(lines) if "to=<last@" in line)
        assert place < 2500, f"it came as number {place} of {len(lines)}"
    return f"it went as number {place} of {len(lines)}"


@test("a failing destination is remembered: its mail waits together, one message probes, and all goes when it is back")
def remembered(i):
    port = i.a.ports["smtp"]
    with another_host(i, "remembered", **{"retry-intervals": "1m"}) as host:
        queuefiles.fill(f"{host.queue}/incoming", (("s@far.example", [f"u{n}@d1.live.example"]) for n in range(30)))
        kick(host)
        state = open(f"{host.queue}/destinations/d1.live.example").read()
        assert "failures 1\n" in state and "Connection refused" in state or "refused" in state, state
        lines = [line for line in log_of(host).splitlines() if "status=deferred" in line]
        assert len(lines) == 30, len(lines)
        assert sum("delivery temporarily suspended" in line for line in lines) == 29, lines
        # A log of its own has only the one that was tried; why the others wait, mailq knows all the same.
        assert len(os.listdir(f"{host.queue}/log")) == 1
        listing = run(*host.command("queue-runner", "--list")).decode()
        assert listing.count("refused") == 30, listing
        # A new message waits with them, untried.
        run(*host.command("sendmail-compat", "-f", "t@far.example", "late@d1.live.example"), input=b"Subject: late\n\n")
        eventually(lambda: "to=<late@" in log_of(host), "the line of the late one")
        assert len(os.listdir(f"{host.queue}/log")) == 1
        with sink("127.0.0.5", port):
            # Without the mark of one that the runner has in hand just now.
            name = next(line.split()[0].rstrip("*") for line in run(*host.command("queue-runner", "--list")).decode().splitlines()
                        if "t@far.example" in line)
            # The operator says now: the memory gives way, and one success brings all the others.
            run(*host.command("queue-runner", "--retry", name))
            eventually(lambda: sent(host, "live") >= 1, "the one that was asked for")
            assert not os.listdir(f"{host.queue}/destinations")
            eventually(lambda: sent(host, "live") == 31, "all the others with it")


class Gated:
    """An SMTP server that greets nobody while its gate is shut, and counts what it takes, by recipient. Behind so many (`pause`)
    it takes no more until `go` is set."""

    def __init__(self, address, port, greeting=b"220 gated.example", pause=None):
        self.gate, self.taken, self.waiting, self.greeting, self.pause = threading.Event(), {}, 0, greeting, pause
        self.greeted = []  # by which names, in order
        self.go = threading.Event()
        self.server = socket.socket()
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server.bind((address, port))
        self.server.listen(100)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.waiting += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        self.gate.wait()
        with connection, connection.makefile("rwb", buffering=0) as stream:
            try:
                stream.write(self.greeting + b"\r\n")
                recipients = []
                while line := stream.readline():
                    word = line[:4].upper()
                    reply = b"250 well"
                    if word == b"EHLO":
                        self.greeted.append(line.split()[1].decode())
                    elif word == b"RCPT":
                        recipients.append(line.split(b"<")[1].split(b">")[0])
                    elif word == b"DATA":
                        stream.write(b"354 go on\r\n")
                        while stream.readline() not in (b".\r\n", b""):
                            pass
                        if self.pause and len(self.taken) >= self.pause:
                            self.go.wait()
                        for recipient in recipients:
                            self.taken[recipient] = self.taken.get(recipient, 0) + 1
                        recipients = []
                    elif word == b"QUIT":
                        reply = b"221 bye"
                    stream.write(reply + b"\r\n")
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gate.set()
        self.go.set()
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


MANY = 450


def fill_tried(host, place, domain, after, more=()):
    """So many messages that were tried in vain, and again in `after` seconds."""
    now = int(time.time())
    for number in range(MANY):
        put(host, place, "s@far.example", [f"u{number}@{domain}", *more], [
            event(now - 600, 1 + other, b"Z", b"4.2.1", now + after, b"try later") for other in range(1 + len(more))])


@test(f"{MANY} messages of one destination that the operator asks for all go: from their buckets, from hold, from the trash, and each other recipient once")
def asked_for(i):
    port, later = i.a.ports["smtp"], int(time.time()) // 60 + 240
    for command, place in (("--retry", f"deferred/{later}"), ("--release", "hold"), ("--undo", f"trash/{later + 9000}")):
        with Gated("127.0.0.5", port) as there, another_host(i, f"asked{command}") as host:
            # The other recipient's domain refuses connections: it is tried, and fails, and is nobody's reason to wait or to go again.
            fill_tried(host, place, "d1.live.example", 14400, more=["x@d1.gone.example"])
            output = run(*host.command("queue-runner", command, "all")).decode()
            assert output.count("due now" if command != "--release" else "released from hold") == MANY, output[:300]
            eventually(lambda: there.waiting, "a session")
            time.sleep(0.5)
            there.gate.set()
            eventually(lambda: len(there.taken) == MANY, f"{MANY} messages after {command}", 60)
            eventually(lambda: not running(host), "the end of the runner", 60)
            assert set(there.taken.values()) == {1}
            left = json.loads("[" + ",".join(run(*host.command("queue-runner", "--list", "--json")).decode().splitlines()) + "]")
            assert len(left) == MANY and {entry["recipients"][0]["address"] for entry in left} == {"x@d1.gone.example"}
            assert {entry["queue_name"] for entry in left} == {"deferred"} and max(entry["next_attempt"] for entry in left) < time.time() + 7200, left[0]
            assert max(entry["recipients"][0]["attempts"] for entry in left) == 2, left[0]


@test(f"{MANY} messages with a second destination that fails while the first one's sessions go on: each is tried, and waits")
def parked_at_the_failing(i):
    port = i.a.ports["smtp"]
    with Gated("127.0.0.5", port, pause=220) as live, Gated("127.0.0.6", port, b"421 not today") as gone, another_host(i, "parked") as host:
        queuefiles.fill(f"{host.queue}/incoming", (("s@far.example", [f"u{n}@d1.live.example", f"u{n}@d1.gone.example"]) for n in range(MANY)))
        live.gate.set()
        run(*host.command("sendmail-compat", "-f", "t@far.example", "new@d1.live.example"), input=b"Subject: new\n\n")
        # The first 200 have room at both. Some of the others are delivered, and wait for the second while their session goes on.
        eventually(lambda: gone.waiting and len(live.taken) >= 220, "messages that have gone to the first, and wait for the second", 40)
        gone.gate.set()
        suspended = lambda: log_of(host).count("delivery temporarily suspended")
        eventually(lambda: suspended() >= 200, "the second's failure", 30)
        live.go.set()
        eventually(lambda: not running(host), "the end of the runner", 60)
        assert len(live.taken) == MANY + 1 and set(live.taken.values()) == {1}
        left = os.listdir(f"{host.queue}/incoming"), sum(len(files) for _, _, files in os.walk(f"{host.queue}/deferred"))
        assert left == ([], MANY), left


@test("messages with two destinations that both have enough waiting go to the one that takes them, and wait for the other with nobody else's recipients")
def parked_at_two(i):
    # Five pairs of destinations: at which of the two a message waits must not be a matter of luck.
    port, many = i.a.ports["smtp"], 1800
    with Gated("127.0.0.5", port) as live, Gated("127.0.0.6", port) as shut, another_host(i, "two") as host:
        queuefiles.fill(f"{host.queue}/incoming", (("s@far.example", [f"u{n}@d{n % 5}.live.example", f"u{n}@d{n % 5}.gone.example"]) for n in range(many)))
        runner = subprocess.Popen(host.command("queue-runner"), stdin=subprocess.DEVNULL)
        try:
            # All that has no room at either has been looked at.
            eventually(lambda: live.waiting and shut.waiting and log_of(host).count("queue active") >= 1000, "sessions with both", 40)
            time.sleep(2)
            live.gate.set()
            eventually(lambda: len(live.taken) == many, f"{many} messages at the one that takes them", 60)
            assert set(live.taken.values()) == {1} and not shut.taken
        finally:
            shut.gate.set()
            runner.wait(60)
        assert len(shut.taken) == many and set(shut.taken.values()) == {1} and set(live.taken.values()) == {1}
        assert not os.listdir(f"{host.queue}/incoming") and not os.listdir(f"{host.queue}/deferred") and not os.listdir(f"{host.queue}/log")


@test(f"{MANY} messages that are asked for while a runner has some of them in its hands, and has parked the others, all go")
def asked_of_the_busy(i):
    now = int(time.time())
    with Gated("127.0.0.5", i.a.ports["smtp"]) as there, another_host(i, "asked-busy") as host:
        fill_tried(host, f"deferred/{now // 60 - 1}", "d1.live.example", -60)
        run(*host.command("sendmail-compat", "-f", "t@far.example", "new@d1.live.example"), input=b"Subject: new\n\n")
        active = lambda: run(*host.command("queue-runner", "--list", "--json")).count(b'"active"')
        eventually(lambda: active() >= 200, "200 messages in the runner's hands")
        # What it has no room for is parked by and by; what it has not read yet is the operator's, too.
        time.sleep(0.5)
        done = subprocess.run(host.command("queue-runner", "--retry", "all"), capture_output=True)
        moved = done.stdout.count(b"due now")
        assert done.returncode == 66 and 50 <= moved < MANY, done
        there.gate.set()
        eventually(lambda: len(there.taken) == MANY + 1, f"{MANY + 1} messages", 25)
        assert set(there.taken.values()) == {1}


@test(f"{MANY} messages that were asked for go after their runner was killed")
def asked_and_killed(i):
    later = int(time.time()) // 60 + 240
    with Gated("127.0.0.5", i.a.ports["smtp"]) as there, another_host(i, "asked-killed") as host:
        fill_tried(host, f"deferred/{later}", "d1.live.example", 14400)
        run(*host.command("queue-runner", "--retry", "all"))
        eventually(lambda: there.waiting, "a session")
        os.kill(int(open(next(f"{host.queue}/{n}" for n in os.listdir(host.queue) if n.startswith("runner."))).read().split()[0]), 9)
        eventually(lambda: not running(host), "the end of the runner", 30)
        there.gate.set()
        run(*host.command("queue-runner"), timeout=120)
        eventually(lambda: len(there.taken) == MANY, f"{MANY} messages", 60)
        assert not os.listdir(f"{host.queue}/incoming") and not os.listdir(f"{host.queue}/deferred"), os.listdir(f"{host.queue}/deferred")
