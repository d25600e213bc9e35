"""systemd's units under a real systemd: a user manager of root's, which needs no boot, in a mount namespace of its own."""
import imaplib, os, smtplib, socket, subprocess, time
from harness import TOP, as_user, eventually, need, run, test

# What a user manager asks before it begins: whether systemd is what runs here.
BEGIN = """mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system -m 755 && mkdir -m 700 /run/user
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root XDG_RUNTIME_DIR=/run/user SYSTEMD_UNIT_PATH="$0:" /lib/systemd/systemd --user --log-target=console --unit=relais.target"""


class Manager:
    """systemd with the units of an installed relais in inetd's place, on the ports that inetd had."""

    def __init__(self, i):
        self.i, self.units = i, i.directory + "/units"

    def __enter__(self):
        i = self.i
        run("bash", f"{TOP}/scripts/install", "--systemd", env=dict(os.environ, PREFIX=i.prefix, SPOOL=i.spool, STATE=i.directory + "/state", CONFIG="/etc/relais", UNITS=self.units))
        with open(self.units + "/relais.target", "w") as file:
            file.write("[Unit]\nWants=sockets.target timers.target\n")
        for name in os.listdir(self.units):
            kind = {"relais-smtp.socket": "smtp", "relais-pop3.socket": "pop3", "relais-imap.socket": "imap2"}.get(name)
            if kind or name in ("relais-pop3s.socket", "relais-imaps.socket"):
                os.mkdir(f"{self.units}/{name}.d")
                with open(f"{self.units}/{name}.d/port.conf", "w") as file:
                    file.write("[Socket]\nListenStream=\nListenStream=" + (f"{i.address}:{i.ports[kind]}" if kind else f"{i.directory}/{name}") + "\n")
        i.inetd.terminate()
        i.inetd.wait()
        self.log = open(i.directory + "/systemd.log", "w+")
        self.process = subprocess.Popen(["unshare", "-m", "sh", "-c", BEGIN, self.units], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            eventually(lambda: "active" == self.about("relais-login-imap.socket", "ActiveState"), "systemd's sockets")
        except AssertionError as error:
            self.__exit__()
            raise AssertionError(f"{error}: {open(self.log.name).read()[-3000:]}")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.i.start()

    def control(self, *words):
        return run("nsenter", "-m", "-t", str(self.process.pid), "env", "XDG_RUNTIME_DIR=/run/user", "systemctl", "--user", *words, check=False).decode().strip()

    def about(self, unit, key):
        return self.control("show", "--value", "-p", key, unit)


def greeting(i, kind="smtp"):
    with socket.create_connection((i.address, i.ports[kind]), 20) as client:
        return client.recv(200)


@test("under systemd: sockets greet, mail goes its way as inetd has it, 200 connections in two seconds end nothing, nor does a service that cannot start; the timer fires")
def under_systemd(i):
    need("systemctl")
    with Manager(i) as manager:
        assert greeting(i).startswith(b"220 "), greeting(i)
        # Kick, runner, local-deliver; then login and mailbox: each by its socket, as its user.
        with smtplib.SMTP(i.address, i.ports["smtp"], timeout=30) as client:
            client.starttls()
            client.sendmail("x@far.example", ["ann@inst.example"], "Subject: by-systemd\r\n\r\nHello.\r\n")
        assert os.stat(i.arrived("ann", b"Subject: by-systemd")).st_uid == 7001
        imap = imaplib.IMAP4(i.address, i.ports["imap2"])
        imap.login("ann", "right ann")
        assert imap.select()[0] == "OK"
        users = {p["Uid"].split()[0] for p in i.processes("imapd")}
        assert "7001" in users and "0" not in users, users
        imap.logout()
        # A stranger in a hurry.
        clients, heard = [], []
        start = time.time()
        for _ in range(200):
            clients.append(socket.create_connection((i.address, i.ports["smtp"]), 20))
        took = time.time() - start
        for client in clients:
            client.settimeout(30)
            heard.append(client.recv(200)[:4])
            client.close()
        assert set(heard) <= {b"220 ", b"421 "} and b"220 " in heard, set(heard)
        assert manager.about("relais-smtp.socket", "ActiveState") == "active"
        eventually(lambda: greeting(i).startswith(b"220 "), "a greeting afterwards")
        # A runner that cannot start, again and again, and then can.
        good = open("/etc/relais/relais.conf").read()
        with open("/etc/relais/relais.conf", "a") as file:
            file.write("nonsense = 1\n")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as knock:
            for _ in range(20):
                try:
                    knock.sendto(b"", i.spool + "/service/kick")
                except OSError:
                    pass
                time.sleep(0.1)
        with open("/etc/relais/relais.conf", "w") as file:
            file.write(good)
        assert manager.about("relais-kick.socket", "ActiveState") == "active", manager.control("status", "relais-kick.socket")
        assert as_user("bob", i.prefix + "/sbin/sendmail", "ann@inst.example", input=b"Subject: after-nonsense\n\n").returncode == 0
        # At the knock; where the one that could not start read it away, at the timer's next minute.
        eventually(lambda: any(b"Subject: after-nonsense" in open(path, "rb").read() for path in i.maildir("ann")), "mail after the mend", 90)
        eventually(lambda: manager.about("relais-runner.timer", "LastTriggerUSec") not in ("", "n/a"), "the timer", 90)
        assert manager.about("relais-runner.service", "Result") == "success"
        # A service that failed is started again all the same.
        assert as_user("bob", i.prefix + "/sbin/sendmail", "ann@inst.example", input=b"Subject: knocked\n\n").returncode == 0
        i.arrived("ann", b"Subject: knocked")
        eventually(lambda: not manager.control("list-units", "--failed", "--plain", "--no-legend", "relais-*"), "no unit that has failed", 10)
        greeted = heard.count(b"220 ")
    return f"200 connections in {took:.2f} s, {greeted} greeted"
