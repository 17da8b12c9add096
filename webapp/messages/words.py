"""The words of a message as its search index holds them; how text is cut into words stands in `core.words`."""

from collections.abc import Iterable

from webapp.core.words import LONGEST_WORD as LONGEST_WORD
from webapp.core.words import MOST_CHARS as MOST_CHARS
from webapp.core.words import searchable as searchable
from webapp.core.words import storable as storable
from webapp.core.words import words_of as words_of

#: positions of a tsvector end at 16,383
MOST_BODY_WORDS = 14_000
#: fields in the order of the columns of `message_texts`, with the tsvector weight that stands for each
#: (four weights for five fields: words of file names stand there a second time, with a mark in front)
WEIGHTS = {"subject": "A", "sender": "B", "receivers": "C", "files": "D", "body": "D"}
FILE_MARK = "~"


def tsvector(scopes: Iterable[str], fields: dict[str, str]) -> str:
    """The text form of a `tsvector`: every word with its positions and the weight of its field; scopes as `@w1` without position.

    A gap between fields keeps phrases from reaching across them.
    """
    places: dict[str, list[str]] = {}
    position = 1
    for field, weight in WEIGHTS.items():
        found = words_of(fields.get(field, ""))
        room = max(0, MOST_BODY_WORDS - position) if field == "body" else 500
        for word in found[:room]:
            for spelling in (word, FILE_MARK + word) if field == "files" else (word,):
                seen = places.setdefault(spelling, [])
                if len(seen) < 200:
                    seen.append(f"{position}{weight}")
            position += 1
        position += 10
    parts = [f"'@{scope}'" for scope in scopes]
    parts += [f"'{word}':{','.join(seen)}" for word, seen in places.items()]
    return " ".join(parts)
