"""Between queue-runner and the deliverers: what dies, hangs, is not there or is not who it should be costs no mail and holds up nobody else."""
import json, os, pwd, socket, subprocess, sys, time
from harness import USER, address, arrived, eventually, listening, log_of, replace, run, send, test
from scheduling import another_host
import queuefiles

SENDER = "sender@far.example"


def aliases(host, text):
    with open(f"{host.directory}/aliases", "a") as file:
        file.write(text)


def script(host, name, text):
    """A program for an alias, which is run as whoever runs the instance."""
    path = f"{host.directory}/{name}"
    with open(path, "w") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def lines(path):
    return open(path).read().splitlines() if os.path.exists(path) else []


def put(host, *recipients, sender=SENDER):
    """A message a recipient, of whom nobody is told."""
    for recipient in recipients:
        queuefiles.fill(f"{host.queue}/incoming", [(sender, [recipient])])


def queued(host):
    names = []
    for place, _, files in os.walk(host.queue):
        if place.split(host.queue, 1)[1].split("/")[1:2] in (["incoming"], ["deferred"], ["hold"]):
            names += files
    return names


@test("local-deliver killed in the last of several commands: the others were run once")
def killed_in_command(i):
    with another_host(i, "killed") as host:
        ran, once = f"{host.directory}/ran", f"{host.directory}/once"
        # The fifth that comes ends local-deliver from within, once.
        program = script(host, "program", f"""cat >/dev/null
echo x >>{ran}
[ $(wc -l <{ran}) = 5 ] && mkdir {once} || exit 0
p=$$; while [ "$(cat /proc/$p/comm)" != local-deliver ]; do p=$(awk '{{print $4}}' /proc/$p/stat); done
kill -9 $p; sleep 5
""")
        aliases(host, f'prog: "|{program}"\n')
        put(host, *["prog@c.example"] * 5)
        run(*host.command("queue-runner"))
        assert os.path.exists(once) and len(lines(ran)) == 5, lines(ran)
        assert len(queued(host)) == 1, queued(host)
        assert log_of(host).count("status=sent") == 4 and "the deliverer went away" in log_of(host), log_of(host)
        run(*host.command("queue-runner", "--retry", "all"))
        eventually(lambda: not queued(host), "the last one's delivery")
        assert len(lines(ran)) == 6, lines(ran)


def without_line(host, words):
    """inetd.conf without the line that has `words`; inetd reads it, and the socket goes."""
    path = f"{host.directory}/inetd.conf"
    before = open(path).read()
    with open(path, "w") as file:
        file.writelines(line + "\n" for line in before.splitlines() if words not in line)
    return before


def reload(host, text=None):
    if text is not None:
        with open(f"{host.directory}/inetd.conf", "w") as file:
            file.write(text)
    host.inetd.send_signal(1)


@test("mail waits for a service that is missing, without an attempt that counts, and goes at the run behind the mend")
def missing_service(i):
    with another_host(i, "missing", **{"queue-lifetime": "1s", "retry-intervals": "1h"}) as host:
        line = without_line(host, "/local-deliver ")
        reload(host)
        socket_path = f"{host.services}/queue/local"
        def gone():
            with socket.socket(socket.AF_UNIX) as client:
                return client.connect_ex(socket_path) != 0
        eventually(gone, "the end of the service")
        put(host, *[address(host)] * 3)
        time.sleep(1.1)  # older than the lifetime
        for _ in range(3):
            run(*host.command("queue-runner"))
        text = log_of(host)
        assert len(queued(host)) == 3 and not os.listdir(f"{host.queue}/log"), (queued(host), text)
        assert "status=bounced" not in text and "dsn=4.3.5" in text, text
        errors = [l for l in text.splitlines() if "is there a line for it in inetd.conf, or relais-local.socket?" in l and "error:" in l]
        assert len(errors) == 3, errors
        assert f"{socket_path} stream unix nowait" in errors[0] and "local-deliver --service" in errors[0], errors
        reload(host, line)
        eventually(lambda: not gone(), "the service")
        run(*host.command("queue-runner"))
        eventually(lambda: not queued(host), "delivery")
        assert log_of(host).count("status=sent") == 3


