"""Hostile servers, a row a behaviour, each with what must be reported of two recipients."""
import os, re, subprocess, time
from outgoing_servers import CERTIFICATES, CONFIGURATION, GARBAGE, HELLO, MESSAGE, PATIENT, PROGRAM, QUICK, Server, close, drip, endless, ordinary, reset, silence, stream, then_close, then_silence, tls

D, Z, F = "delivered", "deferred", "failed"
NO_REPLIES = {
    "2500": b"2500\r\n", "25": b"25\r\n", "999": b"999 x\r\n", "600": b"600 x\r\n", "050": b"050 x\r\n",
    "letters": b"OK fine\r\n", "150": b"150 x\r\n", "NUL": b"\0\0\0\r\n",
    "an empty line": b"\r\n", "garbage": GARBAGE + b"\r\n",
    "a megabyte": b"2" * 1000000 + b"\r\n", "HTTP": b"HTTP/1.1 200 OK\r\n\r\n",
    "leading space": b" 250 ok\r\n", "a minus": b"-250 ok\r\n", "lower case ok": b"ok\r\n"}
# What others read as a reply, made of a code.
FORMS = {
    "LF alone": lambda c: c + b" ok\n", "CR CR LF": lambda c: c + b" ok\r\r\n", "no text": lambda c: c + b"\r\n",
    "no text and LF alone": lambda c: c + b"\n", "a NUL": lambda c: c + b" o\0k\r\n", "a NUL behind the code": lambda c: c + b"\0\r\n",
    "a tab": lambda c: c + b"\tok\r\n", "a CR within": lambda c: c + b" ok\r" + c + b" ok\r\n",
    "5,000 bytes": lambda c: c + b" " + b"x" * 5000 + b"\r\n", "129 lines": lambda c: (c + b"-x\r\n") * 128 + c + b" x\r\n",
    "lines with LF": lambda c: c + b"-a\n" + c + b"-b\n" + c + b" c\n", "a line without a code": lambda c: c + b"-a\r\nwords\r\n" + c + b" c\r\n",
    "codes that differ": lambda c: c[:2] + b"9-a\r\n" + c + b" b\r\n", "an odd code": lambda c: c[:1] + b"99 ok\r\n"}
STAGES = {"greeting": b"220", "EHLO": b"250", "MAIL": b"250", "RCPT": b"250", "DATA": b"354", "end": b"250"}

