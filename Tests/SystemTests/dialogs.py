"""imapd and pop3d in the dialogs of Tests/IMAPTests/Dialogs and Tests/POP3Tests/Dialogs, as checkpassword starts them."""
import os, shutil, socket, subprocess
import dialogfiles
from harness import RELEASE, run, test

PRELUDE = open(os.path.join(dialogfiles.TESTS, "DialogFiles", "prelude.sh"), "rb").read()
# For a session that says nothing more, and for one that waits in IDLE: it looks each second.
PATIENCE = 20


class Client:
    """One line after the other of what a session says."""

    def __init__(self, program, conf, home):
        self.socket, far = socket.socketpair()
        self.socket.settimeout(PATIENCE)
        self.process = subprocess.Popen([os.path.join(RELEASE, program), "-C", conf, "--mailbox"], stdin=far, stdout=far, stderr=subprocess.DEVNULL,
                                        env={"HOME": home, "USER": "u", "TZ": "UTC", "PATH": "/usr/bin:/bin"})
        far.close()
        self.input, self.isFresh = b"", True

    def line(self):
        """Without its CRLF; None at the end."""
        while b"\r\n" not in self.input:
            try:
                part = self.socket.recv(1 << 16)
            except ConnectionResetError:
                part = b""
            except TimeoutError:
                return b"(nothing)"
            if not part:
                return None
            self.input += part
        line, self.input = self.input.split(b"\r\n", 1)
        return line

    def say(self, text):
        if self.isFresh:
            self.line()
        self.isFresh = False
        try:
            self.socket.sendall(text)
        except BrokenPipeError:
            pass

    def rest(self):
        """What it still says when its client has nothing more to say."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        said = []
        while (line := self.line()) is not None and line != b"(nothing)":
            said.append(line)
        self.socket.close()
        self.process.wait(30)
        return said[1:] if self.isFresh else said


class Dialog:
    def __init__(self, program, path, directory):
        self.program, self.name, self.home = program, os.path.basename(path), directory
        self.lines = list(dialogfiles.lines(path))
        self.clients, self.current, self.passing = {}, None, False
        os.makedirs(directory)
        in_mbox = any(kind == "mbox" for kind, _ in self.lines)
        self.conf = directory + ".conf"
        with open(self.conf, "w") as file:
            file.write(f"hostname = home.example\nmailbox = ~/{'inbox' if in_mbox else 'Maildir/'}\nlog = {directory}.log\nslots-directory = {directory}\n")
        if not in_mbox:
            self.shell(b"maildir Maildir")

    def shell(self, command):
        return run("/bin/sh", "-euc", PRELUDE + command, "sh", self.home, env={}).split(b"\n")

    def client(self, name):
        if name not in self.clients:
            self.clients[name] = Client(self.program, self.conf, self.home)
        self.current = self.clients[name]
        return self.current

    def heard(self, kind, text):
        client = self.current or self.client(b"")
        while True:
            line = client.line()
            if line is not None and dialogfiles.matches(kind, text, line):
                break
            assert self.passing and line not in (None, b"(nothing)"), f"{self.name}: expected {text!r}, heard {line!r}"
        client.isFresh = self.passing = False

    def told(self, output, expected, command):
        passing = False
        for kind, text in expected:
            while passing and output and not (kind != "..." and dialogfiles.matches(kind, text, output[0])):
                output.pop(0)
            passing = kind == "..."
            if not passing:
                assert output and dialogfiles.matches(kind, text, output[0]), f"{self.name}: {command}: expected {text!r}, heard {output}"
                output.pop(0)
        assert passing or not expected or output in ([], [b""]), f"{self.name}: {command}: unexpected {output}"

    def play(self):
        index = 0
        while index < len(self.lines):
            kind, text = self.lines[index]
            index += 1
            following = []
            while index < len(self.lines) and (self.lines[index][0] == "M:" if kind == "file" else kind == "$" and self.lines[index][0] in ("O:", "O~", "...")):
                following.append(self.lines[index])
                index += 1
            if kind == "file":
                with open(os.path.join(self.home, dialogfiles.unescape(text).decode()), "wb") as file:
                    file.write(b"".join(dialogfiles.unescape(line) + b"\n" for _, line in following))
            elif kind == "$":
                self.told(self.shell(text), [(kind, dialogfiles.unescape(line)) for kind, line in following], text)
            elif kind == "client":
                self.client(text)
            elif kind == "C:":
                (self.current or self.client(b"")).say(dialogfiles.unescape(text) + b"\r\n")
            elif kind == "...":
                self.passing = True
            elif kind in ("S:", "S~"):
                self.heard(kind, dialogfiles.unescape(text))
            elif kind == "closed":
                assert self.current.line() is None, f"{self.name}: the session goes on"
            else:
                assert kind in ("#", "mbox", "not"), f"{self.name}: what is {kind}?"
        for name, client in self.clients.items():
            said = client.rest()
            assert not said, f"{self.name}: client {name.decode()}: unexpected {said}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self.clients.values():
            client.socket.close()
            client.process.wait(30)
        run("chmod", "-R", "u+rwX", self.home)
        shutil.rmtree(self.home)


def play_all(i, module, program):
    failures = []
    paths = dialogfiles.paths(module)
    for path in paths:
        try:
            with Dialog(program, path, f"{i.directory}/{module}-{os.path.basename(path)[:-4]}") as dialog:
                dialog.play()
        except (AssertionError, OSError) as error:
            failures.append(f"{os.path.basename(path)}: {error}")
    assert not failures, "\n".join(failures)
    return f"{len(paths)} dialogs"


@test("every dialog of IMAP happens with imapd as it is written")
def imap_dialogs(i):
    return play_all(i, "IMAPTests", "imapd")


@test("every dialog of POP3 happens with pop3d as it is written")
def pop3_dialogs(i):
    return play_all(i, "POP3Tests", "pop3d")


@test("every dialog of a mailbox is in the table of the faults that it stands for")
def kinds(_):
    with open(os.path.join(dialogfiles.TESTS, "DialogFiles", "kinds.tsv")) as file:
        rows = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    named = [name for _, names in rows for name in names.split(";")[0].split()]
    there = [prefix + os.path.basename(path)[:-4] for module, prefix in (("IMAPTests", ""), ("POP3Tests", "pop3/")) for path in dialogfiles.paths(module)]
    assert sorted(named) == sorted(there), set(named) ^ set(there)
