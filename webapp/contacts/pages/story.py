"""The timeline of a contact in words: one event of the stream becomes one step."""

from typing import Any

from webapp.contacts import hanging
from webapp.contacts.models import Contact
from webapp.contacts.pages.base import CONSENT_SOURCES, SOURCES, link
from webapp.core.actor import Actor
from webapp.core.states import state_tone
from webapp.happenings.models import TYPES, Event

#: events of contacts -> tone, title
OWN = {
    "contact.created": ("ok", "Came in"), "contact.updated": ("wait", "Changed"), "contact.deleted": ("off", "Deleted"),
    "unsubscribed": ("off", "Unsubscribed"), "opened": ("ok", "Opened"), "clicked": ("ok", "Clicked"),
}  # fmt: skip
#: what a change names -> what people read
NAMES = {"subscribed": "subscribed again", "merged": "merged with another contact"}
#: tags and groups that came and went, in words
LISTS = {"tags": {"added": "tagged", "removed": "no longer tagged"}, "groups": {"added": "joined", "removed": "left"}}
#: facts of mail that are shown as they are
FACTS = ("subject", "bounce", "class", "reason", "feedback", "route", "status")
MOST_TEXT = 200


def steps(actor: Actor, contact: Contact, rows: list[Event]) -> list[dict[str, Any]]:
    """[{tone, title, at, text, url, code}], in the order of the rows."""
    ids = {event.campaign_id for event in rows if event.campaign_id is not None}
    names = hanging.campaign_names(actor, ids) if ids else {}
    mails = {event.outgoing_id for event in rows if event.outgoing_id is not None and event.campaign_id is None}
    subjects = hanging.mail_subjects(actor, mails) if mails else {}
    return [_step(actor, contact, event, names.get(event.campaign_id or 0) or subjects.get(event.outgoing_id or 0)) for event in rows]


def _step(actor: Actor, contact: Contact, event: Event, about: str | None) -> dict[str, Any]:
    facts = event.details or {}
    tone, title = OWN.get(event.type, (state_tone(event.type), event.type.replace(".", " ").capitalize()))
    if facts.get("machine"):
        tone, title = "wait", f"{title} by a machine"
    other = event.recipient if event.recipient and event.recipient != contact.address else ""
    text = ": ".join(filter(None, (about, _text(event, facts)))) or TYPES.get(event.type, "")
    return {
        "tone": tone, "title": title, "at": event.at, "text": f"{text}{f' ({other})' if other else ''}", "url": _url(actor, event),
        "code": _reply(facts),
    }  # fmt: skip


def _text(event: Event, facts: dict[str, Any]) -> str:
    source = str(facts.get("source", ""))
    if event.type == "contact.created":
        return f"Added {SOURCES.get(source, source)}"
    if event.type == "contact.updated":
        return _cut(_changed(facts))
    if event.type == "unsubscribed":
        return CONSENT_SOURCES.get(source, source).capitalize()
    if event.type == "clicked":
        return _cut(str(facts.get("url", "")))
    return _cut(", ".join(str(facts[name]) for name in FACTS if facts.get(name)))


def _changed(facts: dict[str, Any]) -> str:
    """What a change changed: “company, tagged vip, left the group Newsletter”."""
    said = []
    for name in map(str, facts.get("changed") or []):
        moved = facts.get(name) if name in LISTS else None
        if not isinstance(moved, dict):
            said.append(NAMES.get(name, name.replace("_", " ")))
            continue
        said += [f"{words} {_and(moved[way])}" for way, words in LISTS[name].items() if moved.get(way)]
    return ", ".join(said)


def _and(names: list[Any]) -> str:
    """
    >>> _and(["vip", "lead", "press"])
    'vip, lead and press'
    """
    texts = [str(name) for name in names]
    return " and ".join([*([", ".join(texts[:-1])] if len(texts) > 1 else []), *texts[-1:]])


def _reply(facts: dict[str, Any]) -> str:
    """The words of the other server."""
    return _cut(" ".join(str(facts.get("reply") or "").split()))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT].rstrip()}…"


def _url(actor: Actor, event: Event) -> str | None:
    """Where the thing itself is shown; it may be gone by now."""
    if event.campaign_id is not None and actor.may("campaigns:read") and event.type in ("opened", "clicked", "unsubscribed"):
        return link("campaigns.show_page", campaign_id=event.campaign_id)
    if event.delivery_id is not None and actor.may("deliveries:read"):
        return link("sending.show", delivery_id=event.delivery_id)
    if event.message_id is not None and actor.may("messages:read"):
        return link("messages.show_page", message_id=event.message_id)
    return None
