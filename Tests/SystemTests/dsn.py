"""Reports on messages (RFC 3461 to 3464), made by the tools and read by Python's email."""
import contextlib, email, email.policy, itertools, os, re, smtplib, subprocess, time
from harness import RELEASE, USER, address, arrived, eventually, instance, listening, log_of, mailbox_text, need, run, test
import queuefiles

numbers = itertools.count(1)


def transaction(host, sender, recipients, options=(), content=b"Subject: x\r\n\r\nHello.\r\n"):
    """One message; `recipients` with their parameters: ("bob@x", "NOTIFY=NEVER"). Returns its id."""
    with smtplib.SMTP(host.address, host.ports["smtp"], timeout=30) as client:
        client.ehlo()
        assert client.has_extn("dsn")
        assert client.mail(sender, list(options))[0] == 250
        for recipient, *parameters in recipients:
            code, text = client.rcpt(recipient, parameters)
            assert code == 250, text
        code, text = client.data(content)
        assert code == 250, text
        return text.split()[-1].decode()


def done(host, name):
    eventually(lambda: f"{name}: removed" in log_of(host), f"the end of {name}")


class Report:
    """What a report says, by Python's parser."""

    def __init__(self, text):
        self.text = text
        self.message = email.message_from_bytes(text, policy=email.policy.default)
        assert not self.message.defects, self.message.defects
        assert self.message.get_content_type() == "multipart/report", self.message.get_content_type()
        assert self.message.get_param("report-type") == "delivery-status"
        assert self.message["Auto-Submitted"] == "auto-replied" and self.message["MIME-Version"] == "1.0"
        assert text.startswith(b"Return-Path: <>\n"), text[:60]
        self.parts = list(self.message.iter_parts())
        assert len(self.parts) == 3, [part.get_content_type() for part in self.parts]
        self.words = self.parts[0].get_content()
        assert self.parts[1].get_content_type() == "message/delivery-status"
        self.fields, *self.recipients = self.parts[1].get_payload()
        assert self.fields["Reporting-MTA"].startswith("dns; mx.") and self.fields["Arrival-Date"]
        for fields in self.recipients:
            assert all(fields[name] for name in ("Final-Recipient", "Action", "Status")), fields

    @property
    def actions(self):
        return {fields["Final-Recipient"].split("; ")[1]: fields["Action"] for fields in self.recipients}


def reports(host, number):
    """The reports that came about the sending with that ENVID."""
    key = f"Original-Envelope-Id: {number}\n".encode()
    return [Report(text) for text in mailbox_text(host) if key in text]


def report(host, number):
    """The only one."""
    eventually(lambda: reports(host, number), f"a report about {number}")
    found = reports(host, number)
    assert len(found) == 1, [r.actions for r in found]
    return found[0]


def fresh():
    return f"T{os.getpid()}+{next(numbers)}"


def envid(number):
    return "ENVID=" + number.replace("+", "+2B")


@test("DSN: a failure comes back with everything that the sender gave, and the remote host's words")
def failure(i):
    number = fresh()
    transaction(i.a, address(i.a), [(address(i.b, "nobody"), "NOTIFY=FAILURE", "ORCPT=rfc822;some+2Bone@old.example")],
                ["RET=FULL", envid(number)], b"Subject: x\r\nMessage-ID: <m1@x>\r\n\r\nHello.\r\n")
    r = report(i.a, number)
    fields = r.recipients[0]
    assert fields["Original-Recipient"] == "rfc822; some+one@old.example", fields
    assert fields["Final-Recipient"] == "rfc822; nobody@b.example" and fields["Action"] == "failed"
    assert fields["Status"] == "5.1.1" and fields["Remote-MTA"] == "dns; mx.b.example", fields
    assert fields["Diagnostic-Code"].startswith("smtp; 550 5.1.1 "), fields["Diagnostic-Code"]
    assert fields["Last-Attempt-Date"] and not fields["Will-Retry-Until"]
    assert r.fields["Received-From-MTA"].startswith("dns; ") and "([127.0.0.1])" in r.fields["Received-From-MTA"]
    assert r.message["To"] == address(i.a) and "MAILER-DAEMON@mx.a.example" in r.message["From"]
    assert r.message["In-Reply-To"] == "<m1@x>" and "What you can do" in r.words
    assert r.parts[2].get_content_type() == "message/rfc822" and "Hello." in r.parts[2].get_content().get_content()


