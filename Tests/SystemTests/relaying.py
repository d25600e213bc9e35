"""A host that sends by way of its provider: all of it from the queue to the provider's mailbox, and what the operator is told."""
import contextlib, os
from harness import address, arrived, eventually, log_of, replace, run, send, test
from looking import queue_runner
from outgoing_relay import FILE, SMTPS, WRONG
from outgoing_servers import CERTIFICATES, Server, make_certificates, ordinary
from scheduling import another_host


@contextlib.contextmanager
def provider(change=SMTPS):
    make_certificates(CERTIFICATES)
    server = Server(ordinary(change))
    server.clear = 0
    try:
        yield server
    finally:
        server.stop()
        for name in ("ca.pem", "key.pem"):
            with contextlib.suppress(OSError):
                os.unlink(f"{CERTIFICATES}/{name}")


def mailq(host):
    return run(*host.command("sendmail-compat", "-bp")).decode()


@test("all mail for others goes by way of relay-host, as one destination; a wrong password keeps it waiting, is tried once for all, and told")
def by_way_of_the_provider(i):
    with another_host(i, "provider") as host, provider() as there:
        secrets = f"{host.directory}/relay-passwords"
        before = open(host.config).read()
        with open(secrets, "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(WRONG)
        name = f"smtps://127.0.0.1:{there.port}"
        replace(host.config, before + f"relay-host = {name} b.example=direct\nrelay-passwords = {secrets}\ntls-authorities = {CERTIFICATES}/ca.pem\n")
        send(host, "u0@d0.gone.example", "zero")
        eventually(lambda: "status=deferred" in log_of(host), "a refusal")
        for number in (1, 2):
            send(host, f"u{number}@d{number}.gone.example", f"number {number}")
        eventually(lambda: log_of(host).count("status=deferred") == 3, "three that wait")
        text = log_of(host)
        assert there.connections == 1 and not there.messages, there.heard
        assert text.count("not let in as me: host 127.0.0.1") + text.count("not let in as me: host [127.0.0.1]") == 1, text
        assert text.count("said: 535 5.7.8 wrong (in reply to AUTH)") >= 4 and "dsn=4.7.8" in text, text
        assert mailq(host).count("535 5.7.8 wrong") >= 1, mailq(host)
        status = queue_runner(host, "--status", check=False)
        assert f"{name}: 3 messages" in status, status
        story = queue_runner(host, "--why", mailq(host).split("\n")[1].split()[0].rstrip("*!"))
        assert f"goes as relay-host says: {name}" in story and "535 5.7.8" in story, story
        # What is for this host, and for the domain that is left out, goes on.
        send(host, address(host), "to ourselves")
        arrived(host, b"Subject: to ourselves")
        send(host, address(i.b), "to the neighbour")
        arrived(i.b, b"Subject: to the neighbour")
        with open(secrets, "w") as file:
            file.write(FILE)
        queue_runner(host, "--retry", "all")
        eventually(lambda: len(there.messages) == 3, "all of it at the provider's")
        eventually(lambda: "nothing" in mailq(host) or "empty" in mailq(host), "an empty queue")
        # One that shows whether it works, and all the others over one session.
        assert there.connections <= 3, there.connections
        assert not [name for name in os.listdir(f"{host.queue}/destinations")], "a destination is still failing"


@test("queue-runner --check looks at the file of relay-passwords, and no more is told of it than is wrong")
def checked(i):
    with another_host(i, "checked") as host:
        secrets, before = f"{host.directory}/relay-passwords", open(host.config).read()
        replace(host.config, before + f"relay-host = smtps://you@127.0.0.1\nrelay-passwords = {secrets}\n")

        def told():
            return [line for line in queue_runner(host, "--check", check=False).splitlines() if "relay" in line and "password" in line]
        assert len(told()) == 1 and "no such file" in told()[0], told()
        for mode, text, words in ((0o644, FILE, "chmod 0600"), (0o600, "127.0.0.1 me\n", ":1: expected"), (0o600, FILE, "no password of you")):
            with open(secrets, "w") as file:
                os.fchmod(file.fileno(), mode)
                file.write(text)
            assert len(told()) == 1 and words in told()[0] and "horse" not in told()[0], (words, told())
        with open(secrets, "a") as file:
            file.write("127.0.0.1 you horse\n")
        assert not told(), told()
