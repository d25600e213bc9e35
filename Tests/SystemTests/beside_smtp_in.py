"""SMTP in, beside Postfix: a dialogue a row, the class of each reply, and what then lies in the mailbox."""
import re, select, socket
from beside_hosts import DOMAIN, OWN, STRANGER, USER, Table

NO_COMPLETION = "strangers' names are not this host's to complete (RFC 5321 §4.1.2)"
BRACKETS = "RFC 5321 §4.1.2: a path has its brackets; our own clients may leave them out"

E = "EHLO me"
M = E, "MAIL FROM:<s@far.example>"
R = *M, f"RCPT TO:<{USER}@{DOMAIN}>"
D = *R, "DATA"


def mail(path):
    return E, f"MAIL FROM:{path}"


def rcpt(path):
    return *M, f"RCPT TO:{path}"


WHOLE = "From: s@far.example\\r\\nTo: x\\r\\nDate: x\\r\\nMessage-ID: <1@x>\\r\\n\\r\\nx\\r\\n."

# What the client says, line by line; OWN of relay-networks, or a STRANGER. ADDRESS stands for the server's own address.
ROWS = [
    ("HELO with words", STRANGER, ["HELO my pc", "MAIL FROM:<s@far.example>"], None),
    ("EHLO, no literal", STRANGER, ["EHLO [300.1.1.1]"], None),
    ("EHLO, no IPv6 literal", STRANGER, ["EHLO [IPv6:x]"], None),
    ("EHLO, not ASCII", STRANGER, ["EHLO caf\\xc3\\xa9"], None),
    ("EHLO, 300 bytes", STRANGER, ["EHLO " + "x" * 300], None),
    ("HELO without a name", STRANGER, ["HELO"], None),
    ("small letters", STRANGER, ["ehlo me", "mail from:<s@far.example>", f"rcpt to:<{USER}@{DOMAIN}>", "rset", "quit"], None),
    ("tabs between the words", STRANGER, ["EHLO\\tme", "MAIL\\tFROM:<s@far.example>\\tSIZE=3"], None),
    ("blanks behind commands", STRANGER, [E + " ", "MAIL FROM:<s@far.example> ", "RSET ", "NOOP "], None),
    ("unknown command", STRANGER, [E, "FOO"], None),
    ("VRFY", STRANGER, [E, f"VRFY {USER}"], None),
    ("EXPN", STRANGER, [E, "EXPN team"], None),
    ("HELP", STRANGER, [E, "HELP"], "RFC 5321 §4.1.1.8: a server should have HELP"),
    ("RSET, NOOP 150 times", STRANGER, [E] + ["NOOP", "RSET"] * 75, "Postfix counts them (junk commands); a good client may"),
    ("MAIL without HELO", STRANGER, ["MAIL FROM:<s@far.example>"], "RFC 5321 §4.1.1.1: HELO comes first"),
    ("MAIL twice", STRANGER, [*M, "MAIL FROM:<t@far.example>"], None),
    ("RCPT, DATA without MAIL", STRANGER, [E, f"RCPT TO:<{USER}@{DOMAIN}>", "DATA"], None),
    ("DATA without recipients", STRANGER, [*M, "DATA"], None),
    # Senders
    ("sender: VERP, 80 bytes", STRANGER, mail("<somebody+caf_=contact_00000000-1111-2222-3333-444444444444=inbox.corp.example@mail.example>"), None),
    ("sender: local part of 200 bytes", STRANGER, mail("<" + "a" * 200 + "@far.example>"), None),
    ("sender: path of 500 bytes", STRANGER, mail("<" + "a" * 486 + "@far.example>"), None),
    ("sender: path of 700 bytes", STRANGER, mail("<" + "a" * 686 + "@far.example>"), "RFC 5321 §4.5.3.1.3, §4.5.3.1.4: no command to the next host could hold it"),
    ("sender: a..b", STRANGER, mail("<some..one..77@phone.example>"), None),
    ("sender: .a.", STRANGER, mail("<.some.one.@phone.example>"), None),
    ("sender: a dot behind the domain", STRANGER, mail("<s@far.example.>"), None),
    ("sender: two dots behind the domain", STRANGER, mail("<s@far.example..>"), None),
    ("sender: underscore in the domain", STRANGER, mail("<s@far_away.example>"), None),
    ("sender: hyphen behind a label", STRANGER, mail("<s@far-.example>"), "the DNS holds such names (RFC 2181 §11), and mail of theirs is mail"),
    ("sender: hyphen before the domain", STRANGER, mail("<s@-far.example>"), None),
    ("sender: label of 64 bytes", STRANGER, mail("<s@" + "x" * 64 + ".example>"), None),
    ("sender: none, a blank behind", STRANGER, mail("<> "), None),
    ("sender: blanks before the bracket", STRANGER, mail("  <s@far.example>"), None),
    ("sender: blanks in the brackets", STRANGER, mail("< s@far.example >"), None),
    ("sender: blank in the local part", STRANGER, mail("<a b@far.example>"), None),
    ("sender: source route", STRANGER, mail("<@x.example,@y.example:s@far.example>"), None),
    ("sender: quoted", STRANGER, mail('<"a b"@far.example>'), None),
    ("sender: quoted for nothing", STRANGER, mail('<"a"@far.example>'), None),
    ("sender: quoted in part", STRANGER, mail('<"a".b@far.example>'), "RFC 5321 §4.1.2: quoted as a whole or not at all"),
    ("sender: two @", STRANGER, mail("<a@b.example@far.example>"), "RFC 5321 §4.1.2: an @ in a local part is quoted, or the next host may take another one for it"),
    ("sender: no @, a stranger", STRANGER, mail("<MAILER-DAEMON>"), NO_COMPLETION),
    ("sender: no @, our own client", OWN, mail("<MAILER-DAEMON>"), None),
    ("sender: no brackets, a stranger", STRANGER, mail(" s@far.example"), BRACKETS),
    ("sender: no brackets, our own client", OWN, mail(" s@far.example"), None),
    ("sender: a bracket missing", STRANGER, mail("<s@far.example"), None),
    ("sender: nothing at all", OWN, mail(""), None),
    ("sender: text behind the bracket", STRANGER, mail("<s@far.example>x"), None),
    ("sender: literal", STRANGER, mail("<s@[192.0.2.1]>"), None),
    ("sender: no literal", STRANGER, mail("<s@[300.1.1.1]>"), None),
    ("sender: not ASCII", STRANGER, mail("<caf\\xc3\\xa9@far.example>"), "RFC 6531 §3.5: without SMTPUTF8 it is no address"),
    ("SIZE without a value", STRANGER, mail("<s@far.example> SIZE="), None),
    ("SIZE twice", STRANGER, mail("<s@far.example> SIZE=1 SIZE=2"), "RFC 5321 §4.1.1.11: a parameter stands once"),
    ("SIZE over the limit", STRANGER, mail("<s@far.example> SIZE=200000"), None),
    ("BODY of a kind that nobody knows", STRANGER, mail("<s@far.example> BODY=9BIT"), None),
    ("AUTH=<> where there is no AUTH", STRANGER, mail("<s@far.example> AUTH=<>"), None),
    ("a parameter that nobody knows", STRANGER, mail("<s@far.example> X-FOO=1"), None),
    # Recipients
    ("recipient: an account", STRANGER, rcpt(f"<{USER}@{DOMAIN}>"), None),
    ("recipient: in capitals", STRANGER, rcpt(f"<{USER.upper()}@{DOMAIN.upper()}>"), None),
    ("recipient: extension, 80 bytes", STRANGER, rcpt(f"<{USER}+confirm-{'f' * 60}@{DOMAIN}>"), None),
    ("recipient: a dot behind the domain", STRANGER, rcpt(f"<{USER}@{DOMAIN}.>"), None),
    ("recipient: this host's address", STRANGER, rcpt(f"<{USER}@[ADDRESS]>"), None),
    ("recipient: this host's address, IPv6", STRANGER, rcpt(f"<{USER}@[IPv6:::1]>"), None),
    ("recipient: nobody at this host's address", STRANGER, rcpt("<nobody.here@[ADDRESS]>"), None),
    ("recipient: another host's address", STRANGER, rcpt(f"<{USER}@[192.0.2.1]>"), None),
    ("recipient: no literal", STRANGER, rcpt(f"<{USER}@[300.1.1.1]>"), None),
    ("recipient: unknown", STRANGER, rcpt(f"<nobody.here@{DOMAIN}>"), None),
    ("recipient: another host's", STRANGER, rcpt("<u@b.example>"), None),
    ("recipient: another host's, our own client", OWN, rcpt("<u@b.example>"), None),
    ("recipient: percent", STRANGER, rcpt(f"<{USER}%{DOMAIN}@{DOMAIN}>"), "RFC 5321 §2.3.11: only the host named may read the local part; nobody here is called so"),
    ("recipient: percent to another host", STRANGER, rcpt(f"<u%b.example@{DOMAIN}>"), None),
    ("recipient: <Postmaster>", STRANGER, rcpt("<Postmaster>"), None),
    ("recipient: <root>, a stranger", STRANGER, rcpt("<root>"), NO_COMPLETION),
    ("recipient: <root>, our own client", OWN, rcpt("<root>"), None),
    ("recipient: no brackets, a stranger", STRANGER, rcpt(f" {USER}@{DOMAIN}"), BRACKETS),
    ("recipient: no brackets, our own client", OWN, rcpt(f" {USER}@{DOMAIN}"), None),
    ("recipient: none", STRANGER, rcpt("<>"), None),
    ("recipient: source route", STRANGER, rcpt(f"<@x.example:{USER}@{DOMAIN}>"), None),
    ("recipient: quoted", STRANGER, rcpt(f'<"{USER}"@{DOMAIN}>'), None),
    ("1,200 recipients", STRANGER, [*M] + [f"RCPT TO:<{USER}+{n}@{DOMAIN}>" for n in range(1200)] + ["RSET", "QUIT"], None),
    ("30 unknown recipients and one that is here", STRANGER, [*M] + [f"RCPT TO:<nobody.{n}@{DOMAIN}>" for n in range(30)] + [R[-1], "RSET"],
     "Postfix hangs up after 20; a mailing list's good recipients would wait for it"),
    # Content
    ("content: ordinary", STRANGER, [*D, WHOLE], None),
    ("content: no header, a stranger", STRANGER, [*D, "Hello world\\r\\nsecond line\\r\\n."], None),
    ("content: colon behind text", STRANGER, [*D, "Hello world: x\\r\\nsecond line\\r\\n."], None),
    ("content: text in the header", STRANGER, [*D, "Subject: x\\r\\nsecond line\\r\\nTo: y\\r\\n\\r\\nz\\r\\n."], None),
    ("content: header alone", STRANGER, [*D, "Subject: x\\r\\n."], None),
    ("content: no Date, a stranger", STRANGER, [*D, "Subject: x\\r\\nFrom: app\\r\\nTo: root\\r\\n\\r\\nx\\r\\n."], None),
    ("content: no Date, our own client", OWN, [*D, "Subject: x\\r\\nFrom: app\\r\\nTo: root\\r\\n\\r\\nx\\r\\n."], None),
    ("content: no From, our own client", OWN, [*D, "Subject: x\\r\\nTo: root\\r\\n\\r\\nx\\r\\n."], None),
    ("content: no header, our own client", OWN, [*D, "Hello world\\r\\n."], "sendmail(8) adds To: undisclosed-recipients, and so do we"),
    ("content: Bcc, our own client", OWN, [*D, "Subject: x\\r\\nTo: root\\r\\nBcc: y@z.example\\r\\n\\r\\nx\\r\\n."], None),
    ("content: an mbox's line", STRANGER, [*D, "From a@b.example Fri Nov 27 08:00:00 2026\\r\\nSubject: x\\r\\n\\r\\nx\\r\\n."],
     "the line is no field (RFC 5322 §2.2); Postfix keeps it as X-Mailbox-Line, sendmail drops it"),
    ("content: dots", STRANGER, [*D, "Subject: x\\r\\n\\r\\n..\\r\\n...x\\r\\n."], None),
    ("content: 8-bit", STRANGER, [*D, "Subject: x\\r\\n\\r\\ncaf\\xc3\\xa9\\r\\n."], None),
    ("content: bare LF", STRANGER, [*D, "Subject: x\\r\\n\\r\\na\\nb\\r\\n."], "RFC 5321 §2.3.8: CR and LF only together; smuggling lives of it"),
    ("content: bare CR", STRANGER, [*D, "Subject: x\\r\\n\\r\\na\\rb\\r\\n."], "RFC 5321 §2.3.8, the same"),
    ("content: NUL", STRANGER, [*D, "Subject: x\\r\\n\\r\\na\\0b\\r\\n."], "RFC 5322 §2.3: no NUL; not kept rather than changed"),
    ("content: over the limit", STRANGER, [*D, "Subject: x\\r\\n\\r\\n" + ("x" * 98 + "\\r\\n") * 1001 + "."], None),
    ("content: line ends over the limit", STRANGER, [*D, "Subject: x\\r\\n\\r\\n" + "\\r\\n" * 60000 + "."], None),
    # Where it gets to
    ("to this host's address in brackets", STRANGER, [*M, f"RCPT TO:<{USER}@[ADDRESS]>", "DATA", "Subject: literal\\r\\n\\r\\nx\\r\\n."], None),
    ("to a long extension, a dot behind", STRANGER, [*M, f"RCPT TO:<{USER}+{'f' * 80}@{DOMAIN}.>", "DATA", "Subject: long\\r\\n\\r\\nx\\r\\n."], None),
    ("to <root>, from <MAILER-DAEMON>", OWN, [E, "MAIL FROM:<MAILER-DAEMON>", "RCPT TO:<root>", "DATA", "From: a@b.example\\r\\n\\r\\nx\\r\\n."],
     "sendmail(8) adds To: undisclosed-recipients, and so do we"),
    ("on to b.example: no header", OWN, [*M, "RCPT TO:<u@b.example>", "DATA", "Hello world\\r\\nsecond line\\r\\n."], "sendmail(8) adds To: undisclosed-recipients, and so do we"),
    ("on to b.example: no Date", OWN, [*M, "RCPT TO:<u@b.example>", "DATA", "Subject: x\\r\\nFrom: app\\r\\nTo: root\\r\\n\\r\\nx\\r\\n."], None),
    ("on to b.example: a..b@x. to .c.@b.example.", OWN, [*mail("<a..b@far.example.>"), "RCPT TO:<.c.@b.example.>", "DATA", WHOLE], None),
    ("on to b.example: quoted", OWN, [*mail('<"a b"@far.example>'), 'RCPT TO:<"c d"@b.example>', "DATA", WHOLE], None),
    ("on to b.example: quoted for nothing", OWN, [*mail('<"a"@far.example>'), 'RCPT TO:<"c"@b.example>', "DATA", WHOLE],
     "RFC 5321 §4.1.2: the forms are the same; it goes on as it came"),
    ("on to b.example: local parts of 200 bytes", OWN, [*mail("<" + "a" * 200 + "@far.example>"), f"RCPT TO:<{'c' * 200}@b.example>", "DATA", WHOLE], None),
    ("content: 100 Received fields", STRANGER, [*D, "Received: by x\\r\\n" * 100 + "\\r\\nx\\r\\n."], None),
]


