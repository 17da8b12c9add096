"""Rows of a file as columns of contacts: addresses in normal form, values trimmed and checked, what is wrong told with its line. Pure.

A batch is worked on column by column: one look at all values of a column together decides whether any of them needs more than trimming,
and only then each is looked at by itself. `address_of` and `webapp.mail.address` agree about every address (a property test says so).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
_COMMON = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)*\.[a-z]{2,}\Z")
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

    parts_only  the file has first or last names and no whole ones
    read        rows of the batch that hold anything, right or wrong
    """

    lines: list[int] = field(default_factory=list)
    emails: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    texts: dict[str, list[Any]] = field(default_factory=dict)
    custom: list[dict[str, Any]] | None = None
    tags: list[list[str]] | None = None
    subscribed: list[bool | None] | None = None
    rows: list[list[str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    read: int = 0
    parts_only: bool = False

    def __len__(self) -> int:
        return len(self.addresses)

    def of(self, indexes: Sequence[int]) -> "Clean":
        """Some of the rows."""
        if len(indexes) == len(self.addresses):
            return self

        def some(column: list[Any]) -> list[Any]:
            return [column[index] for index in indexes]

        return Clean(
            some(self.lines), some(self.emails), some(self.addresses), {name: some(column) for name, column in self.texts.items()},
            None if self.custom is None else some(self.custom), None if self.tags is None else some(self.tags),
            None if self.subscribed is None else some(self.subscribed), some(self.rows), read=self.read, parts_only=self.parts_only,
        )  # fmt: skip

    def refuse(self, index: int, message: str) -> Problem:
        return Problem(self.lines[index], self.emails[index], message, self.rows[index])


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
        rows, lines, problems = self._even(batch)
        read = len(rows) + len(problems)
        if not rows:
            return Clean(problems=problems, read=read)
        bad: dict[int, str] = {}
        places = self.plan.places
        emails = [row[places["email"]].strip() for row in rows]
        found = Clean(lines, emails, _addresses(emails, bad), rows=rows, problems=problems, read=read)
        for name in LONGEST:
            if name in places:
                found.texts[name] = _texts([row[places[name]] for row in rows], LONGEST[name], name in NAMES, bad)
        if "lead_score" in places:
            found.texts["lead_score"] = _each([row[places["lead_score"]] for row in rows], _score, bad)
        if "tags" in places:
            found.tags = [tags or [] for tags in _each([row[places["tags"]] for row in rows], _tags, bad)]
        if "subscribed" in places:
            found.subscribed = _each([row[places["subscribed"]] for row in rows], _truth, bad)
        if self.plan.custom:
            found.custom = self._custom(rows, bad)
        found.parts_only = "name" not in places
        _complete_names(found.texts)
        if bad:
            problems += [found.refuse(index, message) for index, message in bad.items()]
            found = found.of([index for index in range(len(rows)) if index not in bad])
            found.problems = problems
        return found

    def _even(self, batch: Batch) -> tuple[list[list[str]], list[int], list[Problem]]:
        """Rows of one width: short ones are filled up, empty ones left out, those that cannot be read told."""
        if not batch.broken and set(map(len, batch.rows)) == {self.width} and self.width > 1:  # type: ignore[arg-type]
            return batch.rows, batch.lines, []  # type: ignore[return-value]
        rows, lines, problems = [], [], []
        for index, (row, line) in enumerate(zip(batch.rows, batch.lines, strict=True)):
            if row is None:
                problems.append(Problem(line, "", batch.broken[index]))
            elif any(cell.strip() for cell in row[self.width :]):
                text = f"The row has {len(row)} cells, but there are {self.width} columns. A separator inside a cell needs quotation marks."
                problems.append(Problem(line, "", text, row))
            elif any(cell.strip() for cell in row):
                rows.append(row[: self.width] + [""] * (self.width - len(row)))
                lines.append(line)
        return rows, lines, problems

    def _custom(self, rows: list[list[str]], bad: dict[int, str]) -> list[dict[str, Any]]:
        columns = {key: self._values(key, [row[place] for row in rows], bad) for key, place in self.plan.custom.items()}
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
    match = _COMMON.match
    together = "\n".join(emails)
    lower = together.lower().split("\n") if together.isascii() else []
    if len(lower) == len(emails) and max(map(len, lower)) <= _SHORT and all(map(match, lower)):
        return lower
    found = []
    for index, text in enumerate(emails):
        try:
            found.append(address_of(text))
        except BadAddress as error:
            bad[index] = str(error)
            found.append("")
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
    return [text or None for text in found] if "" in found else found


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


def _complete_names(texts: dict[str, list[Any]]) -> None:
    """The parts of a name follow the whole, or the whole its parts, where the file has one of them only."""
    if "name" in texts:
        parts = [(None, None) if name is None else split(name) for name in texts["name"]]
        texts.setdefault("first_name", [first for first, _ in parts])
        texts.setdefault("last_name", [last for _, last in parts])
    elif "first_name" in texts or "last_name" in texts:
        nobody: list[Any] = [None] * len(next(iter(texts.values())))
        pairs = zip(texts.get("first_name", nobody), texts.get("last_name", nobody), strict=True)
        texts["name"] = [" ".join(filter(None, pair))[:200] or None for pair in pairs]
