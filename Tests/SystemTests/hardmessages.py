"""Messages as they come, made from a seed: broken MIME, nested, encoded, cut off, without a header, with bytes that should not be there."""
import base64, random, re

DATES = ["Thu, 1 Jan 2026 10:00:00 +0000", "1 Jan 26 10:00 GMT", "Thu, 01 Jan 2026 23:59:60 -1130", "Thu Jan  1 10:00:00 2026", "2026-01-01T10:00:00Z",
         "Fri, 31 Feb 2025 10:00:00 +0100", "(comment) 2 Mar 2024 (another) 1:02:03 EST", "3 Apr 1999 10:00:00 PDT", "yesterday", "", "Mon, 4 May 98 00:00:00 Z",
         "Tue,  5 Jun 2018\r\n 10:11:12\r\n +0200 (CEST)", "6-Jul-2019 10:00:00 +0000", "Wed, 7 Aug 2050 10:00:00 +9999"]
TEXTS = ["plain words", "=?utf-8?q?J=C3=B6rg_und_Anna?=", "=?iso-8859-1?Q?Gr=FC=DFe?= =?iso-8859-1?Q?_aus?= Ulm", "=?utf-8?b?" + base64.b64encode("日本語の件名".encode()).decode() + "?=",
         "=?utf-8?q?broken", "=?x-none?q?text?=", "=?utf-8?q?two=20blanks__here?=  behind", "folded\r\n\tsubject\r\n with blanks", "ge\xf6ffnet", "r\xc3\xa4tsel", "a\"quote\\slash",
         "=?utf-8?B?w6Q=?==?utf-8?B?w7Y=?=", "x" * 300, "", "Re: [list] =?us-ascii?q?=5Btag=5D?="]
ADDRESSES = ["ann@example.com", "Ann <ann@example.com>", "\"Ann, B.\" <ann@example.com>", "ann@example.com (Ann)", "team: ann@example.com, Bob <bob@example.org>;", "undisclosed-recipients:;",
             "=?utf-8?q?J=C3=B6rg?= <joerg@example.com>", "<@relay.example,@b.example:ann@example.com>", "ann", "Ann B <ann@example.com>, bob@[192.0.2.1]", "<>", "\"a b\"@example.com",
             "Ann (a (nested) comment) <ann@example.com>", "ann@example.com,, bob@example.com,", "<ann@example.com", "\"open <ann@example.com>", "J\xf6rg <j@example.com>",
             "Support [Billing] <desk@example.com>", "ann . smith @ example . com", "ann@example.com\r\n (fold),\r\n\tbob@example.com", "Dr. Ann <ann@example.com>", ""]
LINES = ["plain line", "", "a line with = and =3D", "From here on", ".dot", "trailing blank ", "caf\xc3\xa9", "gr\xfc\xdfe", "x" * 1200, "--", "--not a boundary", "\ttab", "needle in a line"]
PARAMETERS = ["charset=utf-8", "charset=\"iso-8859-1\"", "charset=us-ascii; format=flowed", "name*=utf-8''%E2%82%AC%20rates.txt", "name*0=\"very \"; name*1=\"long.txt\"", "name*0*=utf-8'en'%e2; name*1=plain",
              "charset = utf-8", "charset=utf-8;", "CHARSET=\"a \\\" quote\"", "name=\"=?utf-8?q?=C3=A4.txt?=\"", "name=unquoted name.txt", "; ; charset=utf-8", "charset", "charset=", "name=\"open"]
TYPES = ["text/plain", "TEXT/Html", "text", "application/octet-stream", "image/png", "", "text/plain/extra", "x-odd/thing", "text /plain", "application/pgp-signature"]
ENCODINGS = [None, "7bit", "8bit", "Quoted-Printable", "base64", "BASE64 (comment)", "x-uuencode", "", "binary"]
DISPOSITIONS = [None, "inline", "attachment; filename=a.txt", "attachment; filename*=utf-8''%C3%A4.txt", "ATTACHMENT;\r\n\tfilename=\"a b.txt\"; size=12", "\"attachment\"", "attachment; filename*0=a; filename*1=b.txt"]
JUNK = ["this line is no field", "X Bad Name: value", ">From quoted@example.com Thu Jan  1", "X-Empty:", "X-Long: " + "y" * 3000, "\xc4rger: 8 bit", ": no name", "X-Fold:\r\n\r\r\n value", "X-Tab:\tvalue", "Subject : blank before the colon",
        "X-Nul: a\0b", "X-Cr: a\rb"]


