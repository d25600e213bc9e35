#!/usr/bin/env python3
"""mxlookup beside host(1): the same bytes for the same question, from a real server and from one that lies.

usage: mxlookup.py PROGRAM

Needs host (bind9-host) and nsd; both servers listen on loopback ports of their own. Then a table of command
lines that cannot be obeyed, and answers that never end.
"""
import concurrent.futures, os, re, shutil, signal, socket, struct, subprocess, sys, tempfile, threading, time

PROGRAM = sys.argv[1]

ZONE = r"""
$ORIGIN example.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 127.0.0.1
one MX 10 mx1
many MX 10 mx1
many MX 20 mx2
many MX 10 mx3
null MX 0 .
alias CNAME many
alias2 CNAME alias
dangling CNAME nowhere
aliasout CNAME foo.elsewhere.
aonly A 192.0.2.1
aonly A 192.0.2.2
both A 192.0.2.1
both AAAA 2001:db8::1
loop1 CNAME loop2
loop2 CNAME loop1
mx1 A 192.0.2.25
mx1 AAAA 2001:db8::25
mx2 A 192.0.2.26
mx3 A 192.0.2.27
txt TXT "hello world" "second \"string\""
txt TXT "other"
txt TXT "\001\200;"
we\.ird MX 10 odd\.name\032x\;\001\200.example.
sub NS ns.elsewhere.
srv SRV 1 2 25 mx1
ptr PTR foo
caa CAA 0 issue "letsencrypt.org"
empty.nonterm A 192.0.2.9
tl TLSA 3 1 1 0123456789abcdef
tl2 TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
tl3 TLSA 3 1 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
tl4 TLSA 2 0 1 0123456789abcdef0123456789abcdef0123456789abcdef01234567
tl5 TLSA 2 0 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789
ssh SSHFP 4 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
hinfo HINFO "PC \"x\"" Linux
rp RP admin.one txt
afs AFSDB 1 mx1
naptr NAPTR 100 10 "S" "SIP+D2U" "!^.*$!sip:x@example!" _sip._udp
kx KX 10 mx1
spf SPF "v=spf1 -all"
uri URI 10 1 "ftp://ftp.example/public"
ds DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
key DNSKEY 257 3 8 AwEAAcw5QLr0IjC0wKbGoBPQv4qmeqHy9mvL5qGQTuaG5TSrNqEAR6b/qvxDx6my4JmEmjUPA1JeEI9YfTUieMr2UZflu7aIbZFLw0vqiYrywCGrCHXLalOrEOmrvAxLvq4vHtuTlH7JIszzYBSes8g1vle6KG7xXiP3U5Ll96Qiu6bZ
pgp OPENPGPKEY AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/QEFCQ0RFRkdI
smime SMIMEA 3 1 1 0123456789abcdef0123456789abcdef
cds CDS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
dn DNAME one
veryveryverylongownername A 192.0.2.77
UPPER MX 5 MixedCase.Example.
unknown TYPE65280 \# 4 0A000001
loc LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
loc LOC 42 21 54 N 71 06 18 W -24m 30m
loc LOC 0 0 0.001 S 0 0 0 E 10.5m 1m 2m 0.3m
loc TYPE29 \# 16 01121316800000008000000000989680
sig RRSIG A 8 2 300 20261230000000 20261120235959 12345 example. AwEAAcw5QLr0IjC0wKbGoBPQv4qmeqHy9mvL5qGQTuaG5TSrNqEAR6b/qvxDx6my4JmEmjUPA1JeEI9YfTUieMr2UZflu7aIbZFLw0vqiYrywCGrCHXLalOrEOmrvAxLvq4vHtuTlH7JIszzYBSes8g1vle6KG7xXiP3U5Ll96Qiu6bZ
sec NSEC txt.example. A MX RRSIG NSEC TYPE1234
sec3 NSEC3PARAM 1 0 10 aabb
sec3 NSEC3PARAM 1 0 0 -
2vptu5timamqttgl4luu9kg21e0aor3s TYPE50 \# 35 0100000C04AABBCCDD14174EB2409FE28BCB4887A1836F957F0A8425E27B000122
svc SVCB 1 svc4.example.net. alpn="h2,h3" port=8004 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1
svc SVCB 2 . mandatory=alpn,port alpn=h2 no-default-alpn port=53 key667="he\"llo\\ \255" ech="AEP+DQA=" key9
svc SVCB 0 foo.example.com.
web HTTPS 1 . alpn="h2"
dhcid DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=
csync CSYNC 66 3 A NS AAAA
eui EUI48 00-00-5e-00-53-2a
eui EUI64 00-00-5e-ef-10-00-00-2a
nid NID 10 0014:4fff:ff20:ee64
nid L32 10 10.1.2.0
nid L64 10 2001:0DB8:1140:1000
nid LP 10 l64-subnet1.example.
zmd ZONEMD 2018031500 1 1 FEBE3D4CE2EC2FFA4BA99D46CD69D6D29711E55217057BEE7EB1A7B641A47BA7FED2DD5B97AE499FAFA4F22C6BD647DE
x25 X25 311061700956
old RT 10 mx1
old PX 10 a.example. b.example.
old MINFO a.example. b.example.
old AVC "app-name:WOLFGANG|app-class:OAM"
old MB a.example.
old MG a.example.
old MR a.example.
""" + "".join(f"big MX {n} mx-with-quite-a-long-name-{n}.big\n" for n in range(60))


