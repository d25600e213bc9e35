"""In what imapd and Dovecot may differ: kinds, each with an argument and a test of a difference that is as narrow as it can be."""
import base64, email.header, quopri, re, unicodedata

ABSENT = "nothing"
KINDS = []


def kind(function):
    """Registers a kind; its docstring is the argument."""
    assert function.__doc__
    KINDS.append(function)
    return function


def plain(text):
    """As SEARCH compares: words decoded, blanks as one, letters' case and accents' form aside."""
    text = re.sub(r"(\?=)\s+(=\?)", r"\1\2", re.sub(r"\s+", " ", text.decode("utf-8", "replace") if isinstance(text, bytes) else text))

    def word(found):
        try:
            return str(email.header.make_header(email.header.decode_header(found[0])))
        except (LookupError, ValueError, UnicodeError):
            return found[0]
    return unicodedata.normalize("NFD", re.sub(r"\s+", " ", re.sub(r"=\?[^?\s]+\?[qQbB]\?[^?]*\?=", word, text)).casefold())


def number_of(name): return name.replace("all", "").replace(".body", "").strip(".")


class Message:
    """What both say of a message."""
    def __init__(self, number, text):
        self.number, self.text, self.ours, self.theirs, self.parts, self.their_parts = number, text, {}, {}, {}, {}

    def add(self, asked, mine, other):
        self.ours[asked], self.theirs[asked] = mine, other
        words = asked.split()
        if words[0] == "BODYSTRUCTURE" and len(words) == 3:
            for parts, value in ((self.parts, mine), (self.their_parts, other)):
                if value != ABSENT:
                    parts.setdefault(words[1], {})[words[2]] = value

    def header(self, name):
        """Of a part by its name, in which `.body` is what a message carries."""
        number = number_of(name)
        asked = f"BODY[{number}.{'HEADER' if name.endswith('.body') else 'MIME'}]" if number and (name != "1" or "all" in self.parts) else "BODY[HEADER]"
        return self.ours.get(asked) or b""

    def field(self, name, *fields):
        """The values of fields, unfolded."""
        lines = re.sub(rb"\r?\n([ \t])", rb"\1", self.header(name)).replace(b"\r", b"").split(b"\n")
        return [line.split(b":", 1)[1].strip() for line in lines if b":" in line and line.split(b":", 1)[0].strip().lower() in fields]

    def multiparts(self, test):
        """Numbers, with how many parts they have for us, of multiparts whose (parameters, their parameters, name) pass a test."""
        for name, facts in self.parts.items():
            if facts.get("parts"):
                mine, other = (dict(zip((of or [])[::2], (of or [])[1::2])) for of in (facts.get("parameters"), self.their_parts.get(name, {}).get("parameters")))
                if test(mine, other, name):
                    yield number_of(name), facts["parts"]

    def headers(self):
        """Of all parts and of the messages that they carry, but not the message's own."""
        own = [] if "all" in self.parts else ["BODY[1.MIME]"]
        return [value for asked, value in self.ours.items() if re.fullmatch(r"BODY\[[\d.]+\.(MIME|HEADER)\]", asked) and value and asked not in own]

    def undivided(self):
        """Numbers of multiparts in which we find no part."""
        for name, facts in self.parts.items():
            child = f"{number_of(name)}.1".lstrip(".")
            if facts.get("parts") == 1 and self.ours.get(f"BODY[{child}.MIME]") == self.header(name):
                yield number_of(name)


