"""Looking at the queue: --list, --json, --why."""
import json, os, re, shutil, subprocess, sys, tempfile, time
from harness import RELEASE, USER, address, eventually, instance, run, test
import queuefiles

# Where scripts/lib.sh unpacks what only root could install.
sys.path.append(os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "relais-tools/usr/lib/python3/dist-packages"))

STAMP = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"


def private_queue(name):
    """A host whose inetd never starts: what is put into its queue stays."""
    directory = tempfile.mkdtemp(prefix=f"relais-{name}-")
    host = instance.Host(directory, "quiet.example", "127.0.0.1", 1, 1)
    host.make()
    return host


def queue_runner(host, *arguments, check=True):
    return run(*host.command("queue-runner", *arguments), check=check).decode()


def put(host, place, sender, recipients, log=(), **options):
    """A message in a place of the queue, with the lines of its log."""
    os.makedirs(f"{host.queue}/{place}", exist_ok=True)
    name, data = queuefiles.message(sender, recipients, **options)
    path = f"{host.queue}/{place}/{name}"
    with open(path, "wb") as file:
        file.write(data)
    if log:
        with open(f"{host.queue}/log/{name}", "wb") as file:
            file.write(f"message {os.stat(path).st_ino} {queuefiles.arrival(name)}\n".encode() + b"".join(log))
    return name


def event(seconds, recipient, kind, status, after, text):
    return b"%d %d %s %s %d %s\n" % (seconds * 10**6, recipient, kind, status, after * 10**6, text)


def failing(host, domain, now, text, failures=3):
    with open(f"{host.queue}/destinations/{domain}", "w") as file:
        file.write(f"relais-destination 1\nsince {(now - 7200) * 10**6}\nfailures {failures}\nnext {(now + 600) * 10**6}\n"
                   f"bucket {(now + 600) // 60}\ntext {text}\n")


