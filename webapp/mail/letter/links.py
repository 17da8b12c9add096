"""Tracked links: the mail names a link by number, and where it leads is looked up at click time.

A link is tracked when it is an http or https address in the `href` of an `a` or `area`. Its merge tags may stand behind the host (path,
query, fragment): they are filled in when it is clicked, from the contact as it is then (`target`). Addresses that begin with a tag or hold
one in their host belong to one person alone; they go out filled in and untracked, as do unsubscribe and web view links, mailto, tel and
anchors.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from webapp.mail.letter.model import Problem
from webapp.mail.letter.tags import Marks, Tag, read
from webapp.mail.letter.values import in_address, words_of

_HOST = re.compile(r"https?://[^/?#\\]+", re.I)
#: what may stand in a Location header as it is; everything else is percent-encoded
_KEPT = "%/:?#[]@!$&'()*+,;=~"


class Links:
    """The numbers of a letter's links.

    known      targets that have numbers already, from 1
    shown      what a mark becomes in a target: constants percent-encoded, tags of contacts in their normal spelling; None when a link
               with it is not tracked
    prefix     what stands before the number: "https://mail.acme.test/t/c/TOKEN/", with the mark of the token
    """

    def __init__(self, known: Sequence[str], marks: Marks, shown: Mapping[int, str | None], prefix: str) -> None:
        self.targets = list(known)
        self._numbers = {url: number for number, url in reversed(list(enumerate(known, 1)))}
        self._marks, self._shown, self._prefix = marks, shown, prefix

    def tracked(self, address: str) -> str | None:
        """What stands in the href instead of this address; None when it is not tracked."""
        host = _HOST.match(address)
        if not host or self._marks.any.search(host[0]):
            return None
        numbers = [int(mark[1]) for mark in self._marks.any.finditer(address)]
        if any(self._shown[number] is None for number in numbers):
            return None
        url = self._marks.replaced(address, lambda number, _: self._shown[number] or "")
        number = self._numbers.get(url)
        if number is None:
            self.targets.append(url)
            number = self._numbers[url] = len(self.targets)
        return f"{self._prefix}{number}"


def tags_of(url: str) -> list[Tag]:
    """The merge tags in the target of a link."""
    return [tag for _, _, tag in read(url, "text", [])]


def fields_of(url: str) -> tuple[str, ...]:
    """Merge fields of a contact that the target of a link needs."""
    return tuple(dict.fromkeys(tag.field for tag in tags_of(url) if tag.field))


def target(url: str, values: Mapping[str, Any]) -> str:
    """Where a tracked link leads one person: its merge tags filled in, percent-encoded, safe for a Location header.

    values  as in `Person.values`, with "email"; missing ones take the tag's fallback, or nothing
    """
    problems: list[Problem] = []
    parts, position = [], 0
    for start, end, tag in read(url, "text", problems):
        parts.append(quote(url[position:start], safe=_KEPT))
        parts.append(in_address(words_of(values.get(tag.field)) if tag.field else "") or in_address(tag.fallback))
        position = end
    parts.append(quote(url[position:].encode("utf-8", "replace"), safe=_KEPT))
    return "".join(parts)
