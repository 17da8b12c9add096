"""Contacts: the people of a workspace, with their tags, groups and custom fields.

    contacts                 one row per person and address
    tags, contact_tags       marks, and who bears them
    contact_groups, contact_group_members   lists that campaigns go to, and who is on them
    custom_fields            what a workspace wants to know beside the fixed fields; values stand in `contacts.custom_fields`
"""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.contacts.models_engagement import Engagement as Engagement
from webapp.contacts.models_engagement import LinkClick as LinkClick
from webapp.contacts.models_person import Alias as Alias
from webapp.contacts.models_person import Consent as Consent
from webapp.contacts.models_person import Erasure as Erasure
from webapp.contacts.models_person import Note as Note
from webapp.core.counters import Counted
from webapp.core.db import Base, InWorkspace, Timestamps

#: how a contact came about
SOURCES = ("page", "api", "import", "mail", "form", "workflow")
#: what a custom field may hold
FIELD_TYPES = ("text", "number", "date", "dropdown", "multi_select", "checkbox", "url", "email", "phone", "long_text")
UNINDEXED = text("is_indexed = false")
UNSUBSCRIBED, BOUNCED, COMPLAINED = text("NOT subscribed"), text("bounced_at IS NOT NULL"), text("complained_at IS NOT NULL")


class Contact(Timestamps, Counted, Base):
    """One person. Ids are never given again, because links in mail name them."""

    __tablename__ = "contacts"
    __table_args__ = (
        UniqueConstraint("workspace_id", "address"),
        Index("ix_contacts_workspace_id_id", "workspace_id", "id"),
        Index("ix_contacts_workspace_id_name_id", "workspace_id", "name", "id"),
        Index("ix_contacts_workspace_id_updated_at_id", "workspace_id", "updated_at", "id"),
        Index("ix_contacts_workspace_id_created_at_id", "workspace_id", "created_at", "id"),
        # who campaigns leave out: few, and looked for by themselves
        Index("ix_contacts_unsubscribed", "workspace_id", "id", sqlite_where=UNSUBSCRIBED, postgresql_where=UNSUBSCRIBED),
        Index("ix_contacts_bounced", "workspace_id", "id", sqlite_where=BOUNCED, postgresql_where=BOUNCED),
        Index("ix_contacts_complained", "workspace_id", "id", sqlite_where=COMPLAINED, postgresql_where=COMPLAINED),
        Index("ix_contacts_unindexed", "id", sqlite_where=UNINDEXED, postgresql_where=UNINDEXED),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    #: written out instead of the mixin: the composite indexes above serve it
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    #: as it was typed
    email: Mapped[str]
    #: in normal form (lower case, domain in ASCII; dots and plus-tags count): what makes two contacts the same
    address: Mapped[str]
    #: its domain in lower case ASCII
    domain: Mapped[str]
    name: Mapped[str] = mapped_column(default="")
    first_name: Mapped[str] = mapped_column(default="", server_default="")
    last_name: Mapped[str] = mapped_column(default="", server_default="")
    company: Mapped[str | None]
    phone: Mapped[str | None]
    job_title: Mapped[str | None]
    street: Mapped[str | None]
    city: Mapped[str | None]
    state: Mapped[str | None]
    postal_code: Mapped[str | None]
    country: Mapped[str | None]
    #: key of a custom field -> its value; keys without a value are left out
    custom_fields: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: 0 to 100
    lead_score: Mapped[int] = mapped_column(default=0, server_default="0")
    #: whether campaigns may go there; the suppression list is asked beside it
    subscribed: Mapped[bool] = mapped_column(default=True)
    unsubscribed_at: Mapped[datetime | None]
    bounced_at: Mapped[datetime | None]
    complained_at: Mapped[datetime | None]
    #: when we last wrote to them
    last_contacted_at: Mapped[datetime | None]
    #: when they last opened or clicked, machines left out
    last_active_at: Mapped[datetime | None]
    #: one of SOURCES
    source: Mapped[str] = mapped_column(default="api")
    #: the import that made it
    import_id: Mapped[int | None]
    #: whether the word index knows its present words
    is_indexed: Mapped[bool] = mapped_column(default=False)
    #: not of the table: its tags and groups, set by whoever reads them along (`contacts.listing`, `contacts.service`)
    tags = cast(Any, None)
    groups = cast(Any, None)


class Tag(InWorkspace, Timestamps, Base):
    """A mark on contacts; how many bear it stands in the counter `tag:ID`."""

    __tablename__ = "tags"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    #: lower case, no blanks
    name: Mapped[str]
    #: `#RRGGBB`
    color: Mapped[str]
    #: not of the table: how many bear it, set by `contacts.tags`
    contacts_count = 0


class ContactTag(Base):
    """This contact bears this tag."""

    __tablename__ = "contact_tags"
    __table_args__ = (Index("ix_contact_tags_tag_id_contact_id", "tag_id", "contact_id"),)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    tag_id: Mapped[int] = mapped_column(ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)


class ContactGroup(InWorkspace, Timestamps, Base):
    """A list of contacts; how many are on it stands in the counter `group:ID`."""

    __tablename__ = "contact_groups"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    description: Mapped[str | None]
    #: not of the table: how many are on it, set by `contacts.groups`
    members_count = 0


class GroupMember(Base):
    """This contact is on this list."""

    __tablename__ = "contact_group_members"
    __table_args__ = (Index("ix_contact_group_members_group_id_contact_id", "group_id", "contact_id"),)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    group_id: Mapped[int] = mapped_column(ForeignKey("contact_groups.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)


class CustomField(InWorkspace, Timestamps, Base):
    """One thing that a workspace wants to know of its contacts."""

    __tablename__ = "custom_fields"
    __table_args__ = (UniqueConstraint("workspace_id", "key"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    #: what people read
    label: Mapped[str]
    #: what stands in JSON and merge tags: lower case letters, digits, underscores
    key: Mapped[str]
    #: one of FIELD_TYPES
    type: Mapped[str] = mapped_column(default="text")
    #: what a dropdown or multi_select offers
    options: Mapped[list[Any]] = mapped_column(default=list)
    placeholder: Mapped[str | None]
    required: Mapped[bool] = mapped_column(default=False)
    #: for contacts that come without a value
    default: Mapped[str | None]
    #: order on pages
    position: Mapped[int] = mapped_column(default=0)