def wire(name):
    return b"".join(bytes([len(label)]) + label for label in name.split(b".") if label) + b"\0"


def record(data, kind=15, owner=b"\xc0\x0c", cls=1):
    return owner + struct.pack(">HHIH", kind, cls, 60, len(data)) + data


def mx(preference, name, owner=b"\xc0\x0c"):
    return record(struct.pack(">H", preference) + name, owner=owner)


class LyingServer:
    """Answers by the first label of the question."""

    def __init__(self):
        while True:
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind(("127.0.0.1", 0))
            self.port = self.udp.getsockname()[1]
            self.tcp = socket.socket()
            try:
                self.tcp.bind(("127.0.0.1", self.port))
                break
            except OSError:
                continue
        self.tcp.listen(20)
        threading.Thread(target=self.serve_udp, daemon=True).start()
        threading.Thread(target=self.serve_tcp, daemon=True).start()

    def serve_udp(self):
        while True:
            query, peer = self.udp.recvfrom(65535)
            threading.Thread(target=self.answer_udp, args=(query, peer), daemon=True).start()

    def answer_udp(self, query, peer):
        until = time.time() + 6
        for packet in self.answers(query, False):
            self.udp.sendto(packet, peer)
            if time.time() > until:
                return

    def serve_tcp(self):
        while True:
            peer, _ = self.tcp.accept()
            threading.Thread(target=self.answer_tcp, args=(peer,), daemon=True).start()

    def answer_tcp(self, peer):
        try:
            size = struct.unpack(">H", peer.recv(2))[0]
            query = peer.recv(size)
            for packet in self.answers(query, True):
                peer.sendall(struct.pack(">H", len(packet)) + packet)
            time.sleep(6)
        except (OSError, struct.error):
            pass
        finally:
            peer.close()

    def answers(self, query, tcp):
        end = query.index(b"\0", 12) + 5
        question = query[12:end]
        label = question[1:1 + question[0]].decode("latin-1")
        own_name = wire(label.encode("latin-1") + b".fake")

        def head(code=0, answers=0, flags=0x8180, questions=1, ident=query[:2]):
            return ident + struct.pack(">HHHHH", flags | code, questions, answers, 0, 0)

        def reply(records, **more):
            return head(answers=len(records), **more) + question + b"".join(records)

        evil = mx(1, wire(b"evil.example"))
        other_id = bytes([query[0] ^ 1, query[1]])
        one = {
            "servfail": lambda: [head(2) + question], "refused": lambda: [head(5) + question],
            "formerr": lambda: [head(1) + question], "notimp": lambda: [head(4) + question],
            "yx": lambda: [head(6) + question], "rcode15": lambda: [head(15) + question],
            "silent": lambda: [], "tcdead": lambda: [] if tcp else [head(flags=0x8380) + question],
            "tc": lambda: [reply([mx(1, wire(b"by.tcp"))])] if tcp else [head(flags=0x8380) + question],
            "huge": lambda: [reply([mx(n, wire(b"a" * 50 + b".example")) for n in range(800)])] if tcp
            else [head(flags=0x8380) + question],
            "trail": lambda: [reply([mx(1, wire(b"a.example"))]) + b"junk"],
            "other": lambda: [reply([mx(1, wire(b"a.example"), wire(b"unrelated.fake")), evil])],
            "wrongid": lambda: [reply([evil], ident=other_id)],
            "wrongq": lambda: [head(answers=1) + wire(b"other.example") + question[-4:] + evil],
            "wrongtype": lambda: [head(answers=1) + question[:-4] + struct.pack(">HH", 1, 1) + evil],
            "noq": lambda: [head(answers=1, questions=0) + mx(1, wire(b"evil.example"), own_name)],
            "short": lambda: [query[:2] + b"\x81\x80"], "empty": lambda: [b""],
            "loopptr": lambda: [reply([mx(1, b"\xc0" + bytes([12 + len(question) + 14]))])],
            "selfptr": lambda: [head(answers=1) + question + b"\xc0" + bytes([12 + len(question)])],
            "fwdptr": lambda: [reply([mx(1, b"\xc0\xff")])],
            "cut": lambda: [reply([mx(1, wire(b"a.example")), mx(2, wire(b"b.example"))])[:-5]],
            "counts": lambda: [head(answers=60000) + question + evil],
            "rdlen": lambda: [reply([mx(1, wire(b"a.example") + b"xx")])],
            "longlabel": lambda: [reply([mx(1, b"\x40" + b"a" * 64 + b"\0")])],
            "longname": lambda: [reply([mx(1, (b"\x3f" + b"a" * 63) * 4 + b"\0")])],
            "control": lambda: [reply([mx(1, b"\x06\x1b[2J\r\n\0")])],
            "a3": lambda: [reply([record(b"\1\2\3", 1)])], "txt": lambda: [reply([record(b"\xff" + b"x", 16)])], "chaos": lambda: [reply([record(b"\0\5" + wire(b"a.example"), cls=3)])],
            "latewrong": lambda: [reply([evil], ident=other_id), reply([mx(7, wire(b"right.example"))])],
        }.get(label, lambda: [head(3) + question])
        if label == "flood":
            return self.forever(reply([evil], ident=other_id))
        if label == "floodq":
            return self.forever(head(answers=1) + wire(b"other.example") + question[-4:] + evil)
        return one()

    @staticmethod
    def forever(packet):
        while True:
            yield packet


