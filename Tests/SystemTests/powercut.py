"""Power cuts for real, on loop-mounted filesystems: for root.

ext4 and xfs have a call that stops them at once. btrfs has none: there the image is copied while it is mounted, which is what the
disk would hold had the power gone at that moment, and the copy is mounted.
"""
import fcntl, os, pwd, struct, subprocess
from harness import RELEASE, as_user, need, run, test

MEGABYTES = {"ext4": 64, "xfs": 320, "btrfs": 128}
FS_IOC_SHUTDOWN, WITHOUT_FLUSHING_THE_LOG = 0x8004587D, struct.pack("I", 2)
CUTS = {"ext4": 20, "xfs": 20, "btrfs": 8}


def cut_power(filesystem, image, place):
    if filesystem == "btrfs":
        run("cp", "--sparse=always", image, image + ".cut")
        run("umount", place)
        os.replace(image + ".cut", image)
    else:
        descriptor = os.open(place, os.O_RDONLY)
        fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, WITHOUT_FLUSHING_THE_LOG)
        os.close(descriptor)
        run("umount", place)
    run("mount", "-o", "loop", image, place)


def cut(filesystem, directory, attempt):
    """Mounts an image, does `attempt`, cuts the power, and mounts it again, time after time."""
    image, place = f"{directory}/{filesystem}.img", f"{directory}/{filesystem}"
    with open(image, "wb") as file:
        file.truncate(MEGABYTES[filesystem] << 20)
    run("mkfs." + filesystem, "-q", image)
    os.makedirs(place, exist_ok=True)
    run("mount", "-o", "loop", image, place)
    try:
        for name in ("incoming", "deferred", "log", "hold", "trash", "corrupt", "destinations", "service", "slots"):
            os.makedirs(f"{place}/q/{name}", exist_ok=True)
        with open(f"{place}/conf", "w") as file:
            file.write(f"hostname = cut.example\nqueue-directory = {place}/q\nslots-directory = {place}/q/slots\nlog = none\nfirst-user-id = 1\n"
                       f"mailbox = {place}/mail/%u/Maildir/\naliases-file =\n")
        os.sync()
        lost = []
        for number in range(CUTS[filesystem]):
            wanted = attempt(place, number)
            cut_power(filesystem, image, place)
            if not wanted(place):
                lost.append(number)
        return lost
    finally:
        subprocess.run(["umount", place], capture_output=True)
        os.remove(image)


def injection(place, number, before=()):
    done = subprocess.run([*before, RELEASE + "/sendmail-compat", "-C", place + "/conf", "-i", "-v", "ann@cut.example"],
                          input=f"Subject: cut {number}\n\n{'z' * 5000}\n".encode(), capture_output=True)
    assert done.returncode == 0, done.stderr

    def is_there(place):
        for name in os.listdir(place + "/q/incoming"):
            text = open(f"{place}/q/incoming/{name}", "rb").read()
            if f"Subject: cut {number}\n".encode() in text and text.rsplit(b"\n", 2)[-2].startswith(b"end "):
                return b"z" * 5000 in text
        return False
    return is_there


def unsynced(place, number):
    """What injection is worth where fsync only says that it is done."""
    return injection(place, number, (need("strace"), "-f", "-o", "/dev/null", "-e", "inject=fsync,fdatasync,syncfs:retval=0"))


def delivery(place, number):
    account = pwd.getpwnam("ann")
    home = f"{place}/mail/ann"
    if not os.path.isdir(home):
        os.makedirs(home)
        os.chown(home, account.pw_uid, account.pw_gid)
        os.sync()
    done = as_user("ann", RELEASE + "/local-deliver", "-C", place + "/conf", "ann@cut.example", "x@far.example",
                   input=f"Subject: cut {number}\n\n{'z' * 5000}\n".encode())
    assert done.returncode == 0, done.stderr

    def is_there(place):
        new = f"{place}/mail/ann/Maildir/new"
        texts = [open(f"{new}/{name}", "rb").read() for name in os.listdir(new)] if os.path.isdir(new) else []
        return any(f"Subject: cut {number}\n".encode() in text and b"z" * 5000 in text for text in texts)
    return is_there


def try_cuts(filesystem):
    need("mkfs." + filesystem)

    @test(f"the power cut on {filesystem} is one: it takes what was not synced")
    def power_control(i):
        lost = cut(filesystem, i.directory, unsynced)
        assert lost, "nothing was lost without fsync: the cuts prove nothing"
        return f"{CUTS[filesystem]} cuts, {len(lost)} lost"

    for what, attempt in (("an accepted message", injection), ("a delivered message", delivery)):
        @test(f"{what} survives a power cut on {filesystem}")
        def power_cut(i, attempt=attempt):
            lost = cut(filesystem, i.directory, attempt)
            assert not lost, f"lost after cuts {lost}"
            return f"{CUTS[filesystem]} cuts, 0 lost"


for name in MEGABYTES:
    try_cuts(name)