ROWS = {
    # name: (talk, [verdict of each recipient], what else is wanted)
    "an ordinary server": (ordinary(), [D, D], {}),
    "no pipelining": (ordinary({"EHLO": b"250 mx\r\n"}), [D, D], {}),
    "HELO only": (ordinary({"EHLO": b"500 what\r\n"}), [D, D], {}),
    "replies of many lines": (ordinary({"MAIL": b"250-a\r\n" * 50 + b"250 b\r\n"}), [D, D], {}),
    "a greeting of many lines": (ordinary(greeting=b"220-a\r\n220-b\r\n220 c\r\n"), [D, D], {}),
    "replies without text": (ordinary({"MAIL": b"250\r\n", "end": b"250\r\n"}), [D, D], {}),
    "an end without QUIT's reply": (ordinary({"QUIT": close}), [D, D], {}),
    "no reply to QUIT": (ordinary({"QUIT": silence}), [D, D], {"within": 40}),
    # Silence, at each stage
    **{f"silence at {k}": (ordinary({k: silence}), [Z, Z], {}) for k in
       ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"]},
    # The connection ends, at each stage
    **{f"close at {k}": (ordinary({k: close}), [Z, Z], {}) for k in
       ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"]},
    **{f"reset at {k}": (ordinary({k: reset}), [Z, Z], {}) for k in
       ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"]},
    # A byte now and then, at each stage; behind the end of the message it has said 250 by then.
    **{f"drip at {k}": (ordinary({k: drip}), [Z, Z], {}) for k in
       ["greeting", "EHLO", "MAIL", "RCPT", "DATA"]},
    **{f"endless lines at {k}": (ordinary({k: endless}), [Z, Z], {}) for k in
       ["greeting", "EHLO", "MAIL"]},
    "drip at end": (ordinary({"end": drip}), [D, D], {"quick": True}),
    "endless lines at end": (ordinary({"end": endless}), [D, D], {}),
    **{f"an endless line at {k}": (ordinary({k: stream}), [Z, Z], {}) for k in
       ["greeting", "EHLO", "MAIL", "end"]},
    # What is no reply, at each stage
    **{f"{n} for a reply to {k}": (ordinary({k: t}), [Z, Z], {})
       for k in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"] for n, t in NO_REPLIES.items()},
    # What looks odd and is one, at each stage
    **{f"{n} at {k}": (ordinary({k: form(c)}), [D, D], {}) for k, c in STAGES.items() for n, form in FORMS.items()},
    **{f"{n} everywhere": (ordinary({k: form(c) for k, c in STAGES.items()}), [D, D], {}) for n, form in FORMS.items()},
    # A 250 behind the end of a message is one however it ends
    "250 without a line end, then close": (ordinary({"end": then_close(b"250 2.0.0 ok")}), [D, D], {}),
    "250 by itself, then close": (ordinary({"end": then_close(b"250")}), [D, D], {}),
    "250 without a line end, then silence": (ordinary({"end": then_silence(b"250 ok")}), [D, D], {"quick": True}),
    "250- never continued, then close": (ordinary({"end": then_close(b"250-ok\r\n")}), [D, D], {}),
    "250- never continued, then silence": (ordinary({"end": then_silence(b"250-ok\n")}), [D, D], {"quick": True}),
    "nonsense, then 250": (ordinary({"end": b"\r\nnonsense\r\n250 ok\r\n"}), [D, D], {}),
    "a megabyte behind 250": (ordinary({"end": b"250 " + b"x" * 1000000 + b"\r\n"}), [D, D], {}),
    "550 without a line end, then close": (ordinary({"end": then_close(b"550 5.7.1 no")}), [F, F], {"status": "5.7.1"}),
    "half a code, then close": (ordinary({"end": then_close(b"25")}), [Z, Z], {}),
    # Codes that no RFC has
    "571 for one recipient": (ordinary({b"RCPT TO:<a@mx>": b"571 5.7.1 no\r\n"}), [F, D], {}),
    "499 for one recipient": (ordinary({b"RCPT TO:<a@mx>": b"499 no\r\n"}), [Z, D], {}),
    "571 for MAIL": (ordinary({"MAIL": b"571 5.7.1 no\r\n"}), [F, F], {"status": "5.7.1"}),
    "571 for a greeting": (ordinary(greeting=b"571 5.7.1 go away\r\n"), [Z, Z], {}),
    "571 for EHLO": (ordinary({"EHLO": b"571 what\r\n"}), [D, D], {}),
    "580 for the message": (ordinary({"end": b"580 no\r\n"}), [F, F], {}),
    "571 for HELO as well": (ordinary({"EHLO": b"571 no\r\n", "HELO": b"571 5.7.1 no\r\n"}), [F, F], {"status": "5.7.1"}),
    "a status code on the last line only": (ordinary({"RCPT": b"550-no such\r\n550 5.1.1 user\r\n"}), [F, F], {"status": "5.1.1"}),
    **{f"421 at {k}": (ordinary({k: b"421 4.3.2 down\r\n"}), [Z, Z], {}) for k in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"]},
    "421 for QUIT": (ordinary({"QUIT": b"421 bye\r\n"}), [D, D], {}),
    "451 for QUIT": (ordinary({"QUIT": b"451 bye\r\n"}), [D, D], {}),
    "354 for a reply to MAIL": (ordinary({"MAIL": b"354 go\r\n"}), [Z, Z], {}),
    "control bytes in a refusal": (ordinary({"RCPT": b"550 5.1.1 a\x1b[2J\x00\x07\xff" + b"\r\n"}), [F, F], {}),
    "a header in a refusal": (ordinary({"RCPT": b"550-5.1.1 a\r\n550-X-Evil: 1\r\n550 \tfold\r\n"}), [F, F], {}),
    "8 bit in a refusal": (ordinary({"end": "550 5.7.1 verboten: ü\r\n".encode()}), [F, F], {}),
    "a bare status code": (ordinary({"RCPT": b"550 5.7.2\r\n"}), [F, F], {"status": "5.7.2"}),
    "a status code of another class": (ordinary({"RCPT": b"550 2.0.0 fine\r\n"}), [F, F], {"status": "5.0.0"}),
    "a status code too long": (ordinary({"RCPT": b"550 5.1111.1 x\r\n"}), [F, F], {"status": "5.0.0"}),
    # Refusals
    "554 greeting": (ordinary(greeting=b"554 no\r\n"), [Z, Z], {}),
    "MAIL refused": (ordinary({"MAIL": b"550 5.7.1 no\r\n"}), [F, F], {}),
    "one recipient refused": (ordinary({b"RCPT TO:<a@mx>": b"550 5.1.1 no\r\n"}), [F, D], {}),
    "one recipient later": (ordinary({b"RCPT TO:<a@mx>": b"450 4.2.1 no\r\n"}), [Z, D], {}),
    "all recipients refused, DATA accepted": (ordinary({"RCPT": b"550 no\r\n"}), [F, F], {}),
    "DATA refused": (ordinary({"DATA": b"554 no\r\n"}), [F, F], {}),
    "DATA answered 250": (ordinary({"DATA": b"250 no\r\n"}), [Z, Z], {}),
    "message refused": (ordinary({"end": b"554 5.6.0 no\r\n"}), [F, F], {}),
    "message later": (ordinary({"end": b"451 4.3.0 no\r\n"}), [Z, Z], {}),
    # Extensions
    "SIZE too small": (ordinary({"EHLO": b"250-mx\r\n250 SIZE 5\r\n"}), [F, F], {"status": "5.3.4"}),
    "SIZE beyond numbers": (ordinary({"EHLO": b"250-mx\r\n250 SIZE 99999999999999999999\r\n"}), [D, D], {}),
    "SIZE negative": (ordinary({"EHLO": b"250-mx\r\n250 SIZE -1\r\n"}), [D, D], {}),
    "AUTH of 10 kB": (ordinary({"EHLO": b"250-mx\r\n" + b"250-AUTH " + b"X" * 1900 + b"\r\n250 SIZE\r\n"}), [D, D], {}),
    "garbage among extensions": (ordinary({"EHLO": b"250-mx\r\n250-" + GARBAGE + b"\r\n250- \r\n250-\r\n250 8BITMIME\r\n"}), [D, D], {}),
    # TLS
    "STARTTLS": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n",
                           "STARTTLS": lambda s: (s.say(b"220 go\r\n"), tls(s))}), [D, D], {"tls": True}),
    "STARTTLS with commands injected": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": lambda s: (
        s.say(b"220 go\r\n250-evil\r\n250 SIZE 1\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n"), tls(s))}),
        [D, D], {"tls": True}),
    "STARTTLS refused": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": b"454 no\r\n"}), [D, D], {"log": b"STARTTLS refused by 127.0.0.1:PORT, going on in the clear: 454 no"}),
    "STARTTLS unknown": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": b"502 5.5.1 no\r\n"}), [D, D],
                         {"log": b"STARTTLS refused by 127.0.0.1:PORT, going on in the clear: 502 5.5.1 no"}),
    "STARTTLS refused, required": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": b"454 no\r\n"}),
                                   [Z, Z], {"options": ["-o", "smtp-tls=required"]}),
    "STARTTLS not offered, required": (ordinary(), [Z, Z], {"options": ["-o", "smtp-tls=required"], "status": "4.7.4"}),
    "garbage for a handshake": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": lambda s: (
        s.say(b"220 go\r\n"), time.sleep(0.1), s.say(b"hello\r\n" * 10), close(s))}), [D, D], {"connections": 2, "clear-second": True}),
    "garbage for a handshake, required": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": lambda s: (
        s.say(b"220 go\r\n"), time.sleep(0.1), s.say(b"hello\r\n" * 10), close(s))}), [Z, Z],
        {"options": ["-o", "smtp-tls=required"]}),
    "silence for a handshake, required": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": lambda s: (
        s.say(b"220 go\r\n"), silence(s))}), [Z, Z], {"options": ["-o", "smtp-tls=required"]}),
    "a good certificate": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n",
                                     "STARTTLS": lambda s: (s.say(b"220 go\r\n"), tls(s))}), [D, D],
                           {"verify": True, "tls": True}),
    "an expired certificate": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n",
                                         "STARTTLS": lambda s: (s.say(b"220 go\r\n"), tls(s, "expired"))}), [Z, Z],
                               {"verify": True, "status": "4.7.5"}),
    "another's certificate": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n",
                                        "STARTTLS": lambda s: (s.say(b"220 go\r\n"), tls(s, "other"))}), [Z, Z],
                              {"verify": True, "status": "4.7.5"}),
    "close_notify in the middle, then clear text": (ordinary({"EHLO": b"250-mx\r\n250 STARTTLS\r\n", "STARTTLS": lambda s: (
        s.say(b"220 go\r\n"), tls(s, then=lambda s: (s.line(), s.say(HELLO), s.line(),
                                                     setattr(s, "peer", s.peer.unwrap()), s.say(b"250 ok\r\n" * 5), silence(s))))}),
        [Z, Z], {}),
}


