"""Messages that a server cannot be sent as they are: converted without loss, or returned. Read back by Python's email."""
import email, email.policy, re, subprocess
from outgoing_servers import CONFIGURATION, PATIENT, PROGRAM, Server, ordinary

PLAIN = b"250-mx\r\n250 SIZE 0\r\n"
EIGHT = b"250-mx\r\n250-8BITMIME\r\n250 SIZE 0\r\n"
LONG = b"0123456789 " * 136 + b"end"


def part(body, kind=b"text/plain; charset=utf-8", encoding=b"8bit", more=b""):
    return b"Content-Type: " + kind + b"\nContent-Transfer-Encoding: " + encoding + b"\n" + more + b"\n" + body


def multipart(*parts, kind=b"mixed", boundary=b"b1", preamble=b"", epilogue=b""):
    text = b"Content-Type: multipart/" + kind + b"; boundary=\"" + boundary + b"\"\nContent-Transfer-Encoding: 8bit\n\n" + preamble
    for content in parts:
        text += b"\n--" + boundary + b"\n" + content
    return text + b"\n--" + boundary + b"--\n" + epilogue


HEAD = b"From: a@client\nTo: b@mx\nSubject: s\nMIME-Version: 1.0\n"
FORWARDED = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n"
EIGHTBIT = "Grüße, Welt\n".encode()
GOOD = {
    "text": HEAD + part(EIGHTBIT),
    "no MIME": b"Subject: s\n\n" + EIGHTBIT,
    "no MIME, no UTF-8": b"Subject: s\n\n\xe4\xf6\n",
    "lying 7bit": HEAD + part(EIGHTBIT, encoding=b"7bit"),
    "a name of nobody's for 8bit": HEAD + part(EIGHTBIT, encoding=b"8-bit"),
    "much of it": HEAD + part("Привет, мир! Как дела?\n".encode() * 50),
    "no last line end": HEAD + part(EIGHTBIT.rstrip()),
    "blanks at line ends": HEAD + part("ü \n \t\n \nü\t".encode()),
    "dots": HEAD + part(b".\n..\n.\xc3\xbc\n"),
    "HTML": HEAD + part("<p>ü</p>\n".encode(), b"text/html; charset=utf-8"),
    "bytes": HEAD + part((bytes(range(128, 256)) + b"\n") * 30, b"application/octet-stream", b"binary"),
    "two parts": HEAD + multipart(part(EIGHTBIT), part(b"ascii\n", encoding=b"7bit")),
    "parts in parts": HEAD + multipart(multipart(part(EIGHTBIT), part(EIGHTBIT, b"text/html; charset=utf-8"), kind=b"alternative", boundary=b"b2"),
                                       part(EIGHTBIT.rstrip(), b"application/x")),
    "a part without a header": HEAD + multipart(b"\n" + EIGHTBIT),
    "an empty part": HEAD + multipart(part(b""), part(EIGHTBIT)),
    "a preamble": HEAD + multipart(part(EIGHTBIT), preamble="Vorwort: ü\n".encode(), epilogue="Nachwort: ü\n".encode()),
    "a forwarded message": HEAD + multipart(part(b"see\n"), FORWARDED + HEAD + part(EIGHTBIT)),
    "a forwarded multipart": HEAD + multipart(FORWARDED + HEAD + multipart(part(EIGHTBIT), boundary=b"b2")),
    "a digest": HEAD + multipart(b"\n" + HEAD + part(EIGHTBIT), kind=b"digest"),
    "8 bit beside a signed part": HEAD + multipart(
        multipart(part(b"ascii\n", encoding=b"7bit"), part(b"sig\n", b"application/pgp-signature", b"7bit"), kind=b"signed", boundary=b"b2"), part(EIGHTBIT)),
    "a subject": "Subject: Grüße aus der größten Stadt\n\nx\n".encode(),
    "a name": "Subject: s\nFrom: Jörg Müller <j@client>, \"Zoë, X\" <z@client>\n\nx\n".encode(),
    "a file name": HEAD + part(EIGHTBIT, more="Content-Disposition: attachment; filename=\"Größe.txt\"\n".encode()),
    "a DKIM signature": b"DKIM-Signature: v=1; a=rsa-sha256; d=client; b=abc\n" + HEAD + part(EIGHTBIT),
    "half a megabyte": HEAD + part(EIGHTBIT * 50000),
}
LONG_ONES = {
    "a long line": b"Subject: s\n\n" + LONG + b"\n",
    "a long line with 8 bits": HEAD + part(LONG + "ü\n".encode()),
    "a long line in HTML": HEAD + multipart(part(b"<p>" + LONG + b"</p>\n", b"text/html", b"7bit"), part(b"x\n", encoding=b"7bit")),
    "base64 in one line": HEAD + part(b"QUJD" * 1000 + b"\n", b"application/x", b"base64"),
    "quoted-printable in one line": HEAD + part(b"=C3=BC" * 400 + b"=20x\n", encoding=b"quoted-printable"),
    "a long line of a forwarded message": HEAD + multipart(FORWARDED + HEAD + part(LONG + b"\n", encoding=b"7bit")),
    "999 bytes": b"Subject: s\n\n" + b"x" * 999 + b"\n",
    "a long line of half a megabyte": b"Subject: s\n\n" + b"y" * 500000 + b"\n",
    "references": b"Subject: s\nReferences: " + b" ".join(b"<%04d@client.example>" % n for n in range(100)) + b"\n\nx\n",
    "a long folded header": b"Subject: s\nReferences: " + b"\n ".join(b"<%04d@client.example>" % n for n in range(100)) + b"\n\n" + LONG + b"\n",
    "a long subject without blanks": b"Subject: " + b"w" * 3000 + b"\n\nx\n",
}
SIGNED = multipart(part(EIGHTBIT), part(b"sig\n", b"application/pgp-signature", b"7bit"), kind=b"signed")
BAD = {
    "8 bit in a signed part": HEAD + SIGNED,
    "8 bit deep in a signed part": HEAD + multipart(multipart(part(EIGHTBIT), boundary=b"b2"), part(b"x\n"), kind=b"signed"),
    "8 bit in an encrypted part": HEAD + multipart(part(b"Version: 1\n", encoding=b"7bit"), part(EIGHTBIT), kind=b"encrypted"),
    "8 bit in a delivery status": HEAD + multipart(part(EIGHTBIT, b"message/delivery-status")),
    "a multipart without its boundary": HEAD + b"Content-Type: multipart/mixed; boundary=nowhere\n\n" + EIGHTBIT,
    "8 bit in an encoding of somebody's": HEAD + part(EIGHTBIT, encoding=b"x-uuencode"),
    "an address": "Subject: s\nTo: jörg@client\n\nx\n".encode(),
}
BAD_LONG = {
    "a long line in a signed part": HEAD + multipart(part(LONG + b"\n", encoding=b"7bit"), part(b"x\n"), kind=b"signed"),
    "a long header of a signed part": HEAD + multipart(part(b"x\n", encoding=b"7bit", more=b"X-A: " + LONG + b"\n"), part(b"x\n"), kind=b"signed"),
}


