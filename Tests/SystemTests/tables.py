"""The tables of single tools: scripts that stand on their own (`mxlookup.py PROGRAM`), run here as one test each."""
import os, subprocess, sys
from harness import RELEASE, TOP, need, test


def table(script, *programs):
    """Runs a script on release tools; its last line says what was tried. What went wrong comes before it."""
    done = subprocess.run(
        [sys.executable, "-B", os.path.join(TOP, "Tests", "SystemTests", script), *(os.path.join(RELEASE, p) for p in programs)],
        capture_output=True, timeout=600)
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    assert done.returncode == 0, "\n".join(lines[-40:]) + done.stderr.decode("utf-8", "replace")[-2000:]
    return lines[-1] if lines else ""


@test("mxlookup prints what host prints, and no server makes it print nonsense or wait")
def mxlookup_table(_):
    need("host"), need("nsd")
    return table("mxlookup.py", "mxlookup")


@test("tls-relay serves TLS clients, and nothing else gets through it")
def tls_relay_table(_):
    need("openssl")
    return table("tls-relay.py", "tls-relay")


@test("remote-deliver reports the truth whatever a server or a runner does")
def remote_deliver_table(_):
    need("openssl")
    return table("remote-deliver.py", "remote-deliver")
