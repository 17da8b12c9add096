"""What one person would read, for the editor: links lead where they lead, no pixel counts, and what is missing has a name."""

from webapp.mail.letter.model import Letter, Person, Preview
from webapp.mail.letter.prepare import prepare
from webapp.mail.letter.values import Pieces, Slot, as_line, filled, words_of


def preview(letter: Letter, person: Person) -> Preview:
    """The letter filled for one person.

    The HTML is the author's and the person's: show it in a sandboxed frame.
    raises  LetterError with line and column of each problem
    """
    prepared = prepare(letter, tracking=False)

    def words(pieces: Pieces) -> str:
        return filled(pieces, person.email, person.values, person.token)

    slots = [piece for pieces in (prepared.subject, prepared.html, prepared.text) for piece in pieces if isinstance(piece, Slot)]
    missing = dict.fromkeys(
        f"contact.{slot.field}" for slot in slots
        if not slot.field.startswith("#") and not slot.fallback and not words_of(_value(slot, person))
    )  # fmt: skip
    return Preview(
        subject=as_line(words(prepared.subject)), html=words(prepared.html), text=words(prepared.text), missing=list(missing),
        unknown=prepared.unknown,
    )  # fmt: skip


def _value(slot: Slot, person: Person) -> object:
    return person.email if slot.field == "email" else person.values.get(slot.field)