class Difference:
    """One answer that differs. `part`: the number of the part that was asked about, "" for the message; `fact`: what of it; `section`:
    which one, nothing if it is no section."""
    def __init__(self, asked, message):
        self.asked, self.message, self.mine, self.other = asked, message, message.ours[asked], message.theirs[asked]
        section = re.match(r"BODY\[(?:(\d[\d.]*\d|\d)\.?)?([^\]]*)\](<.*>)?$", asked)
        self.words = asked.split()
        self.is_search, self.is_structure = self.words[0] == "SEARCH", self.words[0] in ("BODY", "BODYSTRUCTURE")
        self.section, self.fact = section and section[2].split(" ")[0], self.words[-1]
        self.name = self.words[1] if self.is_structure else ""
        self.part = (section[1] or "") if section else number_of(self.name)
        self.envelope = self.fact if "envelope" in self.words or self.words[0] == "ENVELOPE" else None

    def is_in(self, number): return number == "" or self.part == number or self.part.startswith(number + ".")


# Answers that are written in another way.

@kind
def day_of_one_digit(d):
    """RFC 3501 §9, date-day-fixed: a blank stands in front of a day of one digit; Dovecot writes a nought."""
    return d.asked == "INTERNALDATE" and d.mine.replace(b" ", b"0", 1) == d.other


@kind
def no_such_section(d):
    """RFC 3501 §4.5: NIL is what does not exist, and not the empty string. Dovecot says "" of every section that is not there."""
    if d.section is None or not d.part or d.mine is not None or d.other != b"":
        return False
    facts = d.message.parts.get(d.part)
    return facts is None or d.section in ("HEADER", "TEXT", "HEADER.FIELDS", "HEADER.FIELDS.NOT") and (facts.get("type"), facts.get("subtype")) != (b"message", b"rfc822")


@kind
def blank_line_of_fields(d):
    """RFC 3501 §6.4.5: the blank line is always included in HEADER.FIELDS and HEADER.FIELDS.NOT, also where the message has none."""
    return d.section in ("HEADER.FIELDS", "HEADER.FIELDS.NOT") and d.other is not None and (
        d.mine in (d.other + b"\r\n", d.other + b"\r\n\r\n") or d.other.endswith(b"\r") and d.message.text.endswith(b"\r") and d.mine == d.other + b"\n\r\n")


@kind
def fields_behind_an_empty_header(d):
    """A header ends where a boundary follows; Dovecot, whose HEADER does, too, gives the fields of what follows."""
    header = f"BODY[{d.part}.HEADER]"
    return d.section in ("HEADER.FIELDS", "HEADER.FIELDS.NOT") and d.mine is not None and d.message.ours.get(f"BODY[{d.part}.TEXT]") == b"" and d.other not in (None, b"") \
        and d.other.startswith(d.mine.rstrip()) and d.message.ours.get(header) in (d.message.theirs.get(header), d.message.theirs.get(header) + b"\r\n")


def ends(d, end):
    """Whether theirs, a part of it, its size or its lines are ours and a line end more, where the whole of ours ends in a way."""
    asked = f"BODY[{d.part}{'.' + d.section if d.section else ''}]" if d.part else "BODY[]"
    mine, other = d.message.ours.get(asked), d.message.theirs.get(asked)
    if not mine or not re.search(end, mine) or other != mine + b"\r\n":
        return False
    return d.section is not None or d.is_structure and d.fact in ("size", "lines") and int(d.other) == int(d.mine) + (2 if d.fact == "size" else 1)


@kind
def line_end_before_a_boundary(d):
    """RFC 2046 §5.1.1: the line end before a boundary is the boundary's; Dovecot leaves it to the part where another boundary stands before it."""
    return bool(d.part) and ends(d, rb"(^|\n)--") and (d.message.parts.get(d.part, {}).get("parts") or d.message.parts.get(d.part, {}).get("subtype") == b"rfc822" or ends(d, rb"(^|\n)--[^\n]*$"))


@kind
def empty_line_before_a_boundary(d):
    """RFC 5322 §2.1: the empty line is in the header, also where a boundary follows at once; Dovecot counts it, and gives it in neither HEADER nor TEXT."""
    if d.section not in ("MIME", "HEADER") or d.mine is None or d.other is None:
        return False
    body = d.message.ours.get(f"BODY[{d.part}{'' if d.section == 'MIME' else '.TEXT'}]")
    return body in (b"", None) and (d.mine == d.other + b"\r\n" or bool(d.asked.endswith(">")) and len(d.mine) <= len(d.other) + 2 and d.mine.startswith(d.other))


