"""sendmail, beside Postfix: a command line and a text a row; the status, who got it, and the message as it was delivered."""
import os, re, subprocess
from beside_hosts import USER, Table
from harness import eventually, run

STATUS = "sysexits(3): the status says what was wrong; Postfix ends everything with 75, try again"
TOLD = "no address (RFC 5322 §3.4): the caller hears it and nobody is sent to; Postfix makes one of it, and returns the mail"
LOCAL_PART = "RFC 5321 §2.3.11: only the host named may read the local part"
UNCHANGED = "a field that says what it should stays as it came; Postfix writes it anew"
NAME = "what stands in front of brackets is a name, whatever is in it (RFC 5322 §3.4); Postfix sends to it, too"
ADDED_TO = "sendmail(8) adds To: undisclosed-recipients, and so do we"
WISH = "a wish that cannot be read is told; Postfix takes no notice"
EIGHT_BIT = "encoded words lose nothing (RFC 6152 §3, RFC 2047); Postfix takes it for mail of SMTPUTF8 and returns it"
FOLDED = "RFC 5322 §2.1.1 by folding and RFC 2045 §6.7, which lose nothing; Postfix breaks the line"

FIELDS = "From: s@far.example\nSubject: x\nDate: x\nMessage-ID: <1@x>\n"
TO = "To: u@b.example\n"
WHOLE = FIELDS + TO + "\nx\n"


def to(value, *words):
    """A message whose To is `value`, which says who gets it."""
    return ["-t", "-i", *words], f"{FIELDS}To: {value}\n\nx\n"


def lacks(name):
    return "".join(line + "\n" for line in WHOLE.split("\n")[:-1] if not line.startswith(name + ":"))


