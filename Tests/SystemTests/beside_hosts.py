"""A private Postfix and a private relais side by side: the same name server, domain, users and aliases, each on a loopback of
its own network namespace, so that both have port 25 and nothing leaves.

A table is a list of rows; `Table.row` holds what each of the two made of one input, and the reason where they differ.
"""
import os, pwd, re, shutil, socket, socketserver, subprocess, threading
import harness
from harness import eventually, instance, run

USER = "relais-test"
DOMAIN = "a.example"
OURS, THEIRS, NEXT_HOP = "127.0.0.1", "127.0.0.3", "127.0.0.2"
OWN_CLIENTS, OWN, STRANGER = "127.0.0.0/26", "127.0.0.20", "127.0.0.99"


def enter_namespace():
    """Runs this command again as root of a network and a mount namespace of its own."""
    harness.enter_namespace("-n", "-m")
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "add", THEIRS + "/8", "dev", "lo")
    run("sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=0")


class Mailboxes:
    """One Maildir of USER's."""
    maildir = None

    def paths(self):
        return [f"{self.maildir}/{half}/{name}" for half in ("new", "cur") if os.path.isdir(f"{self.maildir}/{half}")
                for name in sorted(os.listdir(f"{self.maildir}/{half}"))]

    def take(self, count=1, seconds=20):
        """The contents of the next messages, which go."""
        paths = eventually(lambda: len(self.paths()) >= count and self.paths(), f"{count} messages at {self.name}", seconds)
        texts = [open(path, "rb").read() for path in paths]
        for path in paths:
            os.unlink(path)
        return texts


class Relais(Mailboxes):
    name, address = "relais", OURS

    def __init__(self, place, settings):
        extra = {"relay-networks": OWN_CLIENTS, "message-size-limit": "100000", "minimum-free-space": "0", "tls-certificate": "",
                 "outgoing-address": OURS, "smtp-connections-per-address": "256"} | settings
        self.host = instance.Host(place, DOMAIN, OURS, 25, 53, user=USER, extra=extra)
        self.host.make()
        account = pwd.getpwnam(USER)
        run("chown", "-R", f"{account.pw_uid}:{account.pw_gid}", place)
        self.maildir = self.host.maildir
        self.process = subprocess.Popen(
            ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "inetd", "-i", "-q", "1024", "-R", "1000000", place + "/inetd.conf"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def sendmail(self, *arguments, input):
        command = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", *self.host.command("sendmail-compat", *arguments)]
        return subprocess.run(command, input=input, capture_output=True, timeout=60)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Postfix(Mailboxes):
    """Debian's master.cf with nothing in a chroot, and nothing set but who it is, and limits as ours."""
    name, address = "Postfix", THEIRS

    def __init__(self, place, settings):
        self.config = place + "/config"
        account = pwd.getpwnam(USER)
        for directory in (self.config, place + "/queue", place + "/data", place + "/mail"):
            os.makedirs(directory)
        shutil.chown(place + "/data", "postfix")
        os.chown(place + "/mail", account.pw_uid, account.pw_gid)
        values = {
            "compatibility_level": "3.6", "queue_directory": place + "/queue", "data_directory": place + "/data", "myhostname": f"mx.{DOMAIN}",
            "mydestination": f"{DOMAIN} mx.{DOMAIN} localhost", "inet_interfaces": f"{THEIRS} ::1", "mynetworks": OWN_CLIENTS,
            "alias_maps": "inline:{{postmaster=%s}, {root=%s}, {team=%s}}" % (USER, USER, USER), "alias_database": "", "mail_spool_directory": place + "/mail/",
            "mailbox_command": "", "home_mailbox": "", "recipient_delimiter": "+", "message_size_limit": "100000", "mailbox_size_limit": "0",
            "local_header_rewrite_clients": "permit_mynetworks", "smtpd_relay_restrictions": "permit_mynetworks reject_unauth_destination", "smtpd_peername_lookup": "no", "smtpd_error_sleep_time": "0",
            "smtpd_client_connection_rate_limit": "0", "smtpd_client_connection_count_limit": "0", "smtp_bind_address": THEIRS, "biff": "no",
            "maillog_file": place + "/log", "maillog_file_prefixes": place, "in_flow_delay": "0",
        } | settings
        with open(self.config + "/main.cf", "w") as file:
            file.writelines(f"{key} = {value}\n" for key, value in values.items())
        with open(self.config + "/master.cf", "w") as file:
            for line in open("/usr/share/postfix/master.cf.dist"):
                line = re.sub(r"^(\S+\s+\S+\s+\S+\s+\S+\s+)y", r"\1n", line)
                file.write(re.sub(r"^smtp(\s+inet)", rf"{THEIRS}:25\1", line))
        self.maildir = f"{place}/mail/{USER}"
        done = subprocess.run(["postfix", "-c", self.config, "start"], capture_output=True)
        assert done.returncode == 0, done.stderr.decode() + (open(place + "/log").read() if os.path.exists(place + "/log") else "")

    def sendmail(self, *arguments, input):
        # Only root may name a configuration.
        return subprocess.run(["/usr/sbin/sendmail", "-C", self.config, *arguments], input=input, capture_output=True, timeout=60)

    def stop(self):
        run("postfix", "-c", self.config, "stop", check=False)


class NextHop:
    """The server behind b.example's MX: takes everything, and keeps (from, to, content) of it."""

    def __init__(self):
        self.messages, outer = [], self

        class Session(socketserver.StreamRequestHandler):
            def handle(self):
                self.say(b"220 b ESMTP")
                sender, recipients = None, []
                while line := self.rfile.readline().rstrip(b"\r\n"):
                    verb = line[:4].upper()
                    if verb == b"EHLO":
                        self.say(b"250-b\r\n250-8BITMIME\r\n250 SIZE")
                    elif verb == b"MAIL":
                        sender, recipients = line[10:], []
                        self.say(b"250 ok")
                    elif verb == b"RCPT":
                        recipients.append(line[8:])
                        self.say(b"250 ok")
                    elif verb == b"DATA":
                        self.say(b"354 go")
                        content = b""
                        while (text := self.rfile.readline()) not in (b".\r\n", b""):
                            content += text[1:] if text[:1] == b"." else text
                        outer.messages.append((sender, recipients, content))
                        self.say(b"250 ok")
                    elif verb == b"QUIT":
                        return self.say(b"221 bye")
                    else:
                        self.say(b"250 ok")

            def say(self, text):
                self.wfile.write(text + b"\r\n")

        self.server = socketserver.ThreadingTCPServer((NEXT_HOP, 25), Session)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, seconds=30):
        """The next message."""
        return eventually(lambda: self.messages and self.messages.pop(0), "a message at the next host", seconds)


