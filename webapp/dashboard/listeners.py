"""What the lowest parts cannot know by themselves: names of what a token may be limited to, and who is behind a live stream."""

from flask import Flask

from webapp.accounts import streams
from webapp.core.access import doors
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.domains import rows as domains
from webapp.domains.models import Domain
from webapp.mailboxes import rows as mailboxes
from webapp.mailboxes.models import Mailbox
from webapp.tokens.reach import reach

MOST = 200


def _domains(actor: Actor, ids: list[int] | None) -> list[tuple[int, str]]:
    query = domains.seen(actor).with_only_columns(Domain.id, Domain.name).order_by(Domain.name)
    return [(row.id, row.name) for row in db.session.execute(query.where(Domain.id.in_(ids)) if ids is not None else query.limit(MOST))]


def _mailboxes(actor: Actor, ids: list[int] | None) -> list[tuple[int, str]]:
    query = mailboxes.seen(actor).with_only_columns(Mailbox.id, Mailbox.email).order_by(Mailbox.email)
    return [(row.id, row.email) for row in db.session.execute(query.where(Mailbox.id.in_(ids)) if ids is not None else query.limit(MOST))]


def init_app(app: Flask) -> None:
    reach.domains, reach.mailboxes = _domains, _mailboxes
    doors.ticket, doors.still_valid = streams.ticket, streams.still_valid
