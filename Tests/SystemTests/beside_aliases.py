"""aliases, beside Postfix: lines of the file a row; whether newaliases says something, and where mail for `n` gets to."""
import os, re, subprocess, time
from beside_hosts import DOMAIN, USER, Table
from beside_sendmail import ID, brief, peers_of
from harness import eventually, run

TOLD = "newaliases says which line and what; the mail waits until that is mended, and is not sent to what Postfix makes of it"
LOCAL_PART = "RFC 5321 §2.3.11: only the host named may read the local part"
VIRTUAL = "Postfix has another file for names with a domain, virtual(5)"
SECOND = "the same; newaliases says it"

# name, the lines, why the two differ, and to whom the mail is (n)
ROWS = [
    ("plain", "n: u@b.example\n", None),
    ("an account", f"n: {USER}\n", None),
    ("an account in capitals", f"n: {USER.upper()}\n", None),
    ("no blank", "n:u@b.example\n", None),
    ("blanks and tabs", "n\t : \t u@b.example \t\n", None),
    ("a name in capitals", "N: u@b.example\n", None),
    ("to capitals", "n: u@b.example\n", None, "N"),
    ("a quoted name", '"n": u@b.example\n', None),
    ("a quoted name with a blank", '"n m": u@b.example\n', None, '"n m"'),
    ("a quoted name with a colon", '"n:m": u@b.example\n', None, '"n:m"'),
    ("a name with a blank", "n m: u@b.example\n", "newaliases says it"),
    ("a name with a domain", f"n@{DOMAIN}: u@b.example\n", VIRTUAL),
    ("a name with an extension", "n+x: u@b.example\n", None, "n+x"),
    ("an extension", "n: u@b.example\n", None, "n+x"),
    ("a name that begins with a hyphen", "-n: u@b.example\nn: -n\n", TOLD),
    ("continued", "n: u@b.example,\n v@b.example\n", None),
    ("continued by a tab, no comma", "n: u@b.example\n\tv@b.example\n", TOLD),
    ("continued, a comment between", "n: u@b.example,\n# x\n v@b.example\n", None),
    ("continued, an empty line between", "n: u@b.example,\n\n v@b.example\n", None),
    ("continued, an indented comment between", "n: u@b.example,\n # x\n v@b.example\n", None),
    ("all on the next line", "n:\n u@b.example\n", None),
    ("a blank in front of the first line", " n: u@b.example\n", "newaliases says it, of the line that it continues"),
    ("a comment behind", "n: u@b.example # v@b.example\n", TOLD),
    ("a comment in parentheses", "n: u@b.example (Bob, v@b.example)\n", None),
    ("a name and brackets", "n: Bob <u@b.example>\n", None),
    ("a name with a comma", 'n: "Smith, Bob" <u@b.example>\n', None),
    ("brackets", "n: <u@b.example>\n", None),
    ("quoted whole", 'n: "u@b.example"\n', None),
    ("two quoted whole", 'n: "u@b.example, v@b.example"\n', TOLD),
    ("quotes that do not end", 'n: "u@b.example\n', TOLD),
    ("a parenthesis that does not end", "n: u@b.example (Bob\n", TOLD),
    ("a dot behind", "n: u@b.example.\n", None),
    ("own domain, a dot behind", f"n: {USER}@{DOMAIN}.\n", None),
    ("own domain in capitals", f"n: {USER}@{DOMAIN.upper()}\n", None),
    ("a;b@c", "n: a;u@b.example\n", TOLD),
    ("a semicolon between two", "n: u@b.example; v@b.example\n", TOLD),
    ("a blank between two", "n: u@b.example v@b.example\n", TOLD),
    ("commas and nothing", "n: ,u@b.example,,v@b.example,\n", None),
    ("twice the same", f"n: u@b.example, u@b.example, {USER}, {USER.upper()}\n", None),
    ("nothing", "n:\n", TOLD),
    ("a comma alone", "n: ,\n", TOLD),
    ("empty quotes", 'n: ""\n', TOLD),
    ("no colon", "n u@b.example\n", None),
    ("no name", ": u@b.example\nn: v@b.example\n", None),
    ("two lines of a name", "n: u@b.example\nn: v@b.example\n", None),
    ("two lines, capitals", "n: u@b.example\nN: v@b.example\n", None),
    ("catch-all", "*: u@b.example\n", "newaliases says that it matches nobody"),
    ("catch-all, @domain", f"@{DOMAIN}: u@b.example\n", VIRTUAL),
    ("a program", "n: |/usr/bin/touch$IFS/DIR/ran\n", None),
    ("a program with a blank", "n: |/usr/bin/touch DIR/ran\n", "what is meant is clear; Postfix runs the first word, and writes to the second as a file"),
    ("a quoted program", 'n: "|/usr/bin/touch DIR/ran"\n', None),
    ("a program in quotes behind the bar", 'n: |"/usr/bin/touch DIR/ran"\n', None),
    ("a blank behind the bar", 'n: "| /usr/bin/touch DIR/ran"\n', None),
    ("a program with a comma", 'n: "|/usr/bin/touch DIR/ran,", u@b.example\n', None),
    ("a program with quotes", 'n: "|sh -c \\"touch DIR/ran\\""\n', None),
    ("a program with apostrophes and parentheses", "n: \"|(touch 'DIR/ran')\"\n", None),
    ("a program that fails", 'n: "|exit 67"\n', None),
    ("a program that asks for later", 'n: "|exit 75"\n', None),
    ("a bar alone", "n: |\n", TOLD),
    ("a file", "n: DIR/file\n", None),
    ("a quoted file", 'n: "DIR/file"\n', None),
    ("a quoted file with a blank", 'n: "DIR/a file"\n', None),
    ("a file with a blank", "n: DIR/a file\n", "what is meant is clear; Postfix writes to the first word"),
    ("a Maildir", "n: DIR/box/\n", None),
    ("/dev/null", "n: /dev/null\n", None),
    ("a file in no directory", "n: DIR/none/file\n", "a disk that is not there may come back: it waits"),
    ("included", "n: :include:DIR/list\n", None),
    ("included, quoted", 'n: ":include:DIR/list"\n', None),
    ("included, a blank", "n: :include: DIR/list\n", None),
    ("included, in capitals", "n: :INCLUDE:DIR/list\n", None),
    ("included, not there", "n: :include:DIR/nolist\n", TOLD),
    ("included, not there, and an address", "n: :include:DIR/nolist, u@b.example\n", TOLD),
    ("included, no path", "n: :include:list\n", TOLD),
    ("included with a damaged line", "n: :include:DIR/odd\n", TOLD),
    ("included, which names the alias", "n: :include:DIR/self\n", "each once (RFC 5321 §3.9.1); Postfix sends it twice and returns it, too"),
    ("included, which names the alias that has an owner", f"n: :include:DIR/self\nowner-n: {USER}\n", "the same"),
    ("included, through another", "n: m\nm: :include:DIR/self\n", "whether another alias was served, the header alone would say, which may be of an earlier sending: it is told"),
    ("a backslash", f"n: \\{USER}\n", None),
    ("a backslash and nobody", "n: \\nobody.here\n", None),
    ("a backslash in front of an address", "n: \\u@b.example\n", None),
    ("nobody", "n: nobody.here\n", None),
    ("itself", "n: n\n", None),
    ("itself and another", "n: n, u@b.example\n", None),
    ("round", "n: m\nm: n\n", "postmaster, who answers for aliases, hears of it, too"),
    ("round, and another", "n: m, u@b.example\nm: n, v@b.example\n", "each once (RFC 5321 §3.9.1), and nobody else was meant; Postfix returns the mail, too"),
    ("a chain", "n: m\nm: o\no: u@b.example\n", None),
    ("an owner", f"n: u@b.example\nowner-n: {USER}\n", None),
    ("percent", "n: u%b.example\n", LOCAL_PART),
    ("bang", "n: b.example!u\n", LOCAL_PART),
    ("a literal", "n: u@[127.0.0.2]\n", None),
    ("a source route", "n: <@x.example:u@b.example>\n", TOLD),
    ("a quoted local part", 'n: "u v"@b.example\n', None),
    ("a..b", "n: a..b@b.example\n", None),
    ("two @", "n: u@x@b.example\n", TOLD),
    ("no local part", "n: @b.example\n", TOLD),
    ("8 bit", "n: caf\xe9@b.example\n", TOLD),
    ("8 bit in a name", "n: J\xf6rg <u@b.example>\n", "the name goes nowhere; Postfix does not read the line"),
    ("mailto:", "n: mailto:u@b.example\n", TOLD),
    ("CRLF", "n: u@b.example,\r\n v@b.example\r\n", None),
    ("CR alone", "n: u@b.example\rm: v@b.example\n", TOLD),
    ("NUL", "n: u@b.example\0, v@b.example\n", TOLD),
    ("no line end", "n: u@b.example", None),
    ("a byte order mark", "\xef\xbb\xbfn: u@b.example\n", "what editors put in front of a file is no part of a name; Postfix returns the mail"),
    ("100 KB", "n: " + ", ".join(f"u{n:05}@b.example" for n in range(5500)) + "\n", None),
    ("100 KB on lines", "n: " + ",\n ".join(f"u{n:05}@b.example" for n in range(5500)) + "\n", None),
    ("one name of 3,000", "n: " + "u" * 3000 + "@b.example\n", TOLD),
]

