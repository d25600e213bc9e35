"""A program's options, its usage text, its manual and its exit statuses say the same."""
import glob, os, re, subprocess
from harness import RELEASE, TOP, run, test

PROGRAMS = [name for name in sorted(os.listdir(os.path.join(TOP, "Sources")))
                                if os.path.exists(os.path.join(TOP, "Sources", name, "Main.swift"))]
# sysexits.h, as Sources/Program/Tool.swift has it.
STATUS = dict(re.findall(r"case (\w+) = (\d+)", open(os.path.join(TOP, "Sources/Program/Tool.swift")).read()))


def usage_options(program):
    """From `--help`: {letter or --word: argument or ''}, and the letters and words of the usage line."""
    text = run(os.path.join(RELEASE, program), "--help").decode()
    options = {}
    for line in text.splitlines()[1:]:
        if row := re.match(r"  (?:-(\w))?(?:, )? *(?:--([\w-]+))?(?: (\w\S*))?(?:  +|$)", line):
            letter, word, argument = row.groups()
            for name in filter(None, (letter and "-" + letter, word and "--" + word)):
                options[name] = argument or ""
    line = text.splitlines()[0]
    named = set(re.findall(r"--[\w-]+", line))
    for group in re.findall(r"(?<![\w-])-(\w+)", line):
        named |= {"-" + letter for letter in (group[:1] if group[0] == "b" else group)}
    return options, named


def manual(program):
    [path] = glob.glob(os.path.join(TOP, "man", program + ".[1-8]"))
    sections, name = {}, ""
    for line in open(path):
        if line.startswith(".Sh "):
            name = line[4:].strip()
        sections.setdefault(name, []).append(line.strip())
    return sections


def flags(line):
    """The options that an mdoc line names: {name: argument or ''}."""
    found = {}
    for part in re.split(r"\bFl ", line)[1:]:
        words = part.split()
        name = words[0]
        argument = words[words.index("Ar") + 1] if "Ar" in words else ""
        if name.startswith("-"):
            found["-" + name] = argument
        else:
            for letter in (name[:1] if name[0] == "b" else name):
                found["-" + letter] = argument
        for more in re.findall(r"[,|] (-?[\w-]+)", part):
            if more not in ("Fl", "Ar", "I"):
                found["-" + more if more.startswith("-") or len(more) == 1 else "-" + more[0]] = argument
    return found


@test("each program's usage and manual have the same options, with the same arguments")
def options(_):
    problems = []
    for program in PROGRAMS:
        table, named = usage_options(program)
        page = manual(program)
        synopsis, listed = {}, {}
        for line in page["SYNOPSIS"]:
            synopsis |= flags(line)
        for line in (line for section in page.values() for line in section if line.startswith(".It Fl ")):
            listed |= flags(line)
        # Each in the table is explained in the manual; both spellings, but for sendmail's, which are the field's own.
        for name, argument in table.items():
            if name not in listed:
                problems.append(f"{program}: {name} is not in the manual's list")
            elif bool(argument) != bool(listed[name]) and program != "sendmail-compat":
                problems.append(f"{program}: {name} takes {argument or 'nothing'!r}, in the manual {listed[name] or 'nothing'!r}")
        for name in listed:
            if name not in table and program != "sendmail-compat":
                problems.append(f"{program}: the manual's {name} is not in --help")
        for name in named - set(table):
            problems.append(f"{program}: the usage line's {name} is no option")
        for name in synopsis:
            if name not in listed:
                problems.append(f"{program}: the synopsis' {name} is not in the manual's list")
        # What the list explains stands in the synopsis, under one of its names.
        for line in (line for section in page.values() for line in section if line.startswith(".It Fl ")):
            names = flags(line)
            if not set(names) & set(synopsis) and not set(names) & {"-h", "--version"} and program != "sendmail-compat":
                problems.append(f"{program}: {' '.join(names)} is not in the synopsis")
    assert not problems, "\n".join(problems)


