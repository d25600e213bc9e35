"""The steps of a message's life: each makes a state, acts on it with one program as the victim, and says what was promised."""
import os, re, time
import queuefiles
from crash import MESSAGE, PLACES, SUBJECT, TEXT, Scene
from harness import USER


class Step:
    """`victim` is the program that is broken. `accepted`: the message is ours before the step begins. `answers`: its
    exit status is a promise. `undo`: afterwards the trash is emptied back into the queue. `yes`: what it says, if it says so, when
    it is. `refuses`: what it said no to must not be there."""

    scene, yes = Scene, b"queued as"

    def __init__(self, name, victim, setup, act, promise="mail", accepted=True, most=1, partial=False, local="Maildir/", answers=False, undo=False):
        self.name, self.victim, self.setup, self.act, self.answers, self.undo = name, victim, setup, act, answers, undo
        self.promise, self.accepted, self.most, self.partial, self.local = promise, accepted, most, partial, local
        self.refuses = victim in ("sendmail-compat", "smtpd")
        self.key = re.sub(r"\W+", "-", name)

    def prepare(self, scene):
        scene.local = self.local
        scene.make()
        self.setup(scene)
        scene.save(self.key)


HERE = f"{USER}@crash.example"
# remote-deliver takes an address literal without asking DNS; our own would be here.
THERE = "x@[127.0.0.2]"


def by_sendmail(scene):
    code, _, errors = scene.run("sendmail-compat", "-i", "-f", "far@far.example", HERE, input=MESSAGE.encode())
    return code == 0, code, errors


def by_smtpd(scene):
    text = MESSAGE.replace("\n", "\r\n")
    code, output, errors = scene.run("smtpd", input=(f"EHLO far.example\r\nMAIL FROM:<far@far.example>\r\nRCPT TO:<{HERE}>\r\nDATA\r\n{text}.\r\n"
                                                     "QUIT\r\n").encode())
    # Errors are for the client, and for the log.
    # Nothing said is neither a yes nor a no.
    answer = True if b"queued as" in output else False if re.search(rb"^[45]\d\d[ -]", output, re.M) else None
    return answer, code, errors or output


def a_pass(scene):
    code, _, errors = scene.run("queue-runner")
    return True, code, errors


def operator(*options):
    def act(scene):
        name = os.path.basename(scene.queue_files(*PLACES)[0])
        code, output, errors = scene.run("queue-runner", *options, name)
        return code == 0, code, errors or output
    return act


def take(scene):
    with open(f"{scene.work}/exported", "rb") as file:
        code, output, errors = scene.run("queue-runner", "--import", input=file.read())
    return code == 0, code, errors or output


def verify(scene):
    code, output, errors = scene.run("queue-runner", "--verify")
    # It has found something, as it should.
    return True, 0 if code == 69 else code, errors or output


def clean(scene):
    code, _, errors = scene.run("queue-runner", "--clean")
    return True, code, errors


def nothing(scene):
    pass


def waiting(recipient=HERE, sender="far@far.example"):
    return lambda scene: scene.inject(recipient, sender)


def topped(recipient=HERE):
    """Something stands on top of it, as filters leave it: its subject."""
    def setup(scene):
        name, data = queuefiles.message("far@far.example", [recipient], f"From: far@far.example\n\n{TEXT}".encode(),
                                        top=f"Subject: {SUBJECT}\n".encode())
        queuefiles.put(f"{scene.work}/queue/incoming", name, data)
    return setup


def refused(scene):
    """The mailbox's owner cannot write it just now."""
    scene.inject(HERE)
    os.chmod(f"{scene.work}/home/{USER}", 0o555)


def held(scene):
    scene.run("queue-runner", "--hold", scene.inject(HERE))


def removed(scene):
    scene.run("queue-runner", "--remove", scene.inject(HERE))


def over(scene):
    """Its time in the trash is over."""
    removed(scene)
    [bucket] = os.listdir(f"{scene.work}/queue/trash")
    os.rename(f"{scene.work}/queue/trash/{bucket}", f"{scene.work}/queue/trash/{int(time.time()) // 60 - 1}")


def exported(scene):
    topped()(scene)
    code, output, errors = scene.run("queue-runner", "--export", os.path.basename(scene.queue_files("incoming")[0]))
    assert code == 0, errors
    scene.run("queue-runner", "--purge", "all")
    with open(f"{scene.work}/exported", "wb") as file:
        file.write(output)


def tried(scene):
    refused(scene)
    scene.run("queue-runner")
    scene.settle()


def tried_and_due(scene):
    """Mail that waited, its owner can write again, and the operator says now."""
    tried(scene)
    os.chmod(f"{scene.work}/home/{USER}", 0o755)
    scene.run("queue-runner", "--retry", os.path.basename(scene.queue_files("deferred")[0]))


def refused_in_part(scene):
    """Of two recipients one is another host's, who gets it."""
    scene.inject(f"{HERE} {THERE}")
    os.chmod(f"{scene.work}/home/{USER}", 0o555)


def forwarded(scene, setup=waiting()):
    with open(f"{scene.work}/home/{USER}/.forward", "w") as file:
        file.write(THERE + "\n")
    setup(scene)


def forwarded_with_top(scene):
    forwarded(scene, topped())


def expanded(scene):
    """An alias for somebody elsewhere and a list with an owner, who is here: two copies. Another recipient is nobody."""
    path = f"{scene.work}/relais.conf"
    text = open(path).read()
    with open(path, "w") as file:
        file.write(text.replace("aliases-file = \n", f"aliases-file = {scene.work}/aliases\n"))
    with open(f"{scene.work}/aliases", "w") as file:
        file.write(f"team: {THERE}, list\nlist: {USER}\nowner-list: {USER}\n")
    scene.inject("team@crash.example nobody-here@crash.example", sender=HERE)


