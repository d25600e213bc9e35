"""Nothing accepted is lost: kill -9 at random moments, and what one message costs."""
import os, random, re, shutil, signal, smtplib, subprocess, threading, time
from harness import LeftOut, address, mailbox_text, need, run, test
from looking import private_queue, put

SEED = int(os.environ.get("RELAIS_SEED", "20261123"))
MESSAGES, KILLS = 1000, 200


def victims(i):
    """Processes of this instance's tools, by what they were started with."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
        except OSError:
            continue
        if len(words) > 2 and words[1] == b"-C" and words[2].decode(errors="replace").startswith(i.directory):
            found.append((int(pid), os.path.basename(words[0]).decode()))
    return found


def body(number):
    """Up to 20,000 bytes that no other message has, in lines."""
    own = random.Random(SEED * MESSAGES + number)
    return "".join(f"{own.getrandbits(256):064x}\r\n" for _ in range(own.randrange(1, 300)))


def submit(i, number):
    """Until it is acknowledged: its subject."""
    marker = f"kill-{SEED}-{number:05d}"
    text = f"From: x@far.example\r\nTo: {address(i.a)}\r\nSubject: {marker}\r\n\r\n{body(number)}"
    while True:
        try:
            if number % 2:
                with smtplib.SMTP(i.a.address, i.a.ports["smtp"], timeout=30) as client:
                    client.sendmail("x@far.example", [address(i.a)], text)
                return marker
            code = subprocess.run(i.a.command("sendmail-compat", "-i", "-f", "x@far.example", address(i.a)),
                                  input=text.replace("\r\n", "\n").encode(), capture_output=True, timeout=60).returncode
            if code == 0:
                return marker
        except (smtplib.SMTPException, OSError):
            # The reply to QUIT may be lost with the message taken: it counts when it arrives, and is sent again.
            continue


def kill_some(i, killed, is_over):
    """Processes of the instance, at random, until there were enough and nothing more is submitted; counts them by program."""
    chance = random.Random(SEED)
    while sum(killed.values()) < KILLS or not is_over():
        candidates = victims(i)
        if candidates and sum(killed.values()) < KILLS * 2:
            pid, name = chance.choice(candidates)
            try:
                os.kill(pid, signal.SIGKILL)
                killed[name] = killed.get(name, 0) + 1
            except OSError:
                pass
        elif is_over():
            return
        time.sleep(chance.random() * 0.008)


def whole_messages(i):
    """How often each subject arrived; what did is whole."""
    found = {}
    for text in mailbox_text(i.a):
        if match := re.search(rb"Subject: (kill-\d+-\d+)\n", text):
            marker = match.group(1).decode()
            whole = body(int(marker.rpartition("-")[2])).replace("\r\n", "\n").encode()
            assert text.partition(b"\n\n")[2] == whole, f"{marker} did not arrive whole"
            found[marker] = found.get(marker, 0) + 1
    return found


def hurry(i):
    """What a killed runner deferred is due in minutes; the operator says now."""
    for minute in os.listdir(f"{i.a.queue}/deferred"):
        try:
            for identity in os.listdir(f"{i.a.queue}/deferred/{minute}"):
                subprocess.run(i.a.command("queue-runner", "--retry", identity), capture_output=True)
        except OSError:
            pass
    subprocess.run(i.a.command("queue-runner"), capture_output=True)


@test(f"{KILLS} kills of random tools lose none of {MESSAGES} messages (T79)")
def killing(i):
    acknowledged, over, killed = set(), threading.Event(), {}
    lock, numbers = threading.Lock(), iter(range(MESSAGES * 5))

    def worker():
        # Programs that live for a millisecond are not easily caught: more messages, if that is what it takes.
        while True:
            with lock:
                number = next(numbers, None)
            if number is None or number >= MESSAGES and sum(killed.values()) >= KILLS:
                return
            marker = submit(i, number)
            with lock:
                acknowledged.add(marker)
    workers = [threading.Thread(target=worker) for _ in range(4)]
    reaper = threading.Thread(target=kill_some, args=(i, killed, over.is_set))
    for thread in workers + [reaper]:
        thread.start()
    for thread in workers:
        thread.join()
    over.set()
    reaper.join(30)
    deadline = time.time() + 240
    while not acknowledged <= set(found := whole_messages(i)) and time.time() < deadline:
        hurry(i)
        time.sleep(0.3)
    lost, total = acknowledged - set(found), sum(killed.values())
    assert not lost, f"lost: {sorted(lost)[:5]} of {len(acknowledged)}"
    assert total >= KILLS, f"only {total} kills"
    doubled = sum(count - 1 for count in found.values())
    return f"killed {total} ({', '.join(f'{n} {c}' for n, c in sorted(killed.items()))}), acknowledged {len(acknowledged)}, delivered {len(found)}, doubled {doubled}, seed {SEED}"


def system_calls(command, input):
    """How many calls of each kind a program makes from exec to exit."""
    path = f"/tmp/relais-strace-{os.getpid()}"
    run(need("strace"), "-f", "-c", "-o", path, *command, input=input)
    calls = {}
    for line in open(path):
        words = line.split()
        if len(words) >= 5 and words[0].replace(".", "").isdigit() and words[-1] not in ("total", "syscall"):
            calls[words[-1]] = int(words[3])
    os.unlink(path)
    return calls


@test("a plain message costs smtpd at most 120 system calls and one fsync, sendmail-compat at most 90")
def cost(i):
    dialog = (f"EHLO x\r\nMAIL FROM:<x@far.example>\r\nRCPT TO:<{address(i.a)}>\r\nDATA\r\nSubject: cost\r\n\r\nHello.\r\n.\r\nQUIT\r\n").encode()
    smtpd = system_calls(i.a.command("smtpd"), dialog)
    flushes = sum(smtpd.get(name, 0) for name in ("fsync", "fdatasync", "syncfs", "sync_file_range"))
    # Swift's whole runtime makes some at its start.
    more = 10 if os.environ.get("RELAIS_WHOLE_RUNTIME") else 0
    assert sum(smtpd.values()) <= 120 + more, sum(smtpd.values())
    assert flushes == 1, smtpd
    sendmail = system_calls(i.a.command("sendmail-compat", "-i", address(i.a)), b"Subject: cost\n\nHello.\n")
    assert sum(sendmail.values()) <= 90 + more, (sum(sendmail.values()), sendmail)
    return f"smtpd {sum(smtpd.values())}, sendmail-compat {sum(sendmail.values())}"


@test("a message that is claimed costs queue-runner one flock: the end of what it has open lets go of it")
def claims(_):
    host = private_queue("claims")
    names = [put(host, "hold", "a@b.example", ["x@one.example"]) for _ in range(3)]
    command = host.command("queue-runner", "--release", *names)
    calls = system_calls(command, b"")
    shutil.rmtree(host.directory)
    if b"libswiftCore" in open(command[0], "rb").read():
        raise LeftOut("debug programs let go by a call, for tests that fork")
    assert calls["flock"] == len(names), calls
