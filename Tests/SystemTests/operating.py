"""Mending the queue: choosing messages, hold and release, the trash, rerouting, export and import, --verify."""
import json, os, re, shutil, smtplib, subprocess, threading, time
from harness import address, arrived, eventually, log_of, mailbox_text, run, send, test
from looking import event, private_queue, put, queue_runner
import queuefiles


def operate(host, *arguments, status=0, input=None):
    """Standard output; standard error is told to `status`'s caller by an exception when the exit status is another."""
    done = subprocess.run(host.command("queue-runner", *arguments), capture_output=True, input=input, timeout=60)
    assert done.returncode == status, (arguments, done)
    return (done.stdout if status == 0 else done.stderr)


def places(host):
    """Where each message is."""
    found = {}
    for place, _, names in os.walk(host.queue):
        for name in names:
            if len(name) == 24:
                where = os.path.relpath(place, host.queue)
                if where != "log":
                    assert name not in found, f"{name} is in {found[name]} and in {where}"
                    found[name] = where
    return found


@test("messages are chosen by id, sender, recipient or domain, whatever case, and one that is done with a recipient is not chosen by it")
def choosing(_):
    host = private_queue("choosing")
    minute = int(time.time()) // 60 + 5
    ann = put(host, "incoming", "Ann@Example.ORG", ["bob@example.net", "eve@two.example"])
    report = put(host, "incoming", "", ["bob@example.net"])
    waits = put(host, f"deferred/{minute}", "ann@example.org", ["x@one.example", "y@two.example"],
                [event(minute * 60 - 600, 2, b"D", b"2.0.0", 0, b"250 ok")])
    parked = put(host, "hold", "eve@two.example", ["BOB@EXAMPLE.NET"])
    everything = {ann, report, waits, parked}
    for words, meant in ((["from=ann@example.org"], {ann, waits}), (["from=<>"], {report}), (["from="], {report}), (["from=<EVE@two.example>"], {parked}),
                         (["from=@example.org"], {ann, waits}), (["to=bob@example.net"], {ann, report, parked}), (["to=@two.example"], {ann}),
                         (["domain=TWO.example"], {ann}), (["domain=example"], set()), (["to=y@two.example"], set()), ([waits], {waits}),
                         ([report, "domain=one.example"], {report, waits}), (["all"], everything), ([], everything)):
        listed = {json.loads(line)["queue_id"] for line in queue_runner(host, "--list", "--json", *words).splitlines()}
        assert listed == meant, (words, listed)
    assert queue_runner(host, "--list", "from=nobody@x") == "Nothing like that is there\n"
    assert queue_runner(host, "--why", "domain=one.example").startswith(f"{waits}: ")
    # Two of four are where they can be held; each is done once, whatever names it twice.
    assert operate(host, "--hold", "domain=example.net", ann).decode().count("placed on hold") == 2
    assert places(host) == {ann: "hold", report: "hold", waits: f"deferred/{minute}", parked: "hold"}
    assert b"nothing in the queue is like that" in operate(host, "--hold", "domain=example.net", status=66)
    assert operate(host, "--release", "all").decode().count("released from hold") == 3 and set(places(host).values()) == {"incoming", f"deferred/{minute}"}
    # What is wrong is said, and nothing done.
    for words, told in ((["--hold"], "which messages?"), (["--hold", "bob"], "bob: not a message id, nor from="), (["--hold", "--remove", "all"], "cannot be done at once"),
                        (["--hold", "to="], "not a message id"), (["--hold", "domain=a@b"], "not a message id"), (["all"], "takes no operands"),
                        (["--reroute", "all"], "which messages?"), (["--reroute", "a b", "all"], "--reroute takes"), (["--reroute", "@", "all"], "--reroute takes"),
                        (["--reroute", "host:0", "all"], "--reroute takes"), (["--reroute", "-x", "all"], "--reroute takes"), (["--json"], "--json goes with"),
                        (["--dry-run"], "--dry-run goes with"), (["--removed", "--status"], "--removed goes with"), (["--status", "all"], "takes no operands")):
        errors = operate(host, *words, status=64).decode()
        assert told in errors and errors.count("\n") == 1, (words, errors)
    assert set(places(host).values()) == {"incoming", f"deferred/{minute}"}
    shutil.rmtree(host.directory)