class Maker:
    def __init__(self, seed): self.random = random.Random(seed)

    def any(self, of): return self.random.choice(of)
    def chance(self, of): return self.random.random() < of

    def text(self):
        return "\r\n".join(self.any(LINES) for _ in range(self.random.randrange(6))) + self.any(["\r\n", "\r\n", "", "\r\n\r\n"])

    def header(self, mime):
        fields = []
        for name, values, likely in (("Date", DATES, 0.9), ("Subject", TEXTS, 0.9), ("From", ADDRESSES, 0.9), ("Sender", ADDRESSES, 0.2), ("Reply-To", ADDRESSES, 0.2), ("To", ADDRESSES, 0.8),
                                     ("Cc", ADDRESSES, 0.3), ("Bcc", ADDRESSES, 0.1), ("Message-ID", ["<a@b.example>", "<x@y> (note)", "no brackets", "<" + "z" * 1100 + "@example.com>"], 0.8), ("In-Reply-To", ["<q@w.example>", "Your message of Monday <q@w>"], 0.3)):
            if self.chance(likely):
                fields.append(f"{self.any([name, name, name.upper(), name.lower()])}: {self.any(values)}")
        if self.chance(0.05):
            fields.append("Subject: a second one")
        if self.chance(0.05):
            fields.append("To: second@example.com")
        self.random.shuffle(fields)
        for _ in range(self.any([0, 0, 0, 1, 2])):
            fields.insert(self.random.randrange(len(fields) + 1), self.any(JUNK))
        if mime and self.chance(0.9):
            fields.append("MIME-Version: 1.0")
        return fields

    def entity(self, depth=0):
        """Fields and a body."""
        kind = self.random.random()
        if depth < 4 and kind < 0.4:
            return self.multipart(depth)
        if depth < 4 and kind < 0.55:
            inner, body = self.entity(depth + 1)
            return ["Content-Type: " + self.any(["message/rfc822", "MESSAGE/RFC822; name=x", "message/rfc822"])] + self.extras(), self.join(self.header(True) + inner, body)
        if kind < 0.6:
            return ["Content-Type: message/delivery-status"], "Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; ann@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        if kind < 0.63:
            return [f"Content-Type: message/partial; id=\"x@y\"; number={self.random.randrange(1, 4)}; total=3"], self.text()
        fields = []
        if self.chance(0.8):
            fields.append("Content-Type: " + self.any(TYPES + ["text/plain"] * 8) + "".join("; " + self.any(PARAMETERS) for _ in range(self.any([0, 1, 1, 2]))))
        return fields + self.extras(), self.text()

    def extras(self):
        fields = []
        for name, value in (("Content-Transfer-Encoding", self.any(ENCODINGS)), ("Content-Disposition", self.any(DISPOSITIONS)),
                            ("Content-ID", self.any([None, None, "<id@example>"])), ("Content-Description", self.any([None, None, "what it is", "=?utf-8?q?=C3=A4?="])),
                            ("Content-Language", self.any([None, None, "de", "de, en", "(c) de"])), ("Content-Location", self.any([None, None, "http://www.example.com/"])), ("Content-MD5", self.any([None, None, "Q2hlY2sgSW50ZWdyaXR5IQ=="]))):
            if value is not None and self.chance(0.5):
                fields.append(f"{name}: {value}")
        return fields

    def multipart(self, depth):
        boundary = self.any(["b", "=_Part.1", "b b", "x" * 70, "=_" + str(self.random.randrange(100)), "b", "b'()+_,-./:=?", "y" * 90]) + self.any(["", str(depth)])
        kind = self.any(["mixed", "alternative", "digest", "MIXED", "signed; protocol=\"application/pgp-signature\"; micalg=pgp-sha256", "report; report-type=delivery-status", "related"])
        quoted = self.any([f'"{boundary}"', f'"{boundary}"', boundary, f"{boundary} ", f'"{boundary} "'])
        how = self.any([f"boundary={quoted}"] * 6 + [f"boundary*0=\"{boundary[:1]}\"; boundary*1=\"{boundary[1:]}\"", "", "boundary=\"\"", f"BOUNDARY = {quoted}; x=y"])
        parts = [self.entity(depth + 1) for _ in range(self.random.randrange(4))]
        body = self.any(["", "", "This is a preamble.\r\n", "\r\n"])
        for fields, text in parts:
            if self.chance(0.05):
                fields = fields + [self.any(JUNK)]
            body += f"--{boundary}{self.any(['', '', '', ' ', chr(9), 'x'])}\r\n" + self.join(fields, text) + self.any(["\r\n", "\r\n", ""])
        body += self.any([f"--{boundary}--\r\n", f"--{boundary}--\r\n", f"--{boundary}--", "", f"--{boundary}--\r\nepilogue\r\n", f"--{boundary}\r\n"])
        return [f"Content-Type: multipart/{kind}; {how}"] + self.extras(), body

    def join(self, fields, body):
        return "\r\n".join(fields) + ("\r\n" if fields else "") + self.any(["\r\n"] * 20 + [""]) + body

    def message(self):
        kind = self.random.random()
        if kind < 0.02:
            return self.any(["", "\r\n", "\r\n\r\n", "x", "no header at all\r\n", "From: a@b", "From: a@b\r\n", "\r\nbody", "Subject: s\r\n\r\n"]).encode()
        fields, body = self.entity()
        head = self.header(True)
        if kind < 0.05:
            head.insert(0, self.any(["From a@example.com Thu Jan  1 10:00:00 2026", " a fold first", "\tX: y"]))
        if kind > 0.97:
            head += ["X-Huge: " + "h" * 70 + "\r\n " + "i" * self.any([900, 70_000])]
        raw = self.join(head + fields, body).encode("latin-1")
        # As Maildirs have them: most with LF, some with CRLF, some with both.
        if self.chance(0.7):
            raw = raw.replace(b"\r\n", b"\n")
        elif self.chance(0.3):
            raw = re.sub(rb"\r\n", lambda _: self.any([b"\n", b"\r\n"]), raw)
        if self.chance(0.03):
            raw = raw[:self.random.randrange(len(raw) + 1)]
        return raw


def messages(seed, count):
    maker = Maker(seed)
    return [maker.message() for _ in range(count)]
