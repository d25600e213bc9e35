"""What the system tests stand on: a registry, an instance of two hosts, and clients that we did not write."""
import importlib.machinery, importlib.util, os, pwd, shutil, socket, subprocess, sys, tempfile, time, traceback

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
loader = importlib.machinery.SourceFileLoader("instance", os.path.join(TOP, "scripts", "instance"))
spec = importlib.util.spec_from_loader("instance", loader)
instance = importlib.util.module_from_spec(spec)
loader.exec_module(instance)
RELEASE = instance.RELEASE
USER = pwd.getpwuid(os.getuid()).pw_name
TESTS = []


def test(rule):
    """Registers a test under the rule that it proves."""
    def register(function):
        TESTS.append((rule, function))
        return function
    return register


def need(program):
    """A missing peer is a failure, never a silent skip."""
    path = shutil.which(program)
    assert path, f"{program} is not installed"
    return path


def run(*command, input=None, timeout=60, check=True, env=None):
    """Runs a program; its output as bytes."""
    done = subprocess.run(command, input=input, capture_output=True, timeout=timeout, env=env)
    if check and done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}: {done.stdout[-800:]!r} {done.stderr[-800:]!r}")
    return done.stdout


def as_user(name, *command, input=None, stdin=None):
    """For root: runs a program as somebody else, with nothing of root's environment."""
    account = pwd.getpwnam(name)
    return subprocess.run(["setpriv", "--reuid", str(account.pw_uid), "--regid", str(account.pw_gid), "--clear-groups", "env", "-i",
                           f"HOME={account.pw_dir}", f"USER={name}", "PATH=/usr/bin:/bin", *command], stdin=stdin, input=input, capture_output=True, timeout=60)


def replace(path, text):
    """At one stroke, as editors do it: nobody reads half of it."""
    with open(path + ".new", "w") as file:
        file.write(text)
    os.replace(path + ".new", path)


def eventually(condition, what, seconds=20):
    """Waits until `condition()` is true: for what another process does."""
    deadline = time.time() + seconds
    while time.time() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"did not happen within {seconds} s: {what}")


def listening(address, port):
    """Waits until a server that was just started listens."""
    def answers():
        with socket.socket() as client:
            return client.connect_ex((address, port)) == 0
    eventually(answers, f"a server at {address}:{port}")


def mailbox_text(host):
    texts = []
    for path in host.delivered():
        try:
            with open(path, "rb") as file:
                texts.append(file.read())
        except FileNotFoundError:
            pass  # moved from new to cur meanwhile
    return texts


def arrived(host, needle, seconds=20):
    """The stored message that holds `needle`."""
    return eventually(lambda: next((t for t in mailbox_text(host) if needle in t), None), f"{needle!r} at {host.name}", seconds)


def address(host, name=None):
    return f"{name or USER}@{host.name}"


def send(host, recipient, subject, sender="sender@far.example", body="Hello.\r\n"):
    """One message by Python's smtplib."""
    import smtplib
    with smtplib.SMTP(host.address, host.ports["smtp"], timeout=30) as client:
        client.sendmail(sender, [recipient], f"From: {sender}\r\nTo: {recipient}\r\nSubject: {subject}\r\n\r\n{body}")


def log_of(host):
    with open(host.log) as file:
        return file.read()


class LeftOut(Exception):
    """What this system cannot show, and why: printed, and not counted."""


class Tally:
    """What a suite says: a line a test, and a last one that scripts/test adds up."""

    def __init__(self, suite):
        self.suite, self.passed, self.failed = suite, 0, 0

    def run(self, rule, body, *arguments):
        begin = time.time()
        try:
            result = body(*arguments)
        except LeftOut as reason:
            print(f"left out {rule}: {reason}", flush=True)
        except Exception:
            self.failed += 1
            print(f"FAILED  {rule}", flush=True)
            traceback.print_exc(limit=5)
        else:
            self.passed += 1
            print(f"ok      {rule} ({time.time() - begin:.1f} s){': ' + result if result else ''}", flush=True)

    def end(self):
        """Whether all went well."""
        print(f"{self.suite}: {self.passed} passed, {self.failed} failed")
        return self.failed == 0


def run_tests(tally, modules, words, subject):
    """The tests of these modules whose function's name has one of the words in it; all without words."""
    for rule, function in TESTS:
        if function.__module__ in modules and (not words or any(word in function.__name__ for word in words)):
            tally.run(rule, function, subject)


def enter_namespace(*kinds):
    """Runs this command again, as root, in namespaces of its own: options of unshare."""
    if os.environ.get("RELAIS_NAMESPACE") != "1":
        os.execvpe("unshare", ["unshare", *kinds, sys.executable, "-B", *sys.argv], dict(os.environ, RELAIS_NAMESPACE="1"))
    run("mount", "--make-rprivate", "/")


def temporary(name):
    """A directory that every user can look into."""
    directory = tempfile.mkdtemp(prefix=f"relais-{name}-", dir="/tmp")
    os.chmod(directory, 0o755)
    return directory