@test("an inetd that has stopped holds up no runner: what it does not take waits, and goes when it goes on")
def stopped_inetd(i):
    with another_host(i, "stopped") as host:
        host.inetd.send_signal(19)
        held = []
        try:
            while True:
                client = socket.socket(socket.AF_UNIX)
                client.setblocking(False)
                held.append(client)
                if client.connect_ex(f"{host.services}/queue/local"):
                    break
            put(host, address(host))
            run(*host.command("queue-runner"), timeout=30)
            assert "inetd, or systemd, takes no connections" in log_of(host), log_of(host)
            assert len(queued(host)) == 1
        finally:
            for client in held:
                client.close()
            host.inetd.send_signal(18)
        def delivered():
            run(*host.command("queue-runner"))
            return not queued(host)
        eventually(delivered, "delivery once inetd goes on", 60)


@test("an account that is there, but not this instance's, has its mail wait")
def of_another(i):
    with another_host(i, "another") as host:
        put(host, "relais-other@c.example", f"{other_account()}@c.example")
        run(*host.command("queue-runner"))
        text = log_of(host)
        assert "dsn=5.1.1" in text and "dsn=4.3.5" in text, text
        assert "user unknown" not in next(l for l in text.splitlines() if "dsn=4.3.5" in l)


def other_account():
    return next(a.pw_name for a in pwd.getpwall() if 1 <= a.pw_uid < 65534 and a.pw_uid != os.getuid())


@test("twelve users whose commands sleep are in nobody's way: others' mail goes, and theirs when they wake")
def sleeping_commands(i):
    with another_host(i, "sleeping") as host:
        go = f"{host.directory}/go"
        program = script(host, "sleeper", f"cat >/dev/null\nwhile [ ! -e {go} ]; do sleep 0.2; done\n")
        aliases(host, "".join(f'sleeper{n}: "|{program}"\n' for n in range(12)))
        try:
            put(host, *[f"sleeper{n % 12}@c.example" for n in range(24)])
            runner = subprocess.Popen(host.command("queue-runner"), stdin=subprocess.DEVNULL)
            eventually(lambda: log_of(host).count("(queue active)") == 24 if os.path.exists(host.log) else 0, "all that sleep")
            for n in range(3):
                run(*host.command("sendmail-compat", "-f", SENDER, address(host)), input=f"Subject: quick {n}\n\n".encode())
                arrived(host, f"Subject: quick {n}".encode(), 60)
            assert "sleeper" not in "".join(l for l in log_of(host).splitlines() if "status=" in l)
        finally:
            open(go, "w").close()
        eventually(lambda: log_of(host).count("status=sent") == 27, "the end of those that slept", 60)
        runner.wait()


@test("a running queue-runner sees a changed relais.conf before the next message, and keeps the old one while it is damaged")
def changed_configuration(i):
    with another_host(i, "changed") as host:
        go = f"{host.directory}/go"
        program = script(host, "sleeper", f"cat >/dev/null\nwhile [ ! -e {go} ]; do sleep 0.2; done\n")
        aliases(host, f'sleeper: "|{program}"\n')
        before = open(host.config).read()
        try:
            # One that stays at work all the time.
            send(host, "sleeper@c.example", "stay")
            eventually(lambda: os.path.exists(host.log) and "(queue active)" in log_of(host), "the runner at work")
            process = subprocess.run(["pgrep", "-f", f"{host.config} --kick"], capture_output=True).stdout
            assert process
            replace(host.config, before.replace("c.example mx", "c.example new.example mx"))
            send(host, f"{USER}@new.example", "in the new domain")
            arrived(host, b"in the new domain", 60)
            replace(host.config, before + "nonsense\n")
            run(*[os.path.join(host.programs, "sendmail-compat"), "-C", write(host, "good.conf", before), "-f", SENDER, f"{USER}@new.example"],
                input=b"Subject: while it is damaged\n\n")
            eventually(lambda: "what was read before still holds" in log_of(host), "the words about the damage")
            assert subprocess.run(["pgrep", "-f", f"{host.config} --kick"], capture_output=True).stdout == process, "another runner came"
            # A local-deliver that is at work may see it, too.
            told = [line for line in log_of(host).splitlines() if "queue-runner[" in line and "what was read before still holds" in line]
            assert len(told) == 1, told
            assert "5.4.6" not in log_of(host) and "status=bounced" not in log_of(host), log_of(host)
        finally:
            with open(host.config, "w") as file:
                file.write(before)
            open(go, "w").close()


