"""The letter of a campaign: compiled once, filled for each person in microseconds. Start with `model`."""

from webapp.mail.letter.checks import checks as checks
from webapp.mail.letter.compiled import Compiled as Compiled
from webapp.mail.letter.compiled import compile_letter as compile_letter
from webapp.mail.letter.links import fields_of as link_fields
from webapp.mail.letter.links import target as link_target
from webapp.mail.letter.model import CONTACT_FIELDS as CONTACT_FIELDS
from webapp.mail.letter.model import TAGS as TAGS
from webapp.mail.letter.model import Finding as Finding
from webapp.mail.letter.model import Letter as Letter
from webapp.mail.letter.model import LetterError as LetterError
from webapp.mail.letter.model import Person as Person
from webapp.mail.letter.model import Preview as Preview
from webapp.mail.letter.model import Problem as Problem
from webapp.mail.letter.model import SigningKey as SigningKey
from webapp.mail.letter.preview import preview as preview

__all__ = [
    "CONTACT_FIELDS", "TAGS", "Compiled", "Finding", "Letter", "LetterError", "Person", "Preview", "Problem", "SigningKey", "checks",
    "compile_letter", "link_fields", "link_target", "preview",
]  # fmt: skip
