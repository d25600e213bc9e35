"""The log as programs read it that were written for Postfix's and Dovecot's: a day of events, then pflogsumm and fail2ban."""
import glob, json, os, re, shutil, smtplib, socket, subprocess, tempfile, time
from harness import RELEASE, TOP, USER, address, arrived, eventually, instance, log_of, need, run, send, test
import queuefiles

# Where scripts/lib.sh unpacks what only root could install.
TOOLS = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "relais-tools")
ENVIRONMENT = dict(os.environ, LC_ALL="C", PERL5LIB=":".join([TOOLS + "/usr/share/perl5", *glob.glob(TOOLS + "/usr/lib/*/perl5/*")]),
                   PYTHONPATH=f"{TOOLS}/usr/lib/python3/dist-packages")
OURS, STRANGER, GUESSER = "127.0.0.50", "127.0.0.66", "127.0.0.77"


def smtp(host, source, helo="client.example"):
    return smtplib.SMTP(host.address, host.ports["smtp"], local_hostname=helo, timeout=30, source_address=(source, 0))


def mail(host, source, sender, *recipients, text="Subject: x\r\n\r\nHello.\r\n"):
    with smtp(host, source) as client:
        client.sendmail(sender, recipients, text)


def refused(host, source, sender, recipient):
    with smtp(host, source) as client:
        client.ehlo()
        client.mail(sender)
        return client.rcpt(recipient)[0]


def guess(host, user, password):
    """A login by POP3 and one by IMAP from another address; whether each was let in."""
    answers = []
    for service, line in (("pop3", f"USER {user}\r\nPASS {password}\r\n"), ("imap", f'a LOGIN "{user}" "{password}"\r\n')):
        with socket.create_connection((host.address, host.ports[service]), 10, (GUESSER, 0)) as client, client.makefile("rb") as lines:
            lines.readline()
            client.sendall(line.encode())
            if service == "pop3":
                lines.readline()
            # An IMAP server may say its capabilities first.
            answer = lines.readline()
            while answer.startswith(b"* "):
                answer = lines.readline()
            answers.append(b"OK" in answer)
    return answers


