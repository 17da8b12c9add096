"""What stands around the list of entries: numbers of each kind, what the filters can be set to, how many came since."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from webapp.audit import chain
from webapp.audit.models import AuditEntry, AuditHead
from webapp.audit.search import Search, distinct, newest_of_each
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.paging import CAP

MOST_TOKENS = 100


@dataclass(frozen=True)
class Numbers:
    """How many entries of each kind: `all`, `by_user` …, `refused`. Capped: they are those among the newest 1,000 that match."""

    of: dict[str, int]
    capped: bool = False

    def words(self, kind: str) -> int | str:
        number = self.of.get(kind, 0)
        return f"{number:,}+" if self.capped else number


def numbers(actor: Actor, filters: dict[str, Any]) -> Numbers:
    """From the head of the chain where nothing narrows the list, else counted among the newest that match."""
    actor.require("audit:read")
    search = Search(actor.workspace_id, filters)
    if search.plain:
        head = db.session.get(AuditHead, actor.workspace_id, populate_existing=True)
        return Numbers({} if head is None else {"all": head.kept, **{kind: getattr(head, kind) for kind in chain.KINDS}})
    some = search.select(AuditEntry.actor_type, AuditEntry.result, most=CAP + 1).subquery()
    rows = db.session.execute(select(some.c.actor_type, some.c.result, func.count()).group_by(some.c.actor_type, some.c.result)).all()
    of = {"all": sum(number for _, _, number in rows)}
    for actor_type, result, number in rows:
        for kind in chain.kinds_of(actor_type, result):
            of[kind] = of.get(kind, 0) + number
    if of["all"] <= CAP:
        return Numbers(of)
    return Numbers({**of, "all": CAP}, capped=True)


def newest_id(actor: Actor) -> int:
    """The newest entry there is, whether or not the filters let it through."""
    actor.require("audit:read")
    return db.session.scalar(select(AuditHead.last_id).where(AuditHead.workspace_id == actor.workspace_id)) or 0


def count_since(actor: Actor, filters: dict[str, Any], entry_id: int) -> tuple[int, bool]:
    """How many entries came after one, counted up to 1,000: (number, whether there are more)."""
    actor.require("audit:read")
    return Search(actor.workspace_id, filters).count(CAP, since=entry_id)


def actions(actor: Actor) -> list[tuple[str, str]]:
    """What the log knows of, for a choice: each family as `route.*`, then its actions."""
    actor.require("audit:read")
    found: list[tuple[str, str]] = []
    family = None
    for action in sorted(distinct(actor.workspace_id, "action"), key=lambda action: (chain.family_of(action), action)):
        if chain.family_of(action) != family:
            family = chain.family_of(action)
            found.append((f"{family}.*", f"{family}.*, all of them"))
        found.append((action, action))
    return found


def target_types(actor: Actor) -> list[str]:
    actor.require("audit:read")
    return distinct(actor.workspace_id, "target_type")


def tokens(actor: Actor) -> list[tuple[int, str]]:
    """The tokens that did something, revoked ones too, by the name and last four that they had: (id, "Shop …aB3x")."""
    actor.require("audit:read")
    return [(entry.token_id or 0, token_words(entry)) for entry in newest_of_each(actor.workspace_id, "token_id", MOST_TOKENS)]


def token_name(actor: Actor, token_id: int) -> str | None:
    """How the log knows a token; None for one that did nothing."""
    actor.require("audit:read")
    entry = db.session.scalar(Search(actor.workspace_id, {"token_id": token_id}).select(AuditEntry, most=1))
    return token_words(entry) if entry else None


def token_words(entry: AuditEntry) -> str:
    return f"{entry.token_name or 'token'} …{entry.token_last_four or ''}"