# Content without end, a piece of it; so much is sent, with a limit of 100,000.
ENDS = "Postfix throws it away for as long as it comes; what a size limit is for is that it ends"
ENDLESS = [("lines", b"x\r\n", ENDS), ("NULs", b"\0", ENDS), ("line ends", b"\r\n", ENDS), ("dots", b"..\r\n", ENDS),
           ("an end that is none", b"\r\n.\r", "RFC 5321 §2.3.8: CR CR LF ends no line; what follows is content, not the next transaction")]
POURED = 64 << 20


class Client:
    def __init__(self, address, source):
        self.socket = socket.create_connection((address, 25), 30, (source, 0))
        self.buffer = b""

    def reply(self):
        """The class of a reply, or `end`."""
        while True:
            while b"\n" in self.buffer:
                line, self.buffer = self.buffer.split(b"\n", 1)
                if line[3:4] != b"-":
                    return chr(line[0])
            try:
                more = self.socket.recv(65536)
            except ConnectionError:
                more = b""
            if not more:
                return "end"
            self.buffer += more

    def say(self, line):
        try:
            self.socket.sendall(line + b"\r\n")
        except ConnectionError:
            pass
        return self.reply()


def talk(address, source, lines):
    client = Client(address, source)
    said = [client.reply()]
    for line in lines:
        said.append(client.say(line.replace("ADDRESS", address).encode().decode("unicode_escape").encode("latin-1")))
        if said[-1] == "end":
            break
    client.socket.close()
    return said