# Structures.

@kind
def empty_boundary(d):
    """RFC 2046 §5.1.1: a boundary has a character at least. To Dovecot "" is one, so each line that begins with -- parts the text, a signature's too,
    and what stands before it is shown to nobody; we show all as one text."""
    for number, count in d.message.multiparts(lambda mine, other, name: mine.get(b"boundary") == b""):
        if d.is_structure and d.part == number and d.fact == "parts":
            return d.mine == 1
        if d.part and d.is_in(f"{number}.1".lstrip(".")):
            return d.part == f"{number}.1".lstrip(".") or d.mine in (None, ABSENT)
        if d.part and d.is_in(number) and d.part != number:
            return d.mine in (None, ABSENT)
    return False


@kind
def undivided_multipart(d):
    """Where the boundary is nowhere RFC 2046 says nothing; Dovecot tells of an empty text and gives none, we of all that there is: nobody should lose it."""
    for number in d.message.undivided():
        child = f"{number}.1".lstrip(".")
        whole = d.message.ours.get(f"BODY[{child}]")
        if d.part == child and d.message.theirs.get(f"BODY[{child}]") in (b"", whole):
            if d.is_structure:
                return d.other == b"0" and d.mine == b"%d" % (len(whole) if d.fact == "size" else whole.count(b"\n")) and d.fact in ("size", "lines")
            return d.section in ("", "MIME") and d.other == b""
        # It is its own first part again.
        if d.section in ("", "MIME") and d.is_in(child) and d.other == b"":
            return d.mine == d.message.ours.get(f"BODY[{child}{d.section and '.' + d.section}]{d.asked.partition(']')[2]}")
    return False


def boundary_not_seen(d, test, isAnything=False):
    """Of multiparts that pass a test: what Dovecot says because it does not see their end, or, of several, takes them for each other."""
    found = sorted(d.message.multiparts(test), key=lambda one: len(one[0]))
    if found and (isAnything or len(found) > 1) and (d.is_structure or d.section is not None) and d.is_in(found[0][0]) and (d.part != found[0][0] or d.fact == "parts"):
        return True
    for number, count in found:
        if d.is_structure and d.part == number and d.fact == "parts" and d.other == d.mine + 1:
            return True
        if d.part and d.is_in(f"{number}.{count + 1}".lstrip(".")) and d.mine in (None, ABSENT):
            return True
    return False


@kind
def long_boundary(d):
    """RFC 2046 §5.1.1 allows 70 characters; of more Dovecot compares the front, and so does not see that a multipart ends: a part too many,
    and takes those of multiparts in it for its own."""
    return boundary_not_seen(d, lambda mine, other, name: len(mine.get(b"boundary", b"")) > 70 and mine.get(b"boundary") == other.get(b"boundary"), isAnything=True)


@kind
def unquoted_boundary(d):
    """RFC 2045 §5.1 wants quotes around what has a parenthesis in it; where they were forgotten Dovecot takes it for a comment, and does not see the end."""
    def test(mine, other, name):
        return other.get(b"boundary") == b"b'" and mine.get(b"boundary", b"").startswith(b"b'(")
    if d.is_structure and d.fact == "parameters" and ABSENT not in (d.mine, d.other) and d.mine:
        mine, other = (dict(zip(words[::2], words[1::2])) for words in (d.mine, d.other or []))
        if test(mine, other, d.name) and mine.pop(b"boundary") and other.pop(b"boundary") and mine == other:
            return True
    return boundary_not_seen(d, test, isAnything=True)


