"""The document as it is sent: each merge tag knows its place, links are numbered, what no mail program runs is gone.

    <a href="https://acme.test/?who=MARK">   ──>   <a href="https://mail.acme.test/t/c/TOKEN/3">

It reads the output of `source` alone: attributes in double quotes, text escaped. What it does not understand becomes visible text.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from webapp.mail.letter.links import Links
from webapp.mail.letter.model import Problem
from webapp.mail.letter.tags import Marks

_PIECE = re.compile(
    r'<!--(?P<comment>.*?)-->|<!(?P<doctype>[^<>]*)>|</(?P<end>[^\s<>/]++)\s*+>'
    r'|<(?P<start>[A-Za-z][^\s/>]*+)(?P<attributes>(?:\s++[^\s=>/"]++(?:="[^"]*+")?+)*+)\s*+/?>',
    re.S,
)  # fmt: skip
_ATTRIBUTE = re.compile(r'([^\s=>/"]++)(?:="([^"]*+)")?+')
_NAME = re.compile(r"[A-Za-z_][\w:.-]*\Z", re.A)
#: elements that go with everything in them: no mail program shows them, and a web view must not run them
GONE = frozenset({
    "script", "iframe", "object", "applet", "frameset", "noframes", "noembed", "noscript", "xmp", "plaintext", "template", "svg", "math",
})  # fmt: skip
_RAW = frozenset({"script", "iframe", "noframes", "noembed", "noscript", "xmp", "plaintext", "style"})
#: elements of which the tag goes
BARE = frozenset({"embed", "base", "frame"})
ADDRESSES = frozenset({"href", "src", "background", "action", "formaction", "poster", "cite", "longdesc", "xlink:href", "data", "srcset"})
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):")
_BANNED = frozenset({"javascript", "vbscript", "data", "file", "blob", "about"})
_DATA_IMAGE = re.compile(r"data:image/(?:png|gif|jpe?g|webp)[;,]", re.I)
_AT_VALUE = re.compile(r"""=\s*["']?\Z""")

#: what a mark stands for in a place: (number of the tag, place, whether a reader sees it) -> the text to write
Gap = Callable[[int, str, bool], str]


@dataclass
class Shaped:
    """The document with marks that know their place."""

    html: str = ""
    #: names of elements and attributes that were left out
    removed: set[str] = field(default_factory=set)
    #: pictures: all, and those without alt
    pictures: int = 0
    without_alt: int = 0
    #: links that lead somewhere by http
    insecure: list[str] = field(default_factory=list)


