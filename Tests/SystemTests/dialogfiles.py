"""The transcripts in Tests/*/Dialogs, which the unit tests play without a process; Tests/DialogFiles says what their lines mean."""
import glob, os, re

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def paths(module):
    return sorted(glob.glob(os.path.join(TESTS, module, "Dialogs", "*.txt")))


def lines(path):
    """(what it is, the rest) of each line."""
    with open(path, "rb") as file:
        for line in file.read().split(b"\n"):
            kind, _, text = line.partition(b" ")
            if kind:
                yield kind.decode(), text


def unescape(text):
    table = {b"r": b"\r", b"n": b"\n", b"0": b"\0", b"\\": b"\\"}
    return re.sub(rb"\\(x[0-9a-fA-F]{2}|[rn0\\])", lambda found: table[found[1]] if found[1] in table else bytes([int(found[1][1:], 16)]), text)


def matches(kind, text, line):
    """Whether a line that was heard is what an `S:` or an `S~` (`O:`, `O~`) line says."""
    if not kind.endswith("~"):
        return text == line
    return re.fullmatch(re.escape(text).replace(rb"\*", b".*"), line, re.S) is not None