LIST = "# comment\nu@b.example\n\nv@b.example, w@b.example\n"
ODD = "u@b.example\nBob Smith v@b.example\n"
SELF = "n\nu@b.example\n"


def settled(log, start):
    """The log since `start`, once every message that it names is removed or waits."""
    with open(log, errors="replace") as file:
        file.seek(start)
        text = file.read()
    ids = set(re.findall(ID + r"(?:uid|client|message-id|from)=", text)) | set(re.findall(r"(?:notification|forwarded as):? (\w+)", text))
    return ids and ids <= set(re.findall(ID + r"(?:removed|to=.*status=deferred)", text)) and text


def play(both, peer, place, path, lines, name):
    files = place + "/" + peer.name
    os.mkdir(files)
    os.chmod(files, 0o1777)
    for listed, text in (("list", LIST), ("odd", ODD), ("self", SELF)):
        with open(f"{files}/{listed}", "w") as file:
            file.write(text)
    with open(path, "wb") as file:
        parts = [f"postmaster: {USER}\nroot: {USER}\n", lines.replace("DIR", files)]
        file.write("".join(parts[::-1] if lines[0] == "\xef" else parts).encode("latin-1"))
    told = newaliases(peer)
    if os.path.exists(path + ".db"):
        # Postfix's local sees a change by the second.
        peer.changed += 10
        os.utime(path + ".db", (peer.changed, peer.changed))
    log = peer.log_path
    start = os.path.getsize(log)
    done = peer.sendmail("-i", "-f", "s@b.example", f"{name}@{DOMAIN}", input=b"Subject: x\n\nx\n")
    assert done.returncode == 0, done
    report = eventually(lambda: settled(log, start), f"{lines!r} at {peer.name}", 120)
    messages, both.next_hop.messages[:] = list(both.next_hop.messages), []
    sent = sorted(r.split(b"> ")[0].strip(b"<>").decode("latin-1") for sender, to, _ in messages for r in to if not sender.startswith(b"<>"))
    senders = {sender.split(b"> ")[0] + b">" for sender, _, _ in messages} - {b"<>>", b"<>"}
    outcome = [f"{len(sent)} recipients"] if len(sent) > 9 else sent
    outcome += [f"from {s.decode()}" for s in senders if not s.startswith(b"<s@b")]
    outcome += ["mailbox"] * len(peer.take(0, 1) if peer.paths() else [])
    outcome += [os.path.relpath(os.path.join(d, f), files).split("/")[0] for d, _, fs in os.walk(files) for f in fs if f not in ("list", "odd", "self")]
    outcome += ["returned"] * sum(sender.startswith(b"<>") for sender, _, _ in messages)
    if "status=deferred" in report:
        outcome.append("waits")
        eventually(lambda: subprocess.run(peer.removing, capture_output=True).returncode == 0, f"{lines!r}: the message is removed")
    run("rm", "-r", files)
    return brief((f"{told}: " if told else "") + (", ".join(outcome) or "nowhere"))


