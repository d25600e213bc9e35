"""remote-deliver as queue-runner's service: jobs over a socket, messages as open files."""
import socket, subprocess, tempfile, threading, time
from outgoing_servers import CONFIGURATION, GARBAGE, HELLO, MESSAGE, PROGRAM, QUICK, Server, ordinary

def netstring(payload):
    return b"%d:%s," % (len(payload), payload)


def job(recipients, offset=0, length=len(MESSAGE), destination=b"", identity=b"0abc", sender=b"s@client", parameters=b"", top=0):
    fields = [b"job2", identity, b"1700000000000000", sender, parameters, b"remote", destination, b"%d" % offset,
              b"%d" % length, b"%d" % top, b"%d" % len(recipients)]
    for index, address in enumerate(recipients):
        fields += [address, b"", b"%d" % (10 + index)]
    return netstring(b"".join(map(netstring, fields)))


END = netstring(netstring(b"end1"))


def fields(payload):
    while payload:
        size, rest = payload.split(b":", 1)
        yield rest[:int(size)]
        payload = rest[int(size) + 1:]


class Service:
    """remote-deliver --service with our end of its socket."""

    def __init__(self, options=()):
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(15)
        self.program = subprocess.Popen([PROGRAM, "--service", "-C", CONFIGURATION, *QUICK, *options],
                                        stdin=theirs, stdout=theirs, stderr=theirs)
        theirs.close()

    def send(self, record, content=None):
        if content is None:
            self.socket.sendall(record)
            return
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.flush()
            socket.send_fds(self.socket, [record], [file.fileno()])

    def answer(self):
        """Reports as (job, recipient, verdict, status), and whether the end mark came."""
        received = b""
        try:
            while part := self.socket.recv(65536):
                received += part
        except ConnectionResetError:
            pass
        self.program.wait(15)
        reports, ended = [], False
        for payload in fields(received):
            record = list(fields(payload))
            if record == [b"end1"]:
                ended = True
            else:
                reports.append((int(record[1]), int(record[2]), record[3].decode(), record[4].decode()))
        return reports, ended


def trial_several():
    server = Server(ordinary())
    service = Service()
    to = b"127.0.0.1:%d" % server.port
    # The content is in the middle of the file, and the file's position is somewhere else.
    service.send(job([b"a@mx", b"b@mx"], offset=7, length=len(MESSAGE), destination=to), b"ENVELOP" + MESSAGE + b"TRAILER")
    service.send(job([b"c@mx"], length=7, top=9, destination=to, identity=b"1abc"), b"second\nX-Top: 1\ntrailer")
    service.send(END)
    answer = service.answer()
    ok = (answer == ([(0, 10, "L", "2.0.0"), (0, 11, "L", "2.0.0"), (1, 10, "L", "2.0.0")], True)
          and server.connections == 1 and service.program.returncode == 0
          and server.messages == [b"Subject: x\r\n\r\n..dot\r\nbody\r\n", b"X-Top: 1\r\nsecond\r\n"])
    return None if ok else f"{answer} {server.connections} {server.messages}"


def trial_session_limit():
    server = Server(ordinary())
    service = Service(["-o", "messages-per-session=2"])
    for number in range(5):
        service.send(job([b"a@mx"], destination=b"127.0.0.1:%d" % server.port, identity=b"%da" % number), MESSAGE)
    service.send(END)
    reports, ended = service.answer()
    ok = len(reports) == 5 and ended and server.connections == 3 and len(server.messages) == 5
    return None if ok else f"{reports} {server.connections}"


def trial_short_file():
    """A file that ends before its message does is never sent as a message."""
    server = Server(ordinary())
    service = Service()
    service.send(job([b"a@mx"], length=100000, destination=b"127.0.0.1:%d" % server.port), MESSAGE)
    service.send(END)
    reports, ended = service.answer()
    ok = [r[2] for r in reports] == ["Z"] and ended and not server.messages
    return None if ok else f"{reports} {server.messages}"


def trial_runner_gone():
    """The runner is gone when the message has been written: it is not committed."""
    arrived, gone = threading.Event(), threading.Event()
    change = {"DATA": lambda s: (arrived.set(), gone.wait(10), s.say(b"354 go\r\n"))}
    server = Server(ordinary(change))
    service = Service()
    service.send(job([b"a@mx"], destination=b"127.0.0.1:%d" % server.port), MESSAGE)
    service.send(END)
    arrived.wait(10)
    service.socket.close()
    gone.set()
    service.program.wait(15)
    time.sleep(0.2)
    return None if not server.messages else f"{server.messages}"