# name, words of the command line, what is handed in, why the two differ
ROWS = [
    # The command line
    ("an address", ["u@b.example"], WHOLE, None),
    ("two addresses", ["u@b.example", "v@b.example"], WHOLE, None),
    ("two in one word, with a comma", ["u@b.example, v@b.example"], WHOLE, None),
    ("two in one word, with a space", ["u@b.example v@b.example"], WHOLE, None),
    ("in brackets", ["<u@b.example>"], WHOLE, None),
    ("with a name", ["Bob <u@b.example>"], WHOLE, None),
    ("with a comment", ["u@b.example (Bob)"], WHOLE, None),
    ("an account", [USER], WHOLE, None),
    ("an account in capitals, with an extension", [USER.upper() + "+x"], WHOLE, None),
    ("the same twice", ["u@b.example", "u@b.example"], WHOLE, None),
    ("the same in capitals", ["u@b.example", "U@B.example"], WHOLE, "RFC 5321 §2.4: a local part has its case, a domain has none"),
    ("an account that is not there", ["nobody.here"], WHOLE, None),
    ("nothing", [""], WHOLE, "nobody is named; Postfix sends to MAILER-DAEMON"),
    ("empty brackets", ["<>"], WHOLE, "nobody is named; Postfix sends to MAILER-DAEMON"),
    ("empty brackets beside an address", ["<>", "u@b.example"], WHOLE, "nobody is named; Postfix sends to MAILER-DAEMON"),
    ("a domain alone", ["@b.example"], WHOLE, TOLD),
    ("no domain behind the @", ["u@"], WHOLE, TOLD),
    ("two dots in the domain", ["u@b..example"], WHOLE, TOLD),
    ("a dot behind the domain", ["u@b.example."], WHOLE, None),
    ("a program", ["|/bin/true"], WHOLE, None),
    ("a file", ["/tmp/x"], WHOLE, None),
    (":include:", [":include:/etc/passwd"], WHOLE, "RFC 5322 §3.4 has groups: it is one without its end; nobody reads a file for it"),
    ("a hyphen behind --", ["--", "-x@b.example"], WHOLE, "nobody's name begins so: to some program behind it would be an option"),
    ("an address behind --", ["--", "u@b.example"], WHOLE, None),
    ("options behind an address", ["u@b.example", "-f", "t@far.example"], WHOLE, "glibc's getopt, and so sendmail(8), finds them there; Postfix sends mail to -f"),
    ("percent", ["u%b.example"], WHOLE, LOCAL_PART),
    ("bang", ["b.example!u"], WHOLE, LOCAL_PART),
    ("a literal", ["u@[127.0.0.2]"], WHOLE, None),
    ("quoted", ['"u v"@b.example'], WHOLE, None),
    ("8 bit", ["caf\xe9@b.example"], WHOLE, TOLD),
    ("no recipients", [], WHOLE, STATUS),
    ("-t", ["-t"], WHOLE, None),
    ("-t and an address", ["-t", "v@b.example"], WHOLE, None),
    ("-t, none in the header", ["-t"], FIELDS + "\nx\n", STATUS),
    ("-t, none in the header, and an address", ["-t", "v@b.example"], FIELDS + "\nx\n", ADDED_TO),
    ("-t, an empty To", ["-t"], FIELDS + "To:\n\nx\n", STATUS),
    ("-f", ["-f", "t@far.example", "u@b.example"], WHOLE, None),
    ("-f, in brackets", ["-f", "<t@far.example>", "u@b.example"], WHOLE, None),
    ("-f, with a name", ["-f", "Bob <t@far.example>", "u@b.example"], WHOLE, None),
    ("-f, a name of this host", ["-f", "bob", "u@b.example"], WHOLE, None),
    ("-f, nobody", ["-f", "", "u@b.example"], WHOLE, None),
    ("-f, empty brackets", ["-f", "<>", "u@b.example"], WHOLE, None),
    ("-f, nobody, no From", ["-f", "", "u@b.example"], lacks("From"), "RFC 5322 §3.6.2: From is who wrote it, whoever hears of its failure"),
    ("-f, attached", ["-ft@far.example", "u@b.example"], WHOLE, None),
    ("-f twice", ["-f", "t@far.example", "-f", "w@far.example", "u@b.example"], WHOLE, None),
    ("-f, two", ["-f", "t@far.example, w@far.example", "u@b.example"], WHOLE, "RFC 5321 §4.1.1.2: one sender; Postfix takes the first"),
    ("-f, no address", ["-f", "t@", "u@b.example"], WHOLE, TOLD),
    ("-r", ["-r", "t@far.example", "u@b.example"], WHOLE, None),
    ("-f and no From", ["-f", "t@far.example", "u@b.example"], lacks("From"), None),
    ("-F and no From", ["-F", "Bob Smith", "u@b.example"], lacks("From"), None),
    ("-F and From", ["-F", "Bob Smith", "u@b.example"], WHOLE, None),
    ("-F, a dot and a comma", ["-F", "Smith, B.", "u@b.example"], lacks("From"), None),
    ("-F, quotes", ["-F", 'Bob "x" Smith', "u@b.example"], lacks("From"), None),
    ("-F, 8 bit", ["-F", "J\xf6rg", "u@b.example"], lacks("From"), "RFC 2047 §3: in a header of ASCII; bytes that are no UTF-8 have no character. Postfix writes the byte"),
    ("-F, UTF-8", ["-F", "J\xc3\xb6rg", "u@b.example"], lacks("From"), "RFC 2047 §2, a header of ASCII; Postfix writes the bytes"),
    ("-F, a line end", ["-F", "Bob\nBcc: v@b.example", "u@b.example"], lacks("From"), "a control character in a name is no accident: told"),
    ("-N never", ["-N", "never", "u@b.example"], WHOLE, None),
    ("-N failure, delay", ["-N", "failure, delay", "u@b.example"], WHOLE, None),
    ("-N, no such word", ["-N", "always", "u@b.example"], WHOLE, WISH),
    ("-R hdrs", ["-R", "hdrs", "u@b.example"], WHOLE, None),
    ("-R, no such word", ["-R", "most", "u@b.example"], WHOLE, WISH),
    ("-V", ["-V", "id", "u@b.example"], WHOLE, "sendmail(8): -V is the envelope's name (RFC 3461 §4.4); Postfix's own is VERP"),
    ("-B 8BITMIME", ["-B", "8BITMIME", "u@b.example"], WHOLE, None),
    ("-B, no such word", ["-B", "9BIT", "u@b.example"], WHOLE, "nothing is lost by it: what the content is, is seen when it is sent"),
    ("-oem -odb -oi -m -U -om", ["-oem", "-odb", "-oi", "-m", "-U", "-om", "u@b.example"], WHOLE, None),
    ("-n", ["-n", "u@b.example"], WHOLE, "sendmail(8) has it; Postfix does not take it, and the mail is lost"),
    ("-i, -t and -f in one word", ["-itft@far.example"], WHOLE, None),
    ("-h 5 -p SMTP:x -L tag", ["-h", "5", "-p", "SMTP:x", "-L", "tag", "u@b.example"], WHOLE, None),
    ("-X", ["-X", "/tmp/x", "u@b.example"], WHOLE, "sendmail(8) has it; Postfix does not take it, and the mail is lost"),
    ("-bm", ["-bm", "u@b.example"], WHOLE, None),
    ("-bx", ["-bx", "u@b.example"], WHOLE, STATUS),
    ("-bs", ["-bs"], "EHLO x\nMAIL FROM:<s@far.example>\nRCPT TO:<u@b.example>\nDATA\n" + WHOLE + ".\nQUIT\n", None),
    ("-bs, MAIL without EHLO", ["-bs"], "MAIL FROM:<s@far.example>\nRCPT TO:<u@b.example>\nDATA\n" + WHOLE + ".\nQUIT\n", "RFC 5321 §4.1.1.1: HELO comes first"),
    ("-bp", ["-bp"], "", None),
    ("-bp and an address", ["-bp", "u@b.example"], "", "sendmail(8) lists the queue"),
    ("-q", ["-q"], "", None),
    ("-q30m", ["-q30m"], "", None),
    ("-Z", ["-Z", "u@b.example"], WHOLE, STATUS),
    ("-f, and no more", ["-f"], WHOLE, STATUS),
    # Who the header names
    ("To: two", *to("u@b.example, v@b.example"), None),
    ("To: two, folded", *to("u@b.example,\n v@b.example"), None),
    ("To: two fields", *to("u@b.example\nTo: v@b.example"), None),
    ("To, Cc, Bcc", *to("u@b.example\nCc: v@b.example\nBcc: w@b.example"), None),
    ("Bcc, no -t", ["u@b.example"], FIELDS + TO + "Bcc: w@b.example\n\nx\n", None),
    ("Bcc alone", ["-t"], FIELDS + "Bcc: w@b.example\n\nx\n", ADDED_TO),
    ("Bcc, folded", *to("u@b.example\nBcc: w@b.example,\n\tv@b.example"), None),
    ("BCC : with a blank", *to("u@b.example\nBCC : w@b.example"), None),
    ("Apparently-To", ["-t"], FIELDS + "Apparently-To: u@b.example\n\nx\n", STATUS),
    ("a group", *to("Team: u@b.example, v@b.example;"), None),
    ("an empty group", *to("undisclosed-recipients:;, u@b.example"), None),
    ("an empty group alone", *to("undisclosed-recipients:;"), STATUS),
    ("a group without its end", *to("Team: u@b.example, v@b.example"), "RFC 5322 §3.4: a group, if not ended; Postfix makes its name part of an address"),
    ("a group with a quoted name", *to('"A: B": u@b.example;'), None),
    ("a quoted name with a comma", *to('"Smith, Bob" <u@b.example>'), None),
    ("a quoted name with a quote", *to('"Bob \\"x, <y@z>\\" Smith" <u@b.example>'), None),
    ("[List] Bob", *to("[List] Bob <u@b.example>"), None),
    ("(List: all) Bob", *to("(List: all) Bob <u@b.example>"), None),
    ("{x} and a slash", *to("{x} a/b <u@b.example>"), None),
    ("a dot in a name", *to("J. R. Bob <u@b.example>"), None),
    ("an apostrophe in a name", *to("O'Neil <u@b.example>"), None),
    ("a colon in a name", *to("Re: Bob <u@b.example>"), NAME),
    ("an address as a name", *to("u@b.example <u@b.example>"), None),
    ("another address as a name", *to("v@b.example <u@b.example>"), None),
    ("a comma in a name", *to("Smith, Bob <u@b.example>"), None),
    ("a semicolon between two", *to("u@b.example; v@b.example"), None),
    ("a space between two", *to("u@b.example v@b.example"), None),
    ("Bob Smith u@d", *to("Bob Smith u@b.example"), TOLD),
    ("u@d Bob Smith", *to("u@b.example Bob Smith"), TOLD),
    ("no bracket at the end", *to("Bob <u@b.example"), "what is meant is clear; Postfix happens to send to \"Bob<u\"@"),
    ("no bracket at the beginning", *to("Bob u@b.example>"), TOLD),
    ("two brackets", *to("Bob <<u@b.example>>"), TOLD),
    ("two pairs of brackets", *to("Bob <u@b.example> <v@b.example>"), None),
    ("text behind the brackets", *to("<u@b.example> Bob"), TOLD),
    ("a quote without its end", *to('"Bob <u@b.example>'), TOLD),
    ("a comment without its end", *to("u@b.example (Bob"), "it may have swallowed somebody: told"),
    ("a comment's end alone", *to("u@b.example Bob)"), TOLD),
    ("nested comments", *to("(a (b (c)) d) u@b.example (e)"), None),
    ("a comment in the address", *to("u(x)@(y)b.example"), None),
    ("blanks in the address", *to("u @ b . example"), None),
    ("blanks in brackets", *to("< u@b.example >"), None),
    ("a source route", *to("<@x.example,@y.example:u@b.example>"), UNCHANGED),
    ("mailto:", *to("mailto:u@b.example"), "the address is clear, and is what mail comes to; Postfix sends to \"mailto:u\"@"),
    ("<mailto:>", *to("<mailto:u@b.example>"), TOLD),
    ("an encoded word", *to("=?utf-8?q?Smith,_Bob?= <u@b.example>"), "RFC 2047 §5: a word of a name; Postfix cuts it at its comma, and sends to the halves"),
    ("an 8-bit name", *to("J\xf6rg <u@b.example>"), EIGHT_BIT),
    ("8 bit in the address", *to("j\xf6rg@b.example"), TOLD),
    ("a quoted local part", *to('"u v"@b.example'), None),
    ("quoted whole", *to('"u@b.example"'), UNCHANGED),
    ("a..b", *to("a..b@b.example"), "quoted where it is sent (RFC 5321 §4.1.2), and in the header as it came"),
    ("commas and nothing", *to(", u@b.example,, v@b.example,"), None),
    ("a tab between two", *to("u@b.example\tv@b.example"), None),
    ("a backslash", *to("u\\@b.example"), TOLD),
    ("two @", *to("u@x@b.example"), TOLD),
    ("an account", *to(USER), None),
    ("an account, with a name", *to(f"Bob <{USER}>"), None),
    *[(text.format("…"), *to(text.format("u@b.example")), reason) for reason, texts in (
        (None, ['"Bob" "B." Smith <{}>', "Bob@Work <{}>", "Bob (x <y@z>) <{}>", "<{}>(Bob)", "{}(Bob)", "{};", "A: B: {};;", "<{}>, <v@b.example>", "<{}>\t<v@b.example>", '"" <{}>',
                '"{}" <v@b.example>', "Bob <{} >", "{}\n\t(Bob)", "a{}", "|/bin/true, {}", "/tmp/x, {}"]),
        (TOLD, ["'{}'", "[{}]", "[mailto:{}]", "{}..", "{}, v@", "{}\v", "<{},v@b.example>"]),
        (UNCHANGED, ["<Bob> {}", '"|/bin/true", {}']), (NAME, ["Bob: <{}>"]), ("what is quoted is a name of this host (RFC 5322 §3.2.4), and comes back, too", ['"Bob <{}>"']), (STATUS, ["{} <>"]), ("a source route has its brackets (RFC 5321 §4.1.2); Postfix reads it without", ["@x.example:{}"]),
        ("RFC 5322 §3.4: a group without its end, with one address; nobody reads a file for it", [":include:/etc/passwd, {}"])) for text in texts],
    ("a local part of 600", *to("u" * 600 + "@b.example"), "RFC 5321 §4.5.3.1.3: no command to the next host could hold it: told"),
    ("a Bcc behind what is no field", *to("u@b.example\nHello\nBcc: v@b.example"), None),
    ("12,000 bytes of recipients", *to(",\n ".join(f"u{n}@b.example" for n in range(800))), None),
    ("Resent-To beside To", *to("u@b.example\nResent-From: r@far.example\nResent-To: v@b.example\nResent-Date: y\nResent-Message-ID: <2@x>"), None),
    ("Resent-Bcc", *to("u@b.example\nResent-From: r@far.example\nResent-Bcc: v@b.example\nResent-Date: y\nResent-Message-ID: <2@x>"), None),
    ("Resent-To, nothing else resent", *to("u@b.example\nResent-To: v@b.example"), "the same fields, on top of the block (RFC 5322 §3.6.6) and not behind all"),
    ("Resent-From alone", *to("u@b.example\nResent-From: r@far.example"), "the same"),
    # What is there, and what is added
    *[(f"no {name}", ["u@b.example"], lacks(name), None) for name in ("From", "Date", "Message-ID", "Subject")],
    ("no To", ["u@b.example"], FIELDS + "\nx\n", ADDED_TO),
    ("no header but Subject", ["u@b.example"], "Subject: x\n\nx\n", ADDED_TO),
    ("an empty From", ["u@b.example"], lacks("From").replace("Subject", "From:\nSubject", 1), None),
    ("From: a name of this host", ["u@b.example"], WHOLE.replace("s@far.example", "bob"), None),
    ("From: a name of this host, with a name", ["u@b.example"], WHOLE.replace("s@far.example", "Bob B. <bob>"), None),
    ("From: [Billing]", ["u@b.example"], WHOLE.replace("s@far.example", "Support [Billing] <desk@far.example>"), None),
    ("From: 8 bit", ["u@b.example"], WHOLE.replace("s@far.example", "J\xf6rg <s@far.example>"), EIGHT_BIT),
    ("two From", ["u@b.example"], "From: t@far.example\n" + WHOLE, None),
    ("two Date, two Message-ID", ["u@b.example"], "Date: y\nMessage-ID: <2@x>\n" + WHOLE, None),
    ("Return-Path", ["u@b.example"], "Return-Path: <q@far.example>\n" + WHOLE, None),
    ("Content-Length", ["u@b.example"], "Content-Length: 5\n" + WHOLE, UNCHANGED),
    ("Delivered-To", ["u@b.example"], "Delivered-To: q@far.example\n" + WHOLE, None),
    ("Errors-To, Disposition-Notification-To", ["u@b.example"], "Errors-To: q\nDisposition-Notification-To: q\n" + WHOLE, None),
    # The text
    ("nothing at all", ["u@b.example"], "", ADDED_TO),
    ("nothing at all, -t", ["-t"], "", STATUS),
    ("an empty line", ["u@b.example"], "\n", ADDED_TO),
    ("a header alone", ["u@b.example"], FIELDS + TO, None),
    ("a header alone, without a line end", ["u@b.example"], (FIELDS + TO)[:-1], None),
    ("no line end at the end", ["u@b.example"], WHOLE[:-1], None),
    ("no field at first", ["u@b.example"], "Hello\nSubject: x\n\nx\n", ADDED_TO),
    ("text that begins with a colon", ["u@b.example"], ": x\n" + WHOLE, ADDED_TO),
    ("text with a colon", ["u@b.example"], "Hello world: x\ny\n", ADDED_TO),
    ("a blank in front", ["u@b.example"], " x\n" + WHOLE, ADDED_TO),
    ("an empty line in front", ["u@b.example"], "\n" + WHOLE, ADDED_TO),
    ("no field in the header", ["-t"], FIELDS + "Hello\n" + TO + "\nx\n", STATUS),
    ("a blank before the colon", ["u@b.example"], WHOLE.replace("Subject:", "Subject :"), None),
    ("a line of blanks behind the header", ["u@b.example"], FIELDS + TO + "  \n\nx\n", None),
    ("a From line", ["u@b.example"], "From a@b Fri Nov 27 08:00:00 2026\n" + WHOLE, None),
    ("a >From line", ["u@b.example"], ">From a@b Fri Nov 27 08:00:00 2026\n" + WHOLE, None),
    ("two From lines", ["u@b.example"], "From a@b x\n>From a@b y\n" + WHOLE, None),
    ("a From line and no header", ["u@b.example"], "From here on it is\ntext\n", ADDED_TO),
    ("a From line in the text", ["u@b.example"], WHOLE + "From here\n>From there\n", None),
    ("a dot", ["u@b.example"], WHOLE + ".\ny\n", None),
    ("a dot, -i", ["-i", "u@b.example"], WHOLE + ".\ny\n", None),
    ("a dot, -oi", ["-oi", "u@b.example"], WHOLE + ".\ny\n", None),
    ("a dot at the end, no line end", ["u@b.example"], WHOLE + ".", None),
    ("a dot at the end, no line end, -i", ["-i", "u@b.example"], WHOLE + ".", None),
    ("two dots", ["u@b.example"], WHOLE + "..\n.y\n", None),
    ("a dot in the header", ["u@b.example"], FIELDS + TO + ".\n\nx\n", None),
    ("CRLF", ["-t"], WHOLE.replace("\n", "\r\n"), None),
    ("CRLF, a dot", ["u@b.example"], (WHOLE + ".\ny\n").replace("\n", "\r\n"), None),
    ("CR CR LF", ["u@b.example"], WHOLE + "y\r\r\nz\n", None),
    ("CR alone", ["-i", "u@b.example"], WHOLE + "y\rz\n", None),
    ("CR alone in a field", ["-i", "u@b.example"], FIELDS + TO + "X-A: y\rX-B: z\n\nx\n", None),
    ("CR for line ends", ["-i", "u@b.example"], WHOLE.replace("\n", "\r"), "a CR is no line end (RFC 5321 §2.3.8) and is made a blank; Postfix makes addresses of the rest"),
    ("CRLF in the header alone", ["-t"], (FIELDS + TO + "\n").replace("\n", "\r\n") + "x\ny\n", None),
    ("NUL", ["-i", "u@b.example"], WHOLE + "y\0z\n", "RFC 5322 §2.3: no NUL; what goes on must be taken by the next host"),
    ("NUL in a field", ["-i", "u@b.example"], FIELDS + TO + "X-A: y\0z\n\nx\n", "RFC 5322 §2.3: no NUL; Postfix cuts the field off"),
    ("8 bit in the text", ["-i", "u@b.example"], WHOLE + "caf\xe9\n", None),
    ("8 bit in a subject", ["-i", "u@b.example"], WHOLE.replace("Subject: x", "Subject: caf\xe9"), EIGHT_BIT),
    ("a line of 5,000", ["-i", "u@b.example"], WHOLE + "y" * 5000 + "\n", FOLDED),
    ("a subject of 5,000", ["-i", "u@b.example"], WHOLE.replace("Subject: x", "Subject: " + "y " * 2500), FOLDED),
    ("a header of 1 MB", ["-i", "u@b.example"], FIELDS + TO + f"X-A: {'y' * 900}\n" * 1100 + "\nx\n", None),
    ("over the limit", ["-i", "u@b.example"], WHOLE + ("y" * 99 + "\n") * 20100, STATUS),
    ("12,000 fields", ["-i", "u@b.example"], FIELDS + TO + "X: y\n" * 12000 + "\nx\n", "more than 10,000 are refused, told: a Bcc might stand behind"),
]


