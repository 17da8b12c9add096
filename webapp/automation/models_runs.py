"""What routes did: the plan of a mail that waits for evaluation, one run per mail and route, its steps and their attempts.

    RoutePlan ──evaluate──> Run (matched) ──> RunStep ──> StepAttempt
                     └────> Run `skipped` (verbose log, tests, unverified domain), `quarantined`, `failed` (a rule went wrong)

`next_attempt_at` of a run is set exactly while it waits for a worker or for its time, so the index of what is due stays small.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, Timestamps
from webapp.core.leases import Leased

RUN_STATUSES = ("queued", "running", "success", "failed", "quarantined", "skipped")
#: statuses that nothing follows by itself
FINAL = frozenset({"success", "failed", "quarantined", "skipped"})
STEP_STATUSES = ("waiting", "running", "success", "failed", "skipped")
OUTCOMES = ("success", "retry", "failed", "skipped", "uncertain")
#: how many workers may die over the same step before it is parked (RELIABILITY C-26)
MOST_DEATHS = 3
_WAITS = text("next_attempt_at IS NOT NULL")
_CHANGED = text("state_raw_id IS NOT NULL")


class RoutePlan(Leased, Base):
    """A mail whose routes have not been evaluated yet; gone once they were."""

    __tablename__ = "route_plans"
    __table_args__ = (UniqueConstraint("message_id", "round"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"), index=True)
    #: 0 for the first evaluation, then one for each replay
    round: Mapped[int] = mapped_column(default=0)
    #: whether the mail is not filed before the routes were evaluated
    held: Mapped[bool] = mapped_column(default=False)
    #: test and replay may be limited to one route
    route_id: Mapped[int | None]
    is_test: Mapped[bool] = mapped_column(default=False)
    #: how many workers died over it
    deaths: Mapped[int] = mapped_column(default=0)
    request_id: Mapped[str | None]
    created_at: Mapped[datetime]


class Run(Timestamps, Leased, Base):
    """One route on one mail: the log entry, and the state of the work until it is done."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("message_id", "mailbox_id", "route_id", "round"),
        Index("ix_runs_due", "next_attempt_at", "id", sqlite_where=_WAITS, postgresql_where=_WAITS),
        Index("ix_runs_mailbox_id_id", "mailbox_id", "id"),
        Index("ix_runs_mailbox_id_status_id", "mailbox_id", "status", "id"),
        Index("ix_runs_route_id_id", "route_id", "id"),
        Index("ix_runs_workspace_id_id", "workspace_id", "id"),
        Index("ix_runs_created_at", "created_at"),
        Index("ix_runs_state_raw_id", "state_raw_id", sqlite_where=_CHANGED, postgresql_where=_CHANGED),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    #: written out instead of the mixin: the composite index above serves it
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    #: the mail; NULL once it is gone for good
    message_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id", ondelete="SET NULL"), index=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"))
    #: NULL once the route is gone for good
    route_id: Mapped[int | None] = mapped_column(ForeignKey("routes.id", ondelete="SET NULL"))
    #: 0 for the first time, then one for each replay
    round: Mapped[int] = mapped_column(default=0)
    #: one of RUN_STATUSES
    status: Mapped[str] = mapped_column(default="queued")
    #: whether the rules held; NULL before they were asked
    matched: Mapped[bool | None]
    #: the route's name and version when it was evaluated, and {match_type, stop_on_match, rules, decided_by} of then
    route_name: Mapped[str]
    route_version: Mapped[int] = mapped_column(default=1)
    snapshot: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: what each rule said: {position, rule_id, name, type, field, matched, excerpt, error, ms}
    verdicts: Mapped[list[Any]] = mapped_column(default=list)
    #: why it failed or was skipped, in words
    error: Mapped[str | None] = mapped_column(Text)
    #: received or sent
    direction: Mapped[str] = mapped_column(default="received")
    is_test: Mapped[bool] = mapped_column(default=False)
    #: of the mail, so that the log can be read and searched by itself
    subject: Mapped[str] = mapped_column(Text, default="")
    sender: Mapped[str] = mapped_column(default="")
    recipient: Mapped[str] = mapped_column(default="")
    #: the mail as the finished actions left it; NULL: unchanged
    state_raw_id: Mapped[int | None] = mapped_column(ForeignKey("raw_messages.id"))
    #: the step that is next
    step: Mapped[int] = mapped_column(default=0)
    #: set exactly while it waits for a worker or its time
    next_attempt_at: Mapped[datetime | None]
    #: how many workers died over the step at hand
    deaths: Mapped[int] = mapped_column(default=0)
    #: whether the mail waits in no folder until this run is done
    holds_mail: Mapped[bool] = mapped_column(default=False)
    #: whether one of its actions took the mail out of its folder
    dropped: Mapped[bool] = mapped_column(default=False)
    #: the request that caused it
    request_id: Mapped[str | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    @property
    def triggered_at(self) -> datetime:
        """The log's word for `created_at`."""
        return self.created_at


class RunStep(Base):
    """One action of one run, as it was configured when the route matched."""

    __tablename__ = "run_steps"
    __table_args__ = (UniqueConstraint("run_id", "position"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    #: 0, 1, 2 … within the run
    position: Mapped[int]
    action_id: Mapped[int | None]
    name: Mapped[str]
    type: Mapped[str]
    #: {parameters (secrets sealed), attach_to_mail, pass_to_next, on_error, timeout_s, max_attempts} of then
    settings: Mapped[dict[str, Any]]
    #: sent along with every attempt, so that the other side knows a repetition
    delivery: Mapped[str]
    #: one of STEP_STATUSES
    status: Mapped[str] = mapped_column(default="waiting")
    #: how many attempts were made, those of unknown outcome included
    attempts: Mapped[int] = mapped_column(default=0)
    #: one sentence about how it stands
    detail: Mapped[str] = mapped_column(Text, default="")
    #: which parts of the mail it changed
    changed: Mapped[list[Any]] = mapped_column(default=list)
    #: whether the actions behind it were to run
    passed_on: Mapped[bool | None]
    #: when the attempt under way began; NULL while none is
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class StepAttempt(Base):
    """One try of one action, with what was sent and what came back."""

    __tablename__ = "step_attempts"
    __table_args__ = (UniqueConstraint("step_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    step_id: Mapped[int] = mapped_column(ForeignKey("run_steps.id", ondelete="CASCADE"))
    #: 1 for the first
    number: Mapped[int]
    at: Mapped[datetime]
    #: one of OUTCOMES; uncertain: the worker died, it may have run
    outcome: Mapped[str]
    #: HTTP status of the answer
    status_code: Mapped[int | None]
    #: secrets masked, payloads cut to 64 KB
    request: Mapped[dict[str, Any] | None]
    answer: Mapped[dict[str, Any] | None]
    detail: Mapped[str] = mapped_column(Text, default="")
    error: Mapped[str | None] = mapped_column(Text)
    #: how long it took
    ms: Mapped[int] = mapped_column(default=0)


class RouteDay(Base):
    """How many runs of a route ended how on one day (UTC); what lists show without counting."""

    __tablename__ = "route_days"
    __table_args__ = (UniqueConstraint("route_id", "day", "status"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    route_id: Mapped[int] = mapped_column(ForeignKey("routes.id", ondelete="CASCADE"))
    day: Mapped[date] = mapped_column(Date)
    status: Mapped[str]
    number: Mapped[int]


class AutoReply(Base):
    """When a route last answered a sender, so that it does so at most once an hour."""

    __tablename__ = "auto_replies"
    __table_args__ = (UniqueConstraint("route_id", "sender"), Index("ix_auto_replies_route_id_at", "route_id", "at"))
    id: Mapped[int] = mapped_column(primary_key=True)
    route_id: Mapped[int] = mapped_column(ForeignKey("routes.id", ondelete="CASCADE"))
    #: normalised address
    sender: Mapped[str]
    at: Mapped[datetime]
