"""Mailbox data: what is known about receivers, read by actions as `$DATA[key]`."""

import json
from typing import Any

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.automation import data_files, data_rows, reach
from webapp.automation.models import DataFile, MailboxData, MailboxDataEmail
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, invalid
from webapp.core.paging import Page, PageRequest, paginate
from webapp.mail.address import BadAddress, normalise

MOST_EMAILS = 500
MOST_BYTES = 64 * 1024
SORTABLE = {"id": MailboxData.id, "created_at": MailboxData.created_at, "updated_at": MailboxData.updated_at}


def target(entry: MailboxData) -> Target:
    return Target("mailbox_data", entry.id, ", ".join(entry.emails[:3]))


def snapshot(entry: MailboxData) -> dict[str, Any]:
    """Keys only: values may be anything, secrets included."""
    return {"mailbox_id": entry.mailbox_id, "emails": entry.emails, "keys": sorted(entry.data), "note": entry.note}


def check_emails(emails: list[str], field: str = "emails") -> list[str]:
    """Normalised, each once. raises Invalid that names the malformed one"""
    found: dict[str, None] = {}
    for number, text in enumerate(emails):
        try:
            found[normalise(text)] = None
        except BadAddress as error:
            raise Invalid(str(error), fields={f"{field}.{number}": [str(error)]}) from None
    if not found:
        raise invalid(field, "Name at least one receiver.")
    if len(found) > MOST_EMAILS:
        raise invalid(field, f"One entry takes at most {MOST_EMAILS} receivers.")
    return list(found)


def check_data(data: dict[str, Any], field: str = "data") -> dict[str, Any]:
    if any(not name or len(name) > 200 for name in data):
        raise invalid(field, "Each key has 1 to 200 characters.")
    if len(json.dumps(data)) > MOST_BYTES:
        raise invalid(field, "The data of one entry takes at most 64 KB.")
    return data


def list_data(actor: Actor, mailbox_id: int, asked: PageRequest, filters: dict[str, Any]) -> Page[MailboxData]:
    """Entries of a mailbox, newest first.

    filters  file, emails (comma-separated), note, data (`key:value` pairs, comma-separated, or a bare text), created_after,
             created_before; all together
    """
    actor.require("data:read")
    mailbox = reach.get_mailbox(actor, mailbox_id)
    query = select(MailboxData).where(MailboxData.mailbox_id == mailbox.id)
    if filters.get("file"):
        query = query.where(MailboxData.file_id == filters["file"])
    if wanted := filters.get("emails"):
        asked_for = [_normal(text) for text in wanted.split(",") if text.strip()]
        rows = select(MailboxDataEmail.data_id).where(MailboxDataEmail.mailbox_id == mailbox.id, MailboxDataEmail.email.in_(asked_for))
        query = query.where(MailboxData.id.in_(rows))
    if wanted := filters.get("note"):
        query = query.where(MailboxData.note.icontains(wanted, autoescape=True))
    for pattern in _data_patterns(filters.get("data") or ""):
        query = query.where(MailboxData.data_text.icontains(pattern, autoescape=True) if isinstance(pattern, str) else _pair(*pattern))
    for name, least in (("created_after", True), ("created_before", False)):
        if filters.get(name) is not None:
            query = query.where(MailboxData.created_at >= filters[name] if least else MailboxData.created_at < filters[name])
    return paginate(query, asked, sortable=SORTABLE, default="id", tie=MailboxData.id, descending=True)


def _normal(text: str) -> str:
    try:
        return normalise(text)
    except BadAddress:
        return text.strip().lower()


