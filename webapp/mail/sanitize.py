"""Foreign HTML made safe to show (RELIABILITY C-53, C-54). It is shown in a sandboxed frame besides; this is the inner wall.

nh3 (ammonia) rebuilds the document from an allow list; what is remote is taken out and counted, unless the reader asked for it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape, unescape
from urllib.parse import unquote, urlsplit

import nh3
from selectolax.lexbor import LexborHTMLParser

from webapp.mail.html_depth import is_too_deep, without_tags
from webapp.mail.safe_css import safe_style

TAGS = frozenset({
    "a", "abbr", "address", "article", "aside", "b", "bdi", "bdo", "big", "blockquote", "br", "caption", "center", "cite", "code",
    "col", "colgroup", "dd", "del", "details", "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "font", "footer", "h1",
    "h2", "h3", "h4", "h5", "h6", "header", "hr", "i", "img", "ins", "kbd", "li", "main", "mark", "nav", "ol", "p", "pre", "q",
    "rp", "rt", "ruby", "s", "samp", "section", "small", "span", "strike", "strong", "sub", "summary", "sup", "table", "tbody",
    "td", "tfoot", "th", "thead", "time", "tr", "tt", "u", "ul", "var", "wbr",
})  # fmt: skip
GONE = frozenset({
    "script", "style", "title", "noscript", "template", "iframe", "object", "embed", "svg", "math", "textarea", "select", "xmp",
    "head",
})  # fmt: skip
ALIGNED = {"align", "valign", "width", "height", "bgcolor", "dir", "lang", "title", "style"}
ATTRIBUTES: dict[str, set[str]] = {
    "*": ALIGNED,
    "a": {"href", "name"},
    "img": {"src", "alt", "border", "hspace", "vspace"},
    "table": {"border", "cellpadding", "cellspacing", "summary"},
    "td": {"colspan", "rowspan", "nowrap"},
    "th": {"colspan", "rowspan", "scope", "nowrap"},
    "font": {"color", "face", "size"},
    "col": {"span"},
    "colgroup": {"span"},
    "ol": {"start", "type"},
    "li": {"value"},
    "time": {"datetime"},
}
DATA_IMAGE = re.compile(r"data:image/(?:png|gif|jpe?g|webp);base64,[A-Za-z0-9+/=\s]+", re.I)
REMOTE_STYLE = re.compile(r"url\s*\(\s*['\"]?\s*(?:https?:)?//", re.I)
LONGEST = 4_000_000
_IMPORT = re.compile(r"@import\s{0,20}['\"]", re.I)
_BODY = re.compile(r"<body\b([^<>]*)>", re.I)
BLANK = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


@dataclass(frozen=True)
class SafeHtml:
    """HTML that may be put into the frame, and how many remote things were taken out of it."""

    html: str
    blocked_count: int


def safe_html(html: str, *, remote: bool = False, cid_url: Callable[[str], str | None] | None = None) -> SafeHtml:
    """The document's body, rebuilt from what is allowed.

    remote   keep pictures from https and http addresses; else each becomes a blank and counts
    cid_url  content id -> address of that inline picture, or None
    """
    blocked = 0

    def attribute(tag: str, name: str, value: str) -> str | None:
        nonlocal blocked
        if name == "style":
            blocked += len(REMOTE_STYLE.findall(value))
            return safe_style(value)
        if tag == "img" and name == "src":
            source, was_remote = _picture(value, remote, cid_url)
            blocked += was_remote
            return source
        if tag == "a" and name == "href":
            return value if _link(value) else None
        return value

    text = _whole_characters(html[:LONGEST])
    if is_too_deep(text):
        return SafeHtml(escape(unescape(without_tags(text))), 0)
    blocked += _hidden_remote(text)
    text = _colours_of_body(text)
    clean = nh3.clean(
        text, tags=set(TAGS), clean_content_tags=set(GONE), attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        attribute_filter=attribute, strip_comments=True, link_rel="noopener noreferrer nofollow",
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"}, set_tag_attribute_values={"a": {"target": "_blank"}},
    )  # fmt: skip
    return SafeHtml(clean, blocked)


def _whole_characters(text: str) -> str:
    """Halves of characters, which no parser takes, as question marks."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _picture(value: str, remote: bool, cid_url: Callable[[str], str | None] | None) -> tuple[str | None, int]:
    address = value.strip()
    lowered = address.lower()
    if lowered.startswith("cid:"):
        return (cid_url(unquote(address[4:])) if cid_url else None), 0
    if lowered.startswith("data:"):
        return (address if DATA_IMAGE.fullmatch(address) else None), 0
    parts = _split(address)
    if parts is not None and (parts[0] in ("http", "https") or address.startswith("//")):
        if not remote:
            return BLANK, 1
        return (f"https:{address}" if address.startswith("//") else address), 0
    return None, 0


def _link(value: str) -> bool:
    parts = _split(value.strip())
    return parts is not None and parts[0] in ("http", "https", "mailto", "tel")


def _split(address: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit("".join(char for char in address if char > " "))
    except ValueError:
        return None
    return parts.scheme.lower(), parts.netloc


def _hidden_remote(html: str) -> int:
    """Remote things that the allow list drops without a trace, so that the reader is told that there were some."""
    # No pattern runs over a further "<": each begins where the one before ended, so that the search stays linear.
    tags = re.findall(r"<(?:link|video|audio|source|track|iframe|embed|object|input)\b([^<>]*)", html, re.I)
    count = sum(1 for inside in tags if "//" in inside)
    count += len(re.findall(r"\b(?:background|srcset|poster)\s{0,20}=\s{0,20}['\"]?\s{0,20}(?:https?:)?//", html, re.I))
    styles = re.findall(r"<style\b[^<>]*>([^<]*)", html, re.I)
    return count + sum(len(REMOTE_STYLE.findall(style)) + len(_IMPORT.findall(style)) for style in styles)


def _colours_of_body(html: str) -> str:
    """The body's colours and font on an element that stays: the body itself is dropped, and light text needs its dark ground."""
    body = _BODY.search(html)
    if body is None:
        return html
    node = LexborHTMLParser(f"<div{body[1]}>").css_first("div")
    found = node.attributes if node is not None else {}
    pairs = [("background-color", found.get("bgcolor")), ("color", found.get("text"))]
    style = safe_style("; ".join([*(f"{name}: {value}" for name, value in pairs if value), found.get("style") or ""]))
    return html if style is None else f'{html[: body.start()]}<div style="{escape(style)}">{html[body.end() :]}'


# --- text of HTML ----------------------------------------------------------------------------------------

BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "br", "center", "dd", "div", "dl", "dt", "figcaption", "figure", "footer", "h1",
    "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "tr", "ul",
})  # fmt: skip


def text_of_html(html: str) -> str:
    """The words that a reader sees: block elements make lines, runs of blanks become one; never raises."""
    html = _whole_characters(html[:LONGEST])
    if is_too_deep(html):
        return re.sub(r"\s+", " ", unescape(without_tags(html))).strip()
    tree = LexborHTMLParser(html)
    tree.strip_tags(["script", "style", "head", "template", "noscript", "title", "svg", "math"])
    root = tree.body or tree.root
    if root is None:
        return ""
    parts: list[str] = []
    for node in root.traverse(include_text=True):
        if node.tag == "-text":
            parts.append(re.sub(r"\s+", " ", node.text_content or ""))
        elif node.tag in BLOCKS:
            parts.append("\n")
        elif node.tag in ("td", "th"):
            parts.append(" ")
    lines = [re.sub(r"[ \t\xa0]+", " ", line).strip() for line in "".join(parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
