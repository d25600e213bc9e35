"""Between queue-runner and the deliverers: what dies, hangs, is not there or is not who it should be costs no mail and holds up nobody else."""
from harness import *
from scheduling import another_host
import queuefiles

SENDER = "sender@far.example"


def aliases(host, text):
    with open(f"{host.directory}/aliases", "a") as file:
        file.write(text)


def script(host, name, text):
    """A program for an alias, which is run as whoever runs the instance."""
    path = f"{host.directory}/{name}"
    with open(path, "w") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def lines(path):
    return open(path).read().splitlines() if os.path.exists(path) else []


def put(host, *recipients, sender=SENDER):
    """A message a recipient, of whom nobody is told."""
    for recipient in recipients:
        queuefiles.fill(f"{host.queue}/incoming", [(sender, [recipient])])


def queued(host):
    names = []
    for place, _, files in os.walk(host.queue):
        if place.split(host.queue, 1)[1].split("/")[1:2] in (["incoming"], ["deferred"], ["hold"]):
            names += files
    return names


@test("local-deliver killed in the last of several commands: the others were run once")
def killed_in_command(i):
    with another_host(i, "killed") as host:
        ran, once = f"{host.directory}/ran", f"{host.directory}/once"
        # The fifth that comes ends local-deliver from within, once.
        program = script(host, "program", f"""cat >/dev/null
echo x >>{ran}
[ $(wc -l <{ran}) = 5 ] && mkdir {once} || exit 0
p=$$; while [ "$(cat /proc/$p/comm)" != local-deliver ]; do p=$(awk '{{print $4}}' /proc/$p/stat); done
kill -9 $p; sleep 5
""")
        aliases(host, f'prog: "|{program}"\n')
        put(host, *["prog@c.example"] * 5)
        run(*host.command("queue-runner"))
        assert os.path.exists(once) and len(lines(ran)) == 5, lines(ran)
        assert len(queued(host)) == 1, queued(host)
        assert log_of(host).count("status=sent") == 4 and "the deliverer went away" in log_of(host), log_of(host)
        run(*host.command("queue-runner", "--retry", "all"))
        eventually(lambda: not queued(host), "the last one's delivery")
        assert len(lines(ran)) == 6, lines(ran)
