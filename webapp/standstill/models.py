"""The fingerprint of the installation: where its database lies, and since when nothing leaves it."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base

#: the one row
ONLY = 1


class Installation(Base):
    """One row. It travels with every copy of the database; the place that it names does not."""

    __tablename__ = "installation"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    #: marks of the place where the database lay when the installation last knew itself to be the only one (`place.Marks`)
    place: Mapped[dict[str, Any]]
    #: since when that is its place
    placed_at: Mapped[datetime]
    #: since when nothing leaves; NULL: everything goes its way
    still_since: Mapped[datetime | None]
    #: why, a sentence
    still_why: Mapped[str | None]
