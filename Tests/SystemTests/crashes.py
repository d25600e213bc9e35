"""Breaks every step of a message's life at every call, and says what it found: a line a step.

usage: run crashes [--quick] [--debug DIRECTORY] [WORD ...]

kill    the static release program is killed at its n-th call of each kind (strace)
error   its n-th call of each kind fails with EIO, ENOSPC, EMFILE, EINTR (strace)
hook    a debug program, from DIRECTORY, dies at its n-th call, has it fail, or writes half, and perhaps fails then (RELAIS_FAULT)
power   the state that a power cut could leave after each call, as a journalling filesystem orders names (journal) and as POSIX
        allows (posix: the programs are told that they do not know the filesystem)

Then all of it but error and power-journal once more, as bare-kill and so on, with those calls refused that some systems and filesystems do not
have (refused.py). With words, only modes and steps whose names have one of them; --quick tries one state in eight.
"""
import collections, hashlib, itertools, multiprocessing, os, random, re, shutil, subprocess, sys, tempfile, time
import crash, crash_mailbox, crash_steps, powerloss, refused
from harness import RELEASE, need

STEPS = crash_steps.STEPS + crash_mailbox.STEPS
WORDS, QUICK, DEBUG, BARE = [], False, None, False  # what was said on the command line
SHARE = 8
CALLS = ("open,openat,creat,read,pread64,write,pwrite64,writev,ftruncate,fsync,fdatasync,syncfs,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,"
         "mkdirat,rmdir,close,fstat,newfstatat,statx,fstatfs,getdents64,flock,fcntl,lseek,fchmod,dup,dup2,pipe2,socket,connect,accept4,sendto,recvfrom,sendmsg,recvmsg,"
         "poll,ppoll,utimensat,kill,exit_group").split(",")
# What a program cannot be told to have failed: it would not mean anything, or it is not there to hear it.
NO_ERROR = {"close", "exit_group", "kill", "execve"}
ERRORS = ("EIO", "ENOSPC", "EMFILE", "EINTR")
NUMBERS = {"EIO": 5, "ENOSPC": 28, "EMFILE": 24, "EINTR": 4}
directory, scenes, prepared = None, {}, set()


def read_options(words):
    global WORDS, QUICK, DEBUG, BARE
    WORDS = list(words)
    if "--debug" in WORDS:
        place = WORDS.index("--debug")
        DEBUG = WORDS[place + 1]
        del WORDS[place:place + 2]
    QUICK, BARE = "--quick" in WORDS, "--bare" in WORDS
    WORDS = [word for word in WORDS if word not in ("--quick", "--bare")]


def scene_of(step, programs):
    """This process's own."""
    key = step.scene, programs
    if key not in scenes:
        scenes[key] = step.scene(tempfile.mkdtemp(dir=directory), programs)
    return scenes[key]


def ready(step, programs):
    scene = scene_of(step, programs)
    if (step.key, programs) not in prepared:
        scene.wrap, scene.environment = {}, {}
        step.prepare(scene)
        prepared.add((step.key, programs))
    scene.undo, scene.local = step.undo, step.local
    scene.load(step.key)
    scene.statuses.clear()
    return scene


