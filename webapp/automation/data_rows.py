"""Mailbox data as rows: written and looked up without an actor; who may do it is asked in `data`."""

from typing import Any

import orjson
from sqlalchemy import delete, select

from webapp.automation.models import MailboxData, MailboxDataEmail
from webapp.core.db import db
from webapp.mail.address import BadAddress, normalise


def write(entry: MailboxData, emails: list[str], data: dict[str, Any], note: str) -> None:
    """Fill an entry and its lookup rows; addresses are normalised already."""
    entry.emails, entry.data, entry.note = emails, data, note
    entry.data_text = orjson.dumps(data, option=orjson.OPT_SORT_KEYS).decode()
    db.session.add(entry)
    db.session.flush()
    db.session.execute(delete(MailboxDataEmail).where(MailboxDataEmail.data_id == entry.id))
    db.session.add_all(MailboxDataEmail(data_id=entry.id, mailbox_id=entry.mailbox_id, email=email) for email in emails)
    db.session.flush()


def write_new(entries: list[MailboxData]) -> None:
    """Many new entries at once, in a handful of statements."""
    for entry in entries:
        entry.data_text = orjson.dumps(entry.data, option=orjson.OPT_SORT_KEYS).decode()
    db.session.add_all(entries)
    db.session.flush()
    for entry in entries:
        db.session.add_all(MailboxDataEmail(data_id=entry.id, mailbox_id=entry.mailbox_id, email=email) for email in entry.emails)
    db.session.flush()


def merge(workspace_id: int, mailbox_id: int, emails: list[str], data: dict[str, Any], note: str = "") -> MailboxData:
    """Add keys to the entry of exactly these receivers, or make one."""
    first = select(MailboxDataEmail.data_id).where(MailboxDataEmail.mailbox_id == mailbox_id, MailboxDataEmail.email == emails[0])
    query = select(MailboxData).where(MailboxData.id.in_(first)).order_by(MailboxData.id.desc()).with_for_update()
    found = next((entry for entry in db.session.scalars(query) if sorted(entry.emails) == sorted(emails)), None)
    entry = found or MailboxData(workspace_id=workspace_id, mailbox_id=mailbox_id)
    write(entry, emails, {**(found.data if found else {}), **data}, note or (found.note if found else ""))
    return entry


def lookup(mailbox_id: int, email: str) -> dict[str, Any]:
    """What is known about a receiver: the keys of all its entries, newer ones win."""
    try:
        address = normalise(email)
    except BadAddress:
        return {}
    query = select(MailboxData.data).join(MailboxDataEmail, MailboxDataEmail.data_id == MailboxData.id)
    query = query.where(MailboxDataEmail.mailbox_id == mailbox_id, MailboxDataEmail.email == address).order_by(MailboxData.id).limit(200)
    found: dict[str, Any] = {}
    for data in db.session.scalars(query):
        found.update(data)
    return found
