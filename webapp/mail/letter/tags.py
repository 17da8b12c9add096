"""Merge tags: `{{contact.first_name|default:"there"}}`. A name and perhaps a fallback; no expressions, no code.

`marked` takes them out of a text before any parser sees it and leaves marks made of letters and digits, which HTML, MJML and CSS carry
along unharmed; `pieces` finds the marks again.
"""

import hashlib
import html
import re
from collections.abc import Callable
from dataclasses import dataclass

from webapp.mail.letter.model import TAGS, Letter, Problem

_GAP = r"(?:\s|&nbsp;|\xa0)*"
_QUOTED = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|&quot;(?:(?!&quot;)[^\\]|\\.)*&quot;|&\#39;(?:(?!&\#39;)[^\\]|\\.)*&\#39;"""
_TAG = re.compile(
    rf"\{{\{{{_GAP}(?P<name>[A-Za-z_]\w*(?:\.[\w-]+){{0,2}}){_GAP}(?:\|{_GAP}default{_GAP}:{_GAP}(?P<fallback>{_QUOTED}){_GAP})?\}}\}}",
    re.S | re.A,
)
_CUSTOM = re.compile(r"contact\.custom\.([a-z0-9_-]+)\Z")
#: more tags than this in one text are a mistake, or somebody who tries something
MOST = 2000


@dataclass(frozen=True, slots=True)
class Tag:
    """One merge tag as written: its name in lower case, its fallback ("" without one), and where it stands."""

    name: str
    fallback: str = ""
    line: int = 1
    column: int = 1

    @property
    def field(self) -> str | None:
        """What it needs of a contact: "first_name", "custom.plan"; None when it is about something else."""
        return self.name.removeprefix("contact.") if self.name.startswith("contact.") else None

    @property
    def source(self) -> str:
        """The tag in its one normal spelling."""
        if not self.fallback:
            return f"{{{{{self.name}}}}}"
        quoted = self.fallback.replace("\\", "\\\\").replace('"', '\\"')
        return f'{{{{{self.name}|default:"{quoted}"}}}}'


def is_known(tag: Tag, custom_keys: frozenset[str] | None) -> bool:
    """Whether it stands for something in this workspace."""
    custom = _CUSTOM.match(tag.name)
    if custom:
        return custom_keys is None or custom[1] in custom_keys
    return tag.name in TAGS


def constants(letter: Letter, today: str) -> dict[str, str]:
    """What the tags stand for that are the same for everybody."""
    return {
        "workspace.name": letter.workspace_name, "sender.name": letter.from_name or letter.from_email,
        "campaign.name": letter.campaign_name, "date": letter.date or today,
    }  # fmt: skip


def read(text: str, place: str, problems: list[Problem]) -> list[tuple[int, int, Tag]]:
    """(start, end, tag) of every tag in order; what begins with two braces and is none goes to `problems`.

    place  subject, html, text or preheader; in html entities in fallbacks are decoded
    """
    found: list[tuple[int, int, Tag]] = []
    at = text.find("{{")
    while at >= 0:
        line, column = where(text, at)
        match = _TAG.match(text, at)
        if match is None or len(found) == MOST:
            sentence = _why(text, at) if match is None else f"There are more than {MOST:,} merge tags."
            problems.append(Problem(place, line, column, sentence))
            if len(problems) >= 20 or match:
                break
            at = text.find("{{", at + 2)
            continue
        fallback = _unquoted(match["fallback"] or "", entities=place == "html")
        found.append((at, match.end(), Tag(match["name"].lower(), fallback, line, column)))
        at = text.find("{{", match.end())
    return found


def where(text: str, at: int) -> tuple[int, int]:
    """Line and column of a position, from 1."""
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def _unquoted(quoted: str, *, entities: bool) -> str:
    for mark in ("&quot;", "&#39;", '"', "'"):
        if quoted.startswith(mark):
            quoted = quoted[len(mark) : -len(mark)]
            break
    quoted = re.sub(r"\\(.)", r"\1", quoted, flags=re.S)
    return html.unescape(quoted) if entities else quoted


def _why(text: str, at: int) -> str:
    end = text.find("}}", at)
    line_end = text.find("\n", at)
    if end < 0 or (0 <= line_end < end and "{{" in text[at + 2 : end]):
        return "A merge tag begins here with {{ and does not end. Close it with }}, or write a single brace."
    inside = " ".join(text[at + 2 : end].split())[:40]
    if not inside:
        return "This merge tag is empty. Write a name into it, as in {{contact.first_name}}."
    if "|" in inside:
        return f'“{inside}” is no merge tag. After the bar a fallback stands in quotes, as in {{{{contact.name|default:"there"}}}}.'
    return f"“{inside}” is no merge tag. A tag holds one name such as contact.first_name; it cannot compute, ask or repeat."


class Marks:
    """Marks for the tags of one letter. A mark is letters and digits alone, none of it occurs in the letter's own text.

    plain(number)          the mark of tag `number`, its place not yet known
    placed(number, place)  the same with the letter of a place behind it (values.PLACES)
    """

    def __init__(self, *sources: str) -> None:
        self.tags: list[Tag] = []
        whole = "\0".join(sources)
        salt = 0
        while True:
            nonce = "mr" + hashlib.sha256(f"{salt}\0{whole}".encode(errors="replace")).hexdigest()[:8]
            if nonce not in whole.lower():
                break
            salt += 1
        self.nonce = nonce
        self.any = re.compile(rf"{nonce}x(\d+)([a-wy-z])q", re.I)

    def plain(self, number: int) -> str:
        return self.placed(number, "n")

    def placed(self, number: int, place: str) -> str:
        return f"{self.nonce}x{number}{place}q"

    def new(self, tag: Tag, place: str = "n") -> str:
        """The mark for one more tag."""
        self.tags.append(tag)
        return self.placed(len(self.tags) - 1, place)

    def marked(self, text: str, place: str, problems: list[Problem]) -> str:
        """The text with marks in place of its tags."""
        parts, position = [], 0
        for start, end, tag in read(text, place, problems):
            parts += [text[position:start], self.new(tag)]
            position = end
        return "".join([*parts, text[position:]])

    def replaced(self, text: str, by: Callable[[int, str], str]) -> str:
        """The text with every mark replaced by what `by(number, place)` says."""
        return self.any.sub(lambda mark: by(int(mark[1]), mark[2].lower()), text)
