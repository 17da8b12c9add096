"""Mailboxes picked in bulk: pausing, resuming and deleting many at once, and taking that back (see `webapp.picks`)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select

from webapp.audit import service as audit
from webapp.core import live
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Conflict
from webapp.core.wording import number
from webapp.domains import service as domains
from webapp.domains.models import Domain
from webapp.mailboxes import contents, listing, service
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.rows import seen, target
from webapp.picks.kinds import Action, Before, Done, Effect, Kind


def choose(actor: Actor, filters: Mapping[str, str] | None, ids: list[int] | None) -> Select[Any]:
    """The ids of the picked mailboxes that the actor sees."""
    query = listing.matching(actor, listing.asked_of(filters or {})) if ids is None else seen(actor).where(Mailbox.id.in_(ids))
    return query.with_only_columns(Mailbox.id)


def summary(_actor: Actor, ids: Select[Any]) -> list[str]:
    """How many are active and paused, and what hangs on them."""
    states = _states(ids)
    found = [(states[state], state) for state in ("active", "paused") if states.get(state)]
    return [f"{number(count)} {word}" for count, word in [*found, *contents.count(ids)] if count]


def _states(ids: Select[Any]) -> dict[str, int]:
    chosen = ids.subquery()
    query = select(Mailbox.status, func.count().label("number")).where(Mailbox.id.in_(select(chosen.c.id))).group_by(Mailbox.status)
    return {row.status: row.number for row in db.session.execute(query)}


def boxes(count: int) -> str:
    return f"{number(count)} mailbox{'' if count == 1 else 'es'}"


# --- pausing and resuming ---------------------------------------------------------------------------------


def _status_action(name: str, label: str, icon: str, past: str, before: str, after: str, says: str) -> Action:
    """Pause or resume: from one status to the other."""

    def effect(_actor: Actor, ids: Select[Any]) -> Effect:
        states = _states(ids)
        others = states.get(after, 0)
        rest = f" {boxes(others)} {'is' if others == 1 else 'are'} {after} already." if others else ""
        return Effect(states.get(before, 0), f"{says}{rest}")

    def apply(actor: Actor, ids: list[int]) -> Done:
        return Done(dict.fromkeys(_turn(actor, ids, before, after, f"mailbox.{name}")))

    def undo(actor: Actor, rows: Mapping[int, Before]) -> Done:
        back = {"pause": "resume", "resume": "pause"}[name]
        return Done(dict.fromkeys(_turn(actor, list(rows), after, before, f"mailbox.{back}")))

    return Action(name, label, icon, past, "mailboxes:write", effect, apply, undo)


def _turn(actor: Actor, ids: list[int], before: str, after: str, verb: str) -> list[int]:
    """Those of the mailboxes that were in one status are in the other now."""
    actor.require("mailboxes:write")
    found = _locked(seen(actor).where(Mailbox.id.in_(ids), Mailbox.status == before))
    for mailbox in found:
        mailbox.status = after
        audit.record(actor, verb, target(mailbox), before={"status": before}, after={"status": after})
    db.session.flush()
    live.notify(actor.workspace_id, "mailboxes-changed")
    return [mailbox.id for mailbox in found]


def _locked(query: Select[Any]) -> list[Mailbox]:
    locked = query.order_by(Mailbox.id).with_for_update().execution_options(populate_existing=True)
    return list(db.session.scalars(locked))


# --- deleting ------------------------------------------------------------------------------------------------


def effect_of_deleting(_actor: Actor, ids: Select[Any]) -> Effect:
    """In numbers: mailboxes, what hangs on them, and catch-alls that are switched off."""
    chosen = ids.subquery()
    count = db.session.scalar(select(func.count()).select_from(chosen)) or 0
    hanging = " and ".join(f"{number(amount)} {word}" for amount, word in contents.count(ids) if amount)
    whole = f"{boxes(count)}{f' with {hanging}' if hanging else ''} {'goes' if count == 1 else 'go'} to the trash"
    text = f"{whole} and can be restored for 30 days; the address{' is' if count == 1 else 'es are'} free at once."
    emails = select(Mailbox.email).where(Mailbox.id.in_(select(chosen.c.id)))
    caught = list(db.session.scalars(select(Domain.name).where(*_catching(Domain.catch_all_destination.in_(emails))).order_by(Domain.name)))
    if caught:
        some = f"{', '.join(caught[:5])}{' and others' if len(caught) > 5 else ''}"
        text += f" The catch-all of {some} is switched off, because it points there."
    return Effect(count, text, "Pausing keeps mail coming later: senders are told to try again.")


def _catching(points_there: Any) -> tuple[Any, ...]:
    return Domain.deleted_at.is_(None), Domain.catch_all_enabled, points_there


def delete_some(actor: Actor, ids: list[int]) -> Done:
    """To the trash; what is needed to bring each back exactly is when it went, and whose catch-all it was."""
    actor.require("mailboxes:delete")
    wanted = seen(actor).where(Mailbox.id.in_(ids))
    # Domains are locked before mailboxes, as wherever both are changed.
    of_domains = select(Domain.id).where(Domain.id.in_(wanted.with_only_columns(Mailbox.domain_id))).order_by(Domain.id)
    db.session.execute(of_domains.with_for_update())
    found, moment = _locked(wanted), utcnow()
    caught = _catchers(actor, [mailbox.email for mailbox in found])
    done = Done()
    for mailbox in found:
        for domain in caught.get(mailbox.email, []):
            _set_catch_all(actor, domain, None)
        service.trash_mailbox(actor, mailbox, moment)
        service.add_to_count(mailbox.domain_id, -1)
        done.changed[mailbox.id] = {"at": moment.isoformat(), "catch_all_of": [domain.id for domain in caught.get(mailbox.email, [])]}
    return done


def _catchers(actor: Actor, emails: list[str]) -> dict[str, list[Domain]]:
    mine = Domain.workspace_id == actor.workspace_id
    found: dict[str, list[Domain]] = {}
    for domain in db.session.scalars(select(Domain).where(mine, *_catching(Domain.catch_all_destination.in_(emails))).order_by(Domain.id)):
        found.setdefault(str(domain.catch_all_destination), []).append(domain)
    return found


def _set_catch_all(actor: Actor, domain: Domain, email: str | None) -> None:
    before = domains.snapshot(domain)
    domain.catch_all_enabled, domain.catch_all_destination = email is not None, email
    audit.record(actor, "domain.update", domains.target(domain), before=before, after=domains.snapshot(domain))


def bring_back(actor: Actor, rows: Mapping[int, Before]) -> Done:
    """Those that still lie where this order put them, with the catch-alls that pointed at them."""
    actor.require("trash:write")
    done = Done()
    query = select(Mailbox).where(Mailbox.workspace_id == actor.workspace_id, Mailbox.id.in_(list(rows)), Mailbox.deleted_at.is_not(None))
    for mailbox in _locked(query):
        before = rows[mailbox.id] or {}
        if mailbox.deleted_at != datetime.fromisoformat(before["at"]):
            continue
        try:
            service.restore_mailbox(actor, mailbox)
        except Conflict as refused:
            done.problem = done.problem or refused.message
            continue
        mailbox.deleted_at = None
        db.session.flush()
        audit.record(actor, "mailbox.restore", target(mailbox))
        _point_again(actor, before.get("catch_all_of", []), mailbox.email)
        done.changed[mailbox.id] = None
    return done


def _point_again(actor: Actor, domain_ids: list[int], email: str) -> None:
    """Catch-alls that nobody changed since point at the mailbox again."""
    free = select(Domain).where(Domain.id.in_(domain_ids), Domain.deleted_at.is_(None), Domain.catch_all_enabled.is_(False))
    for domain in db.session.scalars(free.order_by(Domain.id)).all() if domain_ids else ():
        _set_catch_all(actor, domain, email)


ACTIONS = (
    _status_action(
        "pause", "Pause", "pause", "paused", "active", "paused",
        "A paused mailbox neither takes nor sends mail; senders are told to try again later, so nothing is lost for a few days.",
    ),
    _status_action("resume", "Resume", "power", "active again", "paused", "active", "They take and send mail again."),
    Action(
        "delete", "Delete", "trash-2", "in the trash", "mailboxes:delete", effect_of_deleting, delete_some, bring_back,
        undo_scope="trash:write", asks=True, danger=True,
    ),
)  # fmt: skip


def kind(home: Any) -> Kind:
    """`home` tells the address of the list."""
    return Kind("mailbox", "mailbox", "mailboxes", "mailboxes:read", choose, summary, home, "mailboxes-changed", ACTIONS)
