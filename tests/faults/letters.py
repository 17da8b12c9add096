"""The mail of a run, made from its seed: what comes in and what goes out, each with a key of its own in a header."""

import base64
import random

from tests.faults.house import DOMAIN
from tests.faults.senders import Letter
from tests.faults.sink import UNKNOWN

#: mailboxes that strangers write to, and how often
BOXES = {"plain": 6, "routed": 3, "dropped": 1}
#: recipients of one letter: most have one, some have many
SIZES = {1: 5, 2: 3, 5: 3, 20: 2}
#: one recipient in so many does not exist
NOBODY = 150


def make_letters(seed: int, mails_in: int, recipients_out: int) -> list[Letter]:
    """So many mails in, and letters out to so many recipients together, half of them over the API and half by SMTP."""
    chance = random.Random(seed)
    made = [_mail(f"in-{number}", chance) for number in range(mails_in)]
    left, number = recipients_out, 0
    while left > 0:
        size = min(left, chance.choices(list(SIZES), list(SIZES.values()))[0])
        made.append(_letter(f"out-{number}", size, chance))
        left, number = left - size, number + 1
    chance.shuffle(made)
    return made


def _mail(key: str, chance: random.Random) -> Letter:
    box = chance.choices(list(BOXES), list(BOXES.values()))[0]
    size = chance.choices((200, 2_000, 30_000, 600_000), (50, 40, 9, 0.3))[0]
    raw = _source("Ines <ines@elsewhere.test>", f"{box}@{DOMAIN}", key, "elsewhere.test", size, chance)
    return Letter(key, "in", [f"{box}@{DOMAIN}"], raw, "ines@elsewhere.test")


def _letter(key: str, size: int, chance: random.Random) -> Letter:
    people = [f"{UNKNOWN if chance.randrange(NOBODY) == 0 else 'r'}{key}-{number}@peer{number % 7}.test" for number in range(size)]
    kind = chance.choice(("api", "smtp"))
    sender = f"sender@{DOMAIN}"
    raw = _source(sender, people[0], key, DOMAIN, chance.choice((200, 2_000)), chance) if kind == "smtp" else b""
    return Letter(key, kind, people, raw, sender)


def _source(sender: str, to: str, key: str, host: str, size: int, chance: random.Random) -> bytes:
    """Noise in base64, so that large ones are large when packed too."""
    head = (
        f"From: {sender}\r\nTo: {to}\r\nSubject: {key}\r\nMessage-ID: <{key}@{host}>\r\nX-Fault-Key: {key}\r\n"
        "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\n"
    )  # fmt: skip
    noise = base64.encodebytes(chance.randbytes(size * 3 // 4)).replace(b"\n", b"\r\n")
    return head.encode() + noise
