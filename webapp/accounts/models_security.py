"""What makes a sign-in safer than a password alone: the second factor of a person and its recovery codes."""

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, Secret


class SecondFactor(Base):
    """The authenticator app of a person; there is a row while it is on."""

    __tablename__ = "second_factors"
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    #: base32 seed of RFC 6238
    seed: Mapped[str] = mapped_column(Secret)
    #: the newest time step whose code was taken; codes of this step and earlier ones are refused
    last_step: Mapped[int]
    #: since when it is on
    created_at: Mapped[datetime]


class RecoveryCode(Base):
    """A spare for the day on which the authenticator app is lost; works once."""

    __tablename__ = "recovery_codes"
    __table_args__ = (UniqueConstraint("user_id", "code_hash"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    #: SHA-256 of the code without its dashes; 75 random bits need no slow hash
    code_hash: Mapped[str]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
