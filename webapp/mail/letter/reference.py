"""The slow general way of making the same mail: gaps filled as text, MIME by the standard library, DKIM by the general signer.

It costs a hundred times more than `compiled` and is there to measure it by: for every letter and person both must give mail that reads
the same. Nothing is shared behind `prepare`: no encoding, no header, no cache.
"""

from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from webapp.mail import dkim
from webapp.mail.letter.model import Letter, Person, SigningKey
from webapp.mail.letter.prepare import prepare
from webapp.mail.letter.values import Pieces, as_line, filled, words_of

#: long lines, because the library changes blanks where it folds
_POLICY = SMTP.clone(cte_type="7bit", max_line_length=990)


def build(letter: Letter, person: Person, at: int = 0, keys: Sequence[SigningKey] = ()) -> bytes:
    """The mail for one person.

    at    seconds since 1970, for Date and signatures
    keys  each adds a DKIM-Signature on top
    """
    prepared = prepare(letter)

    def words(pieces: Pieces) -> str:
        return filled(pieces, person.email, person.values, person.token)

    mail = EmailMessage(policy=_POLICY)
    mail["From"] = _address(as_line(words_of(letter.from_name)), letter.from_email)
    mail["To"] = _address(as_line(words_of(person.name)), person.email)
    if letter.reply_to:
        mail["Reply-To"] = letter.reply_to
    mail["Subject"] = as_line(words(prepared.subject))
    mail["Date"] = formatdate(at).replace("-0000", "+0000")
    domain = letter.from_email.rpartition("@")[2]
    mail["Message-ID"] = f"<{letter.key}.{person.number}@{domain}>"
    ways = [f"<{letter.base_url}/u/{person.token}>"]
    if letter.unsubscribe_mailto:
        ways.append(f"<mailto:{letter.unsubscribe_mailto}?subject=unsubscribe%20{person.token}>")
    mail["List-Unsubscribe"] = ", ".join(ways)
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    if letter.feedback_id:
        mail["Feedback-ID"] = letter.feedback_id
    mail["Precedence"] = "bulk"
    text, html = words(prepared.text), words(prepared.html)
    if text:
        mail.set_content(text, charset="utf-8", cte="quoted-printable")
    if text and html:
        mail.add_alternative(html, subtype="html", charset="utf-8", cte="quoted-printable")
    elif html:
        mail.set_content(html, subtype="html", charset="utf-8", cte="quoted-printable")
    raw = mail.as_bytes()
    for key in reversed(keys):
        raw = dkim.sign(raw, key.domain, key.selector, key.private_pem, at=at)
    return raw


def _address(name: str, email: str) -> Address:
    return Address(display_name=name, addr_spec=email)