def leaves(message):
    """Kinds and decoded contents of all parts, line ends aside."""
    for leaf in message.walk():
        if not leaf.is_multipart():
            yield leaf.get_content_type(), (leaf.get_payload(decode=True) or b"").replace(b"\r\n", b"\n").rstrip(b"\n")


def send(content, hello, sender="s@client"):
    server = Server(ordinary({"EHLO": hello}))
    done = subprocess.run([PROGRAM, "-C", CONFIGURATION, *PATIENT, f"127.0.0.1:{server.port}", sender, "a@mx"],
                          input=content, capture_output=True, timeout=120)
    server.stop()
    return server, done


def undotted(data):
    return re.sub(rb"(?m)^\.\.", b".", data)


def wrong_with(content, hello, isEight, sender="s@client"):
    """What is wrong with what arrives."""
    server, done = send(content, hello, sender)
    if done.returncode or len(server.messages) != 1:
        return f"{done.stdout}"
    data = undotted(server.messages[0])
    if not isEight and not data.isascii():
        return "8 bit arrived"
    if max(map(len, data.split(b"\r\n"))) > 998:
        return "a long line arrived"
    mail = next(line for line in server.heard if line.startswith(b"MAIL"))
    if b" SIZE=%d" % len(data) not in mail:
        return f"{mail}, {len(data)} bytes"
    if (b"BODY=8BITMIME" in mail) != (isEight and not data.isascii()):
        return f"{mail}"
    sent, came = email.message_from_bytes(content), email.message_from_bytes(data)
    if list(leaves(sent)) != list(leaves(came)):
        return f"{list(leaves(came))} for {list(leaves(sent))}"[:2000]
    words = lambda m, name: re.sub(r"\s+", " ", str(email.message_from_bytes(m, policy=email.policy.default)[name]))
    for name in ("Subject", "References"):
        if words(content, name) != words(data, name):
            return f"{name}: {words(data, name)!r} for {words(content, name)!r}"
    return None