@test("DSN: one report for all recipients of a message, none for those who want none")
def wishes(i):
    number = fresh()
    name = transaction(i.a, address(i.a), [
        (address(i.b, "nobody1"), "NOTIFY=FAILURE,DELAY"), (address(i.b, "nobody2"), "NOTIFY=NEVER"),
        (address(i.b, "nobody3"),), (address(i.b, "nobody4"), "NOTIFY=SUCCESS")], ["RET=HDRS", envid(number)])
    done(i.a, name)
    r = report(i.a, number)
    assert r.actions == {f"nobody{n}@b.example": "failed" for n in (1, 3)}, r.actions
    assert r.parts[2].get_content_type() == "text/rfc822-headers" and "Hello" not in r.text.decode()
    silent = fresh()
    done(i.a, transaction(i.a, address(i.a), [(address(i.b, "nobody"), "NOTIFY=NEVER")], [envid(silent)]))
    assert not reports(i.a, silent)


@test("DSN: 8-bit content comes back declared as such, and readable; a large message as its header")
def content(i):
    number = fresh()
    body = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" \
        "Grüße\r\n"
    transaction(i.a, address(i.a), [(address(i.b, "nobody"),)], ["BODY=8BITMIME", envid(number)], body.encode())
    r = report(i.a, number)
    assert r.message["Content-Transfer-Encoding"] == "8bit" == r.parts[2]["Content-Transfer-Encoding"]
    assert r.parts[2].get_content().get_content() == "Grüße\n", r.text
    number = fresh()
    transaction(i.a, address(i.a), [(address(i.b, "nobody"),)], [envid(number)],
                b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 800)
    r = report(i.a, number)
    assert r.parts[2].get_content_type() == "text/rfc822-headers" and len(r.text) < 5000
    assert "Subject: large" in r.parts[2].get_payload()


@test("DSN: sendmail -N, -R and -V are what NOTIFY, RET and ENVID are")
def by_sendmail(i):
    number = fresh()
    run(*i.a.command("sendmail-compat", "-f", address(i.a), "-N", "failure", "-R", "hdrs", "-V", number, address(i.b, "nobody")),
        input=b"Subject: x\n\nHello.\n")
    r = report(i.a, number)
    assert r.parts[2].get_content_type() == "text/rfc822-headers"
    for wrong in (["-N", "sometimes"], ["-R", "all"], ["-V", "x" * 101], ["-N", "never,delay"], ["-V", "é"], ["-R"]):
        done = subprocess.run(i.a.command("sendmail-compat", *wrong, "x@a.example"), capture_output=True, input=b"x\n")
        assert done.returncode == 64 and done.stderr.count(b"\n") == 1, (wrong, done)


