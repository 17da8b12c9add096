"""How somebody comes in, or in again: invitations to a workspace, and password links that were asked for on the sign-in page."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, InWorkspace, Timestamps

_OPEN = text("accepted_at IS NULL AND revoked_at IS NULL")


class Invitation(InWorkspace, Timestamps, Base):
    """A place in a workspace that waits for one address."""

    __tablename__ = "invitations"
    __table_args__ = (
        Index("uq_invitations_open", "workspace_id", "email", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    )  # fmt: skip
    id: Mapped[int] = mapped_column(primary_key=True)
    #: normalised address; nobody else can accept
    email: Mapped[str]
    #: the role that waits
    role: Mapped[str]
    #: who invited; what they may no longer give is not given (`invitations`)
    inviter_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    #: SHA-256 of the value in the link; another one after each resending
    secret_hash: Mapped[str] = mapped_column(unique=True)
    #: when the mail was last written
    sent_at: Mapped[datetime]
    #: seven days after that
    expires_at: Mapped[datetime]
    #: when it was used, and by whom
    accepted_at: Mapped[datetime | None]
    accepted_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    #: when it was taken back
    revoked_at: Mapped[datetime | None]


class ResetRequest(Base):
    """Somebody asked for a password link; a job looks whether the address has an account, so that the answer cannot tell."""

    __tablename__ = "reset_requests"
    id: Mapped[int] = mapped_column(primary_key=True)
    #: what was typed, in normal form
    email: Mapped[str]
    asked_at: Mapped[datetime]
    #: where the request came from
    ip: Mapped[str | None]
    request_id: Mapped[str | None]