def pour(address, piece):
    """What is said to content without end: classes of replies, or that it is read on."""
    client = Client(address, STRANGER)
    client.reply()
    for line in D:
        client.say(line.encode())
    block, poured = piece * (65536 // len(piece)), 0
    with client.socket:
        try:
            while poured < POURED and not select.select([client.socket], [], [], 0)[0]:
                client.socket.sendall(block)
                poured += len(block)
        except ConnectionError:
            pass
        if poured >= POURED:
            return "reads on"
        said = []
        while not said or said[-1] != "end":
            said.append(client.reply())
        return " ".join(said)


def brief(classes):
    """Runs of the same are counted: `2 ×1000 4 ×200`."""
    runs = []
    for one in classes:
        if runs and runs[-1][0] == one:
            runs[-1][1] += 1
        else:
            runs.append([one, 1])
    return " ".join(one if count < 4 else f"{one} ×{count}" for one, count in runs)


def stored(text):
    """Names of the fields that the message has beside trace fields, values where they were given, and the content behind."""
    header, _, body = text.partition(b"\n\n") if not text.startswith(b"\n") else (b"", b"", text[1:])
    fields = re.findall(rb"^([^\s:]+):[ \t]*((?:.|\n[ \t])*)$", header, re.M)
    rest = re.sub(rb"^([^\s:]+):(?:.|\n[ \t])*\n?", b"", header, flags=re.M)
    shown = []
    for name, value in fields:
        name = name.decode().lower()
        if name in ("received", "return-path", "delivered-to", "x-original-to"):
            continue
        shown.append(name if name in ("date", "message-id") else f"{name}={value.decode()}")
    body = body if len(body) < 60 else b"%d bytes" % len(body)
    return f"{' '.join(sorted(shown))}|{rest.decode('latin-1')}{body.decode('latin-1')}".encode("unicode_escape").decode()


def play(both, peer, source, lines):
    said = talk(peer.address, source, lines)
    outcome = brief(said[1:])
    if "DATA" in lines and said[-1] == "2":
        if any("@b.example" in line for line in lines if line.startswith("RCPT")):
            sender, recipients, content = both.next_hop.take()
            path = sender.split(b"> ")[0].rstrip(b">") + b"> to " + b" ".join(r.split(b"> ")[0].rstrip(b">") + b">" for r in recipients)
            outcome = re.sub(r"(.)\1{99,}", lambda run: f"{run[1]}×{len(run[0])}", path.decode()) + " " + stored(content.replace(b"\r\n", b"\n"))
        else:
            outcome = stored(peer.take()[0])
    return outcome


def run_table(both):
    table = Table("SMTP in")
    for name, source, lines, reason in ROWS:
        table.row(name, play(both, both.theirs, source, list(lines)), play(both, both.ours, source, list(lines)), reason)
    for name, piece, reason in ENDLESS:
        table.row(f"content without end: {name}", pour(both.theirs.address, piece), pour(both.ours.address, piece), reason)
    return table
