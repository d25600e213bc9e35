#!/usr/bin/env python3
"""scripts/bench size: a pass of the queue-runner over a large queue. As an ordinary user, in a directory on a disk.

size.py fill DIRECTORY COUNT    two instances: `large` with COUNT messages that wait for the next four hours, `small` with none
size.py due DIRECTORY ROUNDS    seconds for a pass with 1,000 due messages in each, as two lines
"""
import importlib.machinery, importlib.util, os, random, statistics, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
loader = importlib.machinery.SourceFileLoader("instance", os.path.join(HERE, "..", "instance"))
instance = importlib.util.module_from_spec(importlib.util.spec_from_loader("instance", loader))
loader.exec_module(instance)
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def host(directory, name):
    return instance.Host(f"{directory}/{name}", "a.example", "127.0.0.1", 2500, 5300)


def inject(host):
    subprocess.run(host.command("sendmail-compat", "-i", "-f", "x@far.example", f"{host.user}@a.example"),
                   input=b"Subject: size\n\n" + b"x" * 3000 + b"\n", check=True)


def fill(directory, count):
    for name in ("large", "small"):
        host(directory, name).make()
    large = host(directory, "large")
    inject(large)
    incoming = large.queue + "/incoming"
    [name] = os.listdir(incoming)
    with open(f"{incoming}/{name}", "rb") as file:
        text = file.read()
    os.remove(f"{incoming}/{name}")
    # What is not due is not opened: that these files are not named as their heads say is not seen.
    chance = random.Random(1)
    # Whoever looks within the next half hour finds nothing due.
    first = int(time.time()) // 60 + 30
    buckets = 210
    for bucket in range(buckets):
        place = f"{large.queue}/deferred/{first + bucket}"
        os.mkdir(place, 0o700)
        for _ in range(count * (bucket + 1) // buckets - count * bucket // buckets):
            # One call a file less than Python's open().
            descriptor = os.open(f"{place}/{name[:11]}{''.join(chance.choices(DIGITS, k=13))}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o660)
            os.write(descriptor, text)
            os.close(descriptor)


def due(directory, rounds):
    """Real deliveries, by a real inetd, into a Maildir."""
    hosts = [host(directory, name) for name in ("large", "small")]
    seconds = {h: [] for h in hosts}
    for number, h in enumerate(hosts):
        config = h.directory + "/inetd.conf"
        lines = [line for line in open(config) if "queue/local" in line]
        with open(config, "w") as file:
            file.writelines(lines)
        h.inetd = subprocess.Popen(["inetd", "-i", "-R", "1000000", config], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        for turn in range(rounds):
            for h in hosts if turn % 2 else hosts[::-1]:
                for _ in range(1000):
                    inject(h)
                place = f"{h.queue}/deferred/{int(time.time()) // 60 - 1}"
                os.makedirs(place, 0o700, exist_ok=True)
                for name in os.listdir(h.queue + "/incoming"):
                    os.rename(f"{h.queue}/incoming/{name}", f"{place}/{name}")
                os.sync()
                before = len(h.delivered())
                begin = time.perf_counter()
                subprocess.run(h.command("queue-runner"), check=True)
                seconds[h].append(time.perf_counter() - begin)
                done = len(h.delivered()) - before
                if done != 1000:
                    sys.exit(f"bench: {done} of 1000 were delivered")
    finally:
        for h in hosts:
            h.inetd.terminate()
    for h in hosts:
        print(f"{statistics.median(seconds[h]):.3f}")


{"fill": fill, "due": due}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
