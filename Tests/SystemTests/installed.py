"""relais as scripts/install leaves it, with all its users: for root, in a mount namespace of its own."""
import os, pwd, shutil, subprocess, tempfile
from harness import TOP, eventually, instance, run


class Installed:
    """relais as scripts/install leaves it, its services on 127.0.0.5, over copies of /etc."""
    address = "127.0.0.5"

    def __init__(self, directory):
        self.directory = directory
        etc = directory + "/etc"
        shutil.copytree("/etc", etc, symlinks=True, ignore_dangling_symlinks=True, dirs_exist_ok=True)
        run("mount", "--bind", etc, "/etc")
        self.prefix, self.spool = directory + "/usr", directory + "/spool"
        self.words = self.install()
        for name in ("ann", "bob"):
            subprocess.run(["userdel", name], capture_output=True)
            run("useradd", "--uid", {"ann": "7001", "bob": "7002"}[name], "--home-dir", f"{directory}/home/{name}", "--shell", "/bin/sh", name)
            os.makedirs(f"{directory}/home/{name}")
            account = pwd.getpwnam(name)
            os.chown(f"{directory}/home/{name}", account.pw_uid, account.pw_gid)
            run("chpasswd", input=f"{name}:right {name}\n".encode())
        base = instance.free_port_base()
        self.ports = {"smtp": base, "pop3": base + 1, "imap2": base + 2, "submission": base + 3, "submissions": base + 4}
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=inst.example",
            "-keyout", "/etc/relais/key.pem", "-out", "/etc/relais/cert.pem")
        os.chmod("/etc/relais/key.pem", 0o640)
        shutil.chown("/etc/relais/key.pem", "root", "relaist")
        os.chmod("/etc/relais", 0o755)
        self.aliases()
        self.sendmail()
        shutil.copy("/etc/relais/crontab.example", "/etc/cron.d/relais")
        with open("/etc/relais/relais.conf", "a") as file:
            file.write(f"hostname = inst.example\nlocal-domains = inst.example inst localhost\nlog = {directory}/log\ntls-certificate = /etc/relais/cert.pem\ntls-key = /etc/relais/key.pem\n")
        with open(directory + "/log", "w"):
            pass
        os.chmod(directory + "/log", 0o666)
        lines = []
        for line in open("/etc/relais/inetd.conf.example"):
            service = line.split()[0] if line.split() else "#"
            if service in self.ports:
                line = f"{self.address}:{self.ports[service]}" + line[len(service):]
            elif not service.startswith("/"):
                continue
            lines.append(line)
        with open("/etc/inetd.conf", "w") as file:
            file.writelines(lines)
        self.inetd = None
        self.start()

    def install(self, script="install", *arguments):
        environment = dict(os.environ, PREFIX=self.prefix, SPOOL=self.spool, STATE=self.directory + "/state", CONFIG="/etc/relais")
        return run("bash", f"{TOP}/scripts/{script}", *arguments, env=environment)

    def start(self):
        self.inetd = subprocess.Popen(["inetd", "-i", "-R", "1000000"], stdin=subprocess.DEVNULL)
        eventually(lambda: os.path.exists(self.directory + "/state/net/imap"), "inetd's sockets")

    def stop(self):
        self.inetd.terminate()
        self.inetd.wait()
        for place in ("/usr/sbin", self.real_sbin, "/etc"):
            subprocess.run(["umount", "-l", place], capture_output=True)
        os.rmdir(self.real_sbin)  # fails, as it should, where something is still mounted

    def aliases(self, text="postmaster: ann\nroot: ann\n"):
        with open("/etc/aliases", "w") as file:
            file.write(text)

    def sendmail(self):
        """A /usr/sbin of our own, of links, in which sendmail leads to ours. The real one is seen elsewhere: what removes our
        directory must never come there."""
        self.real_sbin, links = tempfile.mkdtemp(prefix="relais-real-sbin-", dir="/tmp"), self.directory + "/sbin"
        os.chmod(self.real_sbin, 0o755)
        os.makedirs(links)
        run("mount", "--bind", "/usr/sbin", self.real_sbin)
        real = self.real_sbin
        for name in os.listdir(real):
            os.symlink(f"{real}/{name}", f"{links}/{name}")
        self.lead_sendmail(links)
        run("mount", "--bind", links, "/usr/sbin")

    def lead_sendmail(self, place="/usr/sbin", target=None):
        if os.path.lexists(place + "/sendmail"):
            os.unlink(place + "/sendmail")
        os.symlink(target or self.prefix + "/sbin/sendmail", place + "/sendmail")

    def maildir(self, name):
        place = f"{self.directory}/home/{name}/Maildir"
        return [f"{place}/{half}/{file}" for half in ("new", "cur") if os.path.isdir(f"{place}/{half}") for file in os.listdir(f"{place}/{half}")]

    def arrived(self, name, needle):
        return eventually(lambda: next((p for p in self.maildir(name) if needle in open(p, "rb").read()), None), f"{needle!r} for {name}")

    def processes(self, program):
        """Those of this instance: there may be others on the host."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
                if os.path.basename(words[0]).decode() == program and os.readlink(f"/proc/{pid}/exe").startswith(self.prefix + "/"):
                    found.append({line.split(":")[0]: line.split(":")[1].strip() for line in open(f"/proc/{pid}/status")} | {"words": words})
            except OSError:
                pass
        return found
