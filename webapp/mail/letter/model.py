"""The words of a campaign letter: what goes in, what comes out, what can be wrong with it.

    compile_letter(letter) -> Compiled      once per campaign (and once more after each change of the letter)
        compiled.fields                     merge fields that it needs of a contact: ("first_name", "custom.plan")
        compiled.columns, compiled.custom   the same, parted: ("first_name",) and ("plan",)
        compiled.links                      targets of tracked links; number in the mail = index + 1
        compiled.fill(person) -> bytes      the mail: CRLF, no line begins with a dot, no line over 998 octets
        compiled.fill_signed(person, keys)  the same with one DKIM-Signature for each key
        compiled.message_id(number) -> str  the Message-ID of the copy for this contact
    preview(letter, person) -> Preview      what a person would read, links untouched, without the pixel
    checks(letter) -> list[Finding]         what an author should know before sending
    link_target(url, values) -> str         where a tracked link leads this person, its merge tags filled in

Everything here is pure: bytes and strings, no database, no settings, no clock but the second in `Date` and `t=`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

#: fields of a contact that a merge tag may name; custom fields come as custom.KEY
CONTACT_FIELDS = (
    "name", "first_name", "last_name", "email", "company", "phone", "job_title", "street", "city", "state", "postal_code", "country",
)  # fmt: skip
#: every merge tag but custom fields, with what it stands for, in the order in which an editor offers them
TAGS = {
    **{f"contact.{name}": f"the contact's {name.replace('_', ' ')}" for name in CONTACT_FIELDS},
    "workspace.name": "the name of this workspace",
    "sender.name": "the name that the mail comes from",
    "campaign.name": "the name of this campaign",
    "date": "the day on which it is sent",
    "unsubscribe_url": "where this contact unsubscribes",
    "view_in_browser_url": "where this contact reads the mail in a browser",
}
FORMATS = ("html", "mjml")


@dataclass(frozen=True)
class Letter:
    """One letter to many people, as its author wrote it.

    subject, html, text, preheader   may hold merge tags; `html` is MJML when `body_format` says so; `text` None: made from the HTML
    key             stands in each Message-ID: letters, digits and hyphens, never the same for two campaigns, the same after a restart
    base_url        of this installation, without a slash at its end; tokens of persons are put behind it
    links           targets that have a number already, in order; new ones are numbered after them, none changes its number
    custom_keys     keys of custom fields that exist; None: any may
    date            what {{date}} shows; "": the day of compiling in UTC, such as 21 November 2026
    list_id         inside of the angle brackets of List-Id; None: made of the sender's address (news@acme.test: news.acme.test)
    unsubscribe_mailto   address for the second entry of List-Unsubscribe; mail to it must be read by somebody
    feedback_id     value of Feedback-ID, of up to four parts between colons
    postal_address  shown in the footer that is added where the body has no unsubscribe link
    """

    subject: str
    html: str
    from_email: str
    from_name: str = ""
    reply_to: str | None = None
    body_format: str = "html"
    text: str | None = None
    preheader: str | None = None
    key: str = "letter"
    base_url: str = "http://localhost"
    workspace_name: str = ""
    campaign_name: str = ""
    date: str = ""
    links: tuple[str, ...] = ()
    custom_keys: frozenset[str] | None = None
    track_opens: bool = True
    track_clicks: bool = True
    web_view: bool = True
    list_id: str | None = None
    unsubscribe_mailto: str | None = None
    feedback_id: str | None = None
    postal_address: str = ""


class Person(NamedTuple):
    """One recipient.

    email   bare address in normal form, for the header To and for {{contact.email}}
    values  merge field -> value: {"first_name": "Ann", "custom.plan": "gold"}; None, "" and missing keys are the same, lists are
            joined with commas, true is yes and false is no
    number  the contact's id: makes its Message-ID
    token   names campaign and contact in links (`marks.token`): letters, digits and -._~ alone
    name    display name in the header To; "" leaves it out
    """

    email: str
    values: Mapping[str, Any] = {}
    number: int = 0
    token: str = ""
    name: str = ""


@dataclass(frozen=True)
class SigningKey:
    """A DKIM key: RSA or Ed25519, whichever the PEM holds. Make the tuple of keys once and hand over the same one for each mail."""

    domain: str
    selector: str
    private_pem: str = field(repr=False)


@dataclass(frozen=True)
class Preview:
    """What one person would read. `missing`: tags without a value and without a fallback; `unknown`: tags that stand for nothing."""

    subject: str
    html: str
    text: str
    missing: list[str]
    unknown: list[str]


@dataclass(frozen=True)
class Problem:
    """Why a letter cannot be sent as it is. `place` is subject, html, text or preheader; line and column count from 1."""

    place: str
    line: int
    column: int
    sentence: str

    def __str__(self) -> str:
        return f"Line {self.line}, column {self.column}: {self.sentence}"


class LetterError(ValueError):
    """The letter cannot be compiled; `problems` says why, each with its place."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(" ".join(f"{problem.place}: {problem}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Finding:
    """What an author should know. `level` is error (cannot be sent), warning, or note; `code` never changes, the sentence may."""

    level: str
    code: str
    sentence: str
