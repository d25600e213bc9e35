"""Mail readers that people use read the mailbox."""
import os, shutil, subprocess, tempfile
from harness import RELEASE, USER, address, arrived, eventually, log_of, need, run, send, test


def one_message(i, subject):
    send(i.a, address(i.a), subject)
    arrived(i.a, f"Subject: {subject}".encode())


@test("mutt reads the mailbox by IMAP")
def mutt(i):
    one_message(i, "for-mutt")
    with tempfile.TemporaryDirectory() as home:
        rc = os.path.join(home, "muttrc")
        with open(rc, "w") as file:
            file.write(f'set imap_user="{USER}"\nset imap_pass="secret"\nset ssl_starttls=no\nset ssl_force_tls=no\nset header_cache=""\n'
                       'set sort=date\nset folder=""\nset record=""\nset wait_key=no\n')
        out = os.path.join(home, "out")
        command = (f"<search>~s for-mutt<enter><pipe-message>cat >{out}<enter><quit>")
        url = f"imap://{i.a.address}:{i.a.ports['imap']}/INBOX"
        run(need("script"), "-qec", f"{need('mutt')} -n -F {rc} -f {url} -e 'push \"{command}\"'", "/dev/null", timeout=60,
            env={"TERM": "xterm", "HOME": home, "PATH": os.environ["PATH"]}, check=False)
        assert os.path.exists(out) and "for-mutt" in open(out, errors="replace").read(), "mutt did not show the message"


@test("alpine reads the mailbox by IMAP")
def alpine(i):
    one_message(i, "for-alpine")
    with tempfile.TemporaryDirectory() as home:
        box = f"{{{i.a.address}:{i.a.ports['imap']}/notls/user={USER}}}INBOX"
        import pty, select, time
        need("alpine")
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ.update(TERM="xterm", HOME=home)
            os.execvp("alpine", ["alpine", "-i", "-f", box])
        seen, sent, deadline = b"", 0, time.time() + 40
        while time.time() < deadline and b"for-alpine" not in seen:
            if select.select([terminal], [], [], 0.3)[0]:
                try:
                    seen += os.read(terminal, 65536)
                except OSError:
                    break
            if sent == 0 and b"PASSWORD" in seen.upper():
                os.write(terminal, b"secret\r")
                sent = 1
            elif b"Preserve password" in seen[-600:]:
                os.write(terminal, b"n")
                seen += b" " * 2001
            elif b"[yes]" in seen[-400:] or b"(y/n)" in seen[-400:] or b"Exit this greeting" in seen[-2000:]:
                os.write(terminal, b"e" if b"greeting" in seen[-2000:] else b"y")
                seen += b" " * 2001
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)
        assert b"for-alpine" in seen, seen[-600:]


@test("s-nail reads the mailbox by IMAP")
def s_nail(i):
    one_message(i, "for-s-nail")
    with tempfile.TemporaryDirectory() as home:
        url = f"imap://{USER}:secret@{i.a.address}:{i.a.ports['imap']}/INBOX"
        text = run(need("s-nail"), "-S", "v15-compat", "-R", "-f", url, input=b"headers\ntype *\nexit\n",
                   env={"HOME": home, "PATH": os.environ["PATH"], "TERM": "dumb"}, check=False)
        assert b"for-s-nail" in text, text[-500:]


@test("fetchmail fetches by POP3 and by IMAP")
def fetchmail(i):
    for protocol in ("POP3", "IMAP"):
        one_message(i, f"for-fetchmail-{protocol}")
        with tempfile.TemporaryDirectory() as home:
            rc, out = os.path.join(home, "rc"), os.path.join(home, "out")
            with open(rc, "w") as file:
                file.write(f"poll {i.a.address} service {i.a.ports[protocol.lower()]} protocol {protocol} user {USER} password secret "
                           f"sslproto '' fetchall keep mda \"cat >>{out}\"\n")
            os.chmod(rc, 0o700)
            run(need("fetchmail"), "-f", rc, "--nosyslog", "--pidfile", os.path.join(home, "pid"),
                env={"HOME": home, "PATH": os.environ["PATH"], "FETCHMAILHOME": home})
            assert f"for-fetchmail-{protocol}" in open(out, errors="replace").read()