def peers(both):
    """Both as USER, who may name no configuration to Postfix: its own is laid over the host's. Both with a limit of 2 MB."""
    run("mount", "--bind", both.theirs.config, "/etc/postfix")
    run("postconf", "-e", "message_size_limit=2000000")
    run("postfix", "reload")
    # What waits from other tables would be tried again meanwhile, and logged.
    run("postsuper", "-d", "ALL")
    with open(both.ours.host.config) as file:
        text = re.sub(r"(?m)^message-size-limit.*\n", "", file.read())
    with open(both.ours.host.config, "w") as file:
        file.write(text + "message-size-limit = 2000000\n")
    return [(both.theirs, ["/usr/sbin/sendmail"], os.path.dirname(both.theirs.config) + "/log"),
            (both.ours, both.ours.host.command("sendmail-compat"), both.ours.host.log)]


ID = r"\b([0-9A-Za-z]{8,}): "


def settled(log, start):
    """The log since `start`, once every message that it names is removed."""
    with open(log, errors="replace") as file:
        file.seek(start)
        text = file.read()
    ids = set(re.findall(ID + r"(?:uid|client|message-id|from)=", text)) | set(re.findall(r"non-delivery notification: (\w+)", text))
    return ids and ids <= set(re.findall(ID + "removed", text)) and text


