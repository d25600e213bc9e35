"""What an operator looks into, gives back, and has to mend: --show, --return, and a queue of which something cannot be read."""
import json, os, shutil, subprocess, time
from harness import address, arrived, eventually, log_of, test
from looking import event, private_queue, put, queue_runner
from operating import operate, places
from scheduling import another_host, kick, sent, sink


@test("one thing that cannot be read stops one thing: the pass, mailq, --status and --verify go on with the rest, and say what it is")
def unreadable(i):
    minute = int(time.time()) // 60
    with sink("127.0.0.5", i.a.ports["smtp"]), another_host(i, "unreadable") as host:
        shut = put(host, f"deferred/{minute - 5}", "s@far.example", ["u1@d1.live.example", "v@d1.live.example"], [event(minute * 60 - 900, 2, b"D", b"2.0.0", 0, b"250 ok")])
        open(f"{host.queue}/deferred/{minute - 4}", "w").close()
        put(host, f"deferred/{minute - 3}", "s@far.example", ["u2@d2.live.example"])
        put(host, "incoming", "s@far.example", ["u3@d3.live.example"])
        held = put(host, "hold", "s@far.example", ["u4@d4.live.example"])
        os.mkdir(f"{host.queue}/log/{held}")
        os.mkdir(f"{host.queue}/destinations/d2.live.example")
        for name in ("destinations/d3.live.example", "runner.elsewhere"):
            open(f"{host.queue}/{name}", "w").close()
            os.chmod(f"{host.queue}/{name}", 0)
        for name in ("d2", "d3"):
            # Younger ones somebody may just be writing.
            os.utime(f"{host.queue}/destinations/{name}.live.example", (1, 1))
        os.chmod(f"{host.queue}/deferred/{minute - 5}", 0)

        def told(text):
            for path in (f"deferred/{minute - 5}: ", f"deferred/{minute - 4}: "):
                assert path in text, (path, text)
        done = subprocess.run(host.command("queue-runner"), capture_output=True, timeout=60)
        assert done.returncode == 0 and sent(host, "live") == 2, done
        told(done.stderr.decode())
        told(log_of(host))
        for words in (["--list"], ["--list", "--json"], ["--why", "all"], ["--show", "all"], ["--retry", "all"], ["--hold", "all"]):
            done = subprocess.run(host.command("queue-runner", *words), capture_output=True, timeout=60)
            told(done.stderr.decode())
            assert "only root" not in done.stderr.decode() and done.returncode in (66, 75), done
            assert held in done.stdout.decode() or words[0] in ("--retry", "--hold"), done
        done = subprocess.run(host.command("queue-runner", "--status"), capture_output=True, timeout=60)
        told(done.stdout.decode())
        assert done.returncode == 69 and "runner.elsewhere" in done.stdout.decode(), done
        # A log whose message may be where nobody can look is no leftover.
        subprocess.run(host.command("queue-runner", "--clean"), capture_output=True, timeout=60)
        assert shut in os.listdir(f"{host.queue}/log")
        done = subprocess.run(host.command("queue-runner", "--verify", "-n"), capture_output=True, timeout=60)
        assert done.returncode == 69 and f"deferred/{minute - 5}: has mode 00".encode() in done.stdout and f"deferred/{minute - 5}: cannot be read".encode() in done.stdout, done
        assert shut in os.listdir(f"{host.queue}/log")
        done = subprocess.run(host.command("queue-runner", "--verify"), capture_output=True, timeout=60)
        for words in (f"deferred/{minute - 5}: has mode 00, so that nobody can deliver what is in it: given mode 0700", f"deferred/{minute - 4}: cannot be read", f"log/{held}: cannot be read",
                      "destinations/d2.live.example: is torn", "destinations/d3.live.example: is torn"):
            assert words in done.stdout.decode(), (words, done)
        os.remove(f"{host.queue}/deferred/{minute - 4}")
        kick(host)
        eventually(lambda: sent(host, "live") == 3, "what was in the bucket")
        assert "to=<v@" not in log_of(host), "who had it has it again"
        # incoming/ itself: what waits elsewhere goes.
        put(host, f"deferred/{minute - 3}", "s@far.example", ["u5@d5.live.example"])
        os.chmod(f"{host.queue}/incoming", 0)
        done = subprocess.run(host.command("queue-runner"), capture_output=True, timeout=60)
        os.chmod(f"{host.queue}/incoming", 0o3733)
        assert sent(host, "live") == 4 and "/incoming: " in done.stderr.decode(), done


@test("a message that cannot wait in its minute, because that is no directory of ours, waits in the next")
def strange_bucket(_):
    host = private_queue("strange-bucket")
    name = put(host, "incoming", "s@far.example", ["u@d.example"])
    now = int(time.time()) // 60
    for minute in range(now, now + 8):
        open(f"{host.queue}/deferred/{minute}", "w").close() if minute % 2 else os.mkdir(f"{host.queue}/deferred/{minute}", 0o500)
    subprocess.run(host.command("queue-runner"), capture_output=True, timeout=60)
    assert name in places(host), places(host)
    shutil.rmtree(host.directory, ignore_errors=True)