@test("what is removed goes to the trash, comes back with its history, and goes for good when its time is over")
def trash(_):
    host = private_queue("trash")
    now = int(time.time())
    minute = now // 60 + 5
    waits = put(host, f"deferred/{minute}", "ann@example.org", ["x@one.example", "y@two.example"],
                [event(now - 600, 2, b"D", b"2.0.0", 0, b"250 ok"), event(now - 600, 1, b"Z", b"4.4.1", now + 300, b"no route")])
    parked, new = put(host, "hold", "a@b.example", ["x@one.example"]), put(host, "incoming", "a@b.example", ["z@one.example"])
    before = {name: open(f"{host.queue}/{place}/{name}", "rb").read() for name, place in places(host).items()}
    assert operate(host, "--remove", "domain=one.example").decode().count("in the trash until ") == 3
    assert queue_runner(host, "--list") == "Mail queue is empty\n" and queue_runner(host).strip() == ""
    listed = [json.loads(line) for line in queue_runner(host, "--list", "--removed", "--json").splitlines()]
    assert {entry["queue_id"] for entry in listed} == {waits, parked, new}
    for entry in listed:
        assert entry["queue_name"] == "trash" and abs(entry["removed_until"] - now - 7 * 86400) < 180, entry
    story = queue_runner(host, "--why", waits)
    assert "removed by the operator: in the trash, gone for good" in story and f"--undo {waits}" in story and "no route" in story, story
    assert "while it was on hold" in queue_runner(host, "--why", parked)
    assert json.loads(queue_runner(host, "--status", "--json"))["states"]["trash"]["messages"] == 3
    assert queue_runner(host, "--clean") == "removed 0 leftover logs, buckets and destinations\n"
    assert operate(host, "--undo", "all").decode().count(": back, and ") == 3
    assert places(host) == {waits: "incoming", parked: "hold", new: "incoming"} and not os.listdir(f"{host.queue}/trash")
    assert before == {name: open(f"{host.queue}/{place}/{name}", "rb").read() for name, place in places(host).items()}
    assert json.loads(queue_runner(host, "--list", "--json", waits))["recipients_done"] == 1
    # For good: at once where the operator says so, else by the pass that comes after the time.
    operate(host, "--remove", waits, parked, new)
    assert operate(host, "--purge", new) == f"{new}: removed for good\n".encode()
    [bucket] = [name for name in os.listdir(f"{host.queue}/trash") if not name.endswith("-held")]
    os.rename(f"{host.queue}/trash/{bucket}", f"{host.queue}/trash/{now // 60 - 1}")
    queue_runner(host)
    assert places(host) == {parked: f"trash/{bucket}-held"} and os.listdir(f"{host.queue}/log") == []
    assert f"{host.log}" and "trash: 1 message gone for good" in open(host.log).read()
    for words, told in ((["--undo", waits], "no such message in the trash"), (["--remove", waits], "no such message in the queue"), (["--purge", "from=<>"], "nothing in the trash is like that")):
        assert told in operate(host, *words, status=66).decode(), words
    with open(host.config, "a") as file:
        file.write("trash-lifetime = 0\n")
    operate(host, "--undo", parked)
    assert operate(host, "--remove", parked) == f"{parked}: removed\n".encode() and places(host) == {}
    shutil.rmtree(host.directory)


