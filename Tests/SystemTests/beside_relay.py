"""Sending by way of a provider, beside Postfix: a private Postfix with Dovecot's SASL takes logins, and servers that do one thing wrong."""
import os, re, shutil, subprocess
from beside_hosts import Table, USER
from harness import eventually, listening, replace, run
from outgoing_relay import begin_tls, from_the_first_byte
from outgoing_servers import MESSAGE, Server, ordinary

# As the zone has it, and a second one for the servers that do wrong.
PROVIDER, PROVIDER_NAME, WRONG, WRONG_NAME = "127.0.0.9", "mx.dead.example", "127.0.0.5", "mx.live.example"
PASSWORD = "correct horse"
WITHOUT = "no mail goes where the login that was written down is not taken; Postfix goes on without it"

# The provider's ports: what it offers there, and whether TLS is there from the first byte.
PORTS = {587: ("", False), 465: ("", True), 1587: ("plain", False), 2587: ("login", False), 3587: ("scram-sha-256", False), 3465: ("scram-sha-256", True)}

OFFER = b"250-mx\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n"
GOOD = {"EHLO": OFFER, "STARTTLS": begin_tls(WRONG_NAME), "AUTH": b"235 2.7.0 ok\r\n"}

# name, port, right password, what the server does (None: the provider), why the two differ
ROWS = [
    *((f"port {port}, {offered or 'all of them'}{', smtps' if implicit else ''}, {word} password", port, word == "right", None, None)
      for port, (offered, implicit) in PORTS.items() for word in ("right", "wrong")),
    ("a server that is right", 587, True, GOOD, None),
    ("STARTTLS taken out", 587, True, GOOD | {"EHLO": b"250-mx\r\n250 AUTH PLAIN LOGIN\r\n"}, None),
    ("STARTTLS refused", 587, True, GOOD | {"STARTTLS": b"454 4.7.0 not now\r\n"}, None),
    ("another's certificate", 587, True, GOOD | {"STARTTLS": begin_tls(PROVIDER_NAME)}, None),
    ("another's certificate, smtps", 465, True, GOOD | {"greeting": from_the_first_byte(PROVIDER_NAME)}, None),
    ("454 for AUTH", 587, True, GOOD | {"AUTH": b"454 4.7.0 later\r\n"}, None),
    ("535 for AUTH", 587, True, GOOD | {"AUTH": b"535 5.7.8 no\r\n"}, None),
    ("no AUTH offered", 587, True, {"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": begin_tls(WRONG_NAME)}, WITHOUT),
    ("only ways that are not known", 587, True, GOOD | {"EHLO": b"250-mx\r\n250-AUTH GS2-KRB5 X\r\n250 STARTTLS\r\n"}, None),
    ("530 for MAIL although we logged in", 587, True, GOOD | {"MAIL": b"530 5.7.0 log in\r\n"}, "a relay that does not let us in is for its operator to mend"),
]


def certificates(directory):
    """An authority, and a certificate for each of the two names, where `outgoing_servers.tls` looks for them."""
    path = lambda name: os.path.join(directory, name)
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "10", "-subj", "/CN=authority",
        "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", path("key.pem"), "-out", path("ca.pem"))
    for name in PROVIDER_NAME, WRONG_NAME:
        run("openssl", "req", "-new", "-key", path("key.pem"), "-subj", f"/CN={name}", "-out", path("csr"))
        with open(path("ext"), "w") as file:
            file.write(f"subjectAltName=DNS:{name}\n")
        run("openssl", "x509", "-req", "-in", path("csr"), "-CA", path("ca.pem"), "-CAkey", path("key.pem"), "-CAcreateserial", "-days", "10",
            "-extfile", path("ext"), "-out", path(name + ".pem"))