class Shaper:
    """One pass over one document.

    gap      what each mark becomes
    links    numbers links; None leaves them as they are
    opening  HTML to put behind <body>
    """

    def __init__(self, marks: Marks, gap: Gap, links: Links | None, problems: list[Problem], opening: str = "") -> None:
        self.marks, self.gap, self.links, self.problems, self.opening = marks, gap, links, problems, opening
        self.result = Shaped()
        self._out: list[str] = []

    def shape(self, document: str) -> Shaped:
        position, end = 0, len(document)
        while position < end:
            at = document.find("<", position)
            if at < 0:
                at = end
            if at > position:
                self._text(document[position:at])
            if at == end:
                break
            found = _PIECE.match(document, at)
            if found is None:
                self._out.append("&lt;")
                position = at + 1
            else:
                position = self._piece(found, document)
        self.result.html = "".join(self._out)
        return self.result

    def _text(self, text: str) -> None:
        self._out.append(self.marks.replaced(text, lambda number, _: self.gap(number, "h", True)))

    def _piece(self, found: re.Match[str], document: str) -> int:
        """Write one tag, comment or doctype; returns where to go on."""
        if found["comment"] is not None:
            self._comment(found["comment"])
        elif found["doctype"] is not None:
            self._out.append(found[0])
        elif found["end"] is not None:
            name = found["end"].lower()
            if name not in GONE and name not in BARE:
                self._out.append(found[0])
        else:
            return self._start(found["start"], found["attributes"], found.end(), document)
        return found.end()

    def _start(self, written: str, attributes: str, behind: int, document: str) -> int:
        name = written.lower()
        pairs = [(key, html.unescape(value)) for key, value in _ATTRIBUTE.findall(attributes)]
        if name in GONE:
            self.result.removed.add(name)
            return _behind(document, name, behind)
        refreshes = name == "meta" and any(key.lower() == "http-equiv" and value.strip().lower() == "refresh" for key, value in pairs)
        if name in BARE or refreshes:
            self.result.removed.add(name)
            return behind
        if name == "img":
            self.result.pictures += 1
            self.result.without_alt += all(key != "alt" for key, _ in pairs)
        self._out.append(f"<{written}{''.join(self._attribute(name, key, value) for key, value in pairs)}>")
        if name == "body":
            self._out.append(self.opening)
        if name == "style":
            end = re.compile("</style", re.I).search(document, behind)
            stop = end.start() if end else len(document)
            css = document[behind:stop]
            self._no_marks(css)
            self._out.append(css)
            return stop
        return behind

    def _attribute(self, element: str, key: str, value: str) -> str:
        name = key.lower()
        if name.startswith("on") or name in ("ping", "srcdoc") or not _NAME.match(key):
            self.result.removed.add(name)
            return ""
        if name in ADDRESSES:
            if not self._may_lead(value, is_picture=name in ("src", "background")):
                self.result.removed.add(f"{name} with {value.strip().partition(':')[0][:20]}:")
                return ""
            return f' {key}="{self._address(element, name, value)}"'
        if name == "style":
            self._no_marks(value)
            return f' style="{_escaped(value)}"'
        escaped = self.marks.replaced(_escaped(value), lambda number, _: self.gap(number, "h", True))
        return f' {key}="{escaped}"'

    def _may_lead(self, value: str, *, is_picture: bool) -> bool:
        """Whether an address that the author wrote may stay; marks stand for nothing here, as an empty value would."""
        bare = re.sub(r"[\x00-\x20]+", "", self.marks.any.sub("", value)).lower()
        scheme = _SCHEME.match(bare)
        return scheme is None or scheme[1] not in _BANNED or (is_picture and _DATA_IMAGE.match(bare) is not None)

    def _address(self, element: str, name: str, value: str) -> str:
        value = value.strip()
        if element in ("a", "area") and name == "href":
            if value.lower().startswith("http://"):
                self.result.insecure.append(value)
            if self.links is not None:
                tracked = self.links.tracked(value)
                if tracked is not None:
                    return tracked
        return placed_address(value, self.marks, lambda number, place: self.gap(number, place, True))

    def _comment(self, text: str) -> None:
        """Conditional comments are for Outlook and stay; others were for the author."""
        bare = text.strip()
        if not (bare.startswith("[if") or bare.endswith("<![endif]") or bare == "[endif]"):
            return
        parts, position = ["<!--"], 0
        for mark in self.marks.any.finditer(text):
            parts.append(text[position : mark.start()])
            start = mark.start()
            is_in_tag = text.rfind("<", 0, start) > text.rfind(">", 0, start)
            place = "h" if not is_in_tag else "a" if _AT_VALUE.search(text, max(0, start - 20), start) else "u"
            parts.append(self.gap(int(mark[1]), place, False))
            position = mark.end()
        self._out.append("".join([*parts, text[position:], "-->"]))

    def _no_marks(self, css: str) -> None:
        mark = self.marks.any.search(css)
        if mark:
            tag = self.marks.tags[int(mark[1])]
            self.problems.append(Problem("html", tag.line, tag.column, f"{tag.source} stands in CSS, where no value can be put safely."))


def placed_address(value: str, marks: Marks, gap: Callable[[int, str], str], *, escape: bool = True) -> str:
    """An address with its marks replaced: the first one at its very beginning is a whole address, others are parts of one."""
    parts, position = [], 0
    for mark in marks.any.finditer(value):
        before = value[position : mark.start()]
        parts.append(_escaped(before) if escape else before)
        place = "u" if mark.start() else "a"
        parts.append(gap(int(mark[1]), place))
        position = mark.end()
    rest = value[position:]
    return "".join([*parts, _escaped(rest) if escape else rest])


def _escaped(text: str) -> str:
    """For a value in double quotes; apostrophes stay, fonts in styles are full of them."""
    return html.escape(text, quote=False).replace('"', "&quot;")


def _behind(document: str, name: str, position: int) -> int:
    """The place behind the end of an element that begins before `position`."""
    depth = 1
    for tag in re.compile(rf"<(/?){name}(?=[\s/>])[^>]*>", re.I).finditer(document, position):
        depth += -1 if tag[1] else 0 if name in _RAW else 1
        if not depth:
            return tag.end()
    return len(document)
