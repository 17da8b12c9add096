"""Words of a text, as every search sees them on both databases: letters and digits, small, Latin letters without accents.

SQLite's `unicode61` cuts text the same way by itself; for PostgreSQL we write the `tsvector`, because its own parser keeps addresses,
host names and numbers as one word each and would answer differently. A mark that makes another letter of another script, as in й, で or
the syllables of Korean, stays: that is what `unicode61` does.
"""

import re
import unicodedata

#: how much of a text is searchable, in characters
MOST_CHARS = 100_000
LONGEST_WORD = 100
_WORD = re.compile(r"[^\W_]+")
_TOO_LONG = re.compile(rf"([^\W_]{{{LONGEST_WORD}}})[^\W_]+")


def words_of(text: str) -> list[str]:
    """The words of a text in their order; at most LONGEST_WORD characters each.

    >>> words_of("Café <Ines.Duarte@x.test>")
    ['cafe', 'ines', 'duarte', 'x', 'test']
    """
    plain = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).translate(_FOLDED)
    return [word[:LONGEST_WORD] for word in _WORD.findall(plain)]


class _Folds(dict[int, str | None]):
    """Code point -> the letter that stands for it, worked out when it is met first."""

    def __missing__(self, code: int) -> str | None:
        sign = chr(code)
        bare = "".join(part for part in unicodedata.normalize("NFD", sign) if not 0x300 <= ord(part) <= 0x331)
        small = (bare if len(bare) == 1 and bare.isascii() else sign).casefold()
        self[code] = found = (small if len(small) == 1 else sign.lower()) if bare else None
        return found


_FOLDED = _Folds()


def searchable(text: str, most: int = MOST_CHARS) -> str:
    """`storable` as the index keeps it: each character in its one composed form, no word longer than `words_of` has them."""
    kept = storable(text, most)
    kept = kept if kept.isascii() else unicodedata.normalize("NFKC", kept)[:most]
    # The pattern looks at every letter of every word; a glance at what stands between blanks is enough for nearly all mail.
    return _TOO_LONG.sub(r"\1 ", kept) if max(map(len, kept.split()), default=0) > LONGEST_WORD else kept


def storable(text: str, most: int = MOST_CHARS) -> str:
    """What both databases can keep: no NUL, no half surrogates, cut to `most` characters."""
    kept = text[:most].replace("\x00", " ")
    return kept if kept.isascii() else kept.encode("utf-8", "replace").decode("utf-8")