def write(host, name, text):
    with open(f"{host.directory}/{name}", "w") as file:
        file.write(text)
    return f"{host.directory}/{name}"


@test("an SMTP session that goes on sees a new domain with its next message")
def long_session(i):
    import smtplib
    with another_host(i, "session") as host:
        before = open(host.config).read()
        with smtplib.SMTP(host.address, host.ports["smtp"], timeout=30) as client:
            client.sendmail(SENDER, [address(host)], "Subject: first\r\n\r\n")
            # Not relayed for us: this client may send anywhere, so the queue's word counts.
            with open(host.config, "w") as file:
                file.write(before.replace("c.example mx", "c.example later.example mx"))
            assert client.mail(SENDER)[0] == 250
            assert client.rcpt("nobody-at-all@later.example")[0] == 550
            assert client.rcpt(f"{USER}@later.example")[0] == 250


@test("a queue-runner that cannot start empties its socket, says why, and does not spin")
def cannot_start(i):
    with another_host(i, "cannot") as host:
        os.chmod(host.queue + "/incoming", 0)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as knock:
                for _ in range(3):
                    knock.sendto(b"", f"{host.services}/kick")
            eventually(lambda: os.path.exists(host.log) and "error: " in log_of(host), "the reason in the log")
            time.sleep(2)
            assert log_of(host).count("error: ") == 1, log_of(host)
        finally:
            os.chmod(host.queue + "/incoming", 0o3733)
        put(host, address(host))
        run(*host.command("queue-runner"))
        eventually(lambda: not queued(host), "delivery afterwards", 30)


@test("a server that cannot start says so in its protocol")
def servers_cannot_start(i):
    with another_host(i, "servers") as host:
        before = open(host.config).read()
        try:
            with open(host.config, "w") as file:
                file.write(before + "nonsense\n")
            for service, expected in (("smtp", b"421 4.3.5 "), ("pop3", b"-ERR [SYS/TEMP] "), ("imap", b"* BYE [UNAVAILABLE] ")):
                with socket.create_connection((host.address, host.ports[service]), 20) as client:
                    answer = client.makefile("rb").read()
                    assert answer.startswith(expected) and answer.endswith(b"\r\n") and answer.count(b"\n") == 1, (service, answer)
            # Deliverers give back what they get, and it is no attempt.
            put(host, address(host))
            good = write(host, "good.conf", before)
            run(os.path.join(host.programs, "queue-runner"), "-C", good)
            text = log_of(host)
            assert "local-deliver cannot start" in text and "dsn=4.3.5" in text and len(queued(host)) == 1, text
            assert not os.listdir(f"{host.queue}/log")
        finally:
            with open(host.config, "w") as file:
                file.write(before)
        run(*host.command("queue-runner"))
        eventually(lambda: not queued(host), "delivery", 30)


def in_line(host, program, words):
    """inetd.conf with `words` in the place of a program and its arguments, and inetd with it. What was there before."""
    socket_path = f"{host.services}/queue/{program.split('-')[0]}"
    # Where only the program is another one, nobody sees when inetd knows it.
    before = without_line(host, f"/{program} ")
    reload(host)
    eventually(lambda: not os.path.exists(socket_path), "the end of the service")
    reload(host, "".join((line[:line.index(f"{host.programs}/{program} ")] + words if f"/{program} " in line else line) + "\n" for line in before.splitlines()))
    eventually(lambda: os.path.exists(socket_path), "the service")
    return before