@test("mbsync mirrors the mailbox, and its changes come back")
def mbsync(i):
    one_message(i, "for-mbsync")
    with tempfile.TemporaryDirectory() as home:
        rc = os.path.join(home, "rc")
        os.makedirs(f"{home}/mail")
        with open(rc, "w") as file:
            file.write(f"IMAPAccount a\nHost {i.a.address}\nPort {i.a.ports['imap']}\nUser {USER}\nPass secret\nSSLType None\nAuthMechs LOGIN\n\n"
                       f"IMAPStore far\nAccount a\n\nMaildirStore near\nPath {home}/mail/\nInbox {home}/mail/INBOX\nSubFolders Verbatim\n\n"
                       f"Channel c\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Both\nExpunge Both\nSyncState {home}/state\n")
        sync = lambda: run(need("mbsync"), "-c", rc, "-a", env={"HOME": home, "PATH": os.environ["PATH"]})
        sync()
        inbox = f"{home}/mail/INBOX"
        files = [(half, name) for half in ("new", "cur") for name in os.listdir(f"{inbox}/{half}")]
        mine = next((h, n) for h, n in files if b"for-mbsync" in open(f"{inbox}/{h}/{n}", "rb").read())
        assert len(files) == len(i.a.delivered()), (len(files), len(i.a.delivered()))
        os.rename(f"{inbox}/{mine[0]}/{mine[1]}", f"{inbox}/cur/{mine[1].split(':')[0]}:2,FS")
        sync()
        flagged = [p for p in i.a.delivered() if p.rpartition(":2,")[2] == "FS" and b"for-mbsync" in open(p, "rb").read()]
        assert flagged, "the flags did not come back"


@test("SEARCH finds text in charsets that only the system's iconv knows; without it, the rest is searched all the same")
def charsets(i):
    import imaplib
    with imaplib.IMAP4(i.a.address, i.a.ports["imap"]) as client:
        client.login(USER, "secret")
        client.create("charsets")
        for charset, text in (("koi8-r", "Привет мир"), ("gb2312", "你好世界"), ("iso-2022-jp", "こんにちは"), ("utf-8", "Grüße")):
            head = f"Subject: {charset}\r\nContent-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            client.append("charsets", None, None, head.encode() + text.encode(charset) + b"\r\n")
        client.select("charsets")

        def search(text, charset):
            client.literal = text.encode(charset)
            return client.search(charset.upper(), "TEXT")[1][0]
        assert search("привет", "utf-8") == b"1", "case is folded behind the conversion"
        assert search("мир", "koi8-r") == b"1"
        assert search("世界", "utf-8") == search("世界", "gb2312") == b"2"
        assert search("にち", "utf-8") == b"3"
        assert search("grüß", "utf-8") == b"4"
        client.literal = b"x"
        kind, text = client.search("X-NO-SUCH", "TEXT")
        assert kind == "NO" and b"BADCHARSET" in text[0], (kind, text)
        client.close()
    # Where charset-decode is not installed beside it.
    lonely = f"{i.directory}/lonely"
    os.makedirs(lonely)
    shutil.copy(os.path.join(RELEASE, "imapd"), lonely)
    command = f"HOME={i.directory}/a.example/home/{USER} USER={USER} {lonely}/imapd -C {i.a.config} --mailbox"
    with imaplib.IMAP4_stream(command) as client:
        client.select("charsets")
        assert search("grüß", "utf-8") == b"4" and search("мир", "utf-8") == b""
        client.literal = b"x"
        assert client.search("KOI8-R", "TEXT")[0] == "NO"
        client.close()
        client.delete("charsets")
    eventually(lambda: "are not searched" in log_of(i.a), "a line in the log")
    program = os.path.join(RELEASE, "charset-decode")
    assert run(program, "koi8-r", input="мир".encode("koi8-r")) == "мир".encode()
    wrong = [b"x", b"3:abc,", b"-1:,", b"99999999999999999999:x,", b"0:,", b"9:1:a,1:b,x,", b"12:1:a,1:b,1:c,,", b"8:1:a,1:b,x"]
    for input in wrong:
        done = subprocess.run([program, "--service"], input=input, capture_output=True, timeout=10)
        assert done.returncode == 76 and done.stdout == b"", (input, done)
    for charset in (b"../../etc/passwd", b"", b"a" * 41, b"no-such", b"utf-8//TRANSLIT"):
        request = b"%d:%s,1:x," % (len(charset), charset)
        done = subprocess.run([program, "--service"], input=b"%d:%s," % (len(request), request), capture_output=True, timeout=10)
        assert (done.returncode, done.stdout) == (0, b"1:U,"), (charset, done)