class Both:
    """Both of them, the name server and the next host, in `directory`."""

    def __init__(self):
        self.running = []

    def start(self, directory, relais={}, postfix={}):
        with open(directory + "/resolv.conf", "w") as file:
            file.write("nameserver 127.0.0.1\n")
        run("mount", "--bind", directory + "/resolv.conf", os.path.realpath("/etc/resolv.conf"))
        self.dns = instance.NameServer(directory + "/dns", 53)
        self.dns.start()
        self.running.append(self.dns)
        self.next_hop = NextHop()
        self.ours = Relais(directory + "/relais", relais)
        self.running.append(self.ours)
        self.theirs = Postfix(directory + "/postfix", postfix)
        self.running.append(self.theirs)
        for peer in (self.ours, self.theirs):
            def answers():
                with socket.socket() as client:
                    return client.connect_ex((peer.address, 25)) == 0
            eventually(answers, peer.name)

    def stop(self):
        for one in reversed(self.running):
            one.stop()


class Table:
    """What each made of every input. A difference needs a reason, and a reason a difference."""

    def __init__(self, title):
        self.title, self.rows, self.failures = title, 0, []
        print(f"\n{title}\n{'input':44} {'Postfix':34} {'relais':34}", flush=True)

    def row(self, name, theirs, ours, reason=None):
        self.rows += 1
        is_equal = theirs == ours
        if is_equal != (reason is None):
            self.failures.append(name)
        verdict = "equal" if is_equal else reason or "NO REASON"
        print(f"{name:44} {theirs:34} {ours:34} {verdict}" + (f" (but they are equal: {reason})" if is_equal and reason else ""), flush=True)