def _data_patterns(text: str) -> list[str | tuple[str, str]]:
    """`key:value, key:value` as pairs; anything else as one text that stands somewhere in the JSON."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if parts and all(":" in part and not part.startswith(":") and "://" not in part.split(":", 1)[0] for part in parts):
        return [(name.strip(), value.strip()) for name, _, value in (part.partition(":") for part in parts)]
    return [json.dumps(text.strip(), ensure_ascii=False)[1:-1]] if text.strip() else []


def _pair(name: str, value: str) -> Any:
    """A key that holds a value, both in part and without case: found in the JSON text as `…key…":…value…` before the next key."""
    escape = "|"

    def literal(part: str) -> str:
        text = json.dumps(part, ensure_ascii=False)[1:-1]
        return "".join(f"{escape}{char}" if char in f"%_{escape}" else char for char in text)

    return MailboxData.data_text.ilike(f'%"%{literal(name)}%":%{literal(value)}%', escape=escape)


def get_entry(actor: Actor, mailbox_id: int, data_id: int, scope: str = "data:read", *, for_update: bool = False) -> MailboxData:
    """raises NotFound for an entry of another mailbox too"""
    actor.require(scope)
    mailbox = reach.get_mailbox(actor, mailbox_id)
    query = select(MailboxData).where(MailboxData.id == data_id, MailboxData.mailbox_id == mailbox.id)
    entry = db.session.scalar(query.with_for_update() if for_update else query)
    if entry is None:
        raise NotFound(f"There is no mailbox data with the id {data_id}.")
    return entry


def create_entry(actor: Actor, mailbox_id: int, *, emails: list[str], data: dict[str, Any], note: str = "") -> MailboxData:
    """raises Invalid about a malformed address or too much data"""
    actor.require("data:write")
    mailbox = reach.get_mailbox(actor, mailbox_id)
    entry = MailboxData(workspace_id=mailbox.workspace_id, mailbox_id=mailbox.id)
    data_rows.write(entry, check_emails(emails), check_data(data), note or "")
    audit.record(actor, "mailbox_data.create", target(entry), after=snapshot(entry))
    return entry


def update_entry(actor: Actor, mailbox_id: int, data_id: int, changes: dict[str, Any], *, replace: bool = False) -> MailboxData:
    """Change the given fields; `data` and `emails` are replaced as a whole."""
    entry = get_entry(actor, mailbox_id, data_id, "data:write", for_update=True)
    before = snapshot(entry)
    base = {"emails": [], "data": {}, "note": ""} if replace else {"emails": entry.emails, "data": entry.data, "note": entry.note}
    values = {**base, **changes}
    data_rows.write(entry, check_emails(values["emails"]), check_data(values["data"]), values["note"] or "")
    audit.record(actor, "mailbox_data.update", target(entry), before=before, after=snapshot(entry))
    return entry


def delete_entry(actor: Actor, mailbox_id: int, data_id: int) -> MailboxData:
    """Gone at once; there is no trash for it."""
    entry = get_entry(actor, mailbox_id, data_id, "data:write", for_update=True)
    audit.record(actor, "mailbox_data.delete", target(entry), before=snapshot(entry))
    db.session.delete(entry)
    db.session.flush()
    return entry


def import_file(actor: Actor, mailbox_id: int, filename: str, content: bytes) -> DataFile:
    """Load an upload; either all of it or nothing. raises Invalid that names the line"""
    actor.require("data:write")
    mailbox = reach.get_mailbox(actor, mailbox_id)
    try:
        found = data_files.read_file(filename, content)
    except data_files.BadFile as error:
        raise invalid("file", str(error)) from None
    ready = []
    for item in found:
        try:
            ready.append(MailboxData(
                workspace_id=mailbox.workspace_id, mailbox_id=mailbox.id, emails=check_emails(item.emails), data=check_data(item.data),
                note=item.note,
            ))  # fmt: skip
        except Invalid as refused:
            raise invalid("file", f"Line {item.line}: {refused.message}") from None
    file = DataFile(mailbox_id=mailbox.id, filename=filename[:200] or "upload", entry_count=len(ready))
    db.session.add(file)
    db.session.flush()
    for entry in ready:
        entry.file_id = file.id
    data_rows.write_new(ready)
    about = Target("mailbox", mailbox.id, mailbox.email)
    audit.record(actor, "mailbox_data.import", about, after={"file": file.filename, "entries": len(ready)})
    return file


def list_files(actor: Actor, mailbox_id: int, limit: int = 50) -> list[DataFile]:
    """The newest uploads, for the filter of the page."""
    actor.require("data:read")
    mailbox = reach.get_mailbox(actor, mailbox_id)
    return list(db.session.scalars(select(DataFile).where(DataFile.mailbox_id == mailbox.id).order_by(DataFile.id.desc()).limit(limit)))
