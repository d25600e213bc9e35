"""What scripts/install gives to a host's own masters: inetd's table, cron's lines, systemd's units; and what uninstall leaves."""
import configparser, os, re, shutil, subprocess, tempfile
from harness import TOP, need, test


def installed(directory, *options, script="install"):
    """scripts/install into a directory of one's own, without users; its words."""
    environment = dict(os.environ, PREFIX=directory + "/usr", SPOOL=directory + "/spool", STATE=directory + "/state", CONFIG=directory + "/conf", UNITS=directory + "/units")
    done = subprocess.run(["bash", f"{TOP}/scripts/{script}", *options], env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return done.stdout.decode()


def unit(path):
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str
    parsed.read(path)
    return {key: value for section in parsed.sections() for key, value in parsed[section].items()}


@test("systemd's units say what inetd's table says, and stand whatever a stranger does")
def systemd_units(_):
    directory = tempfile.mkdtemp(prefix="relais-host-")
    words = installed(directory, "--no-users", "--systemd")
    assert "systemctl" in words and "inetd.conf.example" not in words, words
    units = f"{directory}/units"
    names = sorted(name for name in os.listdir(units) if name.startswith("relais-"))
    done = subprocess.run([need("systemd-analyze"), "verify", *(f"{units}/{name}" for name in names if "@" not in name)], capture_output=True, timeout=60)
    ours = [line for line in done.stderr.decode().splitlines() if "relais" in line]
    assert not ours, "\n".join(ours)
    assert not any("@" in line for name in names for line in open(f"{units}/{name}") if "=@" in line or "/@" in line), "a place was not filled in"
    # Socket, user and command of each, as inetd has them.
    ports = {"25": "smtp", "587": "submission", "465": "submissions", "110": "pop3", "995": "pop3s", "143": "imap2", "993": "imaps"}
    table = set()
    for name in (name for name in names if name.endswith(".socket")):
        socket_unit = unit(f"{units}/{name}")
        accepts = socket_unit["Accept"] == "yes"
        service = unit(f"{units}/{name.replace('.socket', '@.service' if accepts else '.service')}")
        place = socket_unit.get("ListenStream") or socket_unit["ListenDatagram"]
        table.add((ports.get(place, place), "nowait" if accepts else "wait", service["User"], service["ExecStart"]))
        # No number of connections or starts ends a socket for good, and no failed instance is kept.
        assert socket_unit["TriggerLimitIntervalSec"] == "0" and service["CollectMode"] == "inactive-or-failed", name
        assert int(socket_unit.get("MaxConnections", "1000")) >= 1000, name
        if not accepts:
            assert service["StartLimitIntervalSec"] == "0", name
        assert os.path.islink(f"{units}/sockets.target.wants/{name}")
    lines = [line.split() for line in open(f"{directory}/conf/inetd.conf.example") if line[0] != "#"]
    assert table == {(line[0], line[3].split(".")[0], line[4], " ".join([line[5]] + line[7:])) for line in lines}, (table, lines)
    # And FreeBSD's inetd's.
    freebsd = [line.split() for line in open(f"{TOP}/scripts/host/inetd.conf.freebsd") if line[0] != "#"]
    ours = [line.split() for line in open(f"{TOP}/scripts/host/inetd.conf") if line[0] != "#"]
    assert [[re.sub("^:root:wheel:666:", "", line[0]), line[1], line[2].removesuffix("46"), re.sub("/0/0/0$", "", line[3]), *line[4:]] for line in freebsd] \
        == [[*line[:3], line[3].split(".")[0], *line[4:]] for line in ours]
    # And cron's.
    times = {unit(f"{units}/{name.replace('.timer', '.service')}")["ExecStart"] for name in names if name.endswith(".timer")}
    cron = [line.split(None, 6) for line in open(f"{directory}/conf/crontab.example") if line[0] != "#"]
    assert times == {" ".join(line[6].split(">")[0].split()) for line in cron} and len(times) == 2, (times, cron)
    assert all(line[5] == "relaisq" for line in cron)
    installed(directory, script="uninstall")
    assert not [name for _, _, files in os.walk(units) for name in files]
    shutil.rmtree(directory)
    return f"{len(names)} units"


@test("uninstall takes what install made, keeps mail, and goes on without DESTDIR; the README, the manual and the example have the same lines")
def uninstall(_):
    directory = tempfile.mkdtemp(prefix="relais-host-")
    words = installed(directory, "--no-users")
    for needed in ("root: you", "chgrp relaist KEY", "/etc/cron.d/relais", "inetd.conf.example", "--check", "systemctl disable --now"):
        assert needed in words, (needed, words)
    assert "mended" not in words, words
    os.chmod(directory + "/spool/incoming", 0o755)
    again = installed(directory, "--no-users")
    assert re.search(r"^mended: \S*/spool/incoming: was 755 .*, is 3733 ", again, re.M), again
    with open(directory + "/conf/relay-passwords", "w") as file:
        os.fchmod(file.fileno(), 0o644)
    again = installed(directory, "--no-users")
    assert re.search(r"^mended: \S*/conf/relay-passwords: was 644 .*, is 600 ", again, re.M), again
    os.rename(directory + "/conf/relay-passwords", directory + "/elsewhere")
    os.chmod(directory + "/elsewhere", 0o640)
    with open(directory + "/conf/relais.conf", "a") as file:
        file.write(f"relay-passwords =  {directory}/elsewhere \n")
    assert re.search(r"^mended: \S*/elsewhere: was 640 .*, is 600 ", installed(directory, "--no-users"), re.M)
    os.unlink(directory + "/elsewhere")
    with open(directory + "/spool/incoming/mail", "w"):
        pass
    installed(directory, script="uninstall")
    left = {os.path.relpath(os.path.join(place, name), directory) for place, _, names in os.walk(directory) for name in names}
    assert left == {"conf/relais.conf", "spool/incoming/mail", "state/slots/smtp", "state/slots/pop3", "state/slots/imap", "state/slots/login"}, left
    installed(directory, "--purge", script="uninstall")
    assert not [name for _, _, names in os.walk(directory) for name in names]
    bad = subprocess.run(["bash", f"{TOP}/scripts/uninstall", "--purge"], env=dict(os.environ, SPOOL="/", PREFIX=directory), capture_output=True)
    assert bad.returncode != 0 and b"below /" in bad.stderr, bad
    shutil.rmtree(directory)
    lines = [re.sub(r"\s+", " ", line.replace("@sbin@", "/usr/local/sbin")).strip() for line in open(f"{TOP}/scripts/host/crontab") if line[0] != "#"]
    text = re.sub(r"[ \t]+", " ", open(f"{TOP}/man/queue-runner.8").read())
    assert all(line in text for line in lines), lines