def newaliases(peer):
    """Whether it complains; ours says where."""
    done = subprocess.run(peer.newaliases, capture_output=True, text=True, errors="replace")
    assert peer.name != "relais" or all(re.match(r"newaliases: /.*:\d+: .", line) for line in done.stderr.splitlines()), done
    return "told" if done.returncode or done.stderr else ""


def run_table(both):
    table = Table("aliases")
    place = os.path.dirname(os.path.dirname(both.theirs.config)) + "/targets"
    os.mkdir(place)
    os.chmod(place, 0o755)
    ours, theirs = both.ours, both.theirs
    peers_of(both)  # the same limits: a list of 100 KB is more than a queue file of Postfix's would hold
    ours_path, theirs_path = ours.host.directory + "/aliases", os.path.dirname(theirs.config) + "/aliases"
    with open(theirs_path, "w"):
        pass
    for setting in (f"alias_maps=hash:{theirs_path}", f"alias_database=hash:{theirs_path}"):
        run("postconf", "-c", theirs.config, "-e", setting)
    run("newaliases", "-C", theirs.config)
    run("postfix", "-c", theirs.config, "reload")
    theirs.changed = int(time.time())
    ours.log_path, theirs.log_path = ours.host.log, os.path.dirname(theirs.config) + "/log"
    ours.newaliases, theirs.newaliases = ours.host.command("sendmail-compat", "-bi"), ["newaliases", "-C", theirs.config]
    ours.removing, theirs.removing = ours.host.command("queue-runner", "--remove", "all"), ["postsuper", "-c", theirs.config, "-d", "ALL"]
    for name, lines, reason, *to in ROWS:
        outcomes = [play(both, peer, place, path, lines, to[0] if to else "n") for peer, path in ((theirs, theirs_path), (ours, ours_path))]
        table.row(name, *outcomes, reason)
    return table