class Provider:
    """A Postfix that takes mail from who logs in, and throws it away."""

    def __init__(self, place, certificates):
        self.config, self.log = place + "/config", place + "/log"
        for directory in (self.config, place + "/queue", place + "/data", place + "/dovecot"):
            os.makedirs(directory)
        shutil.chown(place + "/data", "postfix")
        values = {
            "compatibility_level": "3.6", "queue_directory": place + "/queue", "data_directory": place + "/data", "myhostname": PROVIDER_NAME, "mydestination": "",
            "inet_interfaces": PROVIDER, "inet_protocols": "ipv4", "mynetworks": "127.0.0.254/32", "default_transport": "discard:", "alias_maps": "", "alias_database": "",
            "smtpd_relay_restrictions": "permit_sasl_authenticated reject", "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": "private/auth", "smtpd_tls_auth_only": "yes", "smtpd_tls_security_level": "may", "smtpd_peername_lookup": "no",
            "smtpd_tls_cert_file": f"{certificates}/{PROVIDER_NAME}.pem", "smtpd_tls_key_file": certificates + "/key.pem", "maillog_file": self.log,
            "maillog_file_prefixes": place, "smtpd_client_connection_rate_limit": "0", "smtpd_client_auth_rate_limit": "0",
        }
        with open(self.config + "/main.cf", "w") as file:
            file.writelines(f"{key} = {value}\n" for key, value in values.items())
        with open(self.config + "/master.cf", "w") as file:
            for line in open("/usr/share/postfix/master.cf.dist"):
                file.write(re.sub(r"^smtp(\s+inet)", r"#smtp\1", re.sub(r"^(\S+\s+\S+\s+\S+\s+\S+\s+)y", r"\1n", line)))
            for port, (offered, implicit) in PORTS.items():
                file.write(f"{PROVIDER}:{port} inet n - n - - smtpd\n  -o smtpd_tls_wrappermode={'yes' if implicit else 'no'}\n")
                file.write(f"  -o smtpd_sasl_mechanism_filter={offered}\n" if offered else "")
        # beside_sendmail has put the other Postfix's directory there, in which files are missing that one needs to start.
        run("umount", "/etc/postfix", check=False)
        # Postfix wants an address that the interface says it has.
        run("ip", "address", "add", PROVIDER + "/8", "dev", "lo")
        run("postfix", "-c", self.config, "start")
        self.dovecot = self.start_dovecot(place + "/dovecot", place + "/queue/private/auth")
        for port in PORTS:
            listening(PROVIDER, port)

    def start_dovecot(self, place, listener):
        with open(place + "/users", "w") as file:
            file.write(f"me:{{PLAIN}}{PASSWORD}\n")
        with open(place + "/dovecot.conf", "w") as file:
            file.write(f"""protocols =
base_dir = {place}/run
log_path = {place}/log
ssl = no
stats_writer_socket_path =
auth_mechanisms = plain login scram-sha-256
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = {place}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service auth {{
  unix_listener {listener} {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0
  }}
}}
""")
        process = subprocess.Popen(["dovecot", "-F", "-c", place + "/dovecot.conf"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: os.path.exists(listener), "Dovecot's socket for logins")
        return process

    def logins(self, start):
        with open(self.log, errors="replace") as file:
            file.seek(start)
            return sorted(set(re.findall(r"sasl_method=(\S+), sasl_username=me", file.read())))

    def stop(self):
        self.dovecot.terminate()
        self.dovecot.wait()
        run("postfix", "-c", self.config, "stop", check=False)


class Clients:
    """Both of them, told by way of whom to send."""

    def __init__(self, both, certificates):
        self.both, self.certificates = both, certificates
        self.secrets, self.before = both.ours.host.directory + "/relay-passwords", open(both.ours.host.config).read()

    def point(self, host, port, password):
        implicit = PORTS[port][1]
        with open(self.secrets, "w") as file:
            file.write(f"{host} me {password}\n")
        os.chmod(self.secrets, 0o600)
        shutil.chown(self.secrets, USER)
        replace(self.both.ours.host.config, self.before + f"relay-host = {'smtps' if implicit else 'smtp'}://{host}:{port}\n"
                f"relay-passwords = {self.secrets}\ntls-authorities = {self.certificates}/ca.pem\n")
        memory = self.both.ours.host.queue + "/destinations"
        for name in os.listdir(memory):
            os.unlink(f"{memory}/{name}")
        config = self.both.theirs.config
        run("postconf", "-c", config, "-e", f"relayhost=[{host}]:{port}", "smtp_sasl_auth_enable=yes", f"smtp_tls_wrappermode={'yes' if implicit else 'no'}",
            f"smtp_sasl_password_maps=inline:{{ {{ [{host}]:{port} = me:{password} }} }}", "smtp_sasl_security_options=noanonymous",
            "smtp_tls_security_level=secure", f"smtp_tls_CAfile={self.certificates}/ca.pem")
        run("postfix", "-c", config, "reload")

    def logs(self):
        return ((self.both.theirs, os.path.dirname(self.both.theirs.config) + "/log"), (self.both.ours, self.both.ours.host.log))


def outcome(peer, log, recipient):
    start = os.path.getsize(log) if os.path.exists(log) else 0

    def state():
        with open(log, errors="replace") as file:
            file.seek(start)
            return re.search(r"to=<" + re.escape(recipient) + r">.* status=(sent|deferred|bounced)", file.read())
    done = peer.sendmail("-f", f"{USER}@a.example", recipient, input=MESSAGE)
    assert done.returncode == 0, done
    return eventually(state, f"an outcome for {recipient} at {peer.name}", 60).group(1)


def rows(both, provider, table, directory):
    clients = Clients(both, directory)
    for number, (name, port, isRight, change, reason) in enumerate(ROWS):
        clients.point(WRONG_NAME if change else PROVIDER_NAME, port, PASSWORD if isRight else "wrong")
        found = []
        for (peer, log), letter in zip(clients.logs(), "pr"):
            server, start = Server(ordinary(change), WRONG, port) if change else None, os.path.getsize(provider.log)
            if server:
                server.clear = 1 << 30
            state = outcome(peer, log, f"x@r{number}{letter}.far.example")
            if server:
                server.stop()
                inClear = any(line.upper().startswith(b"AUTH") for line in server.heard[:server.clear])
                found.append(f"{state}; {len(server.messages)} taken{', logged in IN THE CLEAR' if inClear else ''}")
            else:
                found.append(f"{state}; {' '.join(provider.logins(start)) or 'no login'}")
        table.row(name, *found, reason)


def run_table(both):
    import outgoing_servers
    table = Table("By way of a provider: what became of a message, and how its sender logged in")
    directory = outgoing_servers.CERTIFICATES
    certificates(directory)
    provider = Provider(os.path.dirname(os.path.dirname(both.theirs.config)) + "/provider", directory)
    os.chmod(directory, 0o755)
    try:
        rows(both, provider, table, directory)
    finally:
        provider.stop()
    return table