@test("--show prints a message: envelope, who has it already, and content to the byte, escaped on a terminal")
def show(_):
    host = private_queue("show")
    content = b"Subject: caf\xc3\xa9\n\n\x1b[2Jhello\tthere\n" + b"x" * 70000 + b"\n"
    minute = int(time.time()) // 60 + 5
    name = put(host, f"deferred/{minute}", "ann@example.org", ["x@one.example", "y@two.example"], [event(minute * 60 - 600, 2, b"D", b"2.0.0", 0, b"250 ok")],
               content=content, parameters="BODY=8BITMIME")
    done = subprocess.run(host.command("queue-runner", "--show", name), capture_output=True)
    head, _, rest = done.stdout.partition(b"*** MESSAGE CONTENTS deferred/%d/%s ***\n" % (minute, name.encode()))
    assert done.returncode == 0 and rest == content + b"*** MESSAGE FILE END deferred/%d/%s ***\n" % (minute, name.encode()), done.stdout[-300:]
    for line in (b"*** ENVELOPE RECORDS ", b"message_size: %d\n" % len(content), b"sender: ann@example.org BODY=8BITMIME\n", b"recipient: x@one.example\n", b"done_recipient: y@two.example\n"):
        assert line in head, (line, head)
    import pty
    ours, theirs = pty.openpty()
    child = subprocess.Popen(host.command("queue-runner", "--show", name), stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 65536):
            text += part
    except OSError:
        pass
    assert child.wait() == 0 and b"\x1b" not in text and rb"\x1b[2Jhello" in text, text[:500]
    assert b"no such message" in operate(host, "--show", "0" * 24, status=66)
    operate(host, "--remove", name)
    assert b"*** MESSAGE CONTENTS trash/" in queue_runner(host, "--show", name).encode()
    shutil.rmtree(host.directory)


@test("--return sends messages back to their senders at once, with the operator's reason, and those recipients only that were chosen")
def giving_back(i):
    mine = address(i.b)
    minute = int(time.time()) // 60 + 200
    first = put(i.b, "hold", mine, ["x@one.example", "y@two.example"], content=b"Subject: give-back-first\n\nHello.\n")
    text = operate(i.b, "--return", "--reason", "We closed this relay", "to=y@two.example").decode()
    assert text == f"{first}: 1 of 2 recipients returned to <{mine}>\n", text
    report = arrived(i.b, b"Subject: give-back-first")
    for needle in (b"Final-Recipient: rfc822; y@two.example", b"Action: failed", b"Status: 5.0.0", b"We closed this relay"):
        assert needle.replace(b"; ", b";") in report.replace(b"; ", b";"), (needle, report.decode(errors="replace"))
    assert b"x@one.example" not in report
    log = log_of(i.b)
    assert f"{first}: 1 of 2 recipients returned to <{mine}>, by the operator" in log and f"{first}: sender non-delivery notification: " in log
    assert any(f"{first}: to=<y@two.example>, relay=none" in line and "dsn=5.0.0, status=bounced (We closed this relay)" in line for line in log.splitlines())
    # The other waits on; and then it is given up, too, and nothing is left.
    assert places(i.b)[first] == "hold" and b"nothing in the queue is like that" in operate(i.b, "--return", "to=y@two.example", status=66)
    waits = put(i.b, f"deferred/{minute}", mine, ["z@one.example"], [event(minute * 60 - 9000, 1, b"Z", b"4.4.1", minute * 60, b"no route")], content=b"Subject: give-back-second\n\nHello.\n")
    silent = put(i.b, f"deferred/{minute}", "", ["z@one.example"], parameters="X-DOUBLE-BOUNCE")
    text = operate(i.b, "--return", "domain=one.example").decode()
    assert f"{first}: 1 of 2 recipients returned to" in text and f"{waits}: returned to" in text and f"{silent}: given up, and nobody is told, in the trash" in text, text
    assert not {first, waits} & set(places(i.b)) and places(i.b)[silent].startswith("trash/") and not {first, waits, silent} & set(os.listdir(f"{i.b.queue}/log"))
    assert b"returned by the administrator" in arrived(i.b, b"Subject: give-back-second")
    # Killed between the failure's line and the report: the same command tells, and tells once.
    cut = put(i.b, "hold", mine, ["z@one.example"], [event(minute * 60 - 9000, 1, b"F", b"5.0.0", 0, b"cut short")], content=b"Subject: give-back-third\n\nHello.\n")
    operate(i.b, "--return", cut)
    assert b"cut short" in arrived(i.b, b"Subject: give-back-third") and cut not in places(i.b)
    for words in (["--return"], ["--return", "--reason", "", "all"], ["--return", "--reason", "a\nb", "all"], ["--return", "--reason", "x" * 501, "all"], ["--hold", "--reason", "x", "all"]):
        operate(i.b, *words, status=64)


@test("a sender is chosen by the local part, an address literal by the address, a report by the name that mailq gives its sender")
def siblings(_):
    host = private_queue("siblings")
    cron = put(host, "incoming", "root@quiet.example", ["z@[127.0.0.9]"])
    report = put(host, "incoming", "", ['"John Doe"@Two.Example.'])
    for words, meant in ((["from=root"], {cron}), (["from=<root>"], {cron}), (["from=ROOT@quiet.example."], {cron}), (["from=roo"], set()), (["to=z@127.0.0.9"], {cron}),
                         (["domain=127.0.0.9"], {cron}), (["domain=[127.0.0.9]"], {cron}), (["to=@127.0.0.9"], {cron}), (["from=MAILER-DAEMON"], {report}),
                         (["to=john doe@two.example"], {report}), (['to="john doe"'], {report}), (["domain=two.example"], {report}), (["domain=@two.example"], {report})):
        listed = {json.loads(line)["queue_id"] for line in queue_runner(host, "--list", "--json", *words).splitlines()}
        assert listed == meant, (words, listed)
    shutil.rmtree(host.directory)