@test("recipients go to another address, another domain or by way of another host, and nobody else's")
def rerouting(_):
    host = private_queue("reroute")
    now = int(time.time())
    first = put(host, f"deferred/{now // 60 + 5}", "ann@example.org", ["x@old.example", "y@old.example", "z@other.example", "done@old.example"], [
        event(now - 600, 1, b"Z", b"4.4.1", now + 300, b"no route"), event(now - 600, 4, b"D", b"2.0.0", 0, b"250 ok")])

    def envelopes():
        """Recipients with their parameters, of each message."""
        return {name: [line[3:] for line in open(f"{host.queue}/{place}/{name}").read().split("\n\n")[0].split("\n") if line.startswith("to ")]
                for name, place in places(host).items()}
    text = operate(host, "--reroute", "@new.example", "domain=old.example").decode()
    assert "2 of 4 recipients rerouted to @new.example as " in text, text
    copy = text.split()[-1]
    assert envelopes()[copy] == ["<x@new.example> ORCPT=rfc822;x@old.example", "<y@new.example> ORCPT=rfc822;y@old.example"]
    assert places(host) == {first: f"deferred/{now // 60 + 5}", copy: "incoming"}
    assert [r["address"] for r in json.loads(queue_runner(host, "--list", "--json", first))["recipients"]] == ["z@other.example"]
    assert f"rerouted to @new.example as {copy}" in queue_runner(host, "--why", first)
    # The same again meets nobody.
    assert b"nothing in the queue is like that" in operate(host, "--reroute", "@new.example", "domain=old.example", status=66)
    # The last recipient: the message is done with. What is on hold stays there.
    operate(host, "--hold", first)
    last = operate(host, "--reroute", "Joe@third.example", first).decode().split()[-1]
    assert places(host) == {last: "hold", copy: "incoming"} and envelopes()[last] == ["<Joe@third.example> ORCPT=rfc822;z@other.example"]
    assert os.listdir(f"{host.queue}/log") == []
    again = operate(host, "--reroute", "[192.0.2.1]:2525", copy).decode().split()[-1]
    assert envelopes()[again] == [f"<{n}@new.example> ORCPT=rfc822;{n}@old.example X-ROUTE=[192.0.2.1]:2525" for n in "xy"]
    assert json.loads(queue_runner(host, "--list", "--json", again))["recipients"][0]["route"] == "[192.0.2.1]:2525"
    assert "goes by way of [192.0.2.1]:2525" in queue_runner(host, "--why", again)
    back = operate(host, "--reroute", "@new.example", again).decode().split()[-1]
    assert envelopes()[back] == envelopes()[back] and not any("X-ROUTE" in line for line in envelopes()[back])
    # Two commands, the first of which stopped between the copy and the log: the second is not taken for the first.
    for held in (False, True):
        name = put(host, "hold" if held else "incoming", "ann@example.org", [f"bob{held}@old.example", "eve@old.example"])
        operate(host, "--reroute", "x@new.example", f"to=bob{held}@old.example")
        os.remove(f"{host.queue}/log/{name}")
        again = operate(host, "--reroute", "x@new.example", f"to=bob{held}@old.example").decode().split()[-1]
        os.remove(f"{host.queue}/log/{name}")
        last = operate(host, "--reroute", "relay.example", name).decode().split()[-1]
        assert last != again and name not in places(host) and places(host)[last] == places(host)[again] == ("hold" if held else "incoming")
        assert envelopes()[last] == [f"<bob{held}@old.example> X-ROUTE=relay.example", "<eve@old.example> X-ROUTE=relay.example"]
        assert sum(lines == [f"<x@new.example> ORCPT=rfc822;bob{held}@old.example"] for lines in envelopes().values()) == 1, envelopes()
    # A copy that is like what was chosen is not sent round.
    name = put(host, "incoming", "ann@example.org", ["x@round.example"])
    for target in ("[192.0.2.1]:25", "@round.example", "y@round.example"):
        assert operate(host, "--reroute", target, "domain=round.example").decode().count("rerouted") == 1
    # Several who become one get it once.
    name = put(host, "incoming", "ann@example.org", ["a@gone.example", "b@gone.example", "c@gone.example"])
    merged = operate(host, "--reroute", "postmaster@here.example", name).decode().split()[-1]
    assert envelopes()[merged] == ["<postmaster@here.example>"]
    for target in ("[192.0.2.999]", "[:::::]", "host:99999", "[192.0.2.1]:0", "a b", "x@", "[IPv6:nothing]"):
        operate(host, "--reroute", target, merged, status=64)
    assert merged in places(host)
    operate(host, "--reroute", "[IPv6:2001:db8::1]:25", merged)
    shutil.rmtree(host.directory)


