"""What features above hang on the pages of contacts; each of them sets its own in `init_app` of one of its doors.

    hanging.segments = lambda actor: [(7, "Big spenders")]        offered as a filter of the list
    hanging.campaigns = lambda actor, contact: [Got(…)]           shown on the page of a contact, newest first
    hanging.campaign_names = lambda actor, ids: {7: "Autumn"}      named in the timeline of a contact
    hanging.mail_subjects = lambda actor, ids: {12: "Your order"}  by id of the outgoing mail, for the same
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from webapp.contacts.models import Contact
from webapp.core.actor import Actor


@dataclass(frozen=True)
class Got:
    """One campaign that went to a contact. state: of its delivery; url: its page, None for who may not see it."""

    name: str
    state: str
    at: datetime | None = None
    url: str | None = None
    opened_at: datetime | None = None
    clicked_at: datetime | None = None


def _none(*_: object) -> list[tuple[int, str]]:
    return []


def _nothing(*_: object) -> list[Got]:
    return []


def _nameless(*_: object) -> dict[int, str]:
    return {}


segments: Callable[[Actor], list[tuple[int, str]]] = _none
campaigns: Callable[[Actor, Contact], list[Got]] = _nothing
campaign_names: Callable[[Actor, Collection[int]], dict[int, str]] = _nameless
mail_subjects: Callable[[Actor, Collection[int]], dict[int, str]] = _nameless
