"""How campaigns stand with a contact, in the word of the state table."""

from typing import Any


def state_of(contact: Any) -> str:
    """complained, bounced, unsubscribed or subscribed; takes anything with the columns of a contact."""
    if contact.complained_at is not None:
        return "complained"
    if contact.bounced_at is not None:
        return "bounced"
    return "subscribed" if contact.subscribed else "unsubscribed"
