"""People: workspaces, users, memberships, sign-in sessions and one-time links."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.accounts import models_security
from webapp.accounts.models_joining import Invitation as Invitation
from webapp.accounts.models_joining import ResetRequest as ResetRequest
from webapp.core.db import Base, Timestamps, UTCDateTime

SecondFactor, RecoveryCode = models_security.SecondFactor, models_security.RecoveryCode


class Workspace(Timestamps, Base):
    """What everything else belongs to (the seeds' account)."""

    __tablename__ = "workspaces"
    id: Mapped[int] = mapped_column(primary_key=True)
    #: shown in the switcher
    name: Mapped[str]
    #: choices of the workspace, by name
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: whether members must have a second factor before they see any page of it
    second_factor_required: Mapped[bool] = mapped_column(default=False)
    #: when its owner deleted it; nobody has a place in it from then on, and a job removes its rows
    deleted_at: Mapped[datetime | None]


class User(Timestamps, Base):
    """A person who signs in."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    #: normalised address, unique over the installation
    email: Mapped[str] = mapped_column(unique=True)
    #: display name
    name: Mapped[str] = mapped_column(default="")
    #: Argon2id
    password_hash: Mapped[str]
    #: active or suspended
    status: Mapped[str] = mapped_column(default="active")
    #: when the password was last set
    password_changed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    memberships: Mapped[list["Membership"]] = relationship(back_populates="user", lazy="raise")


class Membership(Timestamps, Base):
    """A user's one role in a workspace."""

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("workspace_id", "user_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    #: owner, admin, agent or viewer
    role: Mapped[str]
    #: since when the workspace is closed to this member, who keeps place and role meanwhile
    suspended_at: Mapped[datetime | None]
    user: Mapped[User] = relationship(back_populates="memberships", lazy="joined", innerjoin=True)
    workspace: Mapped[Workspace] = relationship(lazy="joined", innerjoin=True)


class LoginSession(Base):
    """One signed-in browser; ended on log-out, password change and role change."""

    __tablename__ = "login_sessions"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    #: the workspace that the person looks at
    workspace_id: Mapped[int | None] = mapped_column(ForeignKey("workspaces.id", ondelete="SET NULL"))
    #: SHA-256 of the value in the cookie
    secret_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    #: refreshed at most once a minute
    last_seen_at: Mapped[datetime]
    #: when the person last proved to be there, by password or code; steps that matter ask again after a while (`confirming`)
    confirmed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ip: Mapped[str | None]
    user_agent: Mapped[str | None]


class OneTimeLink(Base):
    """A link that works once: the set-up page, a password reset."""

    __tablename__ = "one_time_links"
    id: Mapped[int] = mapped_column(primary_key=True)
    #: `setup` or `reset`
    purpose: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    #: SHA-256 of the value in the link
    secret_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
