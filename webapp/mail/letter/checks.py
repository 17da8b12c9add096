"""What an author should know before a letter goes out; nothing here keeps it from going, but the errors do."""

import re

from webapp.mail.letter.model import Finding, Letter, LetterError
from webapp.mail.letter.plain import text_of_letter
from webapp.mail.letter.prepare import Prepared, prepare
from webapp.mail.letter.values import Slot

#: Gmail shows so much of a mail's HTML and cuts the rest off
_CUT_AT = 102_000
_LONG_SUBJECT = 150
_FEW_WORDS = 20


def checks(letter: Letter) -> list[Finding]:
    """Errors (it cannot be sent), warnings (it should not), notes (so that nobody wonders), worst first."""
    try:
        prepared = prepare(letter)
    except LetterError as error:
        return [Finding("error", f"problem_{one.place}", f"{one.place.capitalize()}, {_small(str(one))}") for one in error.problems]
    found = [*_about_tags(prepared), *_about_html(letter, prepared), *_about_links(letter, prepared)]
    if not letter.subject.strip():
        found.append(Finding("warning", "no_subject", "The subject is empty."))
    elif len(letter.subject) > _LONG_SUBJECT:
        found.append(Finding("note", "long_subject", f"The subject has {len(letter.subject)} characters; phones show about 40."))
    return sorted(found, key=lambda finding: ("error", "warning", "note").index(finding.level))


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _about_tags(prepared: Prepared) -> list[Finding]:
    found = [Finding("warning", "unknown_tag", f"{{{{{name}}}}} stands for nothing and comes out empty.") for name in prepared.unknown]
    bare = dict.fromkeys(
        piece.field for pieces in (prepared.subject, prepared.html, prepared.text) for piece in pieces
        if isinstance(piece, Slot) and not piece.fallback and piece.field not in ("email", "#token")
    )  # fmt: skip
    if bare:
        names = ", ".join(f"{{{{contact.{name}}}}}" for name in list(bare)[:5])
        found.append(Finding("note", "no_fallback", f'No fallback: {names}. Where the value is missing nothing stands; add |default:"…".'))
    return found


def _about_html(letter: Letter, prepared: Prepared) -> list[Finding]:
    found: list[Finding] = []
    shaped, document = prepared.shaped, prepared.document
    if not letter.html.strip():
        return [Finding("warning", "no_html", "The letter has no HTML body.")]
    for name in document.unknown_elements:
        found.append(Finding("warning", "mjml_unknown", f"{name} is no MJML element; it is sent as it stands."))
    if document.css_problem:
        sentence = f"The CSS was left in its style element ({document.css_problem}); some mail programs ignore it there."
        found.append(Finding("warning", "css_unread", sentence))
    if shaped.removed:
        names = ", ".join(sorted(shaped.removed))
        found.append(Finding("warning", "removed", f"Left out, because mail programs refuse it: {names}."))
    if shaped.without_alt:
        verb = "picture has" if shaped.without_alt == 1 else "pictures have"
        sentence = f'{shaped.without_alt} {verb} no alt text. Say what they show, or write alt="" for decoration.'
        found.append(Finding("warning", "no_alt", sentence))
    if shaped.pictures and len(re.findall(r"\w+", text_of_letter(shaped.html))) < _FEW_WORDS:
        found.append(Finding("warning", "pictures_only", "There is hardly any text beside the pictures; filters distrust such mail."))
    size = sum(len(piece.encode()) for piece in prepared.html if isinstance(piece, str))
    if size > _CUT_AT:
        sentence = f"The HTML has {size // 1000} KB; Gmail cuts mail off at {_CUT_AT // 1000} KB, the unsubscribe link too."
        found.append(Finding("warning", "large", sentence))
    if not prepared.html_unsubscribes:
        found.append(Finding("note", "footer_added", "The body has no {{unsubscribe_url}}: a footer with the link is added."))
    if letter.text is not None and letter.text.strip() and not prepared.text_unsubscribes:
        found.append(Finding("note", "text_footer_added", "The text part has no {{unsubscribe_url}}: a line with the link is added."))
    return found


def _about_links(letter: Letter, prepared: Prepared) -> list[Finding]:
    found: list[Finding] = []
    insecure = list(dict.fromkeys(prepared.shaped.insecure))
    if insecure:
        found.append(Finding("warning", "no_https", f"{len(insecure)} of the links begin with http:// and are not encrypted."))
    uses_view = any(tag.name == "view_in_browser_url" for tag in prepared.tags)
    if uses_view and not letter.web_view:
        found.append(Finding("warning", "no_web_view", "{{view_in_browser_url}} comes out empty, because the web view is switched off."))
    return found