@test("--list has Postfix's columns byte for byte, and what reads mailq reads it")
def layout(_):
    host = private_queue("list")
    assert queue_runner(host, "--list") == "Mail queue is empty\n"
    now = int(time.time())
    failing(host, "dead.example", now, "connect to mx.dead.example[192.0.2.1]:25: Connection refused")
    content = b"Subject: x\n\n" + b"x" * 3000 + b"\n"
    new = put(host, "incoming", "ann@example.org", ["bob@example.net"])
    held = put(host, "hold", "", ["eve@example.com"], content=content)
    minute = (now + 300) // 60
    waits = put(host, f"deferred/{minute}", "ann@example.org", ["a@one.example", "b@one.example", "c@dead.example", "d@two.example"], [
        event(now - 60, 1, b"Z", b"4.4.1", now + 300, b"no route"), event(now - 60, 2, b"Z", b"4.4.1", now + 300, b"no route"),
        event(now - 60, 4, b"D", b"2.0.0", 0, b"250 ok")], content=content)
    stamps = {name: time.strftime("%a %b %e %H:%M:%S", time.localtime(queuefiles.arrival(name) // 10**6)) for name in (new, held, waits)}

    # postqueue's formats for long ids, the id's width our own.
    def row(name, size, stamp, last): return "%-25s %8s %-19.19s %s\n" % (name, size, stamp, last)
    reason = "connect to mx.dead.example[192.0.2.1]:25: Connection refused"
    expected = (row("-Queue ID-" + "-" * 15, "--Size--", "---Arrival Time----", "--Sender/Recipient------")
                + row(new, 23, stamps[new], "ann@example.org") + row("", "", "", "bob@example.net")
                + "\n" + row(waits, len(content), stamps[waits], "ann@example.org")
                + "%*s(%s)\n" % (76 - len("no route"), "", "no route") + row("", "", "", "a@one.example") + row("", "", "", "b@one.example")
                + "%*s(%s)\n" % (76 - len(reason), "", reason) + row("", "", "", "c@dead.example")
                + "\n" + row(held + "!", len(content), stamps[held], "MAILER-DAEMON") + row("", "", "", "eve@example.com")
                + f"\n-- {(2 * len(content) + 23) // 1024} Kbytes in 3 Requests.\n")
    shown = queue_runner(host, "--list")
    assert shown == expected, f"\n{shown}\n{expected}"

    # What check_mailq of the monitoring plugins looks for, from the last line up.
    assert re.search(r"Kbytes in (\d+)", shown.splitlines()[-1]).group(1) == "3"
    # What countless scripts do: `mailq | grep -c '^[A-F0-9]'`, and a block a message.
    assert len(re.findall(r"^[A-F0-9]", shown, re.M)) == 3
    blocks = re.findall(r"^(\w+)([*!#]?)\s+(\d+)\s+(" + STAMP + r")\s+(\S+)\n((?: +\S.*\n)*)", shown, re.M)
    assert [(b[0], b[1]) for b in blocks] == [(new, ""), (waits, ""), (held, "!")]
    assert re.findall(r"^\s+([^\s(]\S*@\S+)$", blocks[1][5], re.M) == ["a@one.example", "b@one.example", "c@dead.example"]
    assert subprocess.run([os.path.join(RELEASE, "sendmail-compat"), "-C", host.config, "-bp"], capture_output=True).returncode in (0, 77)
    shutil.rmtree(host.directory)


@test("--list --json is an object a line with postqueue's members, whatever bytes strangers chose")
def objects(_):
    host = private_queue("json")
    assert queue_runner(host, "--list", "--json") == ""
    now = int(time.time())
    waits = put(host, f"deferred/{(now + 300) // 60}", '"a\\"\\\\b"@example.org', ["a@one.example", "done@one.example", "new@one.example"], [
        event(now - 90, 1, b"Z", b"4.4.1", now - 60, b"first"), event(now - 60, 1, b"Z", b"4.2.2", now + 300, b"said: \xff \xc3\xa9 \xc2\x9b31m"),
        event(now - 60, 2, b"X", b"5.1.1", 0, b"gone")])
    put(host, "hold", "", ["eve@example.com"])
    shown = run(*host.command("queue-runner", "--list", "--json"))
    assert all(byte == 10 or 32 <= byte < 127 for byte in shown)
    first, second = (json.loads(line) for line in shown.splitlines())
    assert {"queue_name": "deferred", "queue_id": waits, "arrival_time": queuefiles.arrival(waits) // 10**6, "message_size": 23, "forced_expire": False,
            "sender": '"a\\"\\\\b"@example.org', "recipients_done": 1, "injector_uid": os.getuid(), "next_attempt": (now + 300) // 60 * 60}.items() <= first.items(), first
    assert first["recipients"] == [
        {"address": "a@one.example", "delay_reason": "said: \ufffd \u00e9 \u009b31m", "attempts": 2, "dsn": "4.2.2", "last_attempt": now - 60, "next_attempt": now + 300},
        {"address": "new@one.example", "attempts": 0}], first["recipients"]
    assert second["queue_name"] == "hold" and second["sender"] == ""
    text = run(*host.command("queue-runner", "--list"))
    assert all(byte == 10 or 32 <= byte < 127 for byte in text) and b" \\xc3\\xa9 \\xc2\\x9b31m)" in text
    shutil.rmtree(host.directory)


@test("the listing of 2,000 messages needs the memory of one directory's names, and stops with its reader")
def streaming(_):
    host = private_queue("long")
    queuefiles.fill(f"{host.queue}/hold", ((f"s{n}@example.org", [f"r{n}@example.net"]) for n in range(2000)))
    script = "import resource, subprocess, sys; p = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); print(p.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    status, peak = run(sys.executable, "-c", script, *host.command("queue-runner", "--list")).split()
    assert status == b"0" and int(peak) < 16384, peak
    assert run("sh", "-c", " ".join(host.command("queue-runner", "--list")) + " | head -3").count(b"\n") == 3
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            assert subprocess.run(host.command("queue-runner", "--list"), stdout=full, stderr=subprocess.DEVNULL).returncode == 74
    shutil.rmtree(host.directory)
    return f"{int(peak)} KiB"


@test("--why tells each attempt with the remote's words, when the next is, and what can be done")
def why(_):
    host = private_queue("why")
    now = int(time.time())
    failing(host, "dead.example", now, "connect to mx.dead.example[192.0.2.1]:25: Connection refused")
    name = put(host, f"deferred/{(now + 300) // 60}", "ann@example.org", ["bob@one.example", "eve@dead.example", "joe@two.example", "new@three.example"], [
        event(now - 190, 1, b"Z", b"4.4.1", now - 60, b"host mx.one.example[192.0.2.7] said: 451 4.7.1 greylisted, come \x1b[31mback"),
        event(now - 180, 3, b"F", b"5.1.1", 0, b"host mx.two.example[192.0.2.8] said: 550 no such user"),
        event(now - 170, 3, b"X", b"5.1.1", 0, b"host mx.two.example[192.0.2.8] said: 550 no such user"),
        event(now - 60, 1, b"Z", b"4.4.2", now + 300, b"lost connection")])
    story = queue_runner(host, "--why", name)
    for words in (f"{name}: 23 bytes from <ann@example.org>\n", "next attempt", "<bob@one.example>: waits after 2 attempts; next attempt",
                  "deferred 4.4.1 (host mx.one.example[192.0.2.7] said: 451 4.7.1 greylisted, come \\x1b[31mback)", "deferred 4.4.2 (lost connection)",
                  "<eve@dead.example>: not tried yet\n  its destination has been failing since", "3 attempts failed",
                  "<joe@two.example>: failed for good", "<new@three.example>: not tried yet\n\n", f"queue-runner --retry {name}", f"from {USER}"):
        assert words in story, f"{words!r} is not in\n{story}"
    held = put(host, "hold", "", ["eve@example.com"])
    assert f"--release {held}" in queue_runner(host, "--why", held)
    for unknown, status, words in (("0" * 24, 66, f"grep {'0' * 24} {host.log}"), ("x\x1by", 64, "x\\x1by: not a message id")):
        done = subprocess.run(host.command("queue-runner", "--why", unknown), capture_output=True)
        assert done.returncode == status and words in done.stderr.decode(), done
    shutil.rmtree(host.directory)


def a_queue_in_trouble(now):
    host = private_queue("status")
    for place in ("incoming", "incoming", "hold"):
        put(host, place, "ann@example.org", ["bob@example.net"])
    bucket = (now + 600) // 60
    failing(host, "dead.example", now, "connect to mx.dead.example[192.0.2.1]:25: Connection refused")
    # Names that have to be escaped: `q\\z`, and `r"`.
    failing(host, "q=5cz", now, 'said "no\\"')
    failing(host, "r=22", now, "gone")
    for n in range(3):
        put(host, f"deferred/{bucket}", "ann@example.org", [f"{n}@dead.example", "x@DEAD.example"], arrival=(now - 7200) * 10**6)
    several = ["a@dead.example", "b@q\\z"]
    put(host, f"deferred/{bucket + 5}", "ann@example.org", several, [event(now - 60, 1, b"D", b"2.0.0", 0, b"250 ok")])
    with open(f"{host.queue}/corrupt/garbage", "w") as file:
        file.write("x" * 100)
    for name, sign in (("other", now), (os.uname().nodename, now - 5000)):
        with open(f"{host.queue}/runner.{name}", "w") as file:
            file.write(f"1 {sign}\n")
    return host, bucket


@test("--status counts by state, age and destination, in words and as JSON, and leaves with 69 when something is wrong")
def status(_):
    now = int(time.time())
    host, bucket = a_queue_in_trouble(now)
    done = subprocess.run(host.command("queue-runner", "--status"), capture_output=True)
    text = done.stdout.decode()
    assert done.returncode == 69 and done.stderr == b"", done
    for pattern in (r"mx.quiet.example: 7 messages, ", r"incoming +2 ", r"active +0 +0 bytes  -\n", r"deferred +4 .*  2h\n", r"held +1 ", r"corrupt +1 +100 bytes",
                    r"by age: 4 under 5m, 0 under 1h, 3 under 6h, 0 under 1d, 0 under 3d, 0 older", r"failing destinations: 3\n  dead.example: 3 messages wait; since ",
                    r"\n  q\\\\z: 1 message waits", r"runner of other: at work, process 1", r"runner of \S+: none now", r"trouble: 1 in corrupt/"):
        assert re.search(pattern, text), f"{pattern}\n{text}"
    told = subprocess.run(host.command("queue-runner", "--status", "--json"), capture_output=True)
    state = json.loads(told.stdout)
    assert told.returncode == 69 and state["host"] == "mx.quiet.example" and abs(state["time"] - now) < 60
    assert {name: tally["messages"] for name, tally in state["states"].items()} == {"incoming": 2, "active": 0, "deferred": 4, "held": 1, "corrupt": 1, "trash": 0}
    assert state["states"]["deferred"]["oldest"] == now - 7200 and "oldest" not in state["states"]["active"]
    assert [age["messages"] for age in state["ages"]] == [4, 0, 3, 0, 0, 0] and state["next_attempt"] == bucket * 60
    first, second, third = state["destinations"]
    assert first == {"domain": "dead.example", "waiting": 3, "failing_since": now - 7200, "attempts": 3, "next_attempt": now + 600,
                     "reason": "connect to mx.dead.example[192.0.2.1]:25: Connection refused"}
    assert second["domain"] == "q\\z" and second["waiting"] == 1 and third["domain"] == 'r"' and state["failing_destinations"] == 3 and state["waiting_is_complete"]
    assert [(runner["process"], runner["at_work"]) for runner in state["runners"] if runner["host"] == "other"] == [(1, True)]
    # Nobody listens at this queue's services, and mail waits for them.
    assert [("corrupt" in trouble, "service" in trouble) for trouble in state["troubles"]].count((True, False)) == 1, state["troubles"]
    assert all("corrupt" in trouble or "service" in trouble for trouble in state["troubles"]), state["troubles"]
    shutil.rmtree(host.directory)
    # What is well, and what is due although no runner comes.
    host = private_queue("well")
    done = subprocess.run(host.command("queue-runner", "--status"), capture_output=True)
    assert done.returncode == 0 and done.stdout.endswith(b"no runner has ever worked here\nall is well\n"), done
    put(host, f"deferred/{now // 60 - 30}", "ann@example.org", ["bob@example.net"])
    done = subprocess.run(host.command("queue-runner", "--status"), capture_output=True)
    assert done.returncode == 69 and b"trouble: mail is due since" in done.stdout, done
    shutil.rmtree(host.directory)


@test("--status --prometheus is what Prometheus's own parser takes, labels escaped")
def prometheus(_):
    from prometheus_client.parser import text_string_to_metric_families
    now = int(time.time())
    host, bucket = a_queue_in_trouble(now)
    done = subprocess.run(host.command("queue-runner", "--status", "--prometheus"), capture_output=True)
    assert done.returncode == 69
    families = {family.name: family for family in text_string_to_metric_families(done.stdout.decode())}
    assert all(family.documentation and family.type in ("gauge", "histogram") for family in families.values())

    def value(name, **labels):
        [found] = [sample.value for family in families.values() for sample in family.samples if sample.name == name and sample.labels == labels]
        return found
    assert [value("relais_queue_messages", state=name) for name in ("incoming", "active", "deferred", "held", "corrupt")] == [2, 0, 4, 1, 1]
    assert 7200 <= value("relais_queue_oldest_age_seconds", state="deferred") < 7300
    assert [value("relais_queue_age_seconds_bucket", le=bound) for bound in ("300", "3600", "21600", "+Inf")] == [4, 4, 7, 7]
    assert value("relais_queue_age_seconds_count") == 7 and value("relais_queue_age_seconds_sum") >= 3 * 7200
    assert value("relais_destinations_failing") == 3 and value("relais_destination_waiting_messages", domain="dead.example") == 3
    # The domain is shown as in the log, where a backslash is doubled.
    assert value("relais_destination_waiting_messages", domain="q\\\\z") == 1 and value("relais_destination_waiting_messages", domain='r"') == 0
    told = json.loads(subprocess.run(host.command("queue-runner", "--status", "--json"), capture_output=True).stdout)
    assert value("relais_runner_at_work", host="other") == 1 and value("relais_queue_troubles") == len(told["troubles"]) > 0
    shutil.rmtree(host.directory)


@test("-v says what a run does, with a line that moves on a terminal and the sum at the end; without it a run is silent")
def verbose(i):
    import pty

    def quiet():
        # Another runner would be woken, and stay.
        state = json.loads(run(*i.a.command("queue-runner", "--status", "--json"), check=False))
        return not any(runner["at_work"] for runner in state["runners"]) and run(*i.a.command("queue-runner", "-v")) == b"nothing was due\n"
    eventually(quiet, "no other runner and nothing due", 60)
    name = put(i.a, "incoming", "ann@example.org", [address(i.a), f"nobody@{i.b.name}"])
    os.chmod(f"{i.a.queue}/incoming/{name}", 0o660)
    ours, theirs = pty.openpty()
    done = subprocess.run(i.a.command("queue-runner", "-v"), stdout=subprocess.PIPE, stderr=theirs, timeout=60)
    os.close(theirs)
    drawn = os.read(ours, 65536)
    os.close(ours)
    lines = done.stdout.decode().splitlines()
    for pattern in (rf"{name}: 23 bytes from <ann@example.org> to 2 recipients, \d+s old", rf"{name}: <{re.escape(address(i.a))}> delivered to local \(.*\)",
                    rf"{name}: <nobody@b.example> failed \(host mx.b.example.* said: 550 5.1.1 .*\)", rf"{name}: done",
                    r"recipients: \d+ delivered, \d+ waiting, \d+ failed; messages done: \d+; \d+\.\d\d s"):
        assert sum(bool(re.fullmatch(pattern, line)) for line in lines) == 1, (pattern, lines)
    assert drawn.startswith(b"\r\x1b[K0 delivered, 0 waiting, 0 failed; ") and drawn.endswith(b"\r\x1b[K"), drawn
    eventually(quiet, "the bounce's end", 60)
    silent = subprocess.run(i.a.command("queue-runner"), capture_output=True)
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, b"", b""), silent
