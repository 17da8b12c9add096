"""Comparing text without regard to case in the same way everywhere: in SQLite, in PostgreSQL whatever its collation is, and in Python.

Neither database agrees with the other about the case of letters beyond ASCII, so none of them is asked: two characters are the same when
they have the same key here. SQLite gets a pattern that spells out each letter's cases, `[öÖ][zZ]` for "öz"; PostgreSQL translates those
letters of its column that stand in the text. ASCII letters have ASCII cases alone (the Kelvin sign is no k), as both do alone. Pure.
"""

from collections.abc import Iterable
from functools import lru_cache

#: where letters with two cases live beyond ASCII; nothing else is searched for variants
RANGES = (
    (0x80, 0x3000), (0xA640, 0xAC00), (0xFF21, 0xFF5B), (0x10400, 0x10600), (0x10C80, 0x10D00), (0x118A0, 0x118E0),
    (0x16E40, 0x16E80), (0x1E900, 0x1E944),
)  # fmt: skip
ESCAPE = "\\"


def fold(text: str) -> str:
    """The text with each character replaced by its key: what makes two texts equal."""
    return text.lower() if text.isascii() else "".join(map(key, text))


def key(char: str) -> str:
    """One character for all cases of a letter; those whose cases are several characters long (ß, İ) keep their own."""
    if char.isascii():
        return char.lower()
    upper = char.upper()
    lower = (upper if len(upper) == 1 else char).lower()
    return lower if len(lower) == 1 and not lower.isascii() else char


@lru_cache(1)
def _cases() -> dict[str, str]:
    """Key -> every character that has it, for those with more than one."""
    found: dict[str, list[str]] = {}
    for first, last in RANGES:
        for code in range(first, last):
            found.setdefault(key(chr(code)), []).append(chr(code))
    return {one: "".join(chars) for one, chars in found.items() if len(chars) > 1}


def variants(char: str) -> str:
    """Every character that counts as this one."""
    if char.isascii():
        return char.lower() + char.upper() if char.isalpha() else char
    return _cases().get(key(char), char)


def like(text: str) -> str:
    """ASCII text for LIKE and ILIKE with the escape character `ESCAPE`; its wildcards stand for themselves."""
    return "".join(ESCAPE + char if char in "%_\\" else char for char in text)


def glob(text: str) -> str:
    """The text for SQLite's GLOB, any case."""
    return "".join(f"[{cases}]" if len(cases := variants(char)) > 1 or char in "*?[" else char for char in text)


def translation(texts: Iterable[str]) -> tuple[str, str]:
    """For PostgreSQL's translate: every character beyond ASCII that counts as one of these texts', and its key in the same place."""
    chars = {case: key(char) for text in texts for char in text if not char.isascii() for case in variants(char)}
    return "".join(chars), "".join(chars.values())
