"""A full disk (a small tmpfs; for root): nothing is kept of what is not taken, and mail flows again when there is room."""
import errno, os, socket, threading
from harness import RELEASE, as_user, run, test

BIG = "".join(f"{number:06} of a message that does not fit\n" for number in range(12_000))
SMALL = "A message that fits.\n"
HERE = "ann@full.example"


class SmallDisk:
    """A relais for ann alone, whose queue or whose mailbox is on a disk of its own."""

    def __init__(self, directory, place, size="256k", inodes=0, reserve="0", mailbox="Maildir/"):
        self.directory, self.place, self.size, self.inodes = directory + "/full", place, size, inodes
        self.mailbox = f"{self.directory}/home/ann/{mailbox}"
        self.queue = self.directory + "/queue"
        self.settings = {"hostname": "full.example", "queue-directory": self.queue, "service-directory": self.directory + "/service",
                         "slots-directory": self.directory + "/slots", "log": self.directory + "/log",
                         "first-user-id": "1", "mailbox": f"{self.directory}/home/%u/{mailbox}", "aliases-file": "", "minimum-free-space": reserve}

    def __enter__(self):
        os.makedirs(f"{self.directory}/{self.place}")
        options = f"size={self.size}" + (f",nr_inodes={self.inodes}" if self.inodes else "")
        run("mount", "-t", "tmpfs", "-o", options, "tmpfs", f"{self.directory}/{self.place}")
        for name in ("queue/incoming", "queue/deferred", "queue/log", "queue/hold", "queue/trash", "queue/corrupt", "queue/destinations", "service/queue", "slots", "home/ann"):
            os.makedirs(f"{self.directory}/{name}", exist_ok=True)
        with open(self.directory + "/conf", "w") as file:
            file.writelines(f"{key} = {value}\n" for key, value in self.settings.items())
        run("chown", "-R", "ann", self.directory)
        return self

    def __exit__(self, *_):
        run("umount", "--lazy", f"{self.directory}/{self.place}")
        run("rm", "-rf", self.directory)

    def enlarge(self):
        run("mount", "-o", f"remount,size=16m{',nr_inodes=0' if self.inodes else ''}", f"{self.directory}/{self.place}")

    def fill(self):
        """Takes what is left; `self.enlarge` gives as much again."""
        with open(f"{self.directory}/{self.place}/ballast", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError as error:
                assert error.errno == errno.ENOSPC

    def serve(self, program="local-deliver"):
        """A deliverer as inetd would start it, as long as the test runs."""
        listener = socket.socket(socket.AF_UNIX)
        path = f"{self.directory}/service/queue/{program.split('-')[0]}"
        listener.bind(path)
        os.chmod(path, 0o666)
        listener.listen(10)

        def accept():
            while True:
                connection, _ = listener.accept()
                with connection:
                    as_user("ann", f"{RELEASE}/{program}", "-C", self.directory + "/conf", "--service", stdin=connection)
        threading.Thread(target=accept, daemon=True).start()

    def used(self):
        """Blocks and inodes: what has no name counts, too."""
        status = os.statvfs(f"{self.directory}/{self.place}")
        return status.f_blocks - status.f_bfree, status.f_files - status.f_ffree

    def run(self, program, *words, input=""):
        done = as_user("ann", f"{RELEASE}/{program}", "-C", self.directory + "/conf", *words, input=input.encode())
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def by_smtp(self, text, size=""):
        """The replies to MAIL and to the end of the data."""
        lines = text.replace("\n", "\r\n")
        code, output, errors = self.run("smtpd", input=f"EHLO x\r\nMAIL FROM:<x@far.example>{size}\r\nRCPT TO:<{HERE}>\r\nDATA\r\n{lines}.\r\nQUIT\r\n")
        assert code == 0 and not errors, (code, errors)
        replies = [line for line in output.splitlines() if line[3:4] == " "]
        return replies[2], replies[-2]

    def log(self):
        return open(self.directory + "/log").read()

    def waiting(self):
        return os.listdir(self.queue + "/incoming")

    def mail(self):
        if not self.mailbox.endswith("/"):
            return open(self.mailbox).read() if os.path.exists(self.mailbox) else ""
        return "".join(open(f"{self.mailbox}new/{name}").read() for name in os.listdir(self.mailbox + "new")) if os.path.isdir(self.mailbox + "new") else ""


@test("smtpd on a full disk says 452, at MAIL where it is known by then, else at the end; nothing is kept; then there is room")
def full_for_smtpd(i):
    with SmallDisk(i.directory, "queue", reserve="1M") as disk:
        before = disk.used()
        assert disk.by_smtp(SMALL)[0].startswith("452 4.3.1 "), disk.by_smtp(SMALL)
        disk.enlarge()
        assert disk.by_smtp(SMALL)[1].startswith("250 2.0.0 ")
        assert disk.by_smtp(SMALL, " SIZE=40000000")[0].startswith("452 4.3.1 ")
    for inodes in (0, 20):
        with SmallDisk(i.directory, "queue", inodes=inodes) as disk:
            before = disk.used()
            if inodes:
                # Fewer than a hundred inodes are too few to begin.
                assert disk.by_smtp(SMALL)[0].startswith("452 4.3.1 ")
            else:
                mail, end = disk.by_smtp(BIG)
                assert mail.startswith("250 ") and end.startswith("452 4.3.1 "), (mail, end)
            assert not disk.waiting() and disk.used() == before, (disk.waiting(), before, disk.used())
            disk.enlarge()
            assert disk.by_smtp(BIG)[1].startswith("250 2.0.0 ")
            assert len(disk.waiting()) == 1


@test("sendmail on a full disk ends with EX_TEMPFAIL and the reason, and keeps nothing")
def full_for_sendmail(i):
    for inodes in (0, 9):
        with SmallDisk(i.directory, "queue", inodes=inodes) as disk:
            before = disk.used()
            code, _, errors = disk.run("sendmail-compat", "-i", HERE, input=f"Subject: x\n\n{BIG}")
            assert code == 75 and "No space left on device" in errors and errors.count("\n") == 1, (code, errors)
            assert not disk.waiting() and disk.used() == before, (disk.waiting(), before, disk.used())
            disk.enlarge()
            assert disk.run("sendmail-compat", "-i", HERE, input=f"Subject: x\n\n{BIG}")[0] == 0
            assert len(disk.waiting()) == 1


@test("a full mailbox defers; the mbox is cut back to what it was, the Maildir keeps nothing; then the mail comes once (T59)")
def full_for_local(i):
    for mailbox in ("Maildir/", "mbox"):
        with SmallDisk(i.directory, "home", mailbox=mailbox) as disk:
            deliver = lambda text: disk.run("local-deliver", HERE, "x@far.example", input=f"Subject: x\n\n{text}")
            assert deliver(SMALL)[0] == 0
            before, mail = disk.used(), disk.mail()
            code, output, errors = deliver(BIG)
            assert code == 75 and "No space left on device" in output + errors, (code, output, errors)
            assert disk.mail() == mail and disk.used() == before, (len(disk.mail()), before, disk.used())
            disk.enlarge()
            assert deliver(BIG)[0] == 0
            assert disk.mail().count(BIG) == 1 and disk.mail().count(SMALL) == 1


@test("a queue on a full disk still delivers; what needs a log waits untouched, so that nobody gets it twice")
def full_for_runner(i):
    with SmallDisk(i.directory, "queue", size="1m", mailbox="mbox") as disk:
        disk.serve()
        for recipients in ([HERE], [HERE, "x@elsewhere.example"]):
            assert disk.run("sendmail-compat", "-i", "-f", "x@far.example", *recipients, input=f"Subject: to-{len(recipients)}\n\n{SMALL}")[0] == 0
        both = max(disk.waiting())
        disk.fill()
        for _ in range(3):
            assert disk.run("queue-runner")[0] == 0
        assert disk.mail().count("Subject: to-1\n") == 1 and "Subject: to-2\n" not in disk.mail(), disk.mail()
        assert disk.waiting() == [both], disk.waiting()
        assert f"{both}: cannot write a message's log: write {disk.queue}: No space left on device" in disk.log()
        disk.enlarge()
        # Nobody serves other hosts here: the other recipient stays due, and the one who has it does not get it again.
        for _ in range(2):
            assert disk.run("queue-runner")[0] == 0
            assert disk.mail().count("Subject: to-2\n") == 1 and disk.waiting() == [both], disk.waiting()
            assert os.listdir(disk.queue + "/log") == [both]


@test("on a full disk what is known of a destination is not written, and nothing is lost for it; --hold, --release and --list go on")
def full_for_destinations(i):
    with SmallDisk(i.directory, "queue", size="1m") as disk:
        # Nobody listens there: an attempt that fails for the destination's sake.
        disk.serve("remote-deliver")
        with open(disk.directory + "/conf", "a") as file:
            file.write("smtp-port = 9\npermitted-networks = 127.0.0.0/8\n")
        there = "x@[127.0.0.9]"
        assert disk.run("sendmail-compat", "-i", "-f", "x@far.example", there, input=f"Subject: far\n\n{SMALL}")[0] == 0
        [name] = disk.waiting()
        disk.fill()
        assert disk.run("queue-runner")[0] == 0
        assert disk.waiting() == [name] and not os.listdir(disk.queue + "/destinations"), (disk.waiting(), disk.log())
        assert "No space left on device" in disk.log() and "status=bounced" not in disk.log(), disk.log()
        for words, place in ((["--hold", "domain=[127.0.0.9]"], "hold"), (["--release", name], "incoming")):
            code, output, errors = disk.run("queue-runner", *words)
            assert code == 0 and os.listdir(f"{disk.queue}/{place}") == [name], (words, code, output, errors)
        assert name in disk.run("queue-runner", "--list")[1] and disk.run("queue-runner", "--why", name)[0] == 0
        disk.enlarge()
        assert disk.run("queue-runner")[0] == 0
        assert not disk.waiting() and len(os.listdir(disk.queue + "/destinations")) == 1 and os.listdir(disk.queue + "/log") == [name], disk.log()


@test("--remove on a disk that has no room for a directory puts the message into the trash that is there; --undo brings it back")
def full_for_operator(i):
    with SmallDisk(i.directory, "queue", inodes=40) as disk:
        for number in (1, 2):
            assert disk.run("sendmail-compat", "-i", HERE, input=f"Subject: {number}\n\n{SMALL}")[0] == 0
        first, second = sorted(disk.waiting())
        assert disk.run("queue-runner", "--remove", first)[0] == 0
        bucket, = os.listdir(disk.queue + "/trash")
        # Another minute's: this one's would have to be made.
        later = str(int(bucket) + 60)
        os.rename(f"{disk.queue}/trash/{bucket}", f"{disk.queue}/trash/{later}")
        try:
            for number in range(40):
                open(f"{disk.directory}/queue/ballast.{number}", "w").close()
            raise AssertionError("the disk is not full")
        except OSError as error:
            assert error.errno == errno.ENOSPC
        code, output, errors = disk.run("queue-runner", "--remove", second)
        assert code == 0 and not disk.waiting(), (code, output, errors)
        assert sorted(os.listdir(f"{disk.queue}/trash/{later}")) == [first, second] and os.listdir(disk.queue + "/trash") == [later]
        code, output, errors = disk.run("queue-runner", "--undo", "all")
        assert code == 0 and sorted(disk.waiting()) == [first, second], (code, output, errors)