@kind
def no_type(d):
    """RFC 2045 §5.2: a Content-Type that is none means text/plain; Dovecot says "" or half of it, which no client can show. A subtype with a slash
    stays as it was written."""
    fields = d.is_structure and d.message.field(d.name, b"content-type")
    if not fields or not re.match(rb"(te?x?t?)?\s*(;|$)|text/plain/extra", fields[0]) or d.fact not in ("type", "subtype", "parameters", "lines"):
        return False
    mine, other = d.message.parts[d.name], d.message.their_parts.get(d.name, {})
    if mine["type"] == b"message" and mine["subtype"] == b"rfc822" and other.get("subtype") == b"":
        # In a digest it means message/rfc822.
        return True
    return mine["type"] == b"text" and mine["subtype"] in (b"plain", b"plain/extra") and other.get("subtype") == b"" and other["type"] in (b"", b"te", b"tex", b"text")


@kind
def no_type_in_a_digest(d):
    """RFC 2046 §5.1.5: in a digest what has no type is a message; Dovecot says "" or text of what has a type that is none."""
    return any((facts.get("type"), facts.get("subtype")) == (b"message", b"rfc822") and d.message.their_parts.get(name, {}).get("subtype") == b"" and d.name + d.part and d.is_in(name)
               for name, facts in d.message.parts.items())


@kind
def content_without_mime(d):
    """RFC 2045 §4 lets a reader take a message without MIME-Version for what it is; where there is no Content-Type either Dovecot passes over all Content- fields."""
    return d.is_structure and d.fact in ("id", "description", "encoding", "md5", "disposition", "language", "location") and d.other in (None, b"7bit") and d.mine != ABSENT \
        and not d.message.field(d.name, b"content-type", b"mime-version") and bool(d.message.field(d.name, b"content-" + (b"transfer-encoding" if d.fact == "encoding" else d.fact.encode())))


@kind
def pieces_twice(d):
    """RFC 2231 §3 has each number once; of a second first piece we make nothing, Dovecot leaves all as they came."""
    field = d.is_structure and d.fact == "parameters" and d.mine and d.mine != ABSENT and d.message.field(d.name, b"content-type")
    return bool(field) and len(re.findall(rb"name\*[0=]", field[0])) > 1 and dict(zip(d.mine[::2], d.mine[1::2])).keys() <= {b"name", b"name*", b"charset"}


@kind
def blank_at_the_end(d):
    """RFC 5322 §2.2: a blank behind a value is none of it; Dovecot keeps it where the message is cut off behind it."""
    return d.envelope in ("date", "subject", "message-id", "in-reply-to") and d.mine and d.other and d.mine == d.other.rstrip()


@kind
def broken_parameters(d):
    """RFC 2045 §5.1 has no empty parameters, no names alone and no quotes left open; Dovecot reads up to there, we read what is behind them."""
    field = d.is_structure and d.fact == "parameters" and d.mine and d.mine != ABSENT and d.message.field(d.name, b"content-type")
    if not field or not re.search(rb";\s*;|;\s*charset\s*(;|$)|=\s*\"[^\"]*$|=unquoted name", field[0]):
        return False
    mine, other = (list(zip(words[::2], words[1::2])) for words in (d.mine, d.other or []))
    other = [pair for pair in other if pair != (b"charset", b"us-ascii") and pair[0] != b"name*1"]
    return mine[:len(other)] == other or set(other) <= set(mine)


@kind
def quoted_disposition(d):
    """RFC 2183 §2 has a disposition without quotes; where they are there all the same it is meant, and Dovecot says ""."""
    fields = d.is_structure and d.fact == "disposition" and d.message.field(d.name, b"content-disposition")
    return bool(fields) and d.mine == [b"attachment", None] and fields[0] == b'"attachment"' and (d.other == [b"", None] or len(fields) > 1)


