"""A cheap look at foreign HTML before a real parser sees it: how deep does it nest?

Tree builders look back through all open elements for each tag, so 100,000 nested ones cost them a quarter of a minute (C-07).
Mail that people write nests a few dozen.
"""

import re

MAX_DEPTH = 256
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/><]{0,40})")
_ANY_TAG = re.compile(r"<[^<>]*>?")
#: elements without an end, or whose end may be left out: they do not nest by themselves
_FLAT = frozenset({
    "area", "base", "body", "br", "caption", "col", "colgroup", "dd", "dt", "embed", "head", "hr", "html", "img", "input", "li",
    "link", "meta", "optgroup", "option", "p", "param", "rp", "rt", "source", "tbody", "td", "tfoot", "th", "thead", "tr",
    "track", "wbr",
})  # fmt: skip


def is_too_deep(html: str) -> bool:
    """True when elements nest deeper than MAX_DEPTH; an end that does not fit the element opened last closes nothing, so that the
    answer errs on the deep side. Linear."""
    opened: list[str] = []
    for slash, name in _TAG.findall(html):
        name = name.lower()
        if name in _FLAT:
            continue
        if not slash:
            opened.append(name)
            if len(opened) > MAX_DEPTH:
                return True
        elif opened and opened[-1] == name:
            opened.pop()
    return False


def without_tags(html: str) -> str:
    """The text with everything between angle brackets gone, for HTML that no parser should see. The text is not unescaped."""
    return _ANY_TAG.sub(" ", html)
