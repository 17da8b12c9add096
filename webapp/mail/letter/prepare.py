"""What both ways of making a mail begin with: the letter with everything settled that is the same for everybody.

    source ─> marks for tags ─> MJML, CSS (`source`) ─> places, links (`shape`) ─> pieces: text and gaps in turn
                                                     └> text part (`plain`)
"""

import html
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from webapp.mail.letter import extras
from webapp.mail.letter.links import Links
from webapp.mail.letter.model import FORMATS, Letter, LetterError, Problem
from webapp.mail.letter.plain import text_of_letter
from webapp.mail.letter.shape import Shaped, Shaper
from webapp.mail.letter.source import Document, document
from webapp.mail.letter.tags import Marks, Tag, constants, is_known
from webapp.mail.letter.values import PLACES, TOKEN, Pieces, Slot, joined, words_of

_BASE_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+(?:/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-])?\Z")
_ADDRESSES = {"unsubscribe_url": "/u/", "view_in_browser_url": "/v/"}


@dataclass
class Prepared:
    """Templates of subject, HTML and text; `html` is empty when the letter has none. Bodies end with one LF."""

    subject: Pieces
    html: Pieces
    text: Pieces
    links: list[str]
    #: tags without a meaning, as they are called
    unknown: list[str]
    shaped: Shaped
    document: Document
    #: whether the author's HTML and text show an unsubscribe link, so that no footer was added
    html_unsubscribes: bool
    text_unsubscribes: bool
    tags: list[Tag] = field(default_factory=list)

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a contact beside its address that the mail needs, in order of first use."""
        slots = [piece for pieces in (self.subject, self.html, self.text) for piece in pieces if isinstance(piece, Slot)]
        return tuple(dict.fromkeys(slot.field for slot in slots if slot.field not in ("email", TOKEN.field)))


def prepare(letter: Letter, *, tracking: bool = True) -> Prepared:
    """The letter's templates.

    tracking  False: links as they are, no pixel, whatever the letter says (previews and the text part)
    raises    LetterError
    """
    return _Preparation(letter, tracking).done()


class _Preparation:
    def __init__(self, letter: Letter, tracking: bool) -> None:
        self.letter, self.tracking = letter, tracking
        self.problems: list[Problem] = []
        self.unknown: dict[str, None] = {}
        self.unsubscribes = False
        today = datetime.now(UTC)
        self.constants = {name: words_of(value) for name, value in constants(letter, f"{today.day} {today:%B %Y}").items()}
        written = (letter.subject, letter.html, letter.text or "", letter.preheader or "", letter.postal_address)
        self.marks = Marks(*written, *self.constants.values())
        #: the mark of every slot that holds the token
        self.token = self.marks.new(Tag(TOKEN.field), "t")
        if letter.body_format not in FORMATS:
            self.problems.append(Problem("html", 1, 1, f"The format is one of {', '.join(FORMATS)}."))
        if not _BASE_URL.match(letter.base_url):
            raise ValueError("base_url is an http or https address without a slash at its end.")

    def done(self) -> Prepared:
        letter, marks = self.letter, self.marks
        subject = marks.marked(_unix(letter.subject), "subject", self.problems)
        source = marks.marked(_unix(letter.html), "html", self.problems)
        own_text = None if letter.text is None or not letter.text.strip() else marks.marked(_unix(letter.text), "text", self.problems)
        preheader = marks.marked(_unix(letter.preheader or ""), "preheader", self.problems)
        self._stop()
        has_html = bool(source.strip())
        found = document(source, letter.body_format, marks, self.problems) if has_html else Document("")
        self._stop()

        plain = self._shaped(found, None, preheader)
        html_unsubscribes = self.unsubscribes
        links = self._links()
        track = self.tracking and letter.track_clicks
        shaped = self._shaped(found, links, preheader) if track else plain
        html_text = self._closed(shaped.html, html_unsubscribes, pixel=self.tracking and letter.track_opens) if has_html else ""

        if own_text is None:
            text = self._as_text(text_of_letter(self._closed(plain.html, html_unsubscribes, pixel=False))) if has_html else ""
        else:
            text = marks.replaced(own_text, lambda number, _: self.gap(number, "t", True))
        address = f"{letter.base_url}/u/{self.token}"
        text_unsubscribes = address in text
        if not text_unsubscribes:
            text = text.rstrip("\n") + extras.text_footer(letter, address)
        line = marks.replaced(subject, lambda number, _: self.gap(number, "s", True))
        self._stop()
        return Prepared(
            subject=self._pieces(line), html=self._pieces(html_text), text=self._pieces(text.rstrip("\n") + "\n"), links=links.targets,
            unknown=list(self.unknown), shaped=shaped, document=found, html_unsubscribes=html_unsubscribes,
            text_unsubscribes=text_unsubscribes, tags=marks.tags,
        )  # fmt: skip

    def gap(self, number: int, place: str, is_seen: bool) -> str:
        """What stands for a tag in a place: constants as they are, addresses with the token's mark, the contact's fields as marks."""
        tag = self.marks.tags[number]
        if tag.name == TOKEN.field:
            return self.token
        if not is_known(tag, self.letter.custom_keys):
            self.unknown[tag.name] = None
            return ""
        if tag.name in _ADDRESSES:
            if tag.name == "unsubscribe_url":
                self.unsubscribes |= is_seen
            elif not self.letter.web_view:
                return ""
            return PLACES[place](self.letter.base_url + _ADDRESSES[tag.name]) + self.token
        if tag.name in self.constants:
            return PLACES[place](self.constants[tag.name])
        return self.marks.placed(number, place)

    def _shaped(self, found: Document, links: Links | None, preheader: str) -> Shaped:
        opening = extras.preheader(self.marks.replaced(html.escape(preheader), lambda number, _: self.gap(number, "h", True)))
        return Shaper(self.marks, self.gap, links, self.problems, opening).shape(found.html)

    def _links(self) -> Links:
        """Which tags may stand in a tracked link, and how its target shows them."""
        shown: dict[int, str | None] = {}
        for number, tag in enumerate(self.marks.tags):
            if tag.name in _ADDRESSES or tag.name == TOKEN.field:
                shown[number] = None
            elif not is_known(tag, self.letter.custom_keys):
                shown[number] = ""
            else:
                shown[number] = PLACES["u"](self.constants[tag.name]) if tag.name in self.constants else tag.source
        return Links(self.letter.links, self.marks, shown, f"{html.escape(self.letter.base_url)}/t/c/{self.token}/")

    def _closed(self, document: str, unsubscribes: bool, *, pixel: bool) -> str:
        """With footer and pixel before the end of the body."""
        base = html.escape(self.letter.base_url)
        added = "" if unsubscribes else extras.html_footer(self.letter, f"{base}/u/{self.token}")
        if pixel:
            added += extras.pixel(f"{base}/t/o/{self.token}.gif")
        if not document.lstrip()[:9].lower().startswith("<!doctype"):
            document = f"<!DOCTYPE html>\n{document}"
        before, end, after = document.rpartition("</body>")
        return (f"{before}{added}{end}{after}" if end else document + added).rstrip("\n") + "\n"

    def _as_text(self, text: str) -> str:
        """Marks of HTML places in text that was made from it: not escaped there."""
        places = {"h": "t", "a": "b"}
        return self.marks.replaced(text, lambda number, place: self.marks.placed(number, places.get(place, place)))

    def _pieces(self, text: str) -> Pieces:
        pieces: Pieces = []
        position = 0
        for mark in self.marks.any.finditer(text):
            tag = self.marks.tags[int(mark[1])]
            pieces += [text[position : mark.start()], TOKEN if tag.name == TOKEN.field else Slot(str(tag.field), mark[2], tag.fallback)]
            position = mark.end()
        return joined([*pieces, text[position:]])

    def _stop(self) -> None:
        if self.problems:
            unique = dict.fromkeys(self.problems)
            raise LetterError(sorted(unique, key=lambda problem: (problem.place, problem.line, problem.column)))


def _unix(text: str) -> str:
    """With LF line ends, without halves of characters and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