@kind
def parameters_in_another_order(d):
    """RFC 2045 §5.1: their order says nothing; those that came in pieces are behind the others for us."""
    if not d.is_structure or d.fact != "parameters" or ABSENT in (d.mine, d.other) or not d.mine or not d.other:
        return False
    return sorted(zip(d.mine[::2], d.mine[1::2])) == sorted(zip(d.other[::2], d.other[1::2]))


# Addresses.

# What people write, and whom we say that they mean: name, local part, domain. Dovecot says SYNTAX_ERROR or MISSING_MAILBOX, or takes a name for an address.
STRANGE = {b"<ann@example.com": [(None, b"ann", b"example.com")], b"Support [Billing] <desk@example.com>": [(b"Support [Billing]", b"desk", b"example.com")],
           b"ann . smith @ example . com": [(None, b"ann.smith", b"example.com")], b"ann@example.com,, bob@example.com,": [(None, b"ann", b"example.com"), (None, b"bob", b"example.com")],
           b"<>": [], b"": [],
           b'"open <ann@example.com>': [(None, b"open <ann@example.com>", b"MISSING_DOMAIN")]}


KNOWN = {b"team: ann@example.com, Bob <bob@example.org>;": [[None, None, b"team", None], [None, None, b"ann", b"example.com"], [b"Bob", None, b"bob", b"example.org"], [None] * 4],
         b"Ann (a (nested) comment) <ann@example.com>": [[b"Ann", None, b"ann", b"example.com"]],
         b'"Ann, B." <ann@example.com>': [[b"Ann, B.", None, b"ann", b"example.com"]], b'"a b"@example.com': [[None, None, b"a b", b"example.com"]],
         b"Ann B <ann@example.com>, bob@[192.0.2.1]": [[b"Ann B", None, b"ann", b"example.com"], [None, None, b"bob", b"[192.0.2.1]"]],
         b"ann@example.com (fold),\tbob@example.com": [[b"fold", None, b"ann", b"example.com"], [None, None, b"bob", b"example.com"]],
         b"undisclosed-recipients:;": [[None, None, b"undisclosed-recipients", None], [None] * 4]}


def is_cut(value): return re.fullmatch(rb"[^<>\"]*<[^<>]*|[^()]*\([^()]*", value)


def meant(values):
    """Whom the values of fields mean, as `address` has it; nothing where it is not known."""
    found = []
    for value in values:
        if value in STRANGE:
            found += [[name, None, local, domain] for name, local, domain in STRANGE[value]]
        elif value in KNOWN:
            found += KNOWN[value]
        elif route := re.fullmatch(rb"<(@[^:]*):([^@>]*)@([^@>]*)>?", value):
            found.append([None, *route.groups()])
        elif one := re.fullmatch(rb"([^<>\"(),:;]*[^<>\"(),:; ])? ?<([^@<>]*)@?([^@<>]*)>?", value):
            found += [[one[1], None, one[2], one[3] or b"MISSING_DOMAIN"]] if one[2] else []
        elif one := re.fullmatch(rb"([^@<>\"(),:; ]+)@?([^@<>\"(),:; ]*)(?: \(([^()]*)\)?)?", value):
            found.append([one[3] or None, None, one[1], one[2] or b"MISSING_DOMAIN"])
        else:
            return None
    return found


@kind
def meant_addresses(d):
    """RFC 5322 §4.4 and what people write: blanks around dots and @, brackets in a name or one that was not closed, empty places in a list, which mean nobody."""
    if d.envelope not in ("from", "sender", "reply-to", "to", "cc", "bcc") or d.mine == ABSENT or d.other in (None, ABSENT):
        return False
    name = "all" if not d.is_structure else d.name if d.name.endswith(".body") else d.name + ".body"
    values = d.message.field(name, d.envelope.encode())
    own = meant(values)
    if own == [] and d.envelope in ("sender", "reply-to"):
        values = values + d.message.field(name, b"from")
        own = meant(values)
    return any(value in STRANGE or is_cut(value) for value in values) and own == (d.mine or [])


# What SEARCH finds.

