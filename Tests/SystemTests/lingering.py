"""Deliverers with many messages in their hands: each is decided by what the files say when its turn comes."""
import os, socket, subprocess, time
from harness import address, eventually, log_of, replace, send, test
import queuefiles
from scheduling import Gated, another_host
from seam import aliases, lines, put, queued, script


def stepping(host, name, ran):
    """A program that writes down its name, and goes on when there is a file `go.N`, it being the N-th that ran."""
    return script(host, name, f"cat >/dev/null\necho {name} >>{ran}\nn=$(wc -l <{ran})\nwhile [ ! -e {host.directory}/go.$n ]; do sleep 0.1; done\n")


def go(host, number):
    open(f"{host.directory}/go.{number}", "w").close()


@test("local-deliver in the middle of a batch sees changed aliases and a changed relais.conf before the next message, and keeps the old one while it is damaged")
def changed_in_batch(i):
    # Without a users file: with one, two domains may have two of that name, who are served side by side.
    with another_host(i, "batch", **{"local-domains": "c.example gone.example mx.c.example localhost", "users-file": ""}) as host:
        ran = f"{host.directory}/ran"
        old, new = (stepping(host, name, ran) for name in ("old", "new"))
        before = open(host.config).read()
        aliases(host, f'prog: "|{old}"\n')
        put(host, "prog@c.example", "prog@gone.example", *["prog@c.example"] * 3)
        runner = subprocess.Popen(host.command("queue-runner"), stdin=subprocess.DEVNULL)
        try:
            eventually(lambda: lines(ran) == ["old"], "the first command")
            replace(f"{host.directory}/aliases", open(f"{host.directory}/aliases").read().replace(old, new))
            replace(host.config, before.replace("gone.example ", ""))
            go(host, 1)
            # The second is for a domain that is not ours any more.
            eventually(lambda: lines(ran) == ["old", "new"], "the third message's command")
            text = log_of(host)
            assert "to=<prog@gone.example>" in text and "dsn=4.3.5" in text and "has changed meanwhile" in text, text
            replace(host.config, before + "nonsense\n")
            go(host, 2)
            eventually(lambda: lines(ran) == ["old", "new", "new"], "the fourth message's command")
            replace(host.config, before + "program-timeout = 1s\n")
            go(host, 3)
            # Nobody lets the fifth go on.
            eventually(lambda: "command took too long" in log_of(host), "the end of the fifth message's command")
            runner.wait(60)
        finally:
            for number in range(1, 6):
                go(host, number)
        damage = [line for line in log_of(host).splitlines() if "/local-deliver[" in line and "what was read before still holds" in line]
        assert len(damage) == 1, damage
        assert log_of(host).count("status=sent") == 3 and len(queued(host)) == 2, log_of(host)


@test("a changed program-timeout holds for the next command of a batch, with its processor time, be it shorter or longer")
def changed_limit(i):
    with another_host(i, "limits", **{"program-timeout": "300s"}) as host:
        ran, before = f"{host.directory}/ran", open(host.config).read()
        program = script(host, "limited", f"cat >/dev/null\nulimit -St >>{ran}\nulimit -Ht >>{ran}\nn=$(wc -l <{ran})\nwhile [ ! -e {host.directory}/go.$n ]; do sleep 0.1; done\n")
        aliases(host, f'prog: "|{program}"\n')
        put(host, *["prog@c.example"] * 3)
        runner = subprocess.Popen(host.command("queue-runner"), stdin=subprocess.DEVNULL)
        try:
            for number, seconds in enumerate((300, 200, 400), 1):
                eventually(lambda: len(lines(ran)) == 2 * number, f"command {number}")
                assert lines(ran)[-2:] == [str(seconds)] * 2, lines(ran)
                replace(host.config, before.replace("300s", "200s" if number == 1 else "400s"))
                go(host, 2 * number)
            runner.wait(60)
        finally:
            for number in (2, 4, 6):
                go(host, number)
        assert log_of(host).count("status=sent") == 3, log_of(host)


@test("remote-deliver in the middle of a session sees a changed relais.conf before the next message, and keeps the old one while it is damaged")
def changed_in_session(i):
    port = i.a.ports["smtp"]
    with another_host(i, "midst") as host:
        before = open(host.config).read()

        def three(domain, change):
            """Of three messages of one session the second is held while relais.conf changes."""
            with Gated("127.0.0.5", port, pause=1) as there:
                there.gate.set()
                put(host, *[f"u{number}@{domain}" for number in range(3)])
                runner = subprocess.Popen(host.command("queue-runner"), stdin=subprocess.DEVNULL)
                eventually(lambda: len(there.taken) == 1, "the first message")
                replace(host.config, change)
                there.go.set()
                runner.wait(60)
                return there
        there = three("d1.live.example", before.replace("hostname = mx.c.example", "hostname = changed.c.example"))
        assert len(there.taken) == 3 and there.greeted == ["mx.c.example", "changed.c.example"], (there.taken, there.greeted)
        replace(host.config, before)
        there = three("d2.live.example", before + "nonsense\n")
        assert len(there.taken) == 3 and there.greeted == ["mx.c.example"], (there.taken, there.greeted)
        damage = [line for line in log_of(host).splitlines() if "/remote-deliver[" in line and "what was read before still holds" in line]
        assert len(damage) == 1, damage
        replace(host.config, before)
        there = three("d3.live.example", before.replace("local-domains = c.example", "local-domains = c.example d3.live.example"))
        assert len(there.taken) == 2, there.taken
        text = log_of(host)
        assert "d3.live.example is a domain of this host by now" in text and "to=<u2@d3.live.example>" in text, text


@test("the trash is emptied while a queue-runner is busy")
def trash_of_the_busy(i):
    with another_host(i, "busy-trash") as host:
        held = script(host, "held", f"cat >/dev/null\nwhile [ ! -e {host.directory}/go.1 ]; do sleep 0.1; done\n")
        aliases(host, f'prog: "|{held}"\n')
        process = lambda: subprocess.run(["pgrep", "-f", f"{host.config} --kick"], capture_output=True).stdout
        try:
            send(host, "prog@c.example", "stay")
            eventually(lambda: os.path.exists(host.log) and "(queue active)" in log_of(host), "the runner at work")
            before = process()
            over = f"{host.queue}/trash/{int(time.time()) // 60 - 1}"
            os.mkdir(over, 0o700)
            queuefiles.fill(over, [("sender@far.example", [address(host)])])

            def gone():
                # Whatever is knocked makes it look, and with a new minute comes the trash.
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                    client.sendto(b"x", f"{host.services}/kick")
                time.sleep(0.5)
                return not os.path.exists(over)
            eventually(gone, "an empty trash", 70)
            assert "trash: 1 message gone for good" in log_of(host)
            assert before and process() == before, "another runner came"
        finally:
            go(host, 1)
