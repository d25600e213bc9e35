"""imapd and pop3d behind the login, as checkpassword starts them: over a socket, in somebody's home."""
import os, pwd, re, socket, subprocess
from harness import RELEASE


class Session:
    """`answers` to commands, up to and with the tagged line; the text as str in latin-1."""

    def __init__(self, program, conf, home, user=None):
        """`user`: for root, whose process it is to be."""
        near, far = socket.socketpair()
        near.settimeout(30)
        self.socket, self.input, self.pop, self.number = near, b"", program == "pop3d", 0
        words = [os.path.join(RELEASE, program), "-C", conf, "--mailbox"]
        if user:
            account = pwd.getpwnam(user)
            words = ["setpriv", "--reuid", str(account.pw_uid), "--regid", str(account.pw_gid), "--clear-groups", *words]
        self.process = subprocess.Popen(words, stdin=far, stdout=far, stderr=subprocess.DEVNULL, env={"HOME": home, "USER": user or "u", "PATH": "/usr/bin:/bin"})
        far.close()
        self.greeting = self.line()

    def fill(self):
        part = self.socket.recv(1 << 16)
        if not part:
            raise EOFError
        self.input += part

    def line(self):
        while b"\r\n" not in self.input:
            self.fill()
        line, self.input = self.input.split(b"\r\n", 1)
        literal = None if self.pop else re.search(rb"\{(\d+)\}$", line)
        if literal:
            while len(self.input) < int(literal[1]):
                self.fill()
            text, self.input = self.input[:int(literal[1])], self.input[int(literal[1]):]
            return f"{line.decode('latin-1')}\r\n{text.decode('latin-1')}{self.line()}"
        return line.decode("latin-1")

    def say(self, command, literal=None):
        """One command's answer; to LIST, UIDL, RETR and TOP with its lines."""
        if self.pop:
            self.socket.sendall(command.encode() + b"\r\n")
            lines = [self.line()]
            word = command.split()
            if lines[0].startswith("+OK") and (word[0] in ("RETR", "TOP", "CAPA") or word[0] in ("LIST", "UIDL") and len(word) == 1):
                while lines[-1] != ".":
                    lines.append(self.line())
            return "\n".join(lines)
        self.number += 1
        tag = f"t{self.number}"
        if literal is not None:
            self.socket.sendall(f"{tag} {command} {{{len(literal)}}}\r\n".encode())
            line = self.line()
            if not line.startswith("+"):
                return line[len(tag) + 1:]
            self.socket.sendall(literal + b"\r\n")
        else:
            self.socket.sendall(f"{tag} {command}\r\n".encode())
        lines = [self.line()]
        while not lines[-1].startswith(tag + " "):
            lines.append(self.line())
        lines[-1] = lines[-1][len(tag) + 1:]
        return "\n".join(lines)

    def uids(self):
        """By the subject of each message."""
        answer = self.say("FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        return {subject: int(uid) for uid, subject in re.findall(r"UID (\d+) BODY.*?Subject: ([^\r\n]*)", answer, re.S)}

    def close(self):
        self.socket.close()
        self.process.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def validity(answer):
    return int(re.search(r"UIDVALIDITY (\d+)", answer)[1])


def letter(subject, body="Hello.\n"):
    return f"From: x@far.example\nSubject: {subject}\n\n{body}"


def in_mbox(subject, body="Hello.\n", fields=""):
    return f"From x@far.example Thu Jan  1 00:00:01 2026\n{fields}{letter(subject, body)}\n"
