"""The text part of a letter that has only HTML: lines as a reader sees them, addresses of links in angle brackets behind their words."""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from webapp.mail.html_depth import is_too_deep, without_tags

#: elements with an empty line before and after them
_APART = frozenset({"blockquote", "dl", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul"})
#: elements that stand on lines of their own
_LINES = frozenset({
    "address", "article", "aside", "center", "dd", "div", "dt", "figcaption", "figure", "footer", "form", "header", "li", "main", "nav",
    "section", "tbody", "tfoot", "thead", "tr",
})  # fmt: skip
_HIDDEN = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.I)
_BLANKS = re.compile(r"[ \t\n\r\f]+")
_EDGES = re.compile(r"[ \t\n\r\f]*[\x01-\x03][ \t\n\r\f\x01-\x03]*")
#: characters that only hold the preheader apart, or that nobody sees
_INVISIBLE = re.compile("[\x01-\x03\u00ad\u034f\u200b\u200c\u200d\u2060\ufeff]")


def text_of_letter(html: str) -> str:
    """The text, with one LF at its end; "" when there is nothing to read. Marks of merge tags come through as they are."""
    if is_too_deep(html):
        return " ".join(without_tags(html).split()) + "\n"
    root = LexborHTMLParser(html).body
    if root is None:
        return ""
    parts: list[str] = []
    _walk(root, parts)
    lines = [_BLANKS.sub(" ", line).strip() for line in _EDGES.sub(_line_ends, "".join(parts)).split("\x01")]
    text = "\n".join(lines).strip("\n")
    return f"{text}\n" if text.strip() else ""


def _line_ends(edges: re.Match[str]) -> str:
    """Edges of elements that meet are one edge: at most one empty line."""
    run = edges[0]
    return "\x01" * min(2, max(run.count("\x01"), 2 * ("\x03" in run), 1))


def _walk(node: LexborNode, parts: list[str]) -> None:
    """Add what this node shows: \\x01 is a line end (those of the source are blanks), \\x02 the edge of a line, \\x03 of a paragraph."""
    child = node.child
    while child is not None:
        if child.tag == "-text":
            parts.append(_INVISIBLE.sub("", child.text_content or "").replace("\xa0", " "))
        elif not (child.tag or "").startswith(("-", "_")):
            _element(child, parts)
        child = child.next


def _element(node: LexborNode, parts: list[str]) -> None:
    tag, attributes = node.tag or "", node.attributes
    if tag in ("style", "script", "head", "title") or "hidden" in attributes or _HIDDEN.search(attributes.get("style") or ""):
        return
    if tag == "br":
        parts.append("\x01")
    elif tag == "hr":
        parts.append("\x03----------\x03")
    elif tag == "img":
        parts.append(attributes.get("alt") or "")
    elif tag == "a":
        parts.append(_link(node, (attributes.get("href") or "").strip()))
    else:
        edge = "\x03" if tag in _APART else "\x02" if tag in _LINES else " " if tag in ("td", "th") else ""
        parts.append(edge + ("- " if tag == "li" else ""))
        _walk(node, parts)
        parts.append(edge)


def _link(node: LexborNode, address: str) -> str:
    """The words of a link and where it leads."""
    inside: list[str] = []
    _walk(node, inside)
    words = "".join(inside)
    bare = _EDGES.sub(" ", words).strip()
    shown = address.removeprefix("mailto:").removeprefix("tel:")
    if not shown or address.startswith("#") or bare in (address, shown, re.sub(r"https?://", "", address).rstrip("/")):
        return words if bare else shown.lstrip("#")
    return f"{words.rstrip()} <{shown}>" if bare else f"<{shown}>"