@test("for real: mail for a dead domain goes by way of another host, which does not know it, and then to somebody there")
def rerouting_for_real(i):
    name = f"reroute-{os.getpid()}"
    send(i.a, "x@dead.example", name, sender=address(i.a))
    identity = eventually(lambda: next((json.loads(line)["queue_id"] for line in run(*i.a.command("queue-runner", "--list", "--json", "to=x@dead.example")).splitlines()
                                        if json.loads(line)["queue_name"] == "deferred"), None), "a deferral", 60)
    copy = run(*i.a.command("queue-runner", "--reroute", f"[{i.b.address}]:{i.b.ports['smtp']}", identity)).decode().split()[-1]
    eventually(lambda: f"{copy}: to=<x@dead.example>, relay=" in log_of(i.a), "an attempt by way of b")
    line = next(line for line in log_of(i.a).splitlines() if f"{copy}: to=<x@dead.example>" in line)
    assert f"relay={i.b.address}[{i.b.address}]:{i.b.ports['smtp']}" in line or f"[{i.b.address}]:{i.b.ports['smtp']}" in line, line
    send(i.a, "y@dead.example", name, sender=address(i.a))
    identity = eventually(lambda: next((json.loads(line)["queue_id"] for line in run(*i.a.command("queue-runner", "--list", "--json", "to=y@dead.example")).splitlines()
                                        if json.loads(line)["queue_name"] == "deferred"), None), "a deferral", 60)
    run(*i.a.command("queue-runner", "--reroute", address(i.b), identity))
    arrived(i.b, f"Subject: {name}".encode())


@test("a route is the operator's word only: a stranger's is refused, none goes on with a forwarded copy; a mistake in it sends nothing back")
def routes_of_others(i):
    name = f"no-such-route-{os.getpid()}"
    send(i.a, "x@dead.example", name, sender=address(i.a))
    identity = eventually(lambda: next((json.loads(line)["queue_id"] for line in run(*i.a.command("queue-runner", "--list", "--json", "to=x@dead.example")).splitlines()
                                        if json.loads(line)["queue_name"] == "deferred"), None), "a deferral", 60)
    copy = run(*i.a.command("queue-runner", "--reroute", "nowhere.example", identity)).decode().split()[-1]
    eventually(lambda: f"{copy}: to=<x@dead.example>" in log_of(i.a), "an attempt")
    line = next(line for line in log_of(i.a).splitlines() if f"{copy}: to=<x@dead.example>" in line)
    assert "status=deferred" in line and "dsn=4.3.5" in line, line
    eventually(lambda: subprocess.run(i.a.command("queue-runner", "--remove", copy), capture_output=True).returncode == 0, "its removal")
    with smtplib.SMTP(i.a.address, i.a.ports["smtp"], timeout=30) as client:
        client.ehlo()
        client.mail("a@far.example")
        assert client.rcpt(address(i.a), [f"X-ROUTE=[{i.b.address}]:25"])[0] == 555


def import_over_leftovers(here, there, large):
    """What an import that was killed left behind is not taken for the message: unfinished, empty, and a log of a message that is gone."""
    name = put(here, "incoming", "a@b.example", ["x@one.example"], content=large)
    single = operate(here, "--export", name)
    for left in (b"", single[:150], single[:200000]):
        with open(f"{there.queue}/incoming/{name}", "wb") as file:
            file.write(left)
        operate(there, "--import", input=single)
        assert large in open(f"{there.queue}/incoming/{name}", "rb").read()
        inode = os.stat(f"{there.queue}/incoming/{name}").st_ino
        operate(there, "--remove", name)
        operate(there, "--purge", name)
        with open(f"{there.queue}/log/{name}", "w") as file:
            file.write(f"message {inode} {queuefiles.arrival(name)}\n1 0 R - 0 \n")
    operate(there, "--import", input=single)
    assert json.loads(queue_runner(there, "--list", "--json", name))["recipients"] and not os.path.exists(f"{there.queue}/log/{name}")
    operate(there, "--remove", name)
    operate(there, "--purge", name)