@test("DSN: who sends is warned of a delay, once, and not about lists or against NOTIFY")
def delay(i):
    from scheduling import another_host
    with another_host(i, "delay", **{"delay-warning": "1s"}) as host:
        to_us = address(i.a)
        sent = {what: fresh() for what in ("plain", "wanted", "never", "list")}
        names = {}
        for what, parameters, header in (("plain", (), b""), ("wanted", ("NOTIFY=DELAY",), b""), ("never", ("NOTIFY=FAILURE",), b""),
                                         ("list", (), b"List-Id: <x.y>\r\n")):
            names[what] = transaction(host, to_us, [("x@dead.example", *parameters)], [envid(sent[what])],
                                      header + b"Subject: x\r\n\r\nHello.\r\n")
        names["nobody"] = transaction(host, "", [("x@dead.example",)])
        eventually(lambda: all(f"{name}: to=<x@dead.example>" in log_of(host) for name in names.values()), "the first attempts")
        time.sleep(1.1)
        for _ in range(2):
            for name in names.values():
                run(*host.command("queue-runner", "--retry", name))
            run(*host.command("queue-runner"))
            eventually(lambda: all(log_of(host).count(f"{name}: to=<x@dead.example>") >= 2 for name in names.values()), "more attempts")
        for what in ("plain", "wanted"):
            r = report(i.a, sent[what])
            fields = r.recipients[0]
            assert fields["Action"] == "delayed" and fields["Status"].startswith("4.") and fields["Will-Retry-Until"], fields
            assert r.parts[2].get_content_type() == "text/rfc822-headers" and "need not send it again" in r.words
            assert "Delayed" in r.message["Subject"]
        assert not reports(i.a, sent["never"]) and not reports(i.a, sent["list"])
        assert log_of(host).count("sender delay notification") == 2


@test("DSN: a failure with nobody to tell goes to the postmaster, once, and never in a circle")
def double_bounce(i):
    from scheduling import another_host
    with another_host(i, "double") as host:
        postmaster = lambda: [t for t in mailbox_text(host) if b"Undeliverable Report" in t]
        name = transaction(host, "", [("nobody@b.example",)], content=b"Subject: first\r\n\r\nx\r\n")
        done(host, name)
        r = Report(eventually(postmaster, "the report for the postmaster")[0])
        assert r.message["To"] == "postmaster@mx.c.example" and "Subject: first" in r.text.decode()
        # A bounce to a sender that is not there; then a postmaster who is not there either.
        with open(f"{host.directory}/aliases", "w") as file:
            file.write("postmaster: nobody@b.example\n")
        transaction(host, "nobody@b.example", [("nobody2@b.example",)])
        eventually(lambda: "undeliverable, and there is nobody to tell" in log_of(host), "the end of it")
        assert log_of(host).count("postmaster non-delivery notification") == 2 and len(postmaster()) == 1
        eventually(lambda: not os.listdir(f"{host.queue}/log") and not os.listdir(f"{host.queue}/incoming"), "an empty queue")
        # What nobody could be told of is in the trash, and can be looked at, and tried again.
        [bucket] = os.listdir(f"{host.queue}/trash")
        [name] = os.listdir(f"{host.queue}/trash/{bucket}")
        assert abs(int(bucket) - time.time() / 60 - 7 * 1440) < 5, bucket
        assert b"Undeliverable Report" in run(*host.command("queue-runner", "--show", name))
        run(*host.command("queue-runner", "--undo", name))
        eventually(lambda: log_of(host).count("undeliverable, and there is nobody to tell") == 2, "another attempt")


@test("DSN: a report that nobody can have made before is not looked for in the buckets of all that waits")
def not_looked_for(i):
    from scheduling import another_host
    with another_host(i, "many-buckets") as host:
        later = int(time.time()) // 60 + 60
        for minute in range(later, later + 50):
            os.mkdir(f"{host.queue}/deferred/{minute}", 0o700)
        queuefiles.fill(f"{host.queue}/incoming", [(address(host), ["nobody-here@c.example"])])
        trace = f"{host.directory}/trace"
        run(need("strace"), "-f", "-qq", "-e", "trace=%file", "-o", trace, *host.command("queue-runner"))
        assert log_of(host).count("sender non-delivery notification") == 1
        looks = [line for line in open(trace) if re.search(r'"deferred/\d+/', line)]
        assert not looks, looks[:3]