def play(both, peer, command, log, words, text):
    start = os.path.getsize(log) if os.path.exists(log) else 0
    words = [word.encode("latin-1") for word in words] or [b"--"]
    done = subprocess.run(["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", *command, *words],
                          input=text.encode("latin-1"), capture_output=True, timeout=60)
    outcome = str(done.returncode)
    if done.returncode != 0 or words[0][:3] in (b"-bp", b"-q", b"-q3"):
        return outcome
    if words[0] == b"-bs" and b"queued as" not in done.stdout:
        return outcome + " nothing taken"
    report = eventually(lambda: settled(log, start), f"{words} at {peer.name}: {done}", 30)
    # Several messages to the next host are copies of one.
    messages, both.next_hop.messages[:] = list(both.next_hop.messages), []
    local = peer.take(0, 1) if peer.paths() else []
    # Of what is new: what is tried again has no message-id line.
    new = set(re.findall(ID + "message-id=", report)) | set(re.findall(r"non-delivery notification: (\w+)", report))
    ends = [(address, status) for queue_id, address, status in re.findall(ID + r"to=<(.*?)>, .*status=(\w+)", report)
            if peer is both.ours or queue_id in new]
    recipients = sorted(address + ("" if status == "sent" else "!" + status) for address, status in ends)
    senders = {sender.split(b"> ")[0].rstrip(b">").decode("latin-1") + ">" for sender, _, _ in messages}
    content = messages[0][2].replace(b"\r\n", b"\n") if messages else local[0] if local and {status for _, status in ends} == {"sent"} else b""
    outcome += f" {' '.join(sorted(senders))} to {' '.join(recipients) if len(recipients) < 10 else len(recipients)}"
    return brief(outcome + (made(text.encode("latin-1"), content) if content else ""))


