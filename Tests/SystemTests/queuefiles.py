"""Messages as an injector writes them, many at a time, put into a queue by the thousand. The format is queue(5)'s."""
import os, random, time

DIGITS = "0123456789bcdfghjklmnpqrstvwxyz"
BOOT = open("/proc/sys/kernel/random/boot_id").read().strip()


def base31(value, width):
    text = ""
    for _ in range(width):
        value, digit = divmod(value, 31)
        text = DIGITS[digit] + text
    return text


def arrival(name):
    """The time that stands in an id, in microseconds."""
    return sum(DIGITS.index(digit) * 31**place for place, digit in enumerate(reversed(name[:11]))) - 31**10


def crc32c(data, table=[]):
    if not table:
        for byte in range(256):
            for _ in range(8):
                byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
            table.append(byte)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def message(sender, recipients, content=b"Subject: hello\n\nHello.\n", arrival=None, boot=BOOT, parameters="", top=None):
    """The id and the bytes of one message file; `parameters` as MAIL has them. A recipient may be a pair: address, and parameters of its own.
    `top`: what stands on top of the content; without it the file is of the first format."""
    lines = [f"to <{r}>\n" if isinstance(r, str) else f"to <{r[0]}> {r[1]}\n" for r in recipients]
    arrival = arrival or time.time_ns() // 1000
    name = base31(arrival + 31 ** 10, 11) + base31(random.getrandbits(64), 13)
    lengths = f"content {len(content):020}\n" + (f"top {len(top):020}\n" if top is not None else "")
    head = (f"relais-message {1 if top is None else 2}\nid {name}\narrival {arrival:016}\nboot {boot}\n{lengths}"
            f"from <{sender}> {parameters}".rstrip() + "\n" + "".join(lines) + "\n").encode()
    stored = content + (top or b"")
    tail = f"end {name} {len(stored):020} {crc32c(head):08x} {crc32c(stored):08x}\n".encode()
    return name, head + stored + tail


def fill(directory, envelopes):
    """Writes a message for each (sender, recipients)."""
    for sender, recipients in envelopes:
        name, data = message(sender, recipients)
        put(directory, name, data)


def put(directory, name, data):
    descriptor = os.open(f"{directory}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o660)
    os.write(descriptor, data)
    os.close(descriptor)
    os.chmod(f"{directory}/{name}", 0o660)