def try_fault(task):
    """One run with one fault: what is wrong afterwards."""
    number, kind, fault, programs = task
    step = STEPS[number]
    scene = ready(step, programs)
    if programs == RELEASE:
        call, what, count = fault
        scene.wrap = {step.victim: ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{what}:when={count}"]}
        scene.environment = {}
    else:
        scene.wrap, scene.environment = {}, {step.victim: {"RELAIS_FAULT": fault, "SWIFT_BACKTRACE": "enable=no"}}
    try:
        acknowledged, status, words = step.act(scene)
        scene.wrap, scene.environment = {}, {}
        problems = scene.settle()
        if status == "hang":
            problems.append("it hangs")
        elif kind != "kill" and status not in crash.SYSEXITS:
            problems.append(f"it ended with {status}: {words[-300:]}")
        # Where nothing works any more, nothing can be said, nor taken back.
        elif kind == "error" and status != 0 and not words and scene.log_is_silent():
            problems.append(f"it ended with {status}, and did not say why")
        if kind != "kill" and any(code not in crash.SYSEXITS for code in scene.statuses):
            problems.append(f"a deliverer ended with {scene.statuses}")
        problems += scene.table()
        problems += scene.recover()
        problems += scene.violations(step, acknowledged)
        if kind == "error" and acknowledged is False and step.refuses and scene.has_kept(step):
            problems.append("it was refused, and kept")
    except Exception as error:
        problems = [f"the test itself: {error!r}"]
    finally:
        scene.wrap, scene.environment = {}, {}
    return number, kind, fault, problems


def counts(step):
    """How often the victim makes each call, in any one of its processes."""
    scene = ready(step, RELEASE)
    log = scene.apart + "/calls"
    scene.wrap = {step.victim: ["strace", "-f", "-qq", "-o", log, "-e", "trace=" + ",".join(CALLS)]}
    acknowledged, status, words = step.act(scene)
    scene.wrap = {}
    problems = scene.settle() + scene.table() + scene.recover() + scene.violations(step, acknowledged)
    if status != 0 or problems:
        sys.exit(f"crashes: {step.name} without any fault: {status} {words} {problems}")
    per = collections.Counter()
    with open(log, errors="replace") as file:
        for line in file:
            if match := re.match(r"(\d+) +(\w+)\(", line):
                per[match[1], match[2]] += 1
    most = collections.Counter()
    for (_, call), count in per.items():
        most[call] = max(most[call], count)
    return most


def dies(step, number):
    """Whether the debug program gets as far as its call of this number."""
    scene = ready(step, DEBUG)
    scene.environment = {step.victim: {"RELAIS_FAULT": f"die:{number}"}}
    _, status, _ = step.act(scene)
    scene.environment = {}
    scene.settle()
    return status == -9 or -9 in scene.statuses


def calls_of_debug(step):
    low, high = 1, 2
    while dies(step, high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if dies(step, middle) else (low, middle)
    return low


def sample(tasks, seed):
    if not QUICK:
        return tasks
    return random.Random(seed).sample(tasks, max(1, len(tasks) // SHARE))


class Tally:
    """A line a step; on a terminal it grows while the step runs."""

    def __init__(self):
        self.states = self.violations = 0

    def step(self, mode, name, results, total):
        begin, states, bad = time.time(), 0, []
        for fault, problems in results:
            states += 1
            if problems:
                bad.append((fault, problems))
            if sys.stdout.isatty() and states % 20 == 0:
                print(f"\r{mode:8} {name:44} {states} of {total}", end="", flush=True)
        if sys.stdout.isatty():
            print("\r", end="")
        print(f"{'ok' if not bad else 'FAILED':7} {mode:8} {name:44} {states:6} states {len(bad):4} violations ({time.time() - begin:.1f} s)", flush=True)
        for fault, problems in bad[:6]:
            print(f"        {fault}: {'; '.join(problems)[:600]}", flush=True)
        self.states += states
        self.violations += len(bad)


def named(mode):
    return "bare-" + mode if BARE else mode


def wanted(mode, name):
    mode = named(mode)
    return not WORDS or any(word in mode or word in name for word in WORDS)


def enumerate_faults(pool, tally):
    for mode in ("kill", "error", "hook"):
        for number, step in enumerate(STEPS):
            if not wanted(mode, step.name) or (mode == "hook" and not DEBUG) or (mode == "error" and BARE):
                continue
            if mode == "hook":
                points = range(1, calls_of_debug(step) + 1)
                tasks = [(number, "kill", f"die:{k}", DEBUG) for k in points] + [(number, "error", f"half:{k}", DEBUG) for k in points]
                tasks += [(number, "error", f"fail:{k}:{NUMBERS[e]}", DEBUG) for k in points for e in ERRORS]
                tasks += [(number, "error", f"half:{k}:{NUMBERS['ENOSPC']}", DEBUG) for k in points]
                tasks += [(number, "ruin", f"fail-from:{k}:{NUMBERS['ENOSPC']}", DEBUG) for k in points]
            else:
                most = counts(step)
                points = [(call, k) for call in most for k in range(1, most[call] + 1)]
                if mode == "kill":
                    tasks = [(number, "kill", (call, "signal=KILL", k), RELEASE) for call, k in points]
                else:
                    tasks = [(number, "error", (call, f"error={e}", k), RELEASE) for call, k in points if call not in NO_ERROR for e in ERRORS]
            tasks = sample(tasks, f"{mode} {step.name}")
            tally.step(named(mode), step.name, ((fault, problems) for _, _, fault, problems in pool.imap_unordered(try_fault, tasks, 4)), len(tasks))


# Power

def record(step, model):
    """What the programs of a step did, and where."""
    scene = ready(step, RELEASE)
    place = scene.apart + "/recording"
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place)
    options = list(powerloss.OPTIONS)
    if model == "posix":
        # The programs then hold the filesystem for one that they do not know.
        options += ["-e", "inject=fstatfs:error=ENOSYS"]
        options = [o + ",fstatfs" if o.startswith("trace=") else o for o in options]
    for number, program in enumerate(("sendmail-compat", "smtpd", "queue-runner", "local-deliver", "remote-deliver", "imapd", "pop3d")):
        scene.wrap[program] = ["strace", *options, "-o", f"{place}/{number}", "--"]
    acknowledged, status, words = step.act(scene)
    scene.settle()
    context = scene.context(step)
    scene.wrap = {}
    if status != 0 or acknowledged is False:
        sys.exit(f"crashes: {step.name} could not be recorded: {status} {words}")
    answering = None
    recordings = powerloss.Recording(place + "/" + "?")
    events = recordings.events
    if step.answers:
        answering = next((pid for _, _, pid, call, _, _ in events if call == "exit_group"), None)
    return recordings, answering, context


def find_states(step, model, recording, answering):
    """Every state that a cut could leave, once: (what it is, acknowledged, whether the other host has it, table)."""
    scene = scene_of(step, RELEASE)
    disk = powerloss.Disk(scene.work, f"{scene.apart}/{step.key}", ("queue", "home"))
    disk.model, disk.answering, disk.yes = model, answering, step.yes
    seen, found = set(), []

    def look(after):
        for how, table in disk.states():
            mark = hashlib.sha1(repr((disk.acknowledged, disk.taken, sorted((p, c if c is None else hashlib.sha1(c).digest()) for p, c in table.items()))).encode()).digest()
            if mark not in seen:
                seen.add(mark)
                found.append((f"after {after}: {how}", disk.acknowledged, disk.taken, {os.path.relpath(p, scene.work): c for p, c in table.items()}))
    look("nothing")
    for number, (pid, call, words, value) in enumerate(recording):
        disk.play(pid, call, words, value, recording.parents)
        if disk.changed or disk.acknowledged:
            look(f"{call} ({number})")
    return found


def try_state(task):
    number, label, acknowledged, table, context = task
    step = STEPS[number]
    scene = ready(step, RELEASE)
    try:
        for root in ("queue", "home"):
            for place, directories, files in os.walk(f"{scene.work}/{root}", topdown=False):
                os.chmod(place, os.stat(place).st_mode | 0o700)
                for name in files:
                    path = os.path.relpath(f"{place}/{name}", scene.work)
                    if table.get(path) is None:
                        os.remove(f"{place}/{name}")
                if table.get(os.path.relpath(place, scene.work), 0) == 0:
                    os.rmdir(place)
        for path, content in sorted(table.items()):
            if content is None:
                os.makedirs(f"{scene.work}/{path}", 0o700, exist_ok=True)
        names = {}
        for path, content in table.items():
            if content is not None:
                # A message with two names is in the middle of a move, or of getting flags.
                key = os.path.basename(path).split(":")[0], content
                if other := names.get(key):
                    if not os.path.exists(f"{scene.work}/{path}") or not os.path.samefile(f"{scene.work}/{other}", f"{scene.work}/{path}"):
                        if os.path.exists(f"{scene.work}/{path}"):
                            os.remove(f"{scene.work}/{path}")
                        os.link(f"{scene.work}/{other}", f"{scene.work}/{path}")
                    continue
                if content and (crash.NAME.fullmatch(key[0]) or re.search(r",S=\d|\.far\.example$", key[0])):
                    names[key] = path
                with open(os.open(f"{scene.work}/{path}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o660), "wb") as file:
                    file.write(content)
        scene.relabel()
        # What the other host said yes to is there, whatever happens here.
        scene.believe(step, context)
        problems = [p for p in scene.recover(boot=True)]
        problems += scene.violations(step, acknowledged, cut=True)
    except Exception as error:
        problems = [f"the test itself: {error!r}"]
    return label, problems


def enumerate_cuts(pool, tally):
    for model, (number, step) in itertools.product(("posix",) if BARE else ("journal", "posix"), enumerate(STEPS)):
        mode = "power-" + model
        if not wanted(mode, step.name) or step.victim in ("local-deliver", "remote-deliver"):
            # Those steps are recorded with all their programs in the runner's.
            continue
        recording, answering, context = record(step, model)
        states = find_states(step, model, recording, answering)
        tasks = [(number, label, acknowledged, table, context if taken or step.scene is not crash.Scene else [])
                 for label, acknowledged, taken, table in sample(states, f"{mode} {step.name}")]
        tally.step(named(mode), step.name, pool.imap_unordered(try_state, tasks, 4), len(tasks))


def controls(pool, tally):
    """A check that cannot fail proves nothing: without their syncs the programs must be found to lose."""
    for number, step in enumerate(STEPS):
        if step.name not in ("inject by sendmail-compat", "inject by smtpd", "claim and deliver to a Maildir: runner", "deliver to an mbox: runner") or not wanted("control", step.name):
            continue
        recording, answering, context = record(step, "journal")
        states = find_states(step, "journal", recording.without("fsync", "fdatasync", "syncfs"), answering)
        found = sum(1 for _, problems in pool.imap_unordered(try_state, [(number, l, a, t, context if taken or step.scene is not crash.Scene else []) for l, a, taken, t in states], 4) if any("lost" in p for p in problems))
        if found:
            print(f"ok      control  {step.name}, its syncs not counted: {found} of {len(states)} states lose mail, as they must", flush=True)
        else:
            print(f"FAILED  control  {step.name}, its syncs not counted: none of {len(states)} states loses mail; this test proves nothing", flush=True)
            tally.violations += 1


def begin_bare(tally):
    """In a process of its own: what is refused once is refused for good."""
    words = [*(["--quick"] if QUICK else []), *(["--debug", DEBUG] if DEBUG else []), *WORDS]
    done = subprocess.run([sys.executable, "-B", refused.__file__, sys.executable, "-B", sys.argv[0], "crashes", "--bare", *words])
    if done.returncode:
        tally.violations += 1


def run_suite(words):
    global directory
    read_options(words)
    need("strace")
    if BARE:
        refused.check()
    directory = tempfile.mkdtemp(prefix="relais-crash-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    tally, begin = Tally(), time.time()
    try:
        with multiprocessing.Pool(2) as pool:
            enumerate_faults(pool, tally)
            enumerate_cuts(pool, tally)
            if not BARE:
                controls(pool, tally)
        if not BARE:
            begin_bare(tally)
    finally:
        subprocess.run(["chmod", "-R", "u+rwx", directory], capture_output=True)
        shutil.rmtree(directory, ignore_errors=True)
    if BARE:
        print(f"{tally.states} states, {tally.violations} violations where calls are refused")
        return not tally.violations
    print(f"{tally.states} states, {tally.violations} violations, {time.time() - begin:.0f} s")
    print(f"crashes: {0 if tally.violations else 1} passed, {1 if tally.violations else 0} failed")
    return not tally.violations
