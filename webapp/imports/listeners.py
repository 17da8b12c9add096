"""What imports do when a person is erased: images of them, rows that were refused and the previews forget them."""

from typing import Any

from sqlalchemy import delete, select

from webapp.core.db import db
from webapp.core.events import listen
from webapp.imports import problems
from webapp.imports.cleaning import address_of
from webapp.imports.models import ContactImport, ImportChange, ImportProblem
from webapp.mail.address import BadAddress


@listen("contact_erased")
def forget_person(workspace_id: int, contact_id: int, address: str, counts: dict[str, int], **_: Any) -> None:
    """Part of the erasure's transaction. Undoing leaves an erased person erased, because nothing of them is kept."""
    mine = select(ContactImport.id).where(ContactImport.workspace_id == workspace_id)
    gone: Any = db.session.execute(
        delete(ImportChange).where(ImportChange.contact_id == contact_id, ImportChange.import_id.in_(mine)),
        execution_options={"synchronize_session": False},
    )
    counts["contact_import_changes"] = counts.get("contact_import_changes", 0) + int(gone.rowcount)
    number = 0
    for part_id in list(db.session.scalars(select(ImportProblem.id).where(ImportProblem.import_id.in_(mine)))):
        number += problems.forget(part_id, lambda text: _is(text, address))
    counts["contact_import_problems"] = counts.get("contact_import_problems", 0) + number
    for job in db.session.scalars(select(ContactImport).where(ContactImport.workspace_id == workspace_id)):
        if job.preview and "shown" in job.preview:
            kept = {"shown": [one for one in job.preview["shown"] if not _is(one["email"], address)],
                    "problems": [one for one in job.preview["problems"] if not _is(one["address"], address)]}  # fmt: skip
            job.preview = {**job.preview, **kept}


def _is(text: str, address: str) -> bool:
    try:
        return address_of(text.strip()) == address
    except BadAddress:
        return False