@test("DSN: a runner that is at work looks for no earlier copy, owner's notice or warning of what came in its own time; of what came before, it does")
def not_looked_for_by_the_busy(i):
    directory = f"{i.directory}/busy-buckets"
    host = instance.Host(directory, "c.example", "127.0.0.8", i.a.ports["smtp"], i.dns.port, extra={
        "peer-port": i.a.ports["smtp"], "delay-warning": "30s", "local-domains": "c.example lists.example localhost"})
    host.make()
    later = int(time.time()) // 60 + 60
    for minute in range(later, later + 50):
        os.mkdir(f"{host.queue}/deferred/{minute}", 0o700)
    with open(f"{directory}/aliases", "a") as file:
        file.write(f"led: {USER}\nlist: {USER}, {USER}+x\nowner-bad: {USER}\nbad: :include:/nonexistent/list\nlong: loop1\nloop1: long\n")
    # The runner that inetd starts is watched.
    trace, watched = f"{directory}/trace", f"{directory}/watched"
    with open(watched, "w") as file:
        file.write(f'#!/bin/sh\nexec {need("strace")} -f -qq -e trace=%file -o {trace}.$$ {RELEASE}/queue-runner "$@"\n')
    os.chmod(watched, 0o755)
    table = open(f"{directory}/inetd.conf").read()
    with open(f"{directory}/inetd.conf", "w") as file:
        file.write(re.sub(r"\S+/queue-runner queue-runner", f"{watched} queue-runner", table))

    def looked(id):
        """Where what derives from a message was looked for: the trace names the copy, the log whose it is."""
        return [line for name in os.listdir(directory) if name.startswith("trace.") for line in open(f"{directory}/{name}") if re.search(rf'"deferred/\d+/{id}', line)]

    def made(words):
        return eventually(lambda: re.findall(words, log_of(host)) if os.path.exists(host.log) else None, words)

    queuefiles.fill(f"{host.queue}/incoming", [("x@far.example", ["led@c.example"])])
    host.start()
    try:
        run(*host.command("sendmail-compat", "-f", "y@far.example", f"{USER}@c.example"), input=b"Subject: begin\n\n")
        [before] = made(r"forwarded as (\w{24})")
        for sender, recipient in (("z@far.example", "led@c.example"), (f"{USER}@c.example", "x@dead.example"), (f"{USER}+s@c.example", "long@c.example")):
            run(*host.command("sendmail-compat", "-f", sender, recipient), input=b"Subject: later\n\n")
        copies = eventually(lambda: len(made(r"forwarded as (\w{24})")) >= 2 and made(r"forwarded as (\w{24})"), "the second copy")
        warnings, notices = made(r"sender delay notification: (\w{24})"), made(r"owner notification: (\w{24})")
    finally:
        host.stop()
        eventually(lambda: subprocess.run(["pgrep", "-f", f"{host.config} --kick"], capture_output=True).returncode != 0, "the end of the runner", 30)
    assert looked(before), "what came before the runner is not looked for"
    for made_by_it in [copy for copy in copies if copy != before] + warnings + notices:
        assert not looked(made_by_it), (made_by_it, looked(made_by_it)[:3])


