"""The event stream: what happened to mail, appended by the transaction that made it happen, never changed afterwards.

Everything that wants to know what happened feeds on it: the event list and its API, statistics, timelines, webhooks.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base

#: every type with what it means, in the order in which pages show them
TYPES: dict[str, str] = {
    "queued": "A recipient's mail waits for its turn, for the first time or again",
    "held": "It is kept back, by a person or for want of a way out",
    "released": "It was held and goes on",
    "captured": "It is kept here on purpose: the transport lets nothing leave",
    "sent": "The next server took it with 2xx; it counts as delivered unless it bounces later",
    "delivered": "It certainly reached the mailbox: the mailbox is here, or a delivery receipt says so",
    "deferred": "The other side asked to try later, or could not be reached",
    "uncertain": "It was on the wire when the answer was lost",
    "bounced": "It was refused for good, at once or by a report later; details.bounce says hard, soft or expired",
    "suppressed": "It was not sent, because the recipient is on the suppression list",
    "cancelled": "A person gave it up before it left",
    "complained": "The recipient called it spam",
    "opened": "The mail was shown; details.machine says that it was no person",
    "clicked": "A link in the mail was followed; details.link and details.url say which, details.machine that it was no person",
    "unsubscribed": "The recipient wants no more campaigns",
    "contact.created": "A contact came in; details.source says how",
    "contact.updated": "A contact was changed; details.changed names the fields, details.tags and details.groups what came and went",
    "contact.deleted": "A contact was removed for good",
    "campaign.sent": "A campaign began to go out",
    "campaign.completed": "A campaign reached everybody; details.stats says how it went",
    "import.completed": "A file of contacts was imported; details has the counts",
    "received": "A mail came in and was read",
    "quarantined": "A mail came in whose origin is not proven",
    "route.ran": "A route of the mailbox ended; details.status says how",
}  # fmt: skip


OF_CONTACT = text("contact_id IS NOT NULL AND delivery_id IS NULL")


class Event(Base):
    """One thing that happened. The ids point at rows that may be gone by now, so they are no foreign keys."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_workspace_id_id", "workspace_id", "id"),
        Index("ix_events_workspace_id_type_id", "workspace_id", "type", "id"),
        Index("ix_events_workspace_id_recipient_id", "workspace_id", "recipient", "id",
              sqlite_where=text("recipient IS NOT NULL"), postgresql_where=text("recipient IS NOT NULL")),
        Index("ix_events_mailbox_id_id", "mailbox_id", "id",
              sqlite_where=text("mailbox_id IS NOT NULL"), postgresql_where=text("mailbox_id IS NOT NULL")),
        # Mail to a contact is found by its address; this finds what happened to the contact itself.
        Index("ix_events_contact_id_id", "contact_id", "id", sqlite_where=OF_CONTACT, postgresql_where=OF_CONTACT),
    )  # fmt: skip
    id: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    #: when it happened, UTC; grows with the id but for transactions that ran side by side
    at: Mapped[datetime]
    #: one of TYPES
    type: Mapped[str]
    #: the delivery, outgoing mail, archived mail and mailbox that it is about, as far as there are such
    delivery_id: Mapped[int | None]
    outgoing_id: Mapped[int | None]
    message_id: Mapped[int | None]
    mailbox_id: Mapped[int | None]
    #: normalised address of the one it was sent to, or came in for
    recipient: Mapped[str | None]
    #: the campaign and the contact that it is about
    campaign_id: Mapped[int | None]
    contact_id: Mapped[int | None]
    #: transactional or bulk, of mail that leaves
    stream: Mapped[str | None]
    #: the few facts that the type needs, such as code, reply, class and host
    details: Mapped[dict[str, Any] | None]
