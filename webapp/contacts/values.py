"""What a contact may hold: addresses, names and the plain columns, checked once for pages, API and imports."""

from typing import Any

from webapp.core.errors import invalid
from webapp.mail.address import Address, BadAddress, parse_address

#: columns that anybody may write as they are, with how many characters they hold
TEXTS = {
    "company": 200, "phone": 50, "job_title": 200, "street": 300, "city": 200, "state": 200, "postal_code": 30, "country": 100,
}  # fmt: skip
NAMES = {"name": 200, "first_name": 200, "last_name": 200}
#: what an update may name beside tags, group_ids and custom_fields
WRITABLE = ("email", *NAMES, *TEXTS, "lead_score", "subscribed")
MOST_SCORE = 100


def checked_email(text: str) -> Address:
    """The address in normal form. raises Invalid about email"""
    try:
        return parse_address(text)
    except BadAddress as error:
        raise invalid("email", str(error)) from None


def split(name: str) -> tuple[str, str]:
    """First and last name, cut at the last blank.

    >>> split("Maria da Silva")
    ('Maria da', 'Silva')
    """
    first, _, last = name.strip().rpartition(" ")
    return (first.strip(), last) if first else (last, "")


def names(changes: dict[str, Any]) -> dict[str, str]:
    """The columns of the name that a change sets: the parts follow the whole, or the whole its parts. raises Invalid"""
    given = {key: " ".join(str(changes[key] or "").split()) for key in NAMES if key in changes}
    for key, text in given.items():
        if len(text) > NAMES[key]:
            raise invalid(key, f"At most {NAMES[key]} characters; this has {len(text)}.")
    if "name" in given:
        first, last = split(given["name"])
        return {"first_name": first, "last_name": last, **given}
    return given


def texts(changes: dict[str, Any]) -> dict[str, str | None]:
    """The plain columns of a change; nothing and blanks count as none. raises Invalid"""
    found: dict[str, str | None] = {}
    for key, most in TEXTS.items():
        if key in changes:
            text = str(changes[key] or "").replace("\x00", "").strip()
            if len(text) > most:
                raise invalid(key, f"At most {most} characters; this has {len(text)}.")
            found[key] = text or None
    return found


def score(changes: dict[str, Any]) -> dict[str, Any]:
    """raises Invalid"""
    if "lead_score" not in changes:
        return {}
    number = changes["lead_score"]
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= MOST_SCORE:
        raise invalid("lead_score", f"A score is a whole number from 0 to {MOST_SCORE}.")
    return {"lead_score": number}
