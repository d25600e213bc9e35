"""What is no file where a file is read: a FIFO, a socket, a directory, a device. Nothing waits for it, and what is wrong is said."""
import os, socket, subprocess
from harness import RELEASE, USER, test


def kinds(directory):
    """A path of each kind, and what is said of it."""
    os.makedirs(directory, exist_ok=True)
    fifo, directory_path, sock = (f"{directory}/{name}" for name in ("fifo", "directory", "socket"))
    os.mkfifo(fifo), os.mkdir(directory_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(sock)
    return {fifo: "a FIFO or pipe", directory_path: "a directory", sock: "a socket", "/dev/zero": "a device"}


def ends(*command, input=b"", status=None):
    """All that a program says; one that waits is ended, and the test with it."""
    done = subprocess.run(command, input=input, capture_output=True, timeout=10)
    assert status is None or done.returncode == status, (command, done)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


@test("what is no file where a file is read, a FIFO, a socket, a directory, a device, keeps nobody waiting, and is told with what to do; /dev/null is empty")
def nofile(i):
    host, tried = i.a, 0
    place = os.path.join(i.directory, "nofile")
    found = kinds(place)
    programs = {"smtpd": [], "pop3d": [], "imapd": [], "queue-runner": ["--list"], "remote-deliver": ["x.example", "a@b", "c@d"], "local-deliver": ["a@b", "c@d"],
                "sendmail-compat": ["-bv", "root"], "mxlookup": ["--route", "x.example"], "checkpassword": ["true"], "tls-relay": ["-n"]}
    for path, word in found.items():
        for program, operands in programs.items():
            said = ends(f"{RELEASE}/{program}", "-C" if program == "sendmail-compat" else "--config", path, *operands)
            assert f"{path}: is {word}: put a regular file there" in said, (program, path, said)
            tried += 1
    # A pipe is empty for who reads it again.
    for program in ("queue-runner", "mxlookup"):
        said = ends(f"{RELEASE}/{program}", "--config", "/dev/stdin", *programs[program], input=b"hostname = x.example\n")
        assert "/dev/stdin: is a FIFO or pipe" in said, said
    assert "regular file" not in ends(f"{RELEASE}/sendmail-compat", "-C", "/dev/null", "-bv", "root")

    def configured(**changed):
        path = os.path.join(place, "relais.conf")
        with open(host.config) as old, open(path, "w") as new:
            keys = {key.replace("_", "-"): value for key, value in changed.items()}
            new.writelines(line for line in old if line.split(" = ")[0] not in keys)
            new.writelines(f"{key} = {value}\n" for key, value in keys.items())
        return path

    for path, word in found.items():
        config = configured(aliases_file=path)
        said = ends(f"{RELEASE}/sendmail-compat", "-C", config, "-bi")
        assert f"is {word}" in said, said
        said = ends(f"{RELEASE}/smtpd", "-C", config, input=b"HELO x\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<nobody@a.example>\r\nQUIT\r\n")
        assert "\n451 4.3.0 " in said and "\n221 " in said, said
        said = ends(f"{RELEASE}/queue-runner", "-C", config, "--check")
        assert f"{path}: is {word}" in said or f"open {path}: is {word}" in said, said
        for key in ("tls_key", "tls_certificate"):
            config = configured(**{key: path})
            said = ends(f"{RELEASE}/tls-relay", "-C", config, "-n", status=78)
            assert f"{path}: is {word}" in said, said
            assert f"{path}: is no regular file" in ends(f"{RELEASE}/queue-runner", "-C", config, "--check")
        for key in ("users_file", "tls_authorities"):
            assert f"{path}: is no regular file" in ends(f"{RELEASE}/queue-runner", "-C", configured(**{key: path}), "--check")
        config = configured(log=path)
        said = ends(f"{RELEASE}/smtpd", "-C", config, input=b"HELO x\r\nQUIT\r\n")
        assert "\n221 " in said, said
        tried += 8
    config = configured(aliases_file="/dev/null")
    assert ends(f"{RELEASE}/sendmail-compat", "-C", config, "-bi", status=0) == "/dev/null: 0 aliases\n"
    assert "deliverable" in ends(f"{RELEASE}/sendmail-compat", "-C", config, "-bv", USER, status=0)
    return f"{tried} tried"
