"""Former contacts: what is kept so that a link in an old mail still unsubscribes somebody whom the workspace has deleted."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base


class FormerContact(Base):
    """The keyed hash of the address that a deleted contact had; it names nobody (`suppressions.hashes`)."""

    __tablename__ = "former_contacts"
    #: the id that links name; never given again
    contact_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), index=True)
    hash: Mapped[str]
    #: names the key that made `hash`
    key_mark: Mapped[str]
