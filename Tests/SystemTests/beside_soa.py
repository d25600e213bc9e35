"""mxlookup -C beside host -C: each name server of a zone says what it knows of the SOA record."""
import os, re, socket, struct, subprocess, tempfile, threading
from beside_hosts import Table
from harness import RELEASE, run

RESOLVER, FIRST = "127.0.0.50", 50
NO_ZONE = "host ends without a word"

# What each server says: a serial number, or how it fails. 8 and 9 have no address. None says that there is no such name: host
# 9.18 waits for ever if that comes first.
ZONES = {
    "same.test": {1: 5, 2: 5}, "differs.test": {1: 5, 2: 4, 3: 5}, "refused.test": {1: 5, 2: "refused", 3: "servfail"}, "silent.test": {1: 5, 2: "silent"},
    "lame.test": {1: 5, 2: "empty"}, "one.test": {1: 5}, "gone.test": {1: 5, 2: 5, 9: 5}, "nobody.test": {8: 1, 9: 1},
    "allbad.test": {1: "refused", 2: "refused"}, "allsilent.test": {1: "silent", 2: "silent"}, "formerr.test": {1: 5, 2: "formerr"},
    "alias2.test": {1: "alias", 2: "alias"}, "other.test": {1: 5, 2: "other"}, "dup.test": {1: 5, 2: 5, 3: 5, 4: 5},
}
CODES = {"formerr": 1, "servfail": 2, "nx": 3, "refused": 5}

# The command line, and why the answers differ.
ROWS = [
    *((f"-C {zone}", None) for zone in ZONES if zone not in ("one.test", "other.test")), ("-C one.test", "host 9.18 does not hear a server that is alone"),
    ("-C other.test", "nobody vouches for a record of another name"), ("-C alias.test", None), ("-C sub.same.test", None), ("-C same.test.", None), ("-C DIFFERS.test", None),
    ("-C nope.test", None), ("-C none.same.test", NO_ZONE), ("-C a.refused", NO_ZONE), ("-C a.servfail", NO_ZONE), ("-C a..b", None), ("-C 127.0.0.1", NO_ZONE),
    *((f"-C {name} {RESOLVER}", None) for name in ("same.test", "refused.test", "gone.test", "nope.test", "allsilent.test")),
    *((f"-C -v {name}", None) for name in ("same.test", "refused.test", "nope.test", "silent.test")), ("-C -d refused.test " + RESOLVER, None),
    ("-C -T differs.test", None), ("-C -T allsilent.test", None), ("-C -4 same.test", None), ("-C -r same.test", None), ("-C same.test 127.0.0.60", None),
]


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def record(name, kind, data):
    return wire(name) + struct.pack(">HHIH", kind, 1, 300, len(data)) + data


def soa(name, serial):
    return record(name, 6, wire("n1.ns.test") + wire("hostmaster.same.test") + struct.pack(">IIIII", serial, 3600, 600, 86400, 60))


def servers(name, numbers):
    return [record(name, 2, wire(f"n{number}.ns.test")) for number in numbers]


def answer(query, number):
    """What server `number` says, 0 being the resolver; None: nothing."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += query[at] + 1
    name, kind, question = ".".join(labels), struct.unpack(">H", query[at + 1:at + 3])[0], query[12:at + 5]
    known = name.lower()

    def reply(answers=(), authority=(), code=0):
        flags = 0x8480 | (query[2] & 1) << 8 | code
        return query[:2] + struct.pack(">HHHHH", flags, 1, len(answers), len(authority), 0) + question + b"".join(answers) + b"".join(authority)
    if number == 0:
        if re.fullmatch(r"n[1-4]\.ns\.test", known):
            return reply([record(name, 1, socket.inet_aton(f"127.0.0.{FIRST + int(known[1])}"))] if kind == 1 else [])
        if known in ZONES:
            return reply(servers(name, ZONES[known]))
        if known == "alias.test":
            return reply([record(name, 5, wire("same.test"))] + servers("same.test", (1, 2)))
        if known == "sub.same.test":
            return reply([], servers(name, (1, 2)))
        if known == "none.same.test":
            return reply([], [soa("same.test", 5)])
        return reply(code=CODES.get(labels[-1], 3))
    said = ZONES.get(known, {}).get(number, 7)
    if said == "silent":
        return None
    if said in CODES:
        return reply(code=CODES[said])
    odd = {"empty": [], "alias": [record(name, 5, wire("same.test")), soa("same.test", 5)], "other": [soa("evil.test", 5)]}
    return reply(odd[said] if said in odd else [soa(name, said)])


def serve(number):
    address, datagrams, listener = (f"127.0.0.{FIRST + number}", 53), socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for one in (datagrams, listener):
        one.bind(address)
    listener.listen(50)

    def by_udp():
        while True:
            query, peer = datagrams.recvfrom(4096)
            if said := answer(query, number):
                datagrams.sendto(said, peer)

    def by_tcp():
        kept = []
        while True:
            client, _ = listener.accept()
            kept.append(client)
            try:
                length = struct.unpack(">H", client.recv(2, socket.MSG_WAITALL))[0]
                if said := answer(client.recv(length, socket.MSG_WAITALL), number):
                    client.sendall(struct.pack(">H", len(said)) + said)
            except (OSError, struct.error):
                pass
    for work in (by_udp, by_tcp):
        threading.Thread(target=work, daemon=True).start()


def shown(program, words):
    """Status and all that is said, in pieces that do not depend on whom the lot falls on: what each server said, in order of the servers."""
    done = subprocess.run([program, "-W", "1", *words], capture_output=True, timeout=60)
    text = re.sub(r"id: \d+", "id: N", re.sub(r" in \d+ ms", "", done.stdout.decode()))
    # The heading names who answered first.
    text = re.sub(r"Name: n\d\.ns\.test\nAddress: \S+", "Name: ONE\nAddress: ONE", text)
    pieces = re.split(r"^(?=Nameserver |;; communications|;; ->>|;; NS servers|\S+ has no)", text, flags=re.M)
    return f"{done.returncode} {pieces[0]}{''.join(sorted(pieces[1:]))}{done.stderr.decode().replace('host: ', 'mxlookup: ')}"


def run_table(_):
    table, path = Table("mxlookup -C"), tempfile.mkstemp(prefix="relais-resolv-")[1]
    for number in range(5):
        serve(number)
    with open(path, "w") as file:
        file.write(f"nameserver {RESOLVER}\n")
    os.chmod(path, 0o644)
    place = os.path.realpath("/etc/resolv.conf")
    run("mount", "--bind", path, place)
    try:
        for line, reason in ROWS:
            theirs, ours = shown("host", line.split()), shown(f"{RELEASE}/mxlookup", line.split())
            if (theirs == ours) != (reason is None):
                print(f"host:\n{theirs}\nmxlookup:\n{ours}")
            brief = lambda text: f"status {text[0]}, {len(text)} bytes"
            table.row(line, brief(theirs), brief(ours) + ("" if theirs == ours else ", others" if brief(theirs) == brief(ours) else ""), reason)
    finally:
        run("umount", place)
        os.unlink(path)
    return table