@contextlib.contextmanager
def postfix_sink(i, *options):
    """Postfix's smtp-sink in front of *.live.example; yields what it was told, as far as it has come."""
    dump = f"{i.directory}/sink-{fresh()}"
    sink = subprocess.Popen([need("smtp-sink"), "-4", *options, "-D", dump, f"127.0.0.5:{i.a.ports['smtp']}", "100"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        listening("127.0.0.5", i.a.ports["smtp"])
        yield lambda: open(dump).read() if os.path.exists(dump) else ""
    finally:
        sink.terminate()
        sink.wait()


@test("DSN: a delivery into a mailbox is reported to who asked, by the host that does it")
def success(i):
    number = fresh()
    transaction(i.a, address(i.a), [(address(i.a), "NOTIFY=SUCCESS"), (address(i.a, "postmaster"),)], ["RET=FULL", envid(number)])
    r = report(i.a, number)
    assert r.actions == {address(i.a): "delivered"} and r.recipients[0]["Status"].startswith("2."), r.actions
    assert "Report" in r.message["Subject"] and r.parts[2].get_content_type() == "text/rfc822-headers"
    # Through a host that does DSN: only the last one reports.
    number = fresh()
    transaction(i.a, address(i.a), [(address(i.b), "NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;x@y.example")], [envid(number)])
    r = report(i.a, number)
    assert r.fields["Reporting-MTA"] == "dns; mx.b.example" and r.actions == {address(i.b): "delivered"}
    assert r.recipients[0]["Original-Recipient"] == "rfc822; x@y.example"
    # What was not asked for is not told.
    silent = fresh()
    done(i.a, transaction(i.a, address(i.a), [(address(i.a), "NOTIFY=FAILURE,DELAY"), (address(i.a),)], [envid(silent)]))
    assert not reports(i.a, silent)


@test("DSN: where the next host knows nothing of DSN, the last one that does says `relayed`")
def relayed(i):
    with postfix_sink(i, "-N"):
        number = fresh()
        transaction(i.a, address(i.a), [("x@r1.live.example", "NOTIFY=SUCCESS"), ("y@r1.live.example",)], [envid(number)])
        r = report(i.a, number)
    assert r.actions == {"x@r1.live.example": "relayed"}, r.actions
    fields = r.recipients[0]
    assert fields["Remote-MTA"] == "dns; mx.live.example" and fields["Diagnostic-Code"].startswith("smtp; 250"), fields
    line = next(line for line in log_of(i.a).splitlines() if "to=<x@r1.live.example>" in line)
    assert "status=sent (250 " in line, line


@test("DSN: an alias for one address passes all on, one for several is `expanded`, a list is `delivered`")
def aliases(i):
    from scheduling import another_host
    with another_host(i, "aliases") as host:
        with open(f"{host.directory}/aliases", "w") as file:
            file.write("one: nobody@b.example\ntwo: nobody1@b.example, nobody2@b.example\n"
                       f"list: nobody3@b.example\nowner-list: {address(i.a)}\n")
        number = fresh()
        transaction(host, address(i.a), [("one@c.example", "NOTIFY=SUCCESS,FAILURE")], [envid(number)])
        r = report(i.a, number)
        assert r.actions == {"nobody@b.example": "failed"}
        assert r.recipients[0]["Original-Recipient"] == "rfc822; one@c.example"
        number = fresh()
        transaction(host, address(i.a), [("two@c.example", "NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;zwei@x")], [envid(number)])
        eventually(lambda: len(reports(i.a, number)) == 2, "two reports")
        found = {}
        for r in reports(i.a, number):
            found.update(r.actions)
            assert all(fields["Original-Recipient"] == "rfc822; zwei@x" for fields in r.recipients)
        assert found == {"two@c.example": "expanded", "nobody1@b.example": "failed", "nobody2@b.example": "failed"}, found
        # Without FAILURE the members' failures are nobody's business; without SUCCESS there is nothing to tell.
        number = fresh()
        done(host, transaction(host, address(i.a), [("two@c.example", "NOTIFY=SUCCESS")], [envid(number)]))
        assert report(i.a, number).actions == {"two@c.example": "expanded"}
        number = fresh()
        before = len(mailbox_text(i.a))
        done(host, transaction(host, address(i.b), [("list@c.example", "NOTIFY=SUCCESS,FAILURE")], [envid(number)]))
        assert report(i.b, number).actions == {"list@c.example": "delivered"}
        eventually(lambda: any(b"Final-Recipient: rfc822; nobody3@b.example" in text for text in mailbox_text(i.a)[before:])
                   or any(b"nobody3@b.example" in text for text in mailbox_text(i.a)), "the owner's report")
        time.sleep(0.2)
        assert len(reports(i.b, number)) == 1


@test("DSN: what the sender said is passed on as it came, to Postfix's smtp-sink; and ORCPT where it was missing")
def passed_on(i):
    with postfix_sink(i) as told:
        number = fresh()
        name = transaction(i.a, address(i.a), [
            ("x@p1.live.example", "NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;a+2Bb@c"), ("y+1@p1.live.example",)],
            ["RET=HDRS", envid(number)])
        eventually(lambda: "<y+1@p1.live.example>" in told() and f"{name}: removed" in log_of(i.a), "the message at smtp-sink")
        text = told()
        plain = transaction(i.a, address(i.a), [("z@p1.live.example",)])
        eventually(lambda: f"{plain}: removed" in log_of(i.a), "the other message")
        later = told()[len(text):]
    assert f"RET=HDRS {envid(number)}" in text, text
    assert "<x@p1.live.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c\n" in text, text
    assert "<y+1@p1.live.example> ORCPT=rfc822;y+2B1@p1.live.example\n" in text, text
    assert "<z@p1.live.example> ORCPT=rfc822;z@p1.live.example\n" in later and "RET=" not in later and "NOTIFY=" not in later
    assert not reports(i.a, number), "Postfix said that it reports"


@test("DSN: a storm of reports is held, the operator told once, and what was held goes when it is released")
def storm(i):
    from scheduling import another_host
    with another_host(i, "storm", **{"bounce-limit": "5"}) as host:
        count = lambda number: len(reports(i.a, number))
        number = fresh()
        for _ in range(12):
            transaction(host, address(i.a), [("nobody@b.example", "NOTIFY=FAILURE")], [envid(number)])
        held = lambda: os.listdir(f"{host.queue}/hold")
        eventually(lambda: len(held()) == 7 and count(number) == 5, "five reports sent, seven held")
        eventually(lambda: any(b"Subject: Storm of reports" in t for t in mailbox_text(host)), "the word to the postmaster")
        assert sum(b"Subject: Storm of reports" in t for t in mailbox_text(host)) == 1
        assert log_of(host).count("warning: storm: 5 reports within an hour") == 1
        # Other mail goes.
        transaction(host, "far@far.example", [(f"{USER}@c.example",)], content=b"Subject: in the storm\r\n\r\nx\r\n")
        arrived(host, b"Subject: in the storm")
        check = subprocess.run(host.command("queue-runner", "--check"), capture_output=True)
        assert check.returncode == 78 and b"storm: 7 reports were put on hold" in check.stdout, check
        listing = subprocess.run(host.command("queue-runner", "--list"), capture_output=True)
        assert b"storm: 7 reports" in listing.stderr and b"7 Requests" in listing.stdout, listing
        for name in held():
            run(*host.command("queue-runner", "--release", name))
        eventually(lambda: count(number) == 12, "all reports")
        assert b"storm" not in subprocess.run(host.command("queue-runner", "--list"), capture_output=True).stderr


@test("DSN: what is internationalised is reported in the forms of RFC 6533")
def internationalised(i):
    number = fresh()
    name, data = queuefiles.message(address(i.a), ["jürgen@b.example"], "Subject: Grüße\n\nHallo.\n".encode(),
                                    parameters=f"SMTPUTF8 BODY=8BITMIME RET=HDRS {envid(number)}")
    with open(f"{i.a.queue}/incoming/{name}", "wb") as file:
        file.write(data)
    os.chmod(file.name, 0o660)
    run(*i.a.command("queue-runner"))
    key = f"Original-Envelope-Id: {number}\n".encode()
    text = eventually(lambda: next((t for t in mailbox_text(i.a) if key in t), None), "the report")
    r = email.message_from_bytes(text, policy=email.policy.SMTPUTF8)
    assert not r.defects and r["Content-Transfer-Encoding"] == "8bit", r.defects
    words, status, header = r.iter_parts()
    assert [part.get_content_type() for part in (words, status, header)] == [
        "text/plain", "message/global-delivery-status", "message/global-headers"]
    assert "jürgen@b.example" in words.get_content() and b"Final-Recipient: utf-8; j\xc3\xbcrgen@b.example\n" in text
    assert b"\nStatus: 5.6.7\n" in text and "Subject: Grüße".encode() in text