def as_another(host):
    """The words of a local-deliver that finds itself to be the wrong user: the queue that it is told of is root's."""
    config = write(host, "another.conf", open(host.config).read().replace(f"queue-directory = {host.queue}", "queue-directory = /")
                   + f"service-directory = {host.services}\n")
    return f"{host.programs}/local-deliver local-deliver -C {config} --service"


def holding(host, before=""):
    """A deliverer that does `before`, and then nothing. Each that was started has a line in `held`."""
    path = write(host, "holder.py", f"import os, socket, time\nopen('{host.directory}/held', 'a').write(f'{{os.getpid()}}\\n')\n{before}\ntime.sleep(900)\n")
    return f"{sys.executable} python3 {path}"


def end_held(host):
    for line in lines(f"{host.directory}/held"):
        try:
            os.kill(int(line), 9)
        except ProcessLookupError:
            pass


@test("mailq, --why and --status say why mail waits for a deliverer that is missing, or runs as the wrong user, until it works")
def told_why(i):
    with another_host(i, "told") as host:
        put(host, address(host), "x@d1.gone.example")
        said = lambda *words: subprocess.run(host.command("queue-runner", *words), capture_output=True, timeout=60).stdout.decode()
        before = without_line(host, "/local-deliver ")
        reload(host)
        eventually(lambda: not os.path.exists(f"{host.services}/queue/local"), "the end of the service")
        run(*host.command("queue-runner"))
        listing = said("--list")
        assert listing.count("is there a line for it in inetd.conf") == 1 and "Connection refused" in listing, listing
        entries = [json.loads(line) for line in said("--list", "--json").splitlines()]
        assert sum("inetd.conf" in entry["recipients"][0]["delay_reason"] for entry in entries) == 1, entries
        name = next(entry["queue_id"] for entry in entries if entry["recipients"][0]["address"] == address(host))
        assert "nobody can be had to deliver it:\n    " in said("--why", name) and "is there a line" in said("--why", name)
        assert "mail for local-deliver waits: " in said("--status") and "nobody answers" in said("--status")
        reload(host, before)
        eventually(lambda: os.path.exists(f"{host.services}/queue/local"), "the service")
        in_line(host, "local-deliver", as_another(host))
        run(*host.command("queue-runner"))
        assert said("--list").count("local-deliver runs as") == 1, said("--list")
        assert "mail for local-deliver waits: local-deliver runs as" in said("--status"), said("--status")
        reload(host, before)
        def delivered():
            run(*host.command("queue-runner"))
            return len(queued(host)) == 1
        eventually(delivered, "delivery")
        assert "local-deliver" not in said("--list") + said("--status"), said("--list") + said("--status")


def early_in_a_minute():
    """The queue is read for all that is due when a minute begins: not now."""
    if time.time() % 60 > 25:
        time.sleep(60 - time.time() % 60)


@test("waiting mail goes when its deliverer works again, in the same run, while knocks keep the runner awake")
def mended_meanwhile(i):
    import threading
    with another_host(i, "mended") as host:
        end = threading.Event()

        def knock():
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                while not end.wait(0.3):
                    client.sendto(b"", f"{host.services}/kick")
        wrong = lambda: in_line(host, "local-deliver", as_another(host))
        missing = lambda: (without_line(host, "/local-deliver "), reload(host))[0]
        threads = threading.Thread(target=knock, daemon=True)
        threads.start()
        try:
            for number, break_it in enumerate((missing, wrong)):
                early_in_a_minute()
                before = break_it()
                eventually(lambda: number or not os.path.exists(f"{host.services}/queue/local"), "the end of the service")
                put(host, *[address(host)] * 3)
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                    client.sendto(b"x", f"{host.services}/kick")
                eventually(lambda: os.path.exists(host.log) and log_of(host).count("dsn=4.3.5") >= 1 + 3 * number, "mail that waits")
                process = subprocess.run(["pgrep", "-f", f"{host.config} --kick"], capture_output=True).stdout
                reload(host, before)
                eventually(lambda: not queued(host), "delivery", 30)
                assert subprocess.run(["pgrep", "-f", f"{host.config} --kick"], capture_output=True).stdout == process, "another runner came"
        finally:
            end.set()
            threads.join()


