"""A stand-in for the compiled letter: slow, without tracking."""

import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP

from webapp.mail import dkim
from webapp.mail.letter.model import Letter, Person, SigningKey


@dataclass
class Plain:
    letter: Letter
    fields: tuple[str, ...] = ("first_name",)
    columns: tuple[str, ...] = ("first_name",)
    custom: tuple[str, ...] = ()

    @property
    def links(self) -> list[str]:
        return re.findall(r'href="(https?://[^"]+)"', self.letter.html)

    def message_id(self, number: int) -> str:
        return f"<{self.letter.key}.{number}@{self.letter.from_email.rpartition('@')[2]}>"

    def fill(self, person: Person) -> bytes:
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"], mail["Subject"] = self.letter.from_email, person.email, self.letter.subject
        mail["Message-ID"] = self.message_id(person.number)
        html = re.sub(r"\{\{ *contact\.([\w.]+) *\}\}", lambda m: str(person.values.get(m[1]) or ""), self.letter.html)
        mail.set_content(self.letter.text or "text")
        mail.add_alternative(html, subtype="html")
        return mail.as_bytes()

    def fill_signed(self, person: Person, keys: tuple[SigningKey, ...]) -> bytes:
        raw = self.fill(person)
        for key in keys:
            raw = dkim.sign(raw, key.domain, key.selector, key.private_pem)
        return raw


def compile_letter(letter: Letter) -> Plain:
    return Plain(letter)
