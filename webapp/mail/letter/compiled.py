"""A letter compiled to bytes with gaps: everything that is the same for everybody was made once, a mail costs its gaps and one join.

    body   [b"…static…", gap, b"…static…", gap, …]     each static piece is quoted-printable already and ends with a soft line break
    head   the same; and once more in DKIM's relaxed form

What comes out needs nothing done to it before it is sent: CRLF line ends, no line that begins with a dot, lines of at most 76
characters in the body; ASCII alone unless the recipient's address is not.
"""

import time
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Sequence
from email.utils import formatdate
from hashlib import sha256
from operator import itemgetter
from typing import Any, AnyStr

from webapp.mail.letter import head as heads
from webapp.mail.letter.model import Letter, Person, SigningKey
from webapp.mail.letter.prepare import Prepared, prepare
from webapp.mail.letter.quoted import FENCE, is_harmless, quoted
from webapp.mail.letter.signing import Signer
from webapp.mail.letter.values import PLACES, TOKEN, Pieces, Slot, words_of

_TOKEN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_LONGEST_TOKEN = 72
#: values that each gap remembers, and the longest that are worth it
_REMEMBERED, _SHORT = 2048, 64
_AS_IT_IS = frozenset("th")


class _Encoded(dict[str, bytes]):
    """What one gap holds for a value, in quoted-printable; remembers values, because first names and cities come again and again."""

    __slots__ = ("_fallback", "_place", "_plain")

    def __init__(self, slot: Slot) -> None:
        super().__init__()
        self._place = PLACES[slot.place]
        self._plain = slot.place in _AS_IT_IS
        self._fallback = quoted(self._place(slot.fallback))

    def __missing__(self, value: str) -> bytes:
        words = words_of(value)
        if not words:
            data = self._fallback
        else:
            data = words.encode()
            if not (self._plain and is_harmless(data)):
                data = quoted(self._place(words))
        if len(value) <= _SHORT:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[value] = data
        return data


class Compiled:
    """One letter, ready for any number of persons; may be shared by threads.

    fields   merge fields of a contact that it needs: ("first_name", "custom.plan"); {{contact.email}} is the person's address and
             not among them
    columns, custom  the same, parted: columns of a contact, keys of custom fields
    links    targets of tracked links, the number in the mail is index + 1; may hold merge tags (see `links.target`)
    unknown  tags that stand for nothing and come out empty
    """

    def __init__(self, letter: Letter, prepared: Prepared) -> None:
        self.letter = letter
        self.fields = prepared.fields
        self.columns = tuple(name for name in self.fields if not name.startswith("custom."))
        self.custom = tuple(name.removeprefix("custom.") for name in self.fields if name.startswith("custom."))
        self.links = prepared.links
        self.unknown = prepared.unknown
        kind = heads.MULTIPART if prepared.html and prepared.text else "text/html" if prepared.html else "text/plain"
        self._head = heads.Head(letter, heads.plain_content(kind))
        self._raw, self._relaxed = _spread(self._head.raw, b""), _spread(self._head.canonical, b"")
        self._subject = _spread(_statics(prepared.subject, ""), "")
        self._subject_gaps = [(piece.field, piece.fallback) for piece in prepared.subject if isinstance(piece, Slot)]
        self._prepare_body(_body(prepared, kind))
        self._dated: tuple[int, bytes] = (-1, b"")
        self._signing: tuple[Sequence[SigningKey], list[Signer]] = ((), [])

    def message_id(self, number: int) -> str:
        """The Message-ID of the copy for this contact."""
        return f"<{self.letter.key}.{number}@{self._head.domain}>"

    def fill(self, person: Person, at: int | None = None) -> bytes:
        """The mail for one person, unsigned.

        at      seconds since 1970 for Date; None: now
        raises  BadAddress (a ValueError) when the address cannot stand in a header
        """
        gaps, _ = self._header_gaps(person, int(time.time()) if at is None else at)
        return _filled(self._raw, gaps) + self._content(person)

    def fill_signed(self, person: Person, keys: Sequence[SigningKey], at: int | None = None) -> bytes:
        """The mail with one DKIM-Signature for each key, the first one's on top; hand over the same sequence of keys each time."""
        known, signers = self._signing
        if keys is not known:
            signers = [Signer(key, self._head.names) for key in keys]
            self._signing = (keys, signers)
        second = int(time.time()) if at is None else at
        gaps, relaxed_gaps = self._header_gaps(person, second)
        body = self._content(person)
        relaxed = _filled(self._relaxed, relaxed_gaps)
        body_hash = b2a_base64(sha256(body).digest(), newline=False)
        return b"".join([*[signer.line(relaxed, body_hash, second) for signer in signers], _filled(self._raw, gaps), body])

    def _prepare_body(self, pieces: list[bytes | Slot]) -> None:
        gaps = [piece for piece in pieces if isinstance(piece, Slot)]
        distinct = list(dict.fromkeys(gap for gap in gaps if gap != TOKEN))
        self._encoded = [(None if slot.field == "email" else slot.field, _Encoded(slot)) for slot in distinct]
        # Place 0 holds the token, place 1 nothing: itemgetter answers with a tuple from two places on.
        places = [0 if gap == TOKEN else distinct.index(gap) + 2 for gap in gaps]
        statics = _statics(pieces, b"")
        while len(places) < 2:
            places.append(1)
            statics.append(b"")
        self._template = _spread(statics, b"")
        self._pick: Callable[[list[bytes]], tuple[bytes, ...]] = itemgetter(*places)

    def _content(self, person: Person) -> bytes:
        email, values, _, token, _ = person
        filled = [token.encode(), b""]
        for field, encoded in self._encoded:
            value: Any = email if field is None else values.get(field)
            filled.append(encoded[value if type(value) is str else words_of(value)])
        return _filled(self._template, self._pick(filled))

    def _header_gaps(self, person: Person, second: int) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """What stands in the header's gaps: as sent, and relaxed."""
        email, values, number, token, name = person
        ticket = token.encode("utf-8", "replace")
        if ticket.translate(None, _TOKEN) or len(ticket) > _LONGEST_TOKEN:
            raise ValueError(f"A token has up to {_LONGEST_TOKEN} letters, digits and -._~.")
        dated = self._dated
        if dated[0] != second:
            dated = self._dated = (second, formatdate(second).replace("-0000", "+0000").encode())
        parts = self._subject[:]
        if self._subject_gaps:
            parts[1::2] = [
                token if field == TOKEN.field else words_of(email if field == "email" else values.get(field)) or fallback
                for field, fallback in self._subject_gaps
            ]
        to, to_relaxed = heads.to(email, name)
        subject, subject_relaxed = heads.subject("".join(parts))
        rest = (dated[1], b"%d" % number, *(ticket,) * self._head.tokens)
        return (to, subject, *rest), (to_relaxed, subject_relaxed, *rest)


