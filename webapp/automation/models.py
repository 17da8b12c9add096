"""What mail sets off: rules, actions and the routes that join them; what happened is in `models_runs`.

    Route ──< RouteRule >── Rule          conditions, in order
          └─< RouteAction >── Action      steps, in order
    MailboxData ──< MailboxDataEmail      what is known about receivers
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.automation import models_loops, models_runs
from webapp.automation.waits import DEFAULT_ATTEMPTS
from webapp.core.counters import Counted
from webapp.core.db import Base, InWorkspace, Timestamps, Trashable

LIVING = text("deleted_at IS NULL")
DIRECTIONS = ("incoming", "outgoing", "both")
MATCH_TYPES = ("all", "any")
ON_ERROR = ("continue", "stop")
#: after so many time-outs in a row a rule is switched off (RELIABILITY C-18)
MOST_TIMEOUTS = 3

Exchange = models_loops.Exchange
Run, RunStep, StepAttempt, RoutePlan = models_runs.Run, models_runs.RunStep, models_runs.StepAttempt, models_runs.RoutePlan


class Rule(InWorkspace, Timestamps, Trashable, Counted, Base):
    """One reusable condition on a mail."""

    __tablename__ = "rules"
    id: Mapped[int] = mapped_column(primary_key=True)
    #: for people; several rules may bear the same name
    name: Mapped[str]
    #: name of a rule type (`automation.rule_types`)
    type: Mapped[str]
    #: field of the mail (`automation.mail_fields`)
    field: Mapped[str] = mapped_column(default="subject")
    #: which header, when the field is `header`
    header_name: Mapped[str | None]
    #: pattern or text to look for
    value: Mapped[str] = mapped_column(Text, default="")
    case_sensitive: Mapped[bool] = mapped_column(default=False)
    #: for types that ask a model or run code
    prompt: Mapped[str | None] = mapped_column(Text)
    model: Mapped[str | None]
    code: Mapped[str | None] = mapped_column(Text)
    #: what evaluates it: re2 or regex; NULL where there is no choice
    engine: Mapped[str | None]
    #: how many mails in a row it took too long on
    timeout_count: Mapped[int] = mapped_column(default=0)
    #: why it is switched off; saving the rule switches it on again
    problem: Mapped[str | None]


class Action(InWorkspace, Timestamps, Trashable, Counted, Base):
    """One reusable, configured step."""

    __tablename__ = "actions"
    id: Mapped[int] = mapped_column(primary_key=True)
    #: for people; several actions may bear the same name
    name: Mapped[str]
    #: name of an action type (`automation.actions`)
    type: Mapped[str]
    #: values as declared by the type; secrets are sealed with the installation's key
    parameters: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: keep the answer as an attachment for the actions behind it
    attach_to_mail: Mapped[bool] = mapped_column(default=False)
    #: whether the route goes on behind it
    pass_to_next: Mapped[bool] = mapped_column(default=True)
    #: continue or stop after its failure; NULL: what the type does by itself
    on_error: Mapped[str | None]
    #: seconds for one attempt; NULL: the type's own
    timeout_seconds: Mapped[int | None]
    #: most attempts, 1 to 20
    max_attempts: Mapped[int] = mapped_column(default=DEFAULT_ATTEMPTS)


class Route(InWorkspace, Timestamps, Trashable, Counted, Base):
    """Rules and ordered actions for the mail of one mailbox."""

    __tablename__ = "routes"
    __table_args__ = (
        Index("uq_routes_mailbox_id_name_living", "mailbox_id", "name", unique=True, sqlite_where=LIVING, postgresql_where=LIVING),
        Index("ix_routes_mailbox_id_position", "mailbox_id", "position", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    #: whose mail it sees
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"))
    #: shown in the log
    name: Mapped[str]
    #: a route that is off never runs
    enabled: Mapped[bool] = mapped_column(default=True)
    #: incoming, outgoing or both
    direction: Mapped[str] = mapped_column(default="incoming")
    #: all or any
    match_type: Mapped[str] = mapped_column(default="all")
    #: lower ones run first, then by id
    position: Mapped[int]
    #: whether later routes are left out once it matched
    stop_on_match: Mapped[bool] = mapped_column(default=False)
    #: counts saved changes of the route, its rules and its actions; each run keeps the version that it followed
    version: Mapped[int] = mapped_column(default=1)
    #: when it last ran on a mail that it matched
    last_run_at: Mapped[datetime | None]
    #: how that run ended
    last_status: Mapped[str | None]


class RouteRule(Base):
    """One condition of a route."""

    __tablename__ = "route_rules"
    __table_args__ = (UniqueConstraint("route_id", "rule_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    route_id: Mapped[int] = mapped_column(ForeignKey("routes.id", ondelete="CASCADE"))
    rule_id: Mapped[int] = mapped_column(ForeignKey("rules.id", ondelete="CASCADE"), index=True)
    #: 0, 1, 2 … within the route
    position: Mapped[int]


class RouteAction(Base):
    """One step of a route; the same action may stand in it twice."""

    __tablename__ = "route_actions"
    __table_args__ = (UniqueConstraint("route_id", "position"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    route_id: Mapped[int] = mapped_column(ForeignKey("routes.id", ondelete="CASCADE"))
    action_id: Mapped[int] = mapped_column(ForeignKey("actions.id", ondelete="CASCADE"), index=True)
    #: 0, 1, 2 … within the route
    position: Mapped[int]
    #: instead of the action's own setting
    on_error: Mapped[str | None]
    pass_to_next: Mapped[bool | None]


class DataFile(Timestamps, Base):
    """One upload of mailbox data."""

    __tablename__ = "mailbox_data_files"
    id: Mapped[int] = mapped_column(primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"), index=True)
    #: as it was called where it came from
    filename: Mapped[str]
    #: how many entries it brought
    entry_count: Mapped[int] = mapped_column(default=0)


class MailboxData(InWorkspace, Timestamps, Base):
    """What is known about one or several receivers, read by actions."""

    __tablename__ = "mailbox_data"
    __table_args__ = (Index("ix_mailbox_data_mailbox_id_id", "mailbox_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"))
    #: normalised addresses of the receivers, in the order given
    emails: Mapped[list[Any]] = mapped_column(default=list)
    #: free JSON object
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: the same as compact JSON text without escapes, for the search in it
    data_text: Mapped[str] = mapped_column(Text, default="")
    note: Mapped[str] = mapped_column(Text, default="")
    #: the upload that it came from
    file_id: Mapped[int | None] = mapped_column(ForeignKey("mailbox_data_files.id", ondelete="SET NULL"), index=True)


class MailboxDataEmail(Base):
    """One receiver of an entry, so that a lookup is one step in an index."""

    __tablename__ = "mailbox_data_emails"
    __table_args__ = (Index("ix_mailbox_data_emails_mailbox_id_email", "mailbox_id", "email", "data_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    data_id: Mapped[int] = mapped_column(ForeignKey("mailbox_data.id", ondelete="CASCADE"), index=True)
    mailbox_id: Mapped[int]
    #: normalised
    email: Mapped[str]