SENT = ("SENTBEFORE", "SENTON", "SENTSINCE")


def dates(d):
    return d.words[1] in SENT or d.words[1:3] in [["NOT", key] for key in SENT]


def has_date(message):
    return any(message.ours[asked] for asked in message.ours if asked.startswith(("SEARCH SENTBEFORE", "SEARCH SENTSINCE")))


def is_of_1970(message):
    return message.theirs["SEARCH SENTON 1-Jan-1970"] and not message.theirs["SEARCH SENTSINCE 2-Jan-1970"]


@kind
def no_date(d):
    """RFC 3501 §6.4.4: SENTBEFORE is of a Date that is earlier; a message whose Date is none has none, while to Dovecot it is of 1970."""
    return d.is_search and dates(d) and d.mine == (d.words[1] == "NOT") and not has_date(d.message) and is_of_1970(d.message)


@kind
def date_that_is_read(d):
    """RFC 5322 §4.3 and what people write: 6-Jul-2019 with hyphens, and a 31st of February, which is three days behind the 28th; to Dovecot both are of 1970."""
    return d.is_search and dates(d) and is_of_1970(d.message) and any(re.match(rb"6-Jul-2019 |Fri, 31 Feb 2025 ", value) for value in d.message.field("all", b"date")[:1]) \
        and d.message.ours["SEARCH SENTON 6-Jul-2019"] + d.message.ours["SEARCH SENTON 3-Mar-2025"] == 1


def needle(d):
    if "\r\n" in d.asked:
        word = d.asked.encode("latin-1").split(b"\r\n")[-1]
        return plain(word.decode("latin-1") if "ISO-8859-1" in d.asked else word)
    return plain(" ".join(d.words[2 + (d.words[1] == "HEADER"):]).strip('"'))


@kind
def address_as_it_is_meant(d):
    """RFC 3501 §6.4.4: FROM, TO, CC and BCC look at the structure of the envelope, so we look at addresses as ENVELOPE has them, too: without blanks, in
    brackets; and at all that was written, comments too."""
    name = d.is_search and (d.words[2] if d.words[1] == "HEADER" else d.words[1])
    if not name or name.lower() not in ("from", "to", "cc", "bcc", "sender", "reply-to") or not (d.mine and not d.other):
        return False
    values = d.message.field("all", name.lower().encode())
    addresses = d.message.ours.get(f"ENVELOPE {name.lower()}") or []
    return any(needle(d) in plain(value) for value in values) or bool(values) and needle(d) in plain(b", ".join(b"%s <%s@%s>" % (name or b"", local, domain) for name, _, local, domain in addresses if domain))


@kind
def blanks_as_one(d):
    """RFC 5322 §2.2.3: where a field was folded its blanks are anybody's; we take a run of them for one."""
    return d.asked == 'SEARCH SUBJECT "two  blanks"' and d.mine and not d.other and any(b"two=20blanks" in value for value in d.message.field("all", b"subject"))


@kind
def unknown_charset(d):
    """RFC 2047 §6.2: an encoded word of an unknown charset is shown as it stands, so it is found so; Dovecot finds nothing in it."""
    return d.asked == "SEARCH SUBJECT text" and d.mine and not d.other and b"=?x-none?q?text?=" in d.message.field("all", b"subject")


@kind
def name_with_blanks(d):
    """RFC 5322 §2.2: a field's name has no blanks, so there is none that is called so; TEXT finds the line."""
    return d.asked == 'SEARCH HEADER "X Bad Name" value' and not d.mine and d.other and b"X Bad Name: value" in d.message.text