def compile_letter(letter: Letter) -> Compiled:
    """The letter compiled: some milliseconds, once per campaign.

    raises  LetterError with every problem of the author's, each with line and column; ValueError for what the caller filled in
            (addresses, key, base_url)
    """
    return Compiled(letter, prepare(letter))


def _body(prepared: Prepared, kind: str) -> list[bytes | Slot]:
    """The whole body: parts with their headers, each begun on a new line."""
    if kind != heads.MULTIPART:
        return _encoded(prepared.html or prepared.text)
    mark = f"--{heads.BOUNDARY}".encode()
    text, html = heads.plain_content("text/plain"), heads.plain_content("text/html")
    return [
        mark + b"\r\n" + text + b"\r\n", *_encoded(prepared.text), b"\r\n" + mark + b"\r\n" + html + b"\r\n", *_encoded(prepared.html),
        b"\r\n" + mark + b"--\r\n",
    ]  # fmt: skip


def _encoded(pieces: Pieces) -> list[bytes | Slot]:
    """A part in quoted-printable; every gap begins on a line of its own, and what follows it does too."""
    result: list[bytes | Slot] = []
    fence = b""
    for piece in pieces:
        if isinstance(piece, Slot):
            result += [fence, piece]
            fence = FENCE
        else:
            data = quoted(piece)
            result.append(fence + data)
            fence = b"" if data.endswith(b"\r\n") else FENCE
    return result


def _statics(pieces: Iterable[AnyStr | Slot], empty: AnyStr) -> list[AnyStr]:
    """What stands before, between and behind the gaps, neighbours joined: one more than there are gaps."""
    result = [empty]
    for piece in pieces:
        if isinstance(piece, Slot):
            result.append(empty)
        else:
            result[-1] += piece
    return result


def _spread(statics: list[AnyStr], empty: AnyStr) -> list[AnyStr]:
    """The pieces with room between them: even places static, odd ones gaps."""
    spread = [empty] * (2 * len(statics) - 1)
    spread[::2] = statics
    return spread


def _filled(template: list[bytes], gaps: Sequence[bytes]) -> bytes:
    parts = template[:]
    parts[1::2] = gaps
    return b"".join(parts)
