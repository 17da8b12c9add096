"""When a workspace is deleted: from the same moment its domains and mailboxes take no mail, and their names are free."""

from sqlalchemy import update

from webapp.core.db import db, utcnow
from webapp.domains.models import Domain
from webapp.mailboxes.models import Mailbox


def close(workspace_id: int) -> None:
    """Put all of them where nothing finds them any more; a job removes the rows."""
    for model in (Mailbox, Domain):
        db.session.execute(
            update(model).where(model.workspace_id == workspace_id, model.deleted_at.is_(None)).values(deleted_at=utcnow()),
            execution_options={"synchronize_session": False},
        )
