"""A place in which any one program can be broken at any call, and what must be true afterwards.

A Scene is a private relais in one directory, without inetd: the deliverers' sockets are served here, so that any one
program can be started under strace or with a fault of its debug build. `Scene.recover` does what a host does after a crash
(another pass), and `Scene.violations` compares with what a step (crash_steps.py) promised.
"""
import contextlib, mailbox, os, re, shutil, signal, socket, subprocess, threading, time
from harness import RELEASE, USER, instance

TEXT = "".join(f"line {number} of the message, which is not to be lost\n" for number in range(300))
SUBJECT = "crash-subject"
MESSAGE = f"From: far@far.example\nSubject: {SUBJECT}\n\n{TEXT}"
NAME = re.compile("[0-9a-z]{24}")
PLACES = ("incoming", "deferred", "hold", "trash")
SYSEXITS = {0} | set(range(64, 79))


class Scene:
    """One worker's place: `work` is the host's directory, which comes and goes; `apart` has what stays."""

    def __init__(self, directory, programs=RELEASE):
        self.work, self.apart, self.programs = directory + "/work", directory + "/apart", programs
        os.makedirs(self.apart)
        self.wrap, self.environment, self.children, self.statuses, self.received = {}, {}, [], [], []
        self.local, self.always = "Maildir/", {}
        # Whether what the step throws away is to come back.
        self.undo = False
        for name, program in (("queue/local", "local-deliver"), ("queue/remote", "remote-deliver")):
            path = f"{self.apart}/service/{name}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            self.serve(listener, lambda connection, program=program: self.start(program, "--service", stdin=connection))
        sink = socket.create_server(("127.0.0.2", 0))
        self.sink_port = sink.getsockname()[1]
        self.serve(sink, lambda connection: threading.Thread(target=self.sink, args=(connection,), daemon=True).start())

    @staticmethod
    def serve(listener, use):
        listener.listen(50)

        def accept():
            while True:
                connection, _ = listener.accept()
                use(connection)
        threading.Thread(target=accept, daemon=True).start()

    def sink(self, connection):
        """An SMTP server that keeps what it said yes to."""
        with connection, connection.makefile("rb") as file:
            def say(text):
                connection.sendall(text + b"\r\n")
            try:
                say(b"220 sink")
                while line := file.readline():
                    word = line[:4].upper()
                    if word == b"DATA":
                        say(b"354 go")
                        lines = []
                        while (line := file.readline()) not in (b".\r\n", b""):
                            lines.append(line[1:] if line.startswith(b".") else line)
                        if not line:
                            return
                        self.received.append(b"".join(lines).replace(b"\r\n", b"\n"))
                        say(b"250 2.0.0 kept")
                    elif word == b"EHLO":
                        say(b"250-sink\r\n250 PIPELINING")
                    else:
                        say(b"221 bye" if word == b"QUIT" else b"250 ok")
            except OSError:
                pass

    def make(self):
        """An empty instance."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.received.clear()
        host = instance.Host(self.work, "crash.example", "127.0.0.1", 2500, 5300, programs=self.programs, extra={
            "service-directory": self.apart + "/service", "mailbox": f"{self.work}/home/%u/{self.local}", "smtp-port": str(self.sink_port),
            "aliases-file": "", "tls-certificate": "", "dns-servers": ""})
        host.certificate = lambda: None
        host.make()

    def save(self, name):
        """Keeps the state for `load`: a step is set up once, and tried often."""
        shutil.rmtree(f"{self.apart}/{name}", ignore_errors=True)
        shutil.copytree(self.work, f"{self.apart}/{name}", symlinks=True)

    def load(self, name):
        subprocess.run(["chmod", "-R", "u+rwx", self.work], capture_output=True)
        shutil.rmtree(self.work, ignore_errors=True)
        self.received.clear()
        shutil.copytree(f"{self.apart}/{name}", self.work, symlinks=True)
        self.relabel()

    def relabel(self):
        """The logs name their messages by inode, which a copy does not keep."""
        messages = {os.path.basename(path): path for path in self.queue_files(*PLACES)}
        for name, path in messages.items():
            log = f"{self.work}/queue/log/{name}"
            if os.path.exists(log):
                with open(log, "rb") as file:
                    text = file.read()
                with open(log, "wb") as file:
                    file.write(re.sub(rb"\Amessage \d+", b"message %d" % os.stat(path).st_ino, text))

    # Programs

    def command(self, program, *words):
        return [*self.wrap.get(program, []), f"{self.programs}/{program}", "-C", self.work + "/relais.conf", *words]

    def start(self, program, *words, stdin):
        with stdin, open(self.apart + "/errors", "ab") as errors:
            self.children.append(subprocess.Popen(self.command(program, *words), stdin=stdin, stdout=subprocess.DEVNULL, stderr=errors,
                                                  env=dict(os.environ, **self.environment.get(program, {})), start_new_session=True))

    def run(self, program, *words, input=b"", then=None, timeout=30):
        """Exit status (negative: the signal), output and errors; a hang is an error of its own. `then` is given the answers to `input`, as far
        as the first line that is a dot, and says what is sent behind it."""
        process = subprocess.Popen(self.command(program, *words), bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=dict(os.environ, **self.always, **self.environment.get(program, {})), start_new_session=True)
        guard, first = threading.Timer(timeout, lambda: os.killpg(process.pid, signal.SIGKILL)), []
        guard.start()
        try:
            if then:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.write(input)
                for line in process.stdout:
                    first.append(line)
                    if line == b".\r\n":
                        break
                input = then(first)
            output, errors = process.communicate(input)
        finally:
            hangs = not guard.is_alive()
            guard.cancel()
        return ("hang", b"", b"") if hangs else (process.returncode, b"".join(first) + output, errors)

    def settle(self):
        """Waits for the deliverers; those that do not end are killed and told of."""
        hung = []
        while self.children:
            child = self.children.pop()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                hung.append("a deliverer hangs")
            self.statuses.append(child.returncode)
        return hung

    def log_is_silent(self):
        path = self.work + "/log"
        return not (os.path.exists(path) and os.path.getsize(path))

    def queue_files(self, *places):
        """Paths of message files."""
        return [f"{root}/{name}" for place in places for root, _, names in os.walk(f"{self.work}/queue/{place}") for name in names]

    def inject(self, recipient, sender="far@far.example", message=MESSAGE):
        code, _, errors = self.run("sendmail-compat", "-i", "-f", sender, *recipient.split(), input=message.encode())
        assert code == 0, errors
        return next(os.path.basename(path) for path in self.queue_files("incoming"))

    # Afterwards

    def recover(self, boot=False):
        """What a host does when it is up again. With `boot`, the programs see another start of the system than before."""
        before, self.wrap = self.wrap, {}
        if boot:
            self.wrap = {"queue-runner": ["strace", "-f", "-qq", "-o", "/dev/null", "-P", "/proc/sys/kernel/random/boot_id",
                                          "-e", "inject=openat:error=ENOENT"]}
        self.environment = {}
        problems = self.settle()
        home = f"{self.work}/home/{USER}"
        os.chmod(home, 0o755)
        lock = home + "/mbox.lock"
        if boot and os.path.exists(lock) and not open(lock, "rb").read().endswith(b"\n"):
            # A lock whose content did not get there is anybody's, and is taken over when it is a quarter of an hour old.
            os.utime(lock, (time.time() - 1000,) * 2)
        waiting = [os.path.basename(path) for path in self.queue_files("deferred")]
        def operate(option, names):
            for name in names:
                code, output, errors = self.run("queue-runner", option, name)
                # One that was on its way into the trash, by two calls, stayed where it was.
                if code and not (option == "--undo" and any(os.path.basename(path) == name for path in self.queue_files("incoming"))):
                    problems.append(f"{option} {name}: {code} {output + errors}")

        if self.undo:
            operate("--undo", [os.path.basename(path) for path in self.queue_files("trash")])
        operate("--retry", waiting)
        for _ in range(3):
            operate("--release", [os.path.basename(path) for path in self.queue_files("hold")])
            code, output, errors = self.run("queue-runner")
            problems += self.settle()
            if code or errors:
                problems.append(f"the pass afterwards: {code} {errors}")
            if not self.whole("incoming", "hold"):
                break
        # A message that was delivered, but not by then removed, is in nobody's way; what is left must be what nobody was promised.
        code, output, errors = self.run("queue-runner", "--clean")
        if code:
            problems.append(f"--clean: {code} {errors}")
        self.wrap = before
        return problems

    def whole(self, *places):
        """Those message files that have their trailer."""
        found = []
        for path in self.queue_files(*places):
            with open(path, "rb") as file:
                lines = file.read().rsplit(b"\n", 2)
            if len(lines) == 3 and lines[-2].startswith(b"end " + os.path.basename(path).encode()):
                found.append(path)
        return found

    def table(self):
        """What queue(5)'s table does not allow, between any two calls."""
        problems, seen = [], {}
        for path in self.queue_files(*PLACES):
            name = os.path.basename(path)
            if not NAME.fullmatch(name):
                problems.append(f"{path}: no id")
            # A move of two calls is ended by whoever claims the message.
            if name in seen and not os.path.samefile(path, seen[name]):
                problems.append(f"{name} is in two places: {path}, {seen[name]}")
            seen[name] = path
            if "/incoming/" not in path and path not in self.whole(os.path.relpath(os.path.dirname(path), self.work + "/queue")):
                problems.append(f"{path} is not whole")
        return problems

    def copies(self):
        """The texts of all that was delivered anywhere."""
        home = f"{self.work}/home/{USER}"
        texts = list(self.received)
        for half in ("new", "cur"):
            place = f"{home}/Maildir/{half}"
            for name in os.listdir(place) if os.path.isdir(place) else []:
                with open(f"{place}/{name}", "rb") as file:
                    texts.append(file.read())
        if os.path.exists(home + "/mbox"):
            texts += [bytes(message) for message in mailbox.mbox(home + "/mbox", create=False)]
        return texts

    def context(self, step):
        """What is true besides what is on the disk."""
        return list(self.received)

    def believe(self, step, context):
        self.received = list(context)

    def has_kept(self, step):
        """Whether something was delivered of what was refused."""
        return bool(self.copies())

    def violations(self, step, acknowledged, cut=False):
        """After recovery: against what `step` promised. A `cut` may leave half a file that nobody was promised."""
        problems = []
        copies = self.copies()
        found = [text for text in copies if SUBJECT.encode() in text]
        bounces = [text for text in found if b"multipart/report" in text]
        mail = [text for text in found if b"multipart/report" not in text]
        for text in mail:
            if not text.rstrip(b"\n").endswith(TEXT.rstrip("\n").encode()):
                # A killed mbox writer leaves a part, as local-deliver(8) says; a whole one follows it.
                if not ((step.partial or cut and step.local == "mbox") and any(t.rstrip(b"\n").endswith(TEXT.rstrip("\n").encode()) for t in mail)):
                    problems.append(f"{len(text)} bytes were delivered of {len(TEXT)}")
        wanted = bounces if step.promise == "bounce" else mail
        if step.promise == "everybody and the sender" and not 0 < len(bounces) <= step.most:
            problems.append(f"the sender was told {len(bounces)} times")
        if step.promise.startswith("everybody"):
            there = [text for text in mail if text in self.received]
            for name, part in (("there", there), ("here", [text for text in mail if text not in there])):
                if not 0 < len(part) <= step.most:
                    problems.append(f"it came {len(part)} times {name}")
            wanted = there
        if step.promise == "removal":
            if acknowledged and found:
                problems.append("it was removed, and came")
        elif step.promise == "corrupt":
            if found or len(self.queue_files("corrupt")) != 1:
                problems.append(f"it is damaged, and came {len(found)} times, or is not set aside")
        elif (acknowledged or step.accepted) and not wanted:
            problems.append(f"lost: nothing of {len(copies)} delivered is it")
        if len(wanted) > step.most:
            problems.append(f"it came {len(wanted)} times")
        left = self.whole("incoming", "deferred", "hold", *([] if cut or step.promise == "corrupt" else ["corrupt"]))
        if left:
            problems.append(f"left in the queue: {left}")
        for name in os.listdir(self.work + "/queue/log"):
            if not any(name == os.path.basename(path) for path in self.queue_files(*PLACES)):
                problems.append(f"a log without a message: {name}")
        return problems
