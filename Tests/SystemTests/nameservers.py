"""Name servers as they are met: without EDNS, with codes that nobody expects, and with answers to something else."""
import os, socket, struct, subprocess, threading
from harness import RELEASE, test
from login import variant


class Server:
    """Answers by the first label of the question: how it takes EDNS, and what else is wrong. Domains have an MX 10 mx, which is 127.0.1.1."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.seen = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            for answer in self.answers(query):
                try:
                    self.socket.sendto(answer, peer)
                except OSError:
                    return

    def answers(self, query):
        end = query.index(b"\0", 12) + 5
        kind, question = struct.unpack(">H", query[end - 4:end - 2])[0], query[12:end]
        label, has_opt = question[1:1 + question[0]].decode(), query[11] == 1
        self.seen.append((label, has_opt))
        data = {15: struct.pack(">H", 10) + b"\2mx\xc0\x0c", 1: bytes([127, 0, 1, 1])}.get(kind)

        def reply(code=0, flags=0x8180, records=True, questions=True, opt=None, owner=b"\xc0\x0c", upper=0):
            answer = owner + struct.pack(">HHIH", kind, 1, 60, len(data)) + data if data and records and not code else b""
            extra = struct.pack(">BHHBBHH", 0, 41, 1232, upper, opt, 0, 0) if opt is not None else b""
            return query[:2] + struct.pack(">HHHHH", flags | code, questions, bool(answer), 0, bool(extra)) + (question if questions else b"") + answer + extra
        if label == "mx":
            return [reply()]
        if label in EDNS and has_opt:
            return EDNS[label](reply)
        if label.startswith("code"):
            code = int(label[4:])
            return [reply(code & 15, opt=0, upper=code >> 4, records=False)]
        return {"owner": [reply(owner=b"\5other\7example\0")], "opcode": [reply(flags=0x8980)], "query": [reply(flags=0x0180)],
                "late": [reply(flags=0x8980), reply(flags=0x0180), reply()]}.get(label, [reply()])


EDNS = {
    "bareformerr": lambda r: [r(1, questions=False)], "barenotimp": lambda r: [r(4, questions=False)], "bareservfail": lambda r: [r(2, questions=False)],
    "formerr": lambda r: [r(1)], "notimp": lambda r: [r(4)], "servfail": lambda r: [r(2)], "silent": lambda r: [],
    "badvers": lambda r: [r(0, opt=1, upper=1, records=False)], "badversbare": lambda r: [r(0, opt=0, upper=1, records=False, questions=False)] + [r(0, opt=0, upper=1, records=False)],
}


def route(config, name, *options):
    done = subprocess.run([os.path.join(RELEASE, "mxlookup"), "--config", config, "--route", *options, name], capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@test("name servers that do not know EDNS, whatever they say to it or if they say nothing, are asked again without, and mail finds its way")
def without_edns(i):
    server = Server()
    config, _ = variant(i, "edns", dns_servers=f"127.0.0.1#{server.port}")
    for label in [*EDNS, "plain"]:
        got = route(config, f"{label}.example", "-W", "1")
        assert got == (0, f"10 mx.{label}.example 127.0.1.1\n".encode(), b""), (label, got)
        kinds = [opt for name, opt in server.seen if name == label]
        assert kinds[0] and (label == "plain") == (False not in kinds), (label, kinds)
    # The same for who delivers: the way is known, nobody is at its end.
    done = subprocess.run([os.path.join(RELEASE, "remote-deliver"), "-C", config, "bareformerr.example", "s@a.example", "u@bareformerr.example"],
                          input=b"Subject: x\n\nx\n", capture_output=True, timeout=60)
    assert b"127.0.1.1" in done.stdout + done.stderr or b"mx.bareformerr.example" in done.stdout + done.stderr, done
    server.socket.close()


@test("a code that is not NXDOMAIN defers mail, whatever its number; an answer to something else is none")
def odd_codes(i):
    server = Server()
    config, _ = variant(i, "codes", dns_servers=f"127.0.0.1#{server.port}")
    for code in (1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 17, 23, 256, 3841, 4095):
        status, said, _ = route(config, f"code{code}.example", "-W", "1")
        assert status == 1 and said.startswith(b"Looking up code%d.example failed: " % code), (code, status, said)
    for code in (5, 16, 4095):
        done = subprocess.run([os.path.join(RELEASE, "remote-deliver"), "-C", config, f"code{code}.example", "s@a.example", f"u@code{code}.example"],
                              input=b"Subject: x\n\nx\n", capture_output=True, timeout=60)
        assert done.returncode == 75 and b"4.4.3" in done.stdout, (code, done)
    status, said, _ = route(config, "code3.example")
    assert status == 1 and b"does not exist" in said, said
    status, said, _ = route(config, "owner.example", "-W", "1")
    assert status == 1 and said == b"Looking up owner.example failed: the answer is about other names\n", said
    for label in ("opcode", "query"):
        status, said, _ = route(config, f"{label}.example", "-W", "1")
        assert status == 1 and said == f"Looking up {label}.example failed: timed out\n".encode(), said
    assert route(config, "late.example")[:2] == (0, b"10 mx.late.example 127.0.1.1\n")
    direct = lambda label: subprocess.run([os.path.join(RELEASE, "mxlookup"), "-W", "1", "-p", str(server.port), f"{label}.example", "127.0.0.1"], capture_output=True, timeout=60)
    for code, name in ((16, b"BADVERS"), (9, b"NOTAUTH"), (4095, b"?4095")):
        done = direct(f"code{code}")
        assert done.returncode == 1 and done.stdout.endswith(b"Host code%d.example not found: %d(%s)\n" % (code, code, name)), done
    for label in ("opcode", "query"):
        done = direct(label)
        assert done.returncode == 1 and b"no servers could be reached" in done.stdout and b"mx." not in done.stdout, done
    done = direct("owner")
    assert done.returncode == 1 and b"is handled by" not in done.stdout, done
    server.socket.close()
