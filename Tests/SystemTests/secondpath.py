"""Where files without a name, renaming that replaces nothing and linking by descriptor cannot be had, as on NFS, FUSE and FreeBSD."""
import os, subprocess, sys
import refused
from harness import test

# Tests that go through every such call: injection, moves, deliveries, forwards, reports, mailboxes and folders; killed at random, too.
NAMES = ("by_sendmail", "by_smtp", "by_python", "aliases", "deferred", "failure", "storm", "choosing", "trash", "rerouting", "moving", "live",
         "mbsync", "uids", "cut_append", "asked_and_killed")


@test("all that has a second path works where the calls of the first are refused")
def second_path(_):
    here = os.path.dirname(os.path.abspath(__file__))
    ran = 0
    # Whoever is killed leaves a file in tmp/ here, as any Maildir's deliverer.
    for names in (NAMES, ["killing"]):
        done = subprocess.run([sys.executable, "-B", refused.__file__, sys.executable, "-B", f"{here}/run", *names], capture_output=True, timeout=550)
        text = done.stdout.decode()
        assert done.returncode == 0 and text.count("ok      ") >= len(names), text[-3000:] + done.stderr.decode()[-3000:]
        ran += text.count("ok      ")
    return f"{ran} tests again"