def start_nsd(directory):
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    path = lambda name: os.path.join(directory, name)
    open(path("example.zone"), "w").write(ZONE)
    open(path("nsd.conf"), "w").write(
        f"server:\n ip-address: 127.0.0.1@{port}\n username: \"\"\n chroot: \"\"\n database: \"\"\n"
        f" zonesdir: \"{directory}\"\n pidfile: \"{path('pid')}\"\n xfrdfile: \"{path('xfrd')}\"\n"
        f" zonelistfile: \"{path('list')}\"\n xfrdir: \"{directory}\"\n server-count: 1\n logfile: \"{path('log')}\"\n"
        "remote-control:\n control-enable: no\nzone:\n name: example\n zonefile: example.zone\n provide-xfr: 127.0.0.1 NOKEY\n"
        "zone:\n name: 2.0.192.in-addr.arpa\n zonefile: reverse.zone\nzone:\n name: own.test\n zonefile: own.zone\n")
    open(path("own.zone"), "w").write("$ORIGIN own.test.\n$TTL 300\n@ SOA localhost. hostmaster 7 3600 600 86400 300\n@ NS localhost.\n")
    open(path("reverse.zone"), "w").write("$ORIGIN 2.0.192.in-addr.arpa.\n$TTL 300\n@ SOA ns.example. hostmaster.example. 1 3600 600 86400 300\n@ NS ns.example.\n"
                                          "1 PTR aonly.example.\n1 PTR both.example.\n2 PTR aonly.example.\n")
    server = subprocess.Popen(["nsd", "-d", "-c", path("nsd.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        if subprocess.run(["host", "-W", "1", "-t", "soa", "-p", str(port), "example", "127.0.0.1"],
                          capture_output=True).returncode == 0:
            return server, port
        time.sleep(0.05)
    sys.exit("nsd does not answer: " + open(path("log")).read())


def run(program, words, limit=20):
    try:
        done = subprocess.run([program, *words], capture_output=True, timeout=limit)
        return done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        return "did not end", b"", b""


def normal(result):
    """Ids are drawn anew for each query: the first two bytes of a dump, in both its columns."""
    code, out, err = result
    out = re.sub(rb"(bytes\n)[0-9a-f]{2} [0-9a-f]{2} (.{51})..", rb"\1.. .. \2..", out)
    out = re.sub(rb"(status: \w+, id:) \d+", rb"\1 N", out)
    out = re.sub(rb"(Received \d+ bytes from \S+) in \d+ ms", rb"\1", out)
    return code, out, err.replace(b"host: ", b"mxlookup: ")


def compare(words):
    theirs, ours = run("host", words), run(PROGRAM, words)
    if normal(theirs) == normal(ours):
        return None
    return f"{words}\n   host: {theirs}\n   ours: {ours}"


def wrong_lines(port):
    """Command lines that cannot be obeyed: status 64, one line on stderr, nothing on stdout."""
    p = ["-p", str(port)]
    lines = [[], ["-t"], ["-t", "mx"], ["-W"], ["-R"], ["-p"], ["--config"], ["-Z", "x"], ["--nonsense", "x"],
             ["--type"], ["--type="], ["-4", "-6", "x"], ["a", "b", "c"], ["a", "b", "c", "d"], ["--tcp=yes", "x"],
             ["--route=1", "x"], ["-46", "x"], ["--help=me"], ["--version=2"], ["-", "b", "c"], ["--", "a", "b", "c"],
             ["--"], ["-T"], ["-r"], ["-l"], ["-c"], ["-c", "mx"], ["-c", "", "x"], ["-c", "class", "x"], ["-c", "class65536", "x"], ["-N", "x", "x"], ["-C"], ["-C", "-l", "x"], ["-Ca", "x"], ["-C", "-t", "mx", "x"], ["-C", "-c", "ch", "x"], ["-C", "--route", "x"], ["-t", "ixfr", "x"], ["-m", "-4"], ["-4"], ["-TT"], ["--t", "mx", "x"], ["--ty=mx", "x"], ["-é", "x"]]
    for option, values in {
        "-W": ["0", "-1", "x", "", "1s", "+5", " 5", "5 ", "0x10", "1e3", "3601", "99999999999999999999", "1.5", "٣"],
        "-R": ["-1", "x", "", "101", "+1", "18446744073709551616"],
        "-p": ["0", "-1", "x", "", "65536", "+53", "53x", "99999999999999999999", "domain"],
        "-t": ["", "bogus", "mx ", " mx", "type", "type65536", "type-1", "type+1", "typex", "TYPE99999999999999999999",
               "m\u212a", "mx,a", "15"]}.items():
        lines += [[option, value, "x"] for value in values]
    return [(p + line if "-p" not in line else line) for line in lines]


def check_wrong(words):
    code, out, err = run(PROGRAM, words)
    if code == 64 and not out and err.count(b"\n") == 1 and not re.search(rb"[^\x20-\x7e\n]", err):
        return None
    return f"{words}: {code} {out} {err}"


def check_bounded(name, port):
    """T72: -W 1 -R 1 is two rounds of a second, whatever arrives meanwhile: another id, another question."""
    start = time.time()
    code, out, _ = run(PROGRAM, ["-W", "1", "-R", "1", "-p", str(port), name + ".fake", "127.0.0.1"])
    took = time.time() - start
    if code == 1 and took < 4 and b"no servers could be reached" in out:
        return None
    return f"{name}: {code} after {took:.1f} s: {out[:200]}"


def questions(ask, liar):
    """Exchangers, addresses and names of all kinds, and a server that lies."""
    lines = [ask("-t", "mx", name + ".example", "127.0.0.1") for name in
             "one many null alias alias2 dangling aliasout aonly both loop1 txt sub nonterm empty.nonterm nope "
             "UPPER big we\\.ird".split()]
    lines += [ask("-t", kind, name + ".example", "127.0.0.1") for kind, name in
              [("txt", "txt"), ("a", "aonly"), ("aaaa", "both"), ("srv", "srv"), ("cname", "alias"), ("ptr", "ptr"),
               ("caa", "caa"), ("tlsa", "tl"), ("a", "mx1"), ("A", "one"), ("aaaa", "one"), ("ns", "sub"),
               ("type65280", "unknown"), ("soa", "one")]]
    lines += [ask("-t", kind, "example", "127.0.0.1") for kind in ("soa", "ns")]
    lines += [ask("-t", "mx", name, "127.0.0.1") for name in
              ["example", "example.", "one.example.", "ONE.example", "nope.example.", "a..b", "..", ".", ".a.example",
               "192.0.2.1", "2001:db8::1", "we\\300.example", "we\\30", "we\\", "a" * 64 + ".example",
               "a" * 63 + ".example", ".".join(["a" * 63] * 4), ".".join(["a" * 63] * 3 + ["b" * 61]),
               ".".join(["a" * 63] * 3 + ["b" * 62]), "a b.example", "a;b$@().example", 'x"y.example', "_x.example", "", "a|b.example", "$(id).example", "192.0.2.2", "192.0.2.9", "::1", "192.0.2.1.", "192.0.2", "1.2.0.192.in-addr.arpa"]]
    lines += [ask("-T", "-t", "mx", "one.example", "127.0.0.1"), ask("-t", "mx", "one.example", "localhost"),
              ask("-4", "-t", "mx", "one.example", "127.0.0.1"),
              ["-W", "1", "-t", "mx", "-p", "1", "x.fake", "127.0.0.1"]]
    lines += [["-p", str(liar.port), "-W", "1", "-R", "1", "-t", "mx", name + ".fake", "127.0.0.1"] for name in
              "servfail refused formerr notimp yx rcode15 silent tc tcdead huge trail loopptr selfptr fwdptr cut "
              "counts rdlen longlabel longname control a3 txt chaos".split()]
    return lines


def questions_of_types(ask):
    """Types of records, those included that nobody has."""
    lines = [ask("-t", kind, name + ".example", "127.0.0.1") for kind, name in
              [("tlsa", "tl2"), ("tlsa", "tl3"), ("tlsa", "tl4"), ("tlsa", "tl5"), ("sshfp", "ssh"), ("hinfo", "hinfo"), ("rp", "rp"), ("afsdb", "afs"), ("naptr", "naptr"),
               ("kx", "kx"), ("spf", "spf"), ("uri", "uri"), ("ds", "ds"), ("dnskey", "key"), ("openpgpkey", "pgp"), ("smimea", "smime"),
               ("cds", "cds"), ("dname", "dn"), ("a", "below.dn"), ("mx", "below.dn"), ("type1", "aonly"), ("TYPE16", "txt"), ("any", "aonly")]]
    lines += [ask("-t", kind, name + ".example", "127.0.0.1") for kind, name in
              [("loc", "loc"), ("rrsig", "sig"), ("nsec", "sec"), ("nsec3param", "sec3"), ("svcb", "svc"), ("https", "web"), ("dhcid", "dhcid"), ("csync", "csync"), ("eui48", "eui"), ("eui64", "eui"),
               ("nid", "nid"), ("l32", "nid"), ("l64", "nid"), ("lp", "nid"), ("zonemd", "zmd"), ("x25", "x25"), ("rt", "old"), ("px", "old"), ("minfo", "old"), ("avc", "old"), ("mb", "old"), ("mg", "old"), ("mr", "old")]]
    # What there is none of: each name of a type that host knows.
    lines += [ask("-t", kind, "aonly.example", "127.0.0.1") for kind in
              "md mf null wks isdn nsap nsap-ptr sig key gpos nxt eid nimloc atma cert a6 sink apl ipseckey hip ninfo rkey talink uinfo uid gid unspec mailb maila doa amtrelay ta dlv caa uri hinfo".split()]
    return lines


def questions_with_options(ask):
    """What host(1) can be told besides."""
    lines = [ask(*options, "-t", "mx", "many.example", "127.0.0.1") for options in (["-i"], ["-n"], ["-m", "trace"], ["-m", "usage", "-m", "record"])]
    lines += [ask("-t", kind, address, "127.0.0.1") for kind in ("a", "any", "ptr") for address in ("192.0.2.1", "192.0.2.9", "2001:db8::1")]
    every = "one many null alias alias2 dangling aliasout aonly both txt sub nonterm nope UPPER big we\\.ird srv caa tl tl3 unknown ssh hinfo naptr key below.dn veryveryverylongownername".split()
    lines += [ask("-v", "-t", "mx", name + ".example", "127.0.0.1") for name in every]
    lines += [ask("-a", name + ".example", "127.0.0.1") for name in every] + [ask("-a", "example", "127.0.0.1"), ask("-A", "example", "127.0.0.1")]
    lines += [ask("-v", "-t", kind, "both.example", "127.0.0.1") for kind in ("a", "aaaa", "type99", "soa", "any")]
    lines += [ask(*options, "-t", "mx", "many.example", "127.0.0.1") for options in
              (["-r"], ["-r", "-v"], ["-d"], ["-c", "in"], ["-c", "ch"], ["-c", "HS", "-v"], ["-c", "any"], ["-c", "class1"], ["-c", "none"], ["-c", "CLASS77"],
               ["-T", "-v"], ["-U"], ["-w"], ["-s"], ["-N", "3"], ["-vr"], ["-rv"], ["-4v"])]
    lines += [ask("-U", "-a", "aonly.example", "127.0.0.1"), ask("-c", "ch", "-t", "txt", "version.server", "127.0.0.1"), ask("-v", "-t", "mx", "192.0.2.1", "127.0.0.1"),
              ask("-v", "-c", "ch", "-t", "txt", "version.server", "127.0.0.1"), ask("-a", "192.0.2.1", "127.0.0.1")]
    lines += [ask("-l", *options, zone, "127.0.0.1") for zone in ("example", "example.") for options in
              ([], ["-t", "mx"], ["-t", "a"], ["-t", "any"], ["-v"], ["-a"], ["-t", "tlsa"], ["-v", "-t", "ns"])]
    lines += [ask("-l", "one.example", "127.0.0.1"), ask("-l", "2.0.192.in-addr.arpa", "127.0.0.1"), ask("-l", "other", "127.0.0.1"), ask("-t", "axfr", "example", "127.0.0.1"),
              ask("-l", "192.0.2.1", "127.0.0.1"), ask("-v", "-t", "mx", "nope.example.", "127.0.0.1"), ask("-v", "192.0.2.9", "127.0.0.1"), ask("-T", "-a", "big.example", "127.0.0.1")]
    return lines


def raw_problems(ask):
    """What steers a terminal or ends a line is not repeated raw (T73), where host(1) does."""
    for name in ("a\nb.example", "\x1b[2Jx.example", "\xe9.example", "a\x7f\x01..b", "nope\x1b.example"):
        for words in (ask("-t", "mx", name, "127.0.0.1"), ask("-v", "-t", "mx", name, "127.0.0.1"), ask("x.example", name), ask("--route", name), ["-t", name, "x"], ["--" + name, "x"], ["-c", name, "x"], ["--config", name, "--route", "x"]):
            got = run(PROGRAM, words)
            if re.search(rb"[^\x20-\x7e\n]", got[1] + got[2]) or (got[1] + got[2]).count(b"\n") > 12:
                yield f"raw: {words} {got}"


def other_problems(ask, port, liar):
    """Where host(1) is no measure."""
    code, out, _ = run(PROGRAM, ["-W", "2", "-p", str(liar.port), "latewrong.fake", "127.0.0.1"])
    if code != 0 or b"7 right.example" not in out or b"evil" in out:
        yield f"latewrong: {code} {out}"
    if run(PROGRAM, ["-V"]) != run(PROGRAM, ["--version"]) or run(PROGRAM, ["-V"])[0] != 0:
        yield f"-V: {run(PROGRAM, ['-V'])}"
    # What host(1) says of itself is not for us.
    if run("host", ask("-D", "-t", "mx", "one.example", "127.0.0.1"))[:2] != run(PROGRAM, ask("-D", "one.example", "127.0.0.1"))[:2]:
        yield "-D"
    # A zone with one server, which host(1) 9.18 does not reach; the rest is in beside_soa.py.
    got = run(PROGRAM, ask("-4", "-C", "own.test", "127.0.0.1"))
    if got != (0, f"Using domain server:\nName: localhost\nAddress: 127.0.0.1#{port}\nAliases: \n\nNameserver 127.0.0.1:\n\town.test has SOA record localhost. hostmaster.own.test. 7 3600 600 86400 300\n".encode(), b""):
        yield f"-C: {got}"
    # Records of other names are not shown (host(1) shows them).
    code, out, _ = run(PROGRAM, ["-p", str(liar.port), "other.fake", "127.0.0.1"])
    if code != 0 or b"unrelated" in out or b"1 evil.example" not in out:
        yield f"other: {code} {out}"


def main():
    for needed in ("host", "nsd"):
        if not shutil.which(needed):
            print(f"mxlookup: {needed} is missing, nothing compared")
            sys.exit(1 if "CI" in os.environ else 0)
    with tempfile.TemporaryDirectory() as directory:
        nsd, port = start_nsd(directory)
        liar = LyingServer()
        try:
            ask = lambda *words: ["-p", str(port), *words]
            lines = questions(ask, liar) + questions_of_types(ask) + questions_with_options(ask)
            wrong = wrong_lines(port)
            bounded = "silent tcdead wrongid wrongq wrongtype noq short empty flood floodq".split()
            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                problems = [p for p in pool.map(compare, lines) if p]
                problems += [p for p in pool.map(check_wrong, wrong) if p]
            problems += [p for p in (check_bounded(name, liar.port) for name in bounded) if p]
            problems += [*raw_problems(ask), *other_problems(ask, port, liar)]
        finally:
            nsd.send_signal(signal.SIGTERM)
            nsd.wait()
    for problem in problems:
        print("not ok:", problem)
    print(f"mxlookup: {len(lines)} answers compared with host, {len(wrong)} wrong command lines, "
          f"{len(bounded) + 1} floods and forgeries, {len(problems)} wrong")
    sys.exit(1 if problems else 0)


main()
