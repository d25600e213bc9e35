"""Postfix's own test programs at both ends: many at a time in, and a server that is not ours out."""
import os, subprocess
from harness import address, eventually, listening, log_of, mailbox_text, need, run, send, test


@test("smtp-source brings 500 messages over ten sessions, kept open and one a message; all arrive once")
def smtp_source(i):
    for options, sender in ((["-d"], "kept@far.example"), ([], "single@far.example")):
        run(need("smtp-source"), *options, "-s", "10", "-m", "250", "-l", "4096", "-f", sender, "-t", address(i.a),
            f"{i.a.address}:{i.a.ports['smtp']}", timeout=120)
        wanted = f"Return-Path: <{sender}>\n".encode()
        count = lambda: sum(text.startswith(wanted) for text in mailbox_text(i.a))
        eventually(lambda: count() >= 250, f"250 messages of {sender}", 60)
        assert count() == 250, count()


@test("where one of several MX is down the next is tried: smtp-sink takes all")
def smtp_sink(i):
    # mx1.many.example (127.0.0.3) does not listen; mx2.many.example has the same preference.
    dump = f"{i.directory}/sink"
    sink = subprocess.Popen([need("smtp-sink"), "-4", "-D", dump, f"127.0.0.4:{i.a.ports['smtp']}", "100"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        listening("127.0.0.4", i.a.ports["smtp"])
        for number in range(20):
            send(i.a, "x@many.example", f"to-many-{number}.")
        taken = lambda: open(dump, "rb").read() if os.path.exists(dump) else b""
        eventually(lambda: all(f"Subject: to-many-{number}.".encode() in taken() for number in range(20)), "20 messages at smtp-sink", 30)
        eventually(lambda: log_of(i.a).count("to=<x@many.example>") >= 20, "20 lines in the log")
        assert all("relay=mx2.many.example[127.0.0.4]" in line and "status=sent" in line
                   for line in log_of(i.a).splitlines() if "to=<x@many.example>" in line)
    finally:
        sink.terminate()
        sink.wait()
