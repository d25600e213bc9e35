#!/usr/bin/env python3
"""remote-deliver against hostile servers: a row a behaviour, each with what must be reported.

usage: remote-deliver.py PROGRAM [ROW...]

A row is right when each recipient got the expected verdict, the program ended in time with the expected status, nothing it
printed has a control byte in it, and (where the row says so) the server heard exactly what it should have.
"""
import concurrent.futures, re, shutil, subprocess, sys
from outgoing_servers import CERTIFICATES, CONFIGURATION, MESSAGE, PROGRAM, make_certificates
import outgoing_forms, outgoing_hosts, outgoing_relay, outgoing_rows, outgoing_service

WANTED = sys.argv[2:]

HOSTS = ["", ".", "..", "a..b", ".a", "[", "]", "[]", "[]:25", "[a", "a]", "[a]b", "[a]:", "[a]:0", "[a]:65536", "[a]:-1",
         ":25", "a:", "a:0", "a:65536", "a:-1", "a:+5", "a:2x", "a:99999999999999999999", "a b", "a\nb", "a;b", "$(id)",
         "a@b", "[1.2.3]", "[1.2.3.4.5]", "[256.1.1.1]", "[IPv6:192.0.2.1]", "[IPv6:zz]", "::1", "2001:db8::1:25",
         "smtp://", "smtps://[", "lmtp://a.example", "smtps://@a.example", "smtps://a.example:0", "a" * 64, ".".join(["a" * 63] * 5), "\x1b[2J", "a\\.b", "/tmp/x", "-"]
SETTINGS = ["", "=", "x", "x=y", "smtp-port", "smtp-port=", "smtp-port=0", "smtp-port=65536", "smtp-port=x", "smtp-port=+25",
            "smtp-tls=maybe", "reply-timeout=", "reply-timeout=0", "reply-timeout=-1s", "reply-timeout=1w", "reply-timeout=x",
            "reply-timeout=99999999999999999999s", "dns-servers=x", "dns-servers=127.0.0.1#0", "dns-servers=127.0.0.1#x",
            "dns-servers=127.0.0.1:53", "outgoing-address=x", "permitted-networks=127.0.0.1/33", "ip-version=5",
            "tls-authorities=x", "messages-per-session=0", "SMTP-PORT=25", " smtp-port=25"]
WRONG = ([[h, "s@x", "r@y"] for h in HOSTS] + [["-o", s, "x", "s@x", "r@y"] for s in SETTINGS]
         + [[], ["x"], ["x", "s@x"], ["-Z"], ["--nonsense"], ["-C"], ["-o"], ["--set"], ["-n"], ["-n", "a..b"], ["-n", "-x"], ["--lmtp=1", "x", "s", "r"], ["--help=1"], ["--"]])


def check_wrong(words):
    """A command line that cannot be obeyed: status 64, one clean line on stderr, nothing on stdout."""
    done = subprocess.run([PROGRAM, "-C", CONFIGURATION, *words], input=MESSAGE, capture_output=True, timeout=20)
    if (done.returncode == 64 and not done.stdout and done.stderr.count(b"\n") == 1
            and not re.search(rb"[^\x20-\x7e\n]", done.stderr)):
        return None
    return f"{words}: exit {done.returncode}, {done.stdout!r}, {done.stderr!r}"


TRIALS = [function for module in (outgoing_service, outgoing_hosts, outgoing_forms, outgoing_relay)
          for name, function in vars(module).items() if name.startswith("trial_")]
try:
    make_certificates(CERTIFICATES)
    names = [name for name in outgoing_rows.ROWS if not WANTED or name in WANTED]
    trials = [f for f in TRIALS if not WANTED or f.__name__ in WANTED]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for name, problems in pool.map(outgoing_rows.check, names):
            failed += bool(problems)
            if problems or WANTED:
                print(f"{'not ok' if problems else 'ok'}: {name}: {'; '.join(problems)}")
        for function in trials:
            problem = function()
            failed += bool(problem)
            if problem or WANTED:
                print(f"{'not ok' if problem else 'ok'}: {function.__name__}: {problem}")
        for problem in filter(None, pool.map(check_wrong, [] if WANTED else WRONG)):
            failed += 1
            print("not ok:", problem)
    print(f"remote-deliver: {len(names)} hostile servers, {0 if WANTED else len(WRONG)} wrong command lines, {len(trials)} trials, {failed} wrong")
finally:
    shutil.rmtree(CERTIFICATES, ignore_errors=True)
sys.exit(1 if failed else 0)