@test("each exit status that a program can leave with is in its manual")
def statuses(_):
    problems = []
    for program in PROGRAMS:
        text = "".join(open(path).read() for path in glob.glob(os.path.join(TOP, "Sources", program, "**/*.swift"), recursive=True))
        text = re.sub(r"SystemError\([^)]*\)", "", text)
        used = {STATUS[name] for name in re.findall(r"\.(\w+)\b", text) if name in STATUS and re.search(
            rf"(fail\([^\n]*|ExitStatus|return |\? |: |, )\.?{name}\b", text)}
        told = {number for line in manual(program)["EXIT STATUS"] for number in re.findall(r"\b\d+\b", line) if line.startswith(".It")}
        for number in sorted({"0", "64"} | used - {"0"}):
            if number not in told:
                problems.append(f"{program}: status {number} is not in the manual")
        done = subprocess.run([os.path.join(RELEASE, program), "--no-such-option"], capture_output=True)
        assert done.returncode == 64, program
    assert not problems, "\n".join(problems)


def keys_read():
    """{program: the keys of relais.conf that its sources ask for}: a key's property, or what the configuration makes of it."""
    sources = lambda name: "".join(open(path).read() for path in glob.glob(os.path.join(TOP, "Sources", name if name.endswith(".swift") else name + "/**/*.swift"), recursive=True))
    table = re.sub(r"\s+", " ", open(os.path.join(TOP, "Sources/Program/Configuration+Keys.swift")).read())
    keys = {}  # property: key
    for row in re.split(r"(?=\b(?:text|list|parsed|choice|number|duration|size)\( ?\")", table)[1:]:
        keys[re.search(r"\$0\.(\w+) = ", row).group(1)] = re.search(r'"([a-z-]+)"', row).group(1)
    # What a property or a method of the configuration goes back to.
    made, bodies, text = {name: {name} for name in keys}, {}, sources("Program") + sources("Accounts").partition("extension Configuration {")[2]
    for match in re.finditer(r"^    (?:package|private) (?:var|func) (\w+)[^\n={]*(?:\n[^\n={]*)?\{", text, re.M):
        depth, end = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        if match.group(1) not in keys:
            bodies[match.group(1)] = bodies.get(match.group(1), "") + text[match.end():end]
    for _ in range(3):
        for name, body in bodies.items():
            made[name] = set().union(made.get(name, set()), *(made.get(word, set()) for word in re.findall(r"\w+", body)))
    asked = lambda text: set().union(*(made.get(word, set()) for word in re.findall(r"(?:[cC]onfiguration|source\.current)\s*\.(\w+)", text)))
    # What libraries read of the configuration that they are given, by the word that says that they are.
    made_of = {"RecipientRules": "Recipients", "Connection.serve": "Front/[CS]*.swift", "ofReaders": "Front/LoginServer.swift", "LoginDesk": "Auth", "FreeSpace": "Reception"}
    parts = {word: asked(sources(library)) for word, library in made_of.items()}
    found = {}
    for program in PROGRAMS:
        text = sources(program) + (sources("Running") if program == "queue-runner" else "")
        if re.search(r"Configuration\.load|ConfigurationSource|Startup\.configuration", text):
            also = set().union(*(part for word, part in parts.items() if word in text))
            found[program] = {keys[name] for name in asked(text) | also} - {"log", "syslog-name"}
    return keys, found


@test("relais.conf(5) says which program reads which key, as the sources do")
def key_readers(_):
    keys, found = keys_read()
    text = open(os.path.join(TOP, "man", "relais.conf.5")).read()
    listed = set(re.findall(r"^\.It Cm ([a-z-]+)$", text, re.M))
    assert set(keys.values()) == listed, set(keys.values()) ^ listed
    part = re.search(r"^\.Sh WHO READS WHAT\n(.*?)^\.Sh ", text, re.M | re.S).group(1)
    told = {}
    for item in part.split("\n.It Xr ")[1:]:
        told[item.split()[0]] = set(re.findall(r"\b[a-z]+(?:-[a-z]+)*\b", " ".join(line[4:] for line in item.split("\n") if line.startswith(".Cm "))))
    problems = [f"{program}: {' '.join(sorted(found.get(program, set()) ^ told.get(program, set())))}" for program in sorted(set(found) | set(told))
                if found.get(program, set()) != told.get(program, set())]
    assert not problems, "\n".join(problems)
    return f"{len(keys)} keys, {len(found)} programs"