def trial_seven_bits():
    """A server without 8BITMIME gets the very content in ASCII (RFC 6152 section 3)."""
    found = {name: wrong_with(content, PLAIN, False) for name, content in {**GOOD, **LONG_ONES}.items()}
    return "; ".join(f"{name}: {problem}" for name, problem in found.items() if problem) or None


def trial_long_lines():
    """No server gets a line of more than 998 bytes, and no content is changed by that."""
    found = {name: wrong_with(content, EIGHT, True) for name, content in LONG_ONES.items()}
    return "; ".join(f"{name}: {problem}" for name, problem in found.items() if problem) or None


def trial_eight_bits():
    """A server with 8BITMIME gets what is 8 bit as it is, and is told so, whatever was declared."""
    problems = []
    for name, content in {**GOOD, **BAD}.items():
        server, done = send(content, EIGHT)
        mail = next(line for line in server.heard if line.startswith(b"MAIL"))
        wanted = content if content.endswith(b"\n") else content + b"\n"
        if done.returncode or [undotted(m).replace(b"\r\n", b"\n") for m in server.messages] != [wanted] or b"BODY=8BITMIME" not in mail:
            problems.append(f"{name}: {done.stdout} {mail}")
    return "; ".join(problems) or None


def trial_refused():
    """What cannot be converted without damage is not sent at all, and fails."""
    problems = []
    for hello, contents in ((PLAIN, {**BAD, **BAD_LONG}), (EIGHT, BAD_LONG)):
        for name, content in contents.items():
            server, done = send(content, hello)
            if done.returncode != 69 or b" failed 5.6.3 " not in done.stdout or server.messages or any(l.startswith(b"MAIL") for l in server.heard):
                problems.append(f"{name}: {done.stdout} {server.heard}")
    return "; ".join(problems) or None


def trial_reports():
    """A report always gets through: what it returns and nobody may convert is cut down to its header."""
    def report(original):
        return HEAD + multipart(part(b"failed\n", encoding=b"7bit"), b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n",
                                FORWARDED + original, kind=b"report; report-type=delivery-status", boundary=b"r")
    if problem := wrong_with(report(HEAD + part(EIGHTBIT)), PLAIN, False, "<>"):
        return problem
    server, done = send(report(HEAD + "X-Ü: ü\n".encode() + SIGNED), PLAIN, "<>")
    if done.returncode or not server.messages[0].isascii():
        return f"{done.stdout}"
    parts = email.message_from_bytes(server.messages[0]).get_payload()
    kinds = [p.get_content_type() for p in parts]
    if kinds != ["text/plain", "message/delivery-status", "text/rfc822-headers"] or "X-Ü: ü".encode() not in parts[2].get_payload(decode=True):
        return f"{kinds} {server.messages}"
    return None


def trial_size():
    """SIZE is that of what is sent; a message that is larger than the server takes is not sent."""
    problems = []
    content = b"Subject: s\n\n" + b"x\n" * 100
    wire = len(content) + 102
    for limit, verdict in ((wire, b"delivered"), (wire - 1, b"failed 5.3.4")):
        server, done = send(content, b"250-mx\r\n250 SIZE %d\r\n" % limit)
        if verdict not in done.stdout or (verdict != b"delivered" and server.messages):
            problems.append(f"{limit}: {done.stdout}")
    converted = b"Subject: s\n\n" + b"\xc3\xbc" * 300 + b"\n"
    if b"5.3.4" not in send(converted, b"250-mx\r\n250 SIZE 700\r\n")[1].stdout:
        problems.append("converted: not counted as it is sent")
    return "; ".join(problems) or None


def trial_mbox_line():
    """What mbox puts in front of a message is not sent as its header."""
    problems = []
    for front in (b"From a@b Mon Jan  1 00:00:00 2024\n", b">From a@b Mon Jan  1\n", b"From x\n>From y\n"):
        server, _ = send(front + b"Subject: x\n\nFrom me\n", PLAIN)
        if server.messages != [b"Subject: x\r\n\r\nFrom me\r\n"]:
            problems.append(f"{front}: {server.messages}")
    for kept in (b"From : a@b\nSubject: x\n\nx\n", b"From: a@b\n\nFrom x\n", b"From the start on this is text\nand more\n"):
        server, _ = send(kept, PLAIN)
        if server.messages != [kept.replace(b"\n", b"\r\n")]:
            problems.append(f"{kept}: {server.messages}")
    return "; ".join(problems) or None