def texts(message):
    """All that can be found in a message, however it is encoded."""
    if not hasattr(message, "known"):
        lines = message.text.replace(b"\r", b"")
        found = [lines, quopri.decodestring(lines), lines.decode("latin-1")]
        for block in re.findall(rb"[A-Za-z0-9+/\n]{20,}", lines):
            letters = block.replace(b"\n", b"")
            found.append(base64.b64decode(letters[:len(letters) // 4 * 4]))
        message.known = [plain(text) for text in found] + [lines.decode("latin-1").casefold()]
    return message.known


def is_text(d): return d.is_search and d.words[1] in ("BODY", "TEXT") or d.asked.startswith("SEARCH CHARSET ISO-8859-1 BODY")


@kind
def headers_of_parts(d):
    """RFC 3501 §6.4.4: BODY is all behind the message's header, and so are headers of parts and of messages that it carries; to Dovecot they are TEXT only."""
    return is_text(d) and "BODY" in d.words and d.mine and not d.other and any(needle(d) in plain(header) for header in d.message.headers())


@kind
def text_of_other_parts(d):
    """What is searched follows from what is text: where the kinds above divide a message in another way, or call something text, other text is found."""
    message = d.message
    if not is_text(d) or not any(needle(d) in text for text in texts(message)):
        return False
    if d.mine and not d.other:
        return bool(list(message.undivided())) or any(message.parts[name].get("type") == b"text" and message.their_parts.get(name, {}).get("subtype", b"") == b"" for name in message.parts)
    # Not found, though it is there: only where Dovecot sees parts that we see not.
    return any(name not in message.parts for name in message.their_parts) or any(message.multiparts(lambda mine, other, name: len(mine.get(b"boundary", b"")) > 70))


@kind
def unknown_encoding(d):
    """RFC 2045 §6.4: what is in an unknown encoding, or in none that has a name, is no text to show; we look at it as it stands, for what is not found is thought not to be there."""
    return is_text(d) and d.mine and not d.other and any(needle(d) in text for text in texts(d.message)) and bool(re.search(rb"(?im)^content-transfer-encoding:[ \t]*(x-uuencode)?[ \t]*\r?$", d.message.text))


@kind
def charset_without_a_name(d):
    """RFC 2045 §5.2: where no charset is named the text is taken as it stands; Dovecot finds nothing in it but ASCII."""
    return is_text(d) and d.mine and not d.other and any(needle(d) in text for text in texts(d.message)) and bool(re.search(rb"(?im)^content-type:.*charset=(;|\r?$)", d.message.text))


@kind
def of_several_keys(d):
    """What follows from answers that are argued by themselves."""
    both = {"SEARCH NOT (FROM ann TO bob)": lambda said: not (said["SEARCH FROM ann"] and said["SEARCH TO bob"]), "SEARCH OR SUBJECT plain FROM bob": lambda said: said["SEARCH SUBJECT plain"] or said["SEARCH FROM bob"],
            "SEARCH LARGER 300 SMALLER 1500 NOT BODY needle": lambda said: said["SEARCH LARGER 300"] and said["SEARCH SMALLER 1500"] and not said["SEARCH BODY needle"]}
    return d.asked in both and all(bool(both[d.asked](said)) == said[d.asked] for said in (d.message.ours, d.message.theirs))


def sort(ours, theirs, texts):
    """How many answers differ in each kind, and those that differ in none: (what was asked, number), ours, theirs."""
    messages = {number: Message(number, text) for number, text in enumerate(texts, 1)}
    for asked, number in ours.keys() | theirs.keys():
        messages[number].add(asked, ours.get((asked, number), ABSENT), theirs.get((asked, number), ABSENT))
    kinds, unargued = {}, []
    for message in messages.values():
        for asked in sorted(message.ours):
            if message.ours[asked] != message.theirs[asked]:
                difference = Difference(asked, message)
                name = next((kind.__name__ for kind in KINDS if kind(difference)), None)
                if name:
                    kinds[name.replace("_", " ")] = kinds.get(name.replace("_", " "), 0) + 1
                else:
                    unargued.append(((asked, message.number), difference.mine, difference.other))
    return dict(sorted(kinds.items(), key=lambda one: -one[1])), unargued