TRACE = (b"received", b"return-path", b"delivered-to", b"x-original-to")


def parts(text):
    """The fields, what else stands in the header, and the text."""
    header, _, body = text.partition(b"\n\n") if not text.startswith(b"\n") else (b"", b"", text[1:])
    field = rb"^[^\s:]+[ \t]*:(?:.|\n[ \t])*\n?"
    return [f.rstrip(b"\n") for f in re.findall(field, header, re.M)], re.sub(field, b"", header, flags=re.M), body


def made(given, delivered):
    """What was made of a message: fields that went (-) and came (+), and the text where it changed."""
    old, new = parts(given), parts(delivered)
    shown = [b"-" + f for f in old[0] if f not in new[0]]
    for field in new[0]:
        name = field.split(b":")[0].lower()
        if field not in old[0] and name not in TRACE:
            shown.append(b"+" + re.sub(rb"(?i)^(date|message-id):.*", rb"\1", field))
    for before, after in zip(old[1:], new[1:]):
        if before.rstrip(b"\n") != after.rstrip(b"\n"):
            shown.append(after)
    return "".join(" " + repr(text.lower() if text in (b"+Message-Id", b"+Message-ID") else text)[1:] for text in shown)


def brief(text):
    text = re.sub(r"\b(mx\.)?a\.example", "HERE", text)
    return re.sub(r"(.{1,4}?)\1{29,}", lambda run: f"{run[1]}×{len(run[0]) // len(run[1])}", text)[:300]


def run_table(both):
    table = Table("sendmail")
    for name, words, text, reason in ROWS:
        table.row(name, *(play(both, peer, command, log, words, text) for peer, command, log in peers_of(both)), reason)
    return table


def peers_of(both):
    if not hasattr(both, "sendmail_peers"):
        both.sendmail_peers = peers(both)
    return both.sendmail_peers
