"""The craft of letters as campaigns call it: compiling, the preview for one person, what an author should know."""

from webapp.campaigns.plain_letter import compile_letter
from webapp.mail.letter.model import Finding, Letter, Person, Preview

__all__ = ["checks", "compile_letter", "preview"]


def preview(letter: Letter, person: Person) -> Preview:
    return Preview(letter.subject, letter.html, letter.text or "", [], [])


def checks(letter: Letter) -> list[Finding]:
    return []