def import_in_pieces(there, stream):
    """Whatever is not whole leaves nothing; what stands before it is taken."""
    ends = [position + 68 for position in range(len(stream)) if stream.startswith(b"end ", position)]
    cuts = [0, 1, 20, 150, ends[0] - 1, ends[0], ends[0] + 1, ends[0] + 300, ends[1] - 200, ends[1] - 1, len(stream) - 1]
    for cut in cuts:
        whole = sum(end <= cut for end in ends)
        status = 0 if cut in (0, ends[0]) else 65
        operate(there, "--import", input=stream[:cut], status=status)
        assert len(places(there)) == whole, (cut, places(there))
        if whole and status:
            # And how to go on.
            done = subprocess.run(there.command("queue-runner", "--import"), input=stream[:cut], capture_output=True)
            [offset] = re.findall(r"go on with: tail -c \+(\d+)", done.stderr.decode())
            assert int(offset) == ends[whole - 1] + 1, (offset, ends)
        if whole:
            operate(there, "--remove", "all")
            operate(there, "--purge", "all")
    for position in (5, 30, 120, 200, ends[0] - 10, ends[0] - 50):
        damaged = bytearray(stream[:ends[0]])
        damaged[position] ^= 1
        operate(there, "--import", input=bytes(damaged), status=65)
        assert places(there) == {}, position


