"""The tables of single tools: scripts that stand on their own (`mxlookup.py PROGRAM`), run here as one test each."""
import os, subprocess, sys
from harness import RELEASE, TOP, need, run, test


def table(script, *programs):
    """Runs a script on release tools; its last line says what was tried. What went wrong comes before it."""
    done = subprocess.run(
        [sys.executable, "-B", os.path.join(TOP, "Tests", "SystemTests", script), *(os.path.join(RELEASE, p) for p in programs)],
        capture_output=True, timeout=600)
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    assert done.returncode == 0, "\n".join(lines[-40:]) + done.stderr.decode("utf-8", "replace")[-2000:]
    return lines[-1] if lines else ""


@test("smtpd keeps to its dialogs and to its limits, as inetd starts it")
def smtpd_table(_):
    need("curl"), need("swaks"), need("openssl")
    return table("smtpd.py", "smtpd", "tls-relay")


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


@test("every program answers 50 wrong command lines with one line and status 64, and its name and version at once")
def command_lines(i):
    wrong = [["--nope"], ["-Z"], ["--"] + ["x"], ["x"], ["-C"], ["--config"], ["--help=1"], ["--version=x"], ["-hZ"], ["--config", i.a.config, "x"],
             ["-C", i.a.config, "--nope"], [""], ["-"], ["--="], ["--\x1b[2J"], ["-\x07"], ["--help-me"], ["---"], ["-é"], ["--C"]]
    wrong += [["-" + letter] for letter in "abdefgijkmopqrstuwxyz"] + [["--" + word] for word in ("tl", "mail", "serv", "kic", "lis", "ver", "hel", "con", "x" * 5000)]
    assert len(wrong) >= 50
    for program in ("smtpd", "queue-runner", "pop3d", "imapd", "tls-relay", "checkpassword"):
        known = run(f"{RELEASE}/{program}", "--help").decode()
        for words in wrong:
            if program == "checkpassword" and words[-1:] in (["x"], [""], ["-"]):
                continue  # a program to run
            if f"  {words[0]}, " in known:
                continue
            done = subprocess.run([f"{RELEASE}/{program}", *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
            assert done.returncode == 64, (program, words, done)
            assert done.stderr.count(b"\n") == 1 and done.stderr.startswith(program.encode()) and not done.stdout, (program, words, done)
            assert not any(byte < 32 and byte != 10 for byte in done.stderr), (program, words, done)
        assert run(f"{RELEASE}/{program}", "--version").startswith(program.encode())
