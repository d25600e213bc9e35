"""Domains with several mail exchangers: who is asked next, and who is not. A name server and the exchangers run in this process."""
import os, socket, struct, subprocess, threading
from outgoing_rows import D, F, Z
from outgoing_servers import CONFIGURATION, MESSAGE, PATIENT, PROGRAM, Server, close, ordinary, silence, then_close

ADDRESSES = ["127.0.0.%d" % n for n in range(31, 37)]


class Names(threading.Thread):
    """A name server that knows d.example with one exchanger an address, in their order."""

    def __init__(self, addresses):
        super().__init__(daemon=True)
        self.addresses = addresses
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            end, labels = 12, []
            while query[end]:
                labels.append(query[end + 1:end + 1 + query[end]].decode().lower())
                end += 1 + query[end]
            kind = struct.unpack(">H", query[end + 1:end + 3])[0]
            records = []
            if kind == 15 and labels == ["d", "example"]:
                records = [struct.pack(">H", 10 * (n + 1)) + b"\3mx%d\xc0\x0c" % n for n in range(len(self.addresses))]
            elif kind == 1 and labels[0].startswith("mx"):
                records = [socket.inet_aton(self.addresses[int(labels[0][2:])])]
            answer = query[:2] + struct.pack(">HHHHH", 0x8580, 1, len(records), 0, 0) + query[12:end + 5]
            for record in records:
                answer += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(record)) + record
            self.socket.sendto(answer, peer)


def servers(talks):
    """A server a talk, all at one port; None: nobody listens there."""
    for port in range(20000 + os.getpid() % 9000, 32000):
        made = []
        try:
            for address, talk in zip(ADDRESSES, talks):
                made.append(talk and Server(talk, address, port))
            return made, port
        except OSError:
            for server in filter(None, made):
                server.stop()
    raise SystemExit("no port is free")


def go(talks, options=(), message=MESSAGE):
    made, port = servers(talks)
    names = Names(ADDRESSES[:len(talks)])
    try:
        done = subprocess.run(
            [PROGRAM, "-C", CONFIGURATION, *PATIENT, "-o", "data-timeout=5s", "-o", f"smtp-port={port}", "-o", f"dns-servers=127.0.0.1#{names.port}",
             "-o", "permitted-networks=127.0.0.0/8", *options, "d.example", "s@client", "a@d.example", "b@d.example"],
            input=message, capture_output=True, timeout=120)
    finally:
        names.socket.close()
        for server in filter(None, made):
            server.stop()
    return made, done


LATER = {"greeting": b"421 4.3.2 busy\r\n", "EHLO": b"451 4.3.0 later\r\n", "MAIL": b"451 4.3.2 later\r\n", "RCPT": b"451 4.3.0 later\r\n",
         "DATA": b"451 4.3.0 later\r\n", "end": b"451 4.3.0 later\r\n"}
NEXT = {
    # name: (a talk a host, verdicts, copies at each host)
    **{f"4xx at {k}": ([ordinary({k: t}), ordinary()], [D, D], [None, 1]) for k, t in LATER.items()},
    **{f"499 at {k}": ([ordinary({k: b"499 later\r\n"}), ordinary()], [D, D], [None, 1]) for k in LATER},
    **{f"421 at {k}": ([ordinary({k: b"421 later\r\n"}), ordinary()], [D, D], [None, 1]) for k in LATER},
    **{f"close at {k}": ([ordinary({k: close}), ordinary()], [D, D], [0, 1]) for k in LATER if k != "end"},
    "5xx for a greeting": ([ordinary(greeting=b"571 no\r\n"), ordinary()], [D, D], [0, 1]),
    "5xx for HELO": ([ordinary({"EHLO": b"550 no\r\n", "HELO": b"550 no\r\n"}), ordinary()], [D, D], [0, 1]),
    "5xx for HELO everywhere": ([ordinary({"EHLO": b"550 no\r\n", "HELO": b"550 no\r\n"})] * 2, [F, F], [0, 0]),
    "5xx for HELO, and a host that is down": ([None, ordinary({"EHLO": b"550 no\r\n", "HELO": b"550 no\r\n"})], [Z, Z], [None, 0]),
    "one recipient later": ([ordinary({b"RCPT TO:<a@d.example>": b"450 no\r\n"}), ordinary()], [D, D], [1, 1]),
    "one recipient later, the other never": ([ordinary({b"RCPT TO:<a@d.example>": b"450 no\r\n", b"RCPT TO:<b@d.example>": b"550 no\r\n"}),
                                              ordinary()], [D, F], [0, 1]),
    "later, then never": ([ordinary({"RCPT": b"450 no\r\n"}), ordinary({"RCPT": b"550 no\r\n"})], [F, F], [0, 0]),
    "later, then nobody": ([ordinary({"RCPT": b"450 4.2.9 no\r\n"}), None], [Z, Z], [0, None]),
    "never is not asked again": ([ordinary({"RCPT": b"550 no\r\n"}), ordinary()], [F, F], [0, 0]),
    # Behind the end of a message nobody else is asked: it may have been taken.
    "close behind the end": ([ordinary({"end": close}), ordinary()], [Z, Z], [1, 0]),
    "silence behind the end": ([ordinary({"end": silence}), ordinary()], [Z, Z], [1, 0]),
    "nonsense behind the end": ([ordinary({"end": b"what?\r\n"}), ordinary()], [Z, Z], [1, 0]),
    "250 cut off behind the end": ([ordinary({"end": then_close(b"250 ok")}), ordinary()], [D, D], [1, 0]),
    "a host that is down": ([None, ordinary()], [D, D], [None, 1]),
}


def trial_next_host():
    """RFC 5321 section 5.1: another host is asked for whoever was not taken, and for nobody else."""
    problems = []
    for name, (talks, verdicts, copies) in NEXT.items():
        made, done = go(talks)
        lines = done.stdout.decode().splitlines()
        if [line.split(" ")[1] for line in lines] != verdicts:
            problems.append(f"{name}: {lines}")
        for server, count in zip(made, copies):
            # Where nobody is left, and DATA was pipelined, an empty message is what ends it.
            if server and count is not None and len(copies := [m for m in server.messages if m]) != count:
                problems.append(f"{name}: {len(copies)} copies, not {count}")
        if made[0] and made[-1] and made[-1].connections and b"; asking " not in done.stderr:
            problems.append(f"{name}: log {done.stderr}")
    return "; ".join(problems) or None


def trial_answer_of_a_host():
    """What a host said of a recipient is told, not that another one could not be reached."""
    _, done = go([ordinary({"RCPT": b"450 4.2.9 greylisted\r\n"}), None])
    lines = done.stdout.decode().splitlines()
    return None if len(lines) == 2 and all(" 4.2.9 " in l and "greylisted" in l for l in lines) else f"{lines}"


def trial_number_of_hosts():
    """Not more than four hosts are asked for the same recipient in one run."""
    made, done = go([ordinary({"RCPT": b"450 no\r\n"})] * 6)
    asked = [server.connections for server in made]
    return None if asked == [1, 1, 1, 1, 0, 0] and done.returncode == 75 else f"{asked} {done}"
