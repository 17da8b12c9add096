"""From the author's source to one well-formed HTML document: MJML rendered, CSS in style attributes, everything serialised anew.

css-inline parses as browsers do (html5ever) and writes every attribute in double quotes and every text escaped, so that what comes after
(`shape`) reads a regular language. Both libraries recurse: what nests too deep for them never reaches them.
"""

import html
import re
from dataclasses import dataclass, field

import css_inline
import mjml

from webapp.mail.html_depth import MAX_DEPTH, is_too_deep
from webapp.mail.letter.model import Problem
from webapp.mail.letter.tags import Marks, where

#: characters; a mail of more is refused or cut by its readers anyway
LONGEST = 1_000_000
_INLINER = css_inline.CSSInliner(keep_style_tags=True, remove_inlined_selectors=True, keep_link_tags=True, load_remote_stylesheets=False)
_PLAIN = css_inline.CSSInliner(inline_style_tags=False, keep_style_tags=True, keep_link_tags=True, load_remote_stylesheets=False)
#: bytes of CSS times elements: what inlining may cost at worst, when every rule is for every element
_MOST_WORK = 100_000_000
_STYLE = re.compile(r"<style[^<>]*>(.*?)(?:</style|\Z)", re.S | re.I)
_EMPTY_STYLE = re.compile(r"<style[^<>]*>\s*</style>")
_CLOSED_ITSELF = re.compile(r'<mj-[a-z-]+(?:\s+[a-z-]+="[^"<>]*")*+\s*/>')
_POSITION = re.compile(r"at position (\d+):(\d+)")
_UNKNOWN = re.compile(r"<(mj-[a-z-]+)")
_COMMENT = re.compile(r"<!--.*?-->", re.S)


@dataclass
class Document:
    """Well-formed HTML with marks in it, and what was seen on the way."""

    html: str
    unknown_elements: list[str] = field(default_factory=list)
    css_problem: str = ""


def document(source: str, body_format: str, marks: Marks, problems: list[Problem]) -> Document:
    """The document of a source in which tags are marks already; problems that make it unreadable are added, and it is empty then."""
    if len(source) > LONGEST:
        problems.append(Problem("html", 1, 1, f"The body has more than {LONGEST:,} characters."))
        return Document("")
    source = source.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    unknown: list[str] = []
    if body_format == "mjml":
        rendered = _rendered(source, marks, problems)
        unknown = sorted(set(_UNKNOWN.findall(_COMMENT.sub("", rendered))))
        source = rendered
    if is_too_deep(source):
        problems.append(Problem("html", 1, 1, f"Elements are nested more than {MAX_DEPTH} deep; perhaps one is never closed."))
        return Document("")
    whole, css_problem = _inlined(source)
    return Document(_EMPTY_STYLE.sub("", whole), unknown, css_problem)


def _inlined(source: str) -> tuple[str, str]:
    """The document with its CSS in style attributes, and why that was not done."""
    if sum(map(len, _STYLE.findall(source))) * source.count("<") > _MOST_WORK:
        return _PLAIN.inline(source), "there is too much of it for so many elements"
    try:
        return _INLINER.inline(source), ""
    except css_inline.InlineError as error:
        return _PLAIN.inline(source), str(error)


def _rendered(source: str, marks: Marks, problems: list[Problem]) -> str:
    if is_too_deep(_CLOSED_ITSELF.sub("", source)):
        problems.append(Problem("html", 1, 1, f"Elements are nested more than {MAX_DEPTH} deep; perhaps one is never closed."))
        return ""
    try:
        # Without fonts: the default ones would make every mail load from Google.
        return mjml.mjml2html(source, disable_comments=True, fonts={})
    except ValueError as error:
        line, column = _place(str(error), source, marks)
        problems.append(Problem("html", line, column, _sentence(str(error))))
        return ""


def _place(error: str, source: str, marks: Marks) -> tuple[int, int]:
    """Where the library found it, in lines and columns of the author's source."""
    found = _POSITION.search(error)
    if not found:
        return 1, 1
    before = source.encode()[: int(found[1])].decode(errors="ignore")
    before = marks.replaced(before, lambda number, _: marks.tags[number].source)
    return where(before, len(before))


def _sentence(error: str) -> str:
    what = re.sub(r" in root template| at position.*", "", error).strip()
    if "unable to load included template" in what:
        return "mj-include is not available: paste what you want to include."
    if "unexpected end of stream" in what:
        return "The MJML ends too early: an element is not closed."
    if "unable to find mjml element" in what:
        return "The body is no MJML: it has to begin with <mjml>."
    return f"The MJML cannot be read ({html.escape(what, quote=False)}). Each element has to be closed, and & written as &amp;."
