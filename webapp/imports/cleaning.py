"""Rows of a file as columns of contacts: addresses in normal form, values trimmed and checked, what is wrong told with its line. Pure.

A batch is worked on column by column: one look at all values of a column together decides whether any of them needs more than trimming,
and only then each is looked at by itself. `address_of` and `webapp.mail.address` agree about every address (a property test says so).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import itemgetter
from typing import Any

from webapp.contacts.field_values import MOST_TEXT, checked
from webapp.contacts.models import CustomField
from webapp.contacts.tags import fitted
from webapp.contacts.values import MOST_SCORE, NAMES, split
from webapp.core.errors import Invalid
from webapp.imports.columns import LONGEST, Plan
from webapp.imports.reading import Batch
from webapp.mail.address import BadAddress, normalise

#: addresses as nearly all are: nothing that needs mapping, quoting or a closer look
_COMMON = re.compile(r"[a-z0-9_+-]++(?:\.[a-z0-9_+-]++)*+@[a-z0-9]++(?:-[a-z0-9]++)*+(?:\.[a-z0-9]++(?:-[a-z0-9]++)*+)*+(?<=[a-z][a-z])\Z")
#: up to this length no part of an address can be too long
_SHORT = 63
_TRUE = frozenset({
    "true", "yes", "y", "1", "on", "subscribed", "active", "optin", "opt-in", "opted in", "confirmed", "enabled", "ja", "oui", "si", "sí",
})  # fmt: skip
_FALSE = frozenset({
    "false", "no", "n", "0", "off", "unsubscribed", "inactive", "optout", "opt-out", "opted out", "cleaned", "bounced", "complained",
    "blocked", "blocklisted", "blacklisted", "disabled", "nein", "non", "nao", "não",
})  # fmt: skip
_TAGS = re.compile(r"[,;|]")
MOST_TAGS = 50


@dataclass(frozen=True)
class Problem:
    """A row that is not taken. `cells`: as it stands in the file."""

    line: int
    address: str
    message: str
    cells: Sequence[str] = ()


@dataclass
class Clean:
    """Rows that are right, by column; None: nothing stands there. `texts` are columns of Contact.

    cells       the columns as they stand in the file, of all rows of the batch; `places`: where these rows stand in them
    parts_only  the file has first or last names and no whole ones
    read        rows of the batch that hold anything, right or wrong
    """

    lines: Sequence[int] = ()
    emails: Sequence[str] = ()
    addresses: Sequence[str] = ()
    texts: dict[str, Sequence[Any]] = field(default_factory=dict)
    custom: Sequence[dict[str, Any]] | None = None
    tags: Sequence[list[str]] | None = None
    subscribed: Sequence[bool | None] | None = None
    cells: list[list[str]] = field(default_factory=list)
    places: Sequence[int] = ()
    problems: list[Problem] = field(default_factory=list)
    read: int = 0
    parts_only: bool = False

    def __len__(self) -> int:
        return len(self.addresses)

    def of(self, indexes: Sequence[int]) -> "Clean":
        """Some of the rows."""
        if len(indexes) == len(self.addresses):
            return self
        if len(indexes) > 1:
            some: Callable[[Any], Sequence[Any]] = itemgetter(*indexes)
        else:

            def some(column: Any) -> Sequence[Any]:
                return [column[index] for index in indexes]

        return Clean(
            some(self.lines), some(self.emails), some(self.addresses), {name: some(column) for name, column in self.texts.items()},
            None if self.custom is None else some(self.custom), None if self.tags is None else some(self.tags),
            None if self.subscribed is None else some(self.subscribed), self.cells, some(self.places), read=self.read,
            parts_only=self.parts_only,
        )  # fmt: skip

    def refuse(self, index: int, message: str) -> Problem:
        place = self.places[index]
        return Problem(self.lines[index], self.emails[index], message, [column[place] for column in self.cells])


class Bad(Exception):
    """A value that is not taken; the sentence says why."""


def address_of(text: str) -> str:
    """A trimmed text as an address in normal form. raises BadAddress"""
    lower = text.lower() if text.isascii() else ""
    if _COMMON.match(lower) and len(lower) <= _SHORT:
        return lower
    return normalise(text)


class Cleaner:
    """For one import: what its columns become.

    width   how many columns the titles name
    custom  key -> field
    """

    def __init__(self, plan: Plan, width: int, custom: Mapping[str, CustomField]) -> None:
        self.plan, self.width, self.fields = plan, width, custom
        self._known: dict[str, dict[str, Any]] = {key: {} for key in plan.custom}

    def clean(self, batch: Batch) -> Clean:
        """The rows of a batch."""
        cells, lines, problems = self._even(batch)
        number = len(lines)
        read = number + len(problems)
        if not number:
            return Clean(problems=problems, read=read)
        bad: dict[int, str] = {}
        places = self.plan.places
        emails = list(map(str.strip, cells[places["email"]]))
        found = Clean(lines, emails, _addresses(emails, bad), cells=cells, places=range(number), problems=problems, read=read)
        for name in LONGEST:
            if name in places:
                found.texts[name] = _texts(cells[places[name]], LONGEST[name], name in NAMES, bad)
        if "lead_score" in places:
            found.texts["lead_score"] = _each(cells[places["lead_score"]], _score, bad)
        if "tags" in places:
            found.tags = [tags or [] for tags in _each(cells[places["tags"]], _tags, bad)]
        if "subscribed" in places:
            found.subscribed = _each(cells[places["subscribed"]], _truth, bad)
        if self.plan.custom:
            found.custom = self._custom(cells, bad)
        found.parts_only = "name" not in places
        _complete_names(found.texts)
        if bad:
            problems += [found.refuse(index, message) for index, message in bad.items()]
            found = found.of([index for index in range(number) if index not in bad])
            found.problems = problems
        return found

    def _even(self, batch: Batch) -> tuple[list[list[str]], Sequence[int], list[Problem]]:
        """Columns of one length: short rows are filled up, empty ones left out, those that cannot be read told."""
        if batch.columns is not None and len(batch.columns) == self.width and self.width > 1:
            return batch.columns, batch.lines, []
        rows, lines, problems = [], [], []
        given: Iterable[Any] = batch.rows if batch.columns is None else zip(*batch.columns, strict=True)
        for index, (row, line) in enumerate(zip(given, batch.lines, strict=True)):
            if row is None:
                problems.append(Problem(line, "", batch.broken[index]))
            elif any(cell.strip() for cell in row[self.width :]):
                text = f"The row has {len(row)} cells, but there are {self.width} columns. A separator inside a cell needs quotation marks."
                problems.append(Problem(line, "", text, row))
            elif any(cell.strip() for cell in row):
                rows.append([*row[: self.width], *[""] * (self.width - len(row))])
                lines.append(line)
        return list(map(list, zip(*rows, strict=True))), lines, problems

    def _custom(self, cells: list[list[str]], bad: dict[int, str]) -> list[dict[str, Any]]:
        columns = {key: self._values(key, cells[place], bad) for key, place in self.plan.custom.items()}
        keys = list(columns)
        made = [dict(zip(keys, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        if any(None in column for column in columns.values()):
            made = [{key: value for key, value in one.items() if value is not None} for one in made]
        return made

    def _values(self, key: str, texts: list[str], bad: dict[int, str]) -> list[Any]:
        field = self.fields[key]
        if field.type == "text":
            return _texts(texts, MOST_TEXT, False, bad)
        known = self._known[key]
        if len(known) > 10_000:
            known.clear()

        def value(text: str) -> Any:
            if text not in known:
                known[text] = _checked(field, text)
            return known[text]

        return _each(texts, value, bad)


def _addresses(emails: list[str], bad: dict[int, str]) -> list[str]:
    """In normal form: common ones all together, the others each by itself."""
    together = "\n".join(emails)
    found = together.lower().split("\n") if together.isascii() else []
    if len(found) == len(emails):
        rest: Iterable[int] = ()
        if len(max(found, key=len)) > _SHORT or not all(map(_COMMON.match, found)):
            rest = [index for index, fits in enumerate(map(_COMMON.match, found)) if not fits or len(found[index]) > _SHORT]
    else:
        found, rest = list(emails), range(len(emails))
    for index in rest:
        try:
            found[index] = address_of(emails[index])
        except BadAddress as error:
            bad[index], found[index] = str(error), ""
    return found


def _texts(values: list[str], most: int, one_line: bool, bad: dict[int, str]) -> list[str | None]:
    """Trimmed; None for nothing. `one_line`: blanks in a row become one."""
    found: list[Any] = list(map(str.strip, values))
    together = " ".join(found)
    if not together.isprintable() or (one_line and "  " in together) or len(max(found, key=len)) > most:
        for index, text in enumerate(found):
            if "\x00" in text:
                bad.setdefault(index, "The row holds NUL characters. Is the file in another encoding?")
            if one_line:
                found[index] = text = " ".join(text.split())
            if len(text) > most:
                bad.setdefault(index, f"“{text[:40]}…” is longer than {most} characters.")
    return found if all(found) else [text or None for text in found]


def _each(values: list[str], make: Callable[[str], Any], bad: dict[int, str]) -> list[Any]:
    found = []
    for index, value in enumerate(values):
        text = value.strip()
        try:
            found.append(make(text) if text else None)
        except Bad as error:
            bad.setdefault(index, str(error))
            found.append(None)
    return found


def _checked(field: CustomField, text: str) -> Any:
    try:
        value = checked(field, text)
        return None if value in ("", []) else value
    except Invalid as error:
        raise Bad(f"{field.label}: {error.message}") from None


def _score(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:9]) > MOST_SCORE:
        raise Bad(f"“{text[:40]}” is no lead score. Write a whole number from 0 to {MOST_SCORE}.")
    return int(text)


def _tags(text: str) -> list[str]:
    parts = [part for part in _TAGS.split(text) if part.strip()]
    if len(parts) > MOST_TAGS:
        raise Bad(f"The row has {len(parts)} tags; one contact takes {MOST_TAGS} at once.")
    try:
        return list(dict.fromkeys(fitted(part) for part in parts))
    except Invalid as error:
        raise Bad(error.message) from None


def _truth(text: str) -> bool:
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Bad(f"“{text[:40]}” does not say whether the person is subscribed. Write yes or no.")


def _complete_names(texts: dict[str, Sequence[Any]]) -> None:
    """The parts of a name follow the whole, or the whole its parts, where the file has one of them only."""
    if "name" in texts:
        names = texts["name"]
        firsts: Sequence[Any]
        lasts: Sequence[Any]
        if not all(names):
            firsts, lasts = zip(*[(None, None) if name is None else split(name) for name in names], strict=True)
        else:  # as `split` does it, for names on one line without blanks in a row
            firsts, _, lasts = zip(*map(str.rpartition, names, repeat(" ")), strict=True)
            if not all(firsts):
                parts = [(first, last) if first else (last, "") for first, last in zip(firsts, lasts, strict=True)]
                firsts, lasts = zip(*parts, strict=True)
        texts.setdefault("first_name", firsts)
        texts.setdefault("last_name", lasts)
    elif "first_name" in texts or "last_name" in texts:
        nobody: list[Any] = [None] * len(next(iter(texts.values())))
        pairs = zip(texts.get("first_name", nobody), texts.get("last_name", nobody), strict=True)
        texts["name"] = [" ".join(filter(None, pair))[:200] or None for pair in pairs]
