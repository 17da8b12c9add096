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
#: values that are remembered of each field, and the longest that are worth it
_REMEMBERED, _SHORT = 2048, 64


_Gaps = tuple[bytes, ...]


class _Forms(dict[str, tuple[Any, ...]]):
    """Every form in which a letter needs one field: bytes in quoted-printable for the body, text for the subject.

    Remembers values, because first names and cities come again and again.
    """

    __slots__ = ("_empty", "_places", "_slots")

    def __init__(self, slots: list[Slot]) -> None:
        super().__init__()
        self._slots = slots
        self._places = [slot.place for slot in slots]
        self._empty = tuple(slot.fallback if slot.place == "s" else quoted(PLACES[slot.place](slot.fallback)) for slot in slots)

    def __missing__(self, value: str) -> tuple[Any, ...]:
        forms = self.made(value)
        if len(value) <= _SHORT:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[value] = forms
        return forms

    def made(self, value: str) -> tuple[Any, ...]:
        """The forms of a value that is not worth remembering."""
        data = value.encode("utf-8", "replace")
        if data and value.isascii() and is_harmless(data) and data[-1:] != b" ":
            forms = tuple([value if place == "s" else data if place in "th" else quoted(PLACES[place](value)) for place in self._places])
        else:
            words, forms = words_of(value), self._empty
            if words:
                forms = tuple([words if slot.place == "s" else quoted(PLACES[slot.place](words)) for slot in self._slots])
        return forms


class _Subjects(dict[str, tuple[bytes, bytes]]):
    """Subjects as they stand in the header; many persons share one."""

    __slots__ = ()

    def __missing__(self, text: str) -> tuple[bytes, bytes]:
        made = heads.subject(text)
        if len(text) <= 2 * _SHORT:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[text] = made
        return made


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
        #: ends with a boundary then, so that DKIM's simple form of the body is the body
        self._is_multipart = kind == heads.MULTIPART
        self._head = heads.Head(letter, heads.plain_content(kind))
        self._raw, self._relaxed = _spread(self._head.raw, b""), _spread(self._head.canonical, b"")
        self._subject = _spread(_statics(prepared.subject, ""), "")
        self._subjects = _Subjects()
        body = _body(prepared, kind)
        self._body = _spread(_statics(body, b""), b"")
        self._whole = [*self._raw[:-1], self._raw[-1] + self._body[0], *self._body[1:]]
        body_gaps = [piece for piece in body if isinstance(piece, Slot)]
        subject_gaps = [piece._replace(place="s") for piece in prepared.subject if isinstance(piece, Slot)]
        # Where each form stands in the list that is made for a person: the token, twice (as bytes, as text), then field by field.
        order = [TOKEN, TOKEN._replace(place="s")]
        self._forms: list[tuple[str | None, _Forms]] = []
        for field in dict.fromkeys(slot.field for slot in (*body_gaps, *subject_gaps) if slot.field != TOKEN.field):
            slots = list(dict.fromkeys(slot for slot in (*body_gaps, *subject_gaps) if slot.field == field))
            self._forms.append((None if field == "email" else field, _Forms(slots)))
            order += slots
        self._pick_body = _picker([order.index(slot) for slot in body_gaps])
        self._pick_subject = _picker([order.index(slot) for slot in subject_gaps])
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
        head, _, body = self._gaps(person, int(time.time()) if at is None else at)
        parts = self._whole[:]
        parts[1::2] = (*head, *body)
        return b"".join(parts)

    def fill_signed(self, person: Person, keys: Sequence[SigningKey], at: int | None = None) -> bytes:
        """The mail with one DKIM-Signature for each key, the first one's on top; hand over the same sequence of keys each time."""
        if not keys:
            return self.fill(person, at)
        known, signers = self._signing
        if keys is not known:
            signers = [Signer(key, self._head.names) for key in keys]
            self._signing = (keys, signers)
        second = int(time.time()) if at is None else at
        head, relaxed_head, body_gaps = self._gaps(person, second)
        body = _filled(self._body, body_gaps)
        relaxed = _filled(self._relaxed, relaxed_head)
        simple = body if self._is_multipart else body.rstrip(b"\r\n") + b"\r\n"
        body_hash = b2a_base64(sha256(simple).digest(), newline=False)
        return b"".join([*[signer.line(relaxed, body_hash, second) for signer in signers], _filled(self._raw, head), body])

    def _gaps(self, person: Person, second: int) -> tuple[_Gaps, _Gaps, _Gaps]:
        """What stands in the gaps of the header as sent, of the header relaxed, and of the body."""
        email, values, number, token, name = person
        ticket = token.encode("utf-8", "replace")
        if ticket.translate(None, _TOKEN) or len(ticket) > _LONGEST_TOKEN or ticket[:1] == b".":
            raise ValueError(f"A token has up to {_LONGEST_TOKEN} letters, digits and -._~, no dot first.")
        forms: list[Any] = [ticket, token]
        for field, known in self._forms:
            if field is None:  # each person has another one
                forms += known.made(email)
                continue
            value = values.get(field)
            forms += known[value if type(value) is str else words_of(value)]
        line = self._subject[:]
        line[1::2] = self._pick_subject(forms)
        subject, subject_relaxed = self._subjects["".join(line)]
        to, to_relaxed = heads.to(email, name)
        dated = self._dated
        if dated[0] != second:
            dated = self._dated = (second, formatdate(second).replace("-0000", "+0000").encode())
        rest = (dated[1], b"%d" % number, *(ticket,) * self._head.tokens)
        return (to, subject, *rest), (to_relaxed, subject_relaxed, *rest), self._pick_body(forms)


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


def _picker(places: list[int]) -> Callable[[list[Any]], tuple[Any, ...]]:
    """Takes these places of a list."""
    if len(places) > 1:
        return itemgetter(*places)  # with one place it answers with the bare item
    return lambda forms: tuple([forms[place] for place in places])


def _filled(template: list[bytes], gaps: Sequence[bytes]) -> bytes:
    parts = template[:]
    parts[1::2] = gaps
    return b"".join(parts)