def trial_literal():
    """Nobody reaches a host of ours by writing its address into a mail address (T71)."""
    server = Server(ordinary())
    problems = []
    for domain in [b"[127.0.0.1]", b"[IPv6:::1]", b"[0.0.0.0]"]:
        service = Service(["-o", f"smtp-port={server.port}"])
        service.send(job([b"a@" + domain], destination=domain), MESSAGE)
        service.send(END)
        reports, ended = service.answer()
        if [r[2:] for r in reports] != [("D", "5.4.4")] or not ended:
            problems.append(f"{domain}: {reports}")
    if server.connections:
        problems.append("connected")
    return "; ".join(problems) or None


def trial_too_many():
    """A server that takes one recipient a message gets as many messages as it wants."""
    def talk(s):
        s.say(b"220 mx\r\n")
        taken = 0
        while True:
            word = s.line()[:4].upper()
            if word == b"DATA":
                s.say(b"354 go\r\n")
                s.message()
                taken = 0
            elif word == b"RCPT":
                taken += 1
                if taken > 1:
                    s.say(b"452 4.5.3 too many\r\n")
                    continue
            elif word == b"EHLO":
                s.say(HELLO)
                continue
            s.say(b"250 2.0.0 Ok\r\n")
            if word == b"QUIT":
                return
    server = Server(talk)
    service = Service()
    service.send(job([b"a@mx", b"b@mx", b"c@mx"], destination=b"127.0.0.1:%d" % server.port), MESSAGE)
    service.send(END)
    reports, ended = service.answer()
    ok = [r[2] for r in reports] == ["L"] * 3 and ended and len(server.messages) == 3
    return None if ok else f"{reports} {server.messages}"


def trial_extensions():
    """Declared as 8 bit or UTF-8 but ASCII: any server will do; an 8-bit body is converted, a header in UTF-8 is not."""
    problems = []
    body, header = "Subject: x\n\nü\n".encode(), "Subject: ü\n\nx\n".encode()
    utf8 = b"250-mx\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
    for content, parameters, hello, verdict in [
            (MESSAGE, b"BODY=8BITMIME SMTPUTF8", b"250 mx\r\n", "L"), (body, b"BODY=8BITMIME", b"250 mx\r\n", "L"),
            (body, b"BODY=8BITMIME", HELLO, "L"), (header, b"SMTPUTF8", HELLO, "D"), (body, b"SMTPUTF8", HELLO, "L"),
            (header, b"SMTPUTF8", utf8, "L"), (header, b"SMTPUTF8", b"250-mx\r\n250 SMTPUTF8\r\n", "L")]:
        server = Server(ordinary({"EHLO": hello}))
        service = Service()
        service.send(job([b"a@mx"], length=len(content), parameters=parameters,
                         destination=b"127.0.0.1:%d" % server.port), content)
        service.send(END)
        reports, _ = service.answer()
        if [r[2:] for r in reports] != [("L", "2.0.0") if verdict == "L" else ("D", "5.6.7")]:
            problems.append(f"{content} {parameters} {hello}: {reports}")
    return "; ".join(problems) or None


def trial_garbage():
    """What are no jobs: nothing is sent, nothing is reported, and the program ends."""
    server = Server(ordinary())
    good = job([b"a@mx"], destination=b"127.0.0.1:%d" % server.port)
    streams = {"nothing": [], "no end": [(good, MESSAGE)], "no file": [(good, None), (END, None)], "garbage": [(GARBAGE, None)],
               "a local job": [(good.replace(b"6:remote", b"5:local"), MESSAGE), (END, None)],
               "an endless number": [(b"9" * 100000, None)], "a huge length": [(b"99999999999999999999:x", None)],
               "a negative length": [(b"-1:x,", None)], "HTTP": [(b"GET / HTTP/1.0\r\n\r\n", None)],
               "an end with a file": [(END, MESSAGE)], "no recipients": [(job([]), MESSAGE), (END, None)],
               "a bad id": [(job([b"a@mx"], identity=b"../x"), MESSAGE), (END, None)],
               "a newline in an address": [(job([b"a@mx\r\nDATA"]), MESSAGE), (END, None)],
               "a negative offset": [(good.replace(b"1:0,", b"2:-1,"), MESSAGE), (END, None)],
               "an empty recipient": [(job([b""]), MESSAGE), (END, None)]}
    problems = []
    for name, parts in streams.items():
        service = Service()
        try:
            for record, content in parts:
                service.send(record, content)
            service.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        try:
            reports, ended = service.answer()
        except (ValueError, socket.timeout, subprocess.TimeoutExpired) as error:
            reports, ended = [repr(error)], False
        if reports or (ended and name != "nothing") or service.program.returncode < 0:
            problems.append(f"{name}: {reports} {ended} exit {service.program.returncode}")
    if server.connections:
        problems.append("a server was called")
    return "; ".join(problems) or None