def a_day(host, neighbour):
    """Does what a mail server meets in a day; what pflogsumm has to count."""
    us, them = address(host), address(neighbour)
    mail(host, STRANGER, "stranger@far.example", us)
    mail(host, STRANGER, "stranger@far.example", us, us.replace("@", "+box@"))
    run(os.path.join(RELEASE, "sendmail-compat"), "-C", host.config, "-i", "-f", us, them, input=b"Subject: by a script\n\nHello.\n")
    mail(host, OURS, us, f"nobody@{neighbour.name}")
    mail(host, OURS, us, "x@dead.example")
    eventually(lambda: "status=bounced (host" in log_of(host) and "status=deferred" in log_of(host), "a bounce and a deferral", 60)
    # Five days old: the attempt that fails is the last.
    old, data = queuefiles.message("", ["y@dead.example"], arrival=(time.time_ns() // 1000) - 6 * 86400 * 10**6)
    with open(f"{host.queue}/incoming/{old}", "wb") as file:
        file.write(data)
    os.chmod(file.name, 0o660)
    eventually(lambda: run(*host.command("queue-runner"), check=False) is not None and f"{old}: removed" in log_of(host), "the end of the old message", 60)
    assert refused(host, STRANGER, "stranger@far.example", "victim@elsewhere.example") == 550
    assert refused(host, STRANGER, "stranger@far.example", f"nobody@{host.name}") == 550
    assert refused(host, STRANGER, "stranger@far.example", f'"a> b"@{host.name}') == 550
    # The operator parks the message that waits, and throws it away.
    listed = [json.loads(line) for line in run(*host.command("queue-runner", "--list", "--json")).splitlines()]
    [waiting] = [m["queue_id"] for m in listed if any(r["address"] == "x@dead.example" for r in m["recipients"])]
    for option in ("--hold", "--remove"):
        eventually(lambda: subprocess.run(host.command("queue-runner", option, waiting), capture_output=True).returncode == 0, option)
    assert guess(host, USER, "wrong") == [False, False]
    assert guess(host, "x>,rip=192.0.2.99", "wrong") == [False, False]
    assert guess(host, USER, "secret") == [True, True]
    # Five from outside less the one that waited, the old one, the report of each failure, and the postmaster's copy.
    eventually(lambda: len(re.findall(r"queue-runner\S+ \w{24}: removed\n", log_of(host))) >= 8, "the end of all that can end")
    return {"received": 5, "delivered": 6, "forwarded": 1, "deferred": 1, "bounced": 2, "rejected": 3, "senders": 2}


def hostile(host):
    """What a stranger can put into lines of the log."""
    forged = "x\r\n\x1b[31mNov 24 00:00:00 a postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[192.0.2.98]: 550 5.7.1 Relay access denied"
    with socket.create_connection((host.address, host.ports["smtp"]), 10, (STRANGER, 0)) as client, client.makefile("rb") as lines:
        def say(line):
            client.sendall(line + b"\r\n")
            answer = lines.readline()
            while answer[3:4] == b"-":
                answer = lines.readline()
            return answer
        lines.readline()
        say(b"HELO " + forged.replace("\r\n", " ").encode())
        say(b"EHLO evil\x00\x1b\xff.example")
        say(b"EHLO a.example")
        say(b'MAIL FROM:<"x[192.0.2.97]: 550 5.7.1 <y>: Relay access denied"@far.example>')
        say(b'RCPT TO:<"x> from=<a@b> [192.0.2.96]: 550 5.1.1"@' + host.name.encode() + b">")
        say(b"RCPT TO:<\xff\xfe\x1b]0;title\x07@x>")
        say(b"DATA")
        say(forged.split("\r\n")[0].encode() + b"\r" + forged.split("\r\n")[1].encode())
        say(b"QUIT")


def totals(report):
    """pflogsumm's grand totals: {what: number}."""
    table = report[report.index("Grand Totals"):report.index("Per-Hour Traffic Summary")]
    return {what: int(number) for number, what in re.findall(r"^ +(\d+)k?  +([a-z]+)\b", table, re.M)}


def logwatch(log, service, **options):
    """A shipped script of logwatch over the log, as logwatch runs it: its report, and what it could make nothing of."""
    root = next(d for d in ("/usr/share/logwatch", f"{TOOLS}/usr/share/logwatch") if os.path.isdir(d))
    environment = dict(ENVIRONMENT, LOGWATCH_DETAIL_LEVEL="10", LOGWATCH_DEBUG="0", PERL5LIB=f"{root}/lib:{ENVIRONMENT['PERL5LIB']}", **options)
    with open(log, "rb") as file:
        report = run("perl", f"{root}/scripts/services/{service}", input=file.read(), env=environment).decode()
    return report, report.partition("Unmatched Entries")[2]


def fail2ban(log, filter_name, mode):
    """The addresses that a shipped filter finds, one for each line that it counts as a failure."""
    directory = next(d for d in ("/etc/fail2ban", f"{TOOLS}/etc/fail2ban") if os.path.isdir(d))
    output = run("fail2ban-regex", "-c", directory, "--out=ip", log, f"{directory}/filter.d/{filter_name}.conf[mode={mode}]", env=ENVIRONMENT)
    return sorted(line for line in output.decode().split("\n") if re.fullmatch(r"[\d.]+", line))


@test("pflogsumm and logwatch count a day's mail, and fail2ban's shipped filters find who tried what")
def readers_of_logs(_):
    need("pflogsumm"), need("fail2ban-regex"), need("logwatch"), need("perl")
    directory = tempfile.mkdtemp(prefix="relais-logs-")
    os.chmod(directory, 0o755)
    with instance.Instance(directory, extra={"syslog-name": "postfix", "relay-networks": f"{OURS}/32"}) as day:
        expected = a_day(day.a, day.b)
        report = run("pflogsumm", day.a.log, env=ENVIRONMENT).decode()
        seen = totals(report)
        assert expected.items() <= seen.items(), f"{expected}\n{report}\n{log_of(day.a)}"
        assert "User unknown" in report and "Relay access denied" in report, report
        found = fail2ban(day.a.log, "postfix", "more")
        assert found == [STRANGER] * 3, found
        found = fail2ban(day.a.log, "dovecot", "normal")
        assert found == [GUESSER] * 4, found
        report, strange = logwatch(day.a.log, "postfix", postfix_enable_long_queue_ids="1")
        seen = {what: int(number) for number, what in re.findall(r"^ +(\d+) +(\S.*?)  +[\d.%]+$", report, re.M)}
        wanted = {"Accepted": expected["received"], "Delivered": expected["delivered"], "Forwarded": expected["forwarded"], "Deferred": expected["deferred"],
                  "Bounced (local)": 1, "Bounced (remote)": 1, "5xx Reject relay denied": 1, "5xx Reject unknown user": 2}
        assert wanted.items() <= seen.items(), f"{wanted}\n{report}"
        # Postfix has programs of their own for these: cleanup, bounce and postsuper.
        others = [line for line in strange.splitlines() if re.match(r" +\d+ ", line) and not re.search(r": message-id=|-delivery notification: |, by the operator$", line)]
        assert not others, others
        before = log_of(day.a)
        hostile(day.a)
        after = eventually(lambda: (lambda t: t if t.count("disconnect from") > before.count("disconnect from") else None)(log_of(day.a)), "the end of the session")
        assert after.isascii() and after.replace("\n", "").isprintable()
        shape = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ (postfix/[a-z-]+|dovecot)\[\d+\]: \S.*")
        strange = [line for line in after.splitlines() if not shape.fullmatch(line)]
        assert not strange, strange
        for mode in ("more", "aggressive"):
            assert set(fail2ban(day.a.log, "postfix", mode)) == {STRANGER}, mode
        assert fail2ban(day.a.log, "dovecot", "aggressive") == [GUESSER] * 4
    shutil.rmtree(directory)
    return ", ".join(f"{number} {what}" for what, number in expected.items())


@test("a message has one id from the connection to the mailbox, and Postfix's lines under it")
def one_id(i):
    begin = os.path.getsize(i.a.log) if os.path.exists(i.a.log) else 0
    send(i.a, address(i.a), "one-id")
    text = arrived(i.a, b"one-id").decode()
    identity = re.search(r"with E?SMTP\w* id (\w{24})", text).group(1)
    eventually(lambda: f"{identity}: removed" in log_of(i.a)[begin:], "its end in the log")
    lines = [line.split("]: ", 1) for line in log_of(i.a)[begin:].splitlines() if f": {identity}: " in line]
    programs = [head.split("/")[1].split("[")[0] for head, _ in lines]
    delays = r"delay=\d+(\.\d+)?, delays=" + "/".join([r"\d+(\.\d+)?"] * 4)
    patterns = [r"client=unknown\[127\.0\.0\.1\]", r"message-id=\S*", r"from=<sender@far\.example>, size=\d+, nrcpt=1 \(queue active\)",
                rf"to=<{re.escape(address(i.a))}>, relay=local, {delays}, dsn=2\.0\.0, status=sent \(.*\)", "removed"]
    # smtpd tells the client first, and the log then: the runner may have begun by that time.
    assert sorted(programs) == ["queue-runner"] * 3 + ["smtpd"] * 2, lines
    for pattern in patterns:
        assert sum(bool(re.fullmatch(f"{identity}: {pattern}", line)) for _, line in lines) == 1, (lines, pattern)


def literals(text):
    """The string literals of a Swift expression up to its closing parenthesis, with what is interpolated left out."""
    found, depth, index = [], 1, 0
    while depth:
        if text[index] != '"':
            depth += {"(": 1, ")": -1}.get(text[index], 0)
            index += 1
            continue
        index, literal = index + 1, ""
        while text[index] != '"':
            if text[index:index + 2] == "\\(":
                inner, index = 1, index + 2
                while inner:
                    inner += {"(": 1, ")": -1}.get(text[index], 0)
                    index += 1
                literal += " "
            else:
                step = 2 if text[index] == "\\" else 1
                literal += text[index:index + step]
                index += step
        found.append(literal)
        index += 1
    return found


def page_sections():
    """relais-log(5) by program: the words of each section."""
    sections = {}
    for part in re.split(r"^\.Ss ", open(os.path.join(TOP, "man", "relais-log.5")).read(), flags=re.M)[1:]:
        names, text = part.split("\n", 1)
        for name in names.split(", "):
            sections[{"pickup": "sendmail-compat"}.get(name, name)] = set(re.findall(r"[A-Za-z][\w'-]+", text))
    return sections


@test("relais-log(5) has every line that the sources write")
def every_line(_):
    sections, problems, count = page_sections(), [], 0
    # What those who serve strangers have in common.
    serving = sections["smtpd"] | sections["imapd"]
    for root, _, files in os.walk(os.path.join(TOP, "Sources")):
        for path in (os.path.join(root, name) for name in files if name.endswith(".swift")):
            program = os.path.relpath(path, os.path.join(TOP, "Sources")).split(os.sep)[0]
            text = re.sub(r"^ *//.*$", "", open(path).read(), flags=re.M)
            for call in re.finditer(r"\blog\.(info|warning|error)\(" + (r"|\bsay\(" if path.endswith("Notifier.swift") else ""), text):
                count += 1
                words = set(re.findall(r"[A-Za-z][\w'-]{2,}", " ".join(literals(text[call.end():]))))
                # What is escaped as `\xNN` or stands for a separator is no word.
                missing = words - {"Front": serving, "Auth": sections["checkpassword"], "Running": sections["queue-runner"]}.get(program, sections.get(program, set()))
                if missing:
                    line = text[:call.start()].count("\n") + 1
                    problems.append(f"{program}: {os.path.basename(path)}, about line {line}: not in relais-log(5): {' '.join(sorted(missing))}")
    assert count > 60, count
    assert not problems, "\n".join(problems)
    return f"{count} places"