def check(name):
    talk, verdicts, wanted = ROWS[name]
    server = Server(talk)
    # Where a time-out decides, it is short; else none may.
    isQuick = Z in verdicts or wanted.get("quick")
    options = (QUICK if isQuick else PATIENT) + wanted.get("options", [])
    if wanted.get("verify"):
        options += ["-o", "smtp-tls=verified", "-o", "tls-authorities=" + os.path.join(CERTIFICATES, "ca.pem")]
    problems = []
    try:
        done = subprocess.run([PROGRAM, "-C", CONFIGURATION, *options, f"127.0.0.1:{server.port}", "s@client", "a@mx", "b@mx"],
                              input=MESSAGE, capture_output=True, timeout=wanted.get("within", 30 if isQuick else 150))
    except subprocess.TimeoutExpired:
        return name, ["did not end"]
    finally:
        server.stop()
    lines = done.stdout.decode("latin-1").splitlines()
    if [line.split(" ")[1] for line in lines] != verdicts:
        problems.append(f"reported {lines}")
    status = 75 if Z in verdicts else 69 if F in verdicts else 0
    if done.returncode != status:
        problems.append(f"exit {done.returncode}, not {status}")
    if re.search(rb"[^\x20-\x7e\n]", done.stdout + done.stderr):
        problems.append(f"control bytes in {done.stdout + done.stderr!r}")
    if "status" in wanted and not all(line.split(" ")[2] == wanted["status"] for line in lines):
        problems.append(f"status in {lines}")
    if wanted.get("tls") and b"TLS connection established" not in done.stderr:
        problems.append("no TLS")
    if "log" in wanted and wanted["log"].replace(b"127.0.0.1:PORT", b"[127.0.0.1]:%d" % server.port) not in done.stderr:
        problems.append(f"log: {done.stderr}")
    if "connections" in wanted and server.connections != wanted["connections"]:
        problems.append(f"{server.connections} connections")
    if D in verdicts and server.messages != [b"Subject: x\r\n\r\n..dot\r\nbody\r\n"]:
        problems.append(f"server took {server.messages}")
    if len(server.messages) > 1:
        problems.append("sent more than once")
    return name, problems