@test("a queue-runner that stays asks a deliverer again that was missing, though nobody knocks")
def watched_and_mended(i):
    with another_host(i, "watched") as host:
        without_line(host, "/queue-runner ")
        reload(host)
        eventually(lambda: not os.path.exists(f"{host.services}/kick"), "the end of the service")
        without = without_line(host, "/local-deliver ")
        reload(host)
        eventually(lambda: not os.path.exists(f"{host.services}/queue/local"), "the end of the service")
        early_in_a_minute()
        put(host, *[address(host)] * 3)
        runner = subprocess.Popen(host.command("queue-runner", "--watch"), stdin=subprocess.DEVNULL)
        try:
            eventually(lambda: os.path.exists(host.log) and log_of(host).count("dsn=4.3.5") == 3, "mail that waits")
            reload(host, without)
            eventually(lambda: not queued(host), "delivery", 30)
        finally:
            runner.terminate()
            runner.wait()
        assert log_of(host).count("is there a line for it in inetd.conf") == 4, log_of(host)


@test("a deliverer that takes no jobs holds up nobody else: the next messages for it wait for what becomes of one")
def blocked(i):
    from scheduling import sink
    with another_host(i, "blocked") as host, sink("127.0.0.5", i.a.ports["smtp"]):
        listening("127.0.0.5", i.a.ports["smtp"])
        in_line(host, "local-deliver", holding(host))
        # More than a socket holds, for twelve users.
        for user in range(12):
            queuefiles.fill(f"{host.queue}/incoming", [(SENDER, [f"u{user}+{number:0300}@c.example" for number in range(1000)])])
        put(host, "x@d1.live.example")
        try:
            run(*host.command("queue-runner"), timeout=120)
        finally:
            end_held(host)
        text = log_of(host)
        assert len(lines(f"{host.directory}/held")) == 1, lines(f"{host.directory}/held")
        assert "nobody takes what is handed over" in text and text.count("status=sent") == 1 and len(queued(host)) == 12, text[-3000:]
        assert not os.listdir(f"{host.queue}/log")


@test("jobs that nobody reads for half a minute are taken back, and it is no attempt")
def untaken(i):
    with another_host(i, "untaken") as host:
        before = in_line(host, "local-deliver", holding(host))
        put(host, *[address(host)] * 3)
        try:
            run(*host.command("queue-runner"), timeout=120)
        finally:
            end_held(host)
        text = log_of(host)
        assert text.count("nobody takes what is handed over") == 4 and text.count("dsn=4.3.5") == 3 and len(queued(host)) == 3, text
        assert not os.listdir(f"{host.queue}/log") and len(lines(f"{host.directory}/held")) == 1
        reload(host, before)
        def delivered():
            run(*host.command("queue-runner"))
            return not queued(host)
        eventually(delivered, "delivery")


@test("a remote-deliver that takes its jobs and hangs is ended when its own deadlines are over; its mail is tried again later")
def hanging(i):
    limits = {"delivery-limit": "1s", "lookup-timeout": "1s", "data-timeout": "1s"}
    with another_host(i, "hanging", **limits) as host:
        in_line(host, "remote-deliver", holding(host, "client = socket.socket(fileno=0)\nwhile client.recv(65536): pass"))
        put(host, "x@d1.live.example")
        try:
            run(*host.command("queue-runner"), timeout=60)
        finally:
            end_held(host)
        text = log_of(host)
        assert "dsn=4.3.0, status=deferred (the deliverer gave no sign for too long)" in text, text
        assert len(queued(host)) == 1 and os.listdir(f"{host.queue}/log") == queued(host)