def damaged(scene):
    """A file with a good trailer whose head is none."""
    with open(f"{scene.work}/queue/incoming/{scene.inject(HERE)}", "r+b") as file:
        file.write(b"damaged-message 1\n")


def configured(scene, line):
    with open(f"{scene.work}/relais.conf", "a") as file:
        file.write(line + "\n")


def wanting_success(scene):
    code, _, errors = scene.run("sendmail-compat", "-i", "-N", "success", "-f", HERE, HERE, input=MESSAGE.encode())
    assert code == 0, errors


def late(scene):
    """Its sender is to be warned at the first deferral."""
    configured(scene, "delay-warning = 1s")
    scene.inject(HERE, sender=HERE)
    os.chmod(f"{scene.work}/home/{USER}", 0o555)


def storm(scene):
    configured(scene, "bounce-limit = 1")
    with open(f"{scene.work}/queue/storm", "w") as file:
        file.write(f"relais-storm 1\nmade {int(time.time()) // 60} 5\nend\n")
    scene.inject("nobody-here@crash.example", sender=HERE)


def leftovers(scene):
    """An unfinished file, a log without a message, a message whose log ends in its removal, an empty bucket."""
    name = scene.inject(HERE)
    path = f"{scene.work}/queue/incoming/{name}"
    old = time.time() - 7200
    with open(path, "rb") as file:
        head = file.read(500)
    for orphan, text in ((f"{path[:-3]}yyy", head), (f"{scene.work}/queue/log/{name[:-3]}zzz", b"message 1 1\n")):
        with open(orphan, "wb") as file:
            file.write(text)
        os.utime(orphan, (old, old))
    os.mkdir(f"{scene.work}/queue/deferred/29000000", 0o700)


STEPS = [
    Step("inject by sendmail-compat", "sendmail-compat", nothing, by_sendmail, accepted=False, answers=True),
    Step("inject by smtpd", "smtpd", nothing, by_smtpd, accepted=False),
    Step("claim and deliver to a Maildir: runner", "queue-runner", waiting(), a_pass),
    Step("claim and deliver to a Maildir: deliverer", "local-deliver", waiting(), a_pass),
    Step("deliver to an mbox: runner", "queue-runner", waiting(), a_pass, most=2, local="mbox"),
    Step("deliver to an mbox: deliverer", "local-deliver", waiting(), a_pass, most=2, partial=True, local="mbox"),
    Step("deliver to a host: runner", "queue-runner", waiting(THERE), a_pass, most=2),
    Step("deliver to a host: deliverer", "remote-deliver", waiting(THERE), a_pass, most=2),
    Step("deliver what has a top: runner", "queue-runner", topped(), a_pass),
    Step("deliver what has a top: deliverer", "local-deliver", topped(), a_pass),
    Step("deliver what has a top to a host: deliverer", "remote-deliver", topped(THERE), a_pass, most=2),
    Step("defer: runner", "queue-runner", refused, a_pass),
    Step("defer: deliverer", "local-deliver", refused, a_pass),
    Step("defer in part: runner", "queue-runner", refused_in_part, a_pass, promise="everybody", most=2),
    Step("deliver what was tried: runner", "queue-runner", tried_and_due, a_pass),
    Step("forward: runner", "queue-runner", forwarded, a_pass, most=2),
    Step("forward: deliverer", "local-deliver", forwarded, a_pass, most=2),
    Step("forward what has a top: runner", "queue-runner", forwarded_with_top, a_pass, most=2),
    Step("expand an alias, and bounce: runner", "queue-runner", expanded, a_pass, promise="everybody and the sender", most=2),
    Step("bounce: runner", "queue-runner", waiting("nobody-here@crash.example", HERE), a_pass, promise="bounce", most=2),
    Step("report a success: runner", "queue-runner", wanting_success, a_pass, promise="bounce", most=2),
    Step("warn of a delay: runner", "queue-runner", late, a_pass),
    Step("hold a report in a storm: runner", "queue-runner", storm, a_pass, promise="bounce", most=2),
    Step("hold", "queue-runner", waiting(), operator("--hold")),
    Step("release", "queue-runner", held, operator("--release")),
    Step("retry", "queue-runner", tried, operator("--retry")),
    Step("remove", "queue-runner", waiting(), operator("--remove"), promise="removal", answers=True),
    Step("remove what was tried", "queue-runner", tried, operator("--remove"), promise="removal", answers=True),
    Step("remove, to undo it", "queue-runner", waiting(), operator("--remove"), undo=True),
    Step("undo", "queue-runner", removed, operator("--undo"), accepted=False, answers=True),
    Step("purge", "queue-runner", removed, operator("--purge"), promise="removal"),
    Step("empty the trash", "queue-runner", over, a_pass, promise="removal"),
    Step("reroute", "queue-runner", waiting(THERE), operator("--reroute", HERE), most=2),
    Step("return", "queue-runner", waiting("nobody-here@crash.example", HERE), operator("--return"), promise="bounce", most=2),
    Step("export", "queue-runner", waiting(), operator("--export"), undo=True),
    Step("import", "queue-runner", exported, take, accepted=False, answers=True),
    Step("set aside", "queue-runner", damaged, a_pass, promise="corrupt"),
    Step("clean up", "queue-runner", leftovers, clean),
    Step("verify", "queue-runner", leftovers, verify),
]