def export_in_vain(here, large):
    """Where it cannot be written out it stays."""
    operate(here, "--undo", "all")
    before = places(here)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(here.command("queue-runner", "--export", "all"), stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 74 and b"No space left" in done.stderr and places(here) == before, done
    # A reader that dies has not got what it did not read; nothing is let go of before all that was written is safe.
    with open(here.config, "a") as file:
        file.write("trash-lifetime = 0\n")
    many = [put(here, "incoming", "many@b.example", ["z@one.example"], content=large) for _ in range(10)]
    reader = subprocess.Popen(["head", "-c", "1000000"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    done = subprocess.run(here.command("queue-runner", "--export", "from=many@b.example"), stdout=reader.stdin, stderr=subprocess.PIPE)
    reader.stdin.close()
    reader.wait()
    assert done.returncode == 74 and set(many) <= set(places(here)), (done, places(here))
    # Without a trash, too, there is a way back from an export.
    operate(here, "--export", many[0])
    assert places(here)[many[0]].startswith("trash/")


@test("a message goes to another queue as one file, and nothing of it is lost on the way, nor delivered twice")
def moving(_):
    here, there = private_queue("here"), private_queue("there")
    now = int(time.time())
    large = b"Subject: large\n\n" + b"0123456789abcdef\n" * 20000
    one = put(here, f"deferred/{now // 60 + 5}", "ann@example.org", ["x@one.example", "y@two.example"], [event(now - 600, 2, b"D", b"2.0.0", 0, b"250 ok")],
              parameters="BODY=8BITMIME", arrival=(now - 7200) * 10**6)
    two = put(here, "incoming", "", ["z@one.example"], content=large)
    three = put(here, "hold", "a@b.example", ["z@three.example"], content=b"")
    stream = operate(here, "--export", "domain=one.example", three)
    assert set(places(here)) == {one, two, three} and all(place.startswith("trash/") for place in places(here).values())
    assert stream.count(b"relais-message 2\n") == 3 and b"y@two.example" not in stream
    assert operate(there, "--import", input=stream).decode().splitlines() == [f"{name}: imported" for name in (three, two, one)]
    assert places(there) == {one: "incoming", two: "incoming", three: "incoming"}
    [entry] = [json.loads(line) for line in queue_runner(there, "--list", "--json", one).splitlines()]
    assert entry["arrival_time"] == now - 7200 and [r["address"] for r in entry["recipients"]] == ["x@one.example"] and entry["recipients_done"] == 0
    assert large in open(f"{there.queue}/incoming/{two}", "rb").read()
    assert queue_runner(there, "--verify") == "3 messages verified: all is well\n"
    import_over_leftovers(here, there, large)
    # Once more: what is there is left alone, and said.
    errors = operate(there, "--import", input=stream, status=65).decode()
    assert errors.count("in this queue already") == 3 and len(places(there)) == 3
    # The way back goes through the trash only by undoing.
    assert b"already" in operate(here, "--import", input=operate(there, "--export", one), status=65)
    operate(there, "--purge", one)
    operate(there, "--remove", two, three)
    operate(there, "--purge", "all")
    assert places(there) == {}
    import_in_pieces(there, stream)
    export_in_vain(here, large)
    # A sender who has not heard of a failure yet is to hear of it from this queue.
    owed = put(here, "incoming", "a@b.example", ["x@one.example", "y@one.example"], [event(now - 60, 1, b"F", b"5.1.1", 0, b"no such user")])
    assert b"yet to be told" in operate(here, "--export", owed, status=66) and places(here)[owed] == "incoming"
    for host in (here, there):
        shutil.rmtree(host.directory)


def spoil_all(host, sound, now):
    """One of everything that can be wrong in a queue: what is to be said of each, and the names that the test goes on with."""
    minute, old = now // 60 + 5, now - 7200

    def spoil(place, change, **options):
        name = put(host, place, "a@b.example", ["x@one.example"], **options)
        path = f"{host.queue}/{place}/{name}"
        with open(path, "r+b") as file:
            change(file)
        os.chmod(path, 0o660)
        return name
    flipped = spoil(f"deferred/{minute}", lambda file: (file.seek(open(file.name, "rb").read().index(b"Hello")), file.write(b"J")))
    headless = spoil("hold", lambda file: file.write(b"damaged-message 1\n"))
    short = spoil("incoming", lambda file: file.truncate(200))
    writing = spoil("incoming", lambda file: file.truncate(210))
    subprocess.run(["touch", "-d", "@%d" % old, f"{host.queue}/incoming/{short}"], check=True)
    shown = spoil("incoming", lambda file: None)
    os.chmod(f"{host.queue}/incoming/{shown}", 0o664)
    done = put(host, f"deferred/{minute}", "a@b.example", ["x@one.example"], [event(now - 600, 1, b"D", b"2.0.0", 0, b"ok"), event(now - 600, 0, b"R", b"-", 0, b"")])
    odd = put(host, f"deferred/{minute}", "a@b.example", ["x@one.example"], [event(now - 600, 7, b"D", b"2.0.0", 0, b"ok"), b"what is this\n"])
    for name in (done, odd):
        os.chmod(f"{host.queue}/deferred/{minute}/{name}", 0o660)
    os.link(f"{host.queue}/incoming/{sound[0]}", f"{host.directory}/elsewhere")
    os.symlink("/etc/passwd", f"{host.queue}/incoming/{sound[0][:-1]}-")
    os.mkfifo(f"{host.queue}/incoming/{'0' * 24}")
    for path, text in (("incoming/README", ""), (f"log/{'1' * 24}", "message 1 1\n"), ("log/notes", "x"), ("deferred/soon", ""), ("trash/never", ""),
                       ("destinations/x.example", "torn"), ("storm", "torn"), ("core", "x"), ("corrupt/before", "x")):
        with open(f"{host.queue}/{path}", "w") as file:
            file.write(text)
    os.utime(f"{host.queue}/destinations/x.example", (old, old))
    expected = [f"deferred/{minute}/{flipped}: does not have the CRC that its trailer tells", f"hold/{headless}: has a damaged head",
                f"incoming/{shown}: has mode 0664, not 0660", f"deferred/{minute}/{done}: is done with, but its removal was cut short",
                f"log/{odd}: has in line 3 what is no event", f"log/{odd}: tells in line 2 of recipient 7; the message has 1", f"incoming/{sound[0]}: has 2 links",
                f"incoming/{sound[0][:-1]}-: is not named by an id", f"incoming/{'0' * 24}: is not a regular file", "incoming/README: is not named by an id",
                f"log/{'1' * 24}: tells of a message that is gone", "log/notes: is not named by an id", "deferred/soon: is not named by a minute",
                "trash/never: is not named by a minute", "destinations/x.example: is torn", "storm: is torn", "core: does not belong into a queue", "corrupt/before: is set aside"]
    return expected, sorted(["before", flipped, headless, sound[0], sound[0][:-1] + "-", "0" * 24, "README"]), writing, odd, shown


@test("--verify finds each thing that queue(5) does not allow, says what it is in words, and mends what is safe")
def verify(_):
    host = private_queue("verify")
    now = int(time.time())
    minute = now // 60 + 5
    sound = [put(host, "incoming", "a@b.example", ["x@one.example"]), put(host, f"deferred/{minute}", "a@b.example", ["x@one.example"], [event(now - 600, 1, b"Z", b"4.4.1", now + 300, b"no")]),
             put(host, "hold", "a@b.example", ["x@one.example"])]
    for name, place in places(host).items():
        os.chmod(f"{host.queue}/{place}/{name}", 0o660)
    assert queue_runner(host, "--verify") == "3 messages verified: all is well\n"
    expected, set_aside, writing, odd, shown = spoil_all(host, sound, now)

    def findings(*options):
        text = operate_any(host, "--verify", *options)
        lines = text.splitlines()
        return lines[:-1], lines[-1]

    def operate_any(host, *arguments):
        done = subprocess.run(host.command("queue-runner", *arguments), capture_output=True, timeout=60)
        assert done.returncode == 69 and not done.stderr, done
        return done.stdout.decode()
    snapshot = sorted((place, tuple(sorted(names))) for place, _, names in os.walk(host.queue))
    lines, last = findings("-n")
    for words in expected:
        assert sum(line.startswith(words) for line in lines) == 1, (words, lines)
    # Its change time is not to be set: the one that was never finished is not old enough yet.
    assert len(lines) == len(expected) and "would be mended" in last, lines
    assert snapshot == sorted((place, tuple(sorted(names))) for place, _, names in os.walk(host.queue)), "a dry run changed something"
    lines, last = findings()
    assert len(lines) == len(expected) and re.search(r"mended, \d+ left", last), lines
    assert sorted(os.listdir(f"{host.queue}/corrupt")) == set_aside
    assert writing in os.listdir(f"{host.queue}/incoming") and "1" * 24 not in os.listdir(f"{host.queue}/log")
    # A second time only what the operator has to decide is left.
    lines, last = findings()
    assert last.startswith("4 messages verified: 0 things mended, 14 left"), (last, lines)
    assert all("corrupt/" in line or line.split(":")[0] in ("log/notes", f"log/{odd}", "deferred/soon", "trash/never", "core", f"incoming/{shown}") for line in lines), lines
    shutil.rmtree(host.directory)


@test("numbers and names that a stranger put into the queue stop nothing: no pass, no --verify, no story")
def hostile(_):
    host = private_queue("hostile")
    now = int(time.time())
    for arrival in (2**63 - 1, 2**53 + 1, 2**62):
        put(host, "incoming", "ann@example.org", ["x@one.example"], arrival=arrival % 36**11)
        name = put(host, f"deferred/{now // 60 - 5}", "ann@example.org", ["x@one.example"])
        path = f"{host.queue}/deferred/{now // 60 - 5}/{name}"
        text = re.sub(rb"arrival \d+", b"arrival %d" % arrival, open(path, "rb").read())
        open(path, "wb").write(text)
        done = subprocess.run(host.command("queue-runner", "--import"), input=text, capture_output=True)
        assert done.returncode == 65, done
        assert subprocess.run(host.command("queue-runner", "--why", name), capture_output=True).returncode == 66
    for name in (b"\xff\xfe", b"foo", b"UPPER CASE"):
        open(host.queue.encode() + b"/incoming/" + name, "w").close()
    open(f"{host.queue}/corrupt/foo", "w").close()
    os.mkdir(f"{host.queue}/incoming/{'0' * 24}", 0o700)
    last = put(host, "hold", "ann@example.org", ["x@one.example"])
    os.chmod(f"{host.queue}/hold/{last}", 0o664)
    done = subprocess.run(host.command("queue-runner", "--verify"), capture_output=True, timeout=60)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 69 and any(line.startswith(f"hold/{last}: has mode") for line in lines) and "verified" in lines[-1], done
    names = os.listdir(f"{host.queue}/corrupt".encode())
    assert {b"\xff\xfe", b"foo", b"foo.1", b"UPPER CASE"} <= set(names), names
    done = subprocess.run(host.command("queue-runner"), capture_output=True, timeout=60)
    assert done.returncode == 0, done
    shutil.rmtree(host.directory)


@test("a command chooses what a runner moves while it looks")
def moving_targets(_):
    host = private_queue("moving")
    minute = int(time.time()) // 60 + 60
    queuefiles.fill(f"{host.queue}/incoming", [("cron@example.org", ["x@one.example"])] * 2000)
    for number in range(8):
        os.mkdir(f"{host.queue}/deferred/{minute + number}")
    names = sorted(os.listdir(f"{host.queue}/incoming"), reverse=True)[:600]

    def move():
        for number, name in enumerate(names):
            try:
                os.rename(f"{host.queue}/incoming/{name}", f"{host.queue}/deferred/{minute + number % 8 + (100 if number % 8 == 0 else 0)}/{name}")
            except FileNotFoundError:
                os.makedirs(f"{host.queue}/deferred/{minute + number % 8 + (100 if number % 8 == 0 else 0)}", exist_ok=True)
    thread = threading.Thread(target=move)
    thread.start()
    operate(host, "--remove", "from=cron@example.org")
    thread.join()
    # What was moved after the command ended is none of it.
    operate_left = sum(not place.startswith("trash/") for place in places(host).values())
    assert operate_left == 0, operate_left
    shutil.rmtree(host.directory)


@test("--verify and every command are safe while mail moves: 400 messages, each delivered once")
def live(i):
    name = f"live-{os.getpid()}"
    stop = threading.Event()
    failures = []

    def meddle():
        round = 0
        while not stop.is_set():
            round += 1
            for words in (["--hold", "all"], ["--verify"], ["--release", "all"], ["--remove", "all"], ["--clean"], ["--undo", "all"], ["--retry", "all"]):
                done = subprocess.run(i.b.command("queue-runner", *words), capture_output=True, timeout=60)
                # Nothing there, or another has it: not an error of ours.
                if done.returncode not in (0, 66) or (words == ["--verify"] and b"all is well" not in done.stdout):
                    failures.append((words, done))
    thread = threading.Thread(target=meddle)
    thread.start()
    try:
        run("smtp-source", "-s", "5", "-m", "400", "-S", name, "-f", "x@far.example", "-t", address(i.b), f"{i.b.address}:{i.b.ports['smtp']}")
        time.sleep(1)
    finally:
        stop.set()
        thread.join()
    assert not failures, failures[:3]
    for words in (["--undo", "all"], ["--release", "all"]):
        subprocess.run(i.b.command("queue-runner", *words), capture_output=True)
    count = lambda: sum(f"Subject: {name}".encode() in text for text in mailbox_text(i.b))

    def all_there():
        subprocess.run(i.b.command("queue-runner"), capture_output=True)
        return count() >= 400
    eventually(all_there, "400 messages", 60)
    assert count() == 400, count()
