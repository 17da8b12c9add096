"""Where names are looked for: one statement over all small tables, each within what the actor sees.

Every word has to stand somewhere in the name or detail of a row, in any case and with nothing in it special. Of each table at most LOOKED
rows are looked through, so the cost has a bound whatever is asked for.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, literal, null, or_, select, union_all

from webapp.accounts.models import Membership, User
from webapp.automation import reach
from webapp.automation.models import Action, Route, Rule
from webapp.core.actor import Actor
from webapp.core.db import db, is_sqlite
from webapp.core.lookup import mine
from webapp.domains import rows as domains
from webapp.domains.models import Domain
from webapp.mailboxes import rows as mailboxes
from webapp.mailboxes.models import Mailbox
from webapp.tokens import service as tokens
from webapp.tokens.models import ApiToken

LOOKED = 20_000
#: kind -> the scope that it takes to see it
SCOPES = {
    "mailbox": "mailboxes:read", "domain": "domains:read", "route": "routes:read", "rule": "rules:read", "action": "actions:read",
    "token": "tokens:read", "member": "account:read",
}  # fmt: skip


def names(actor: Actor, kinds: Iterable[str], words: list[str], most: int) -> list[Any]:
    """Rows (kind, id, name, detail, state) of things with these words, the best of each kind first; at most `most` of each kind.

    Kinds that the actor may not read have none.
    """
    parts = [_found(kind, _rows(actor, kind), words, most) for kind in kinds if kind in SCOPES and actor.may(SCOPES[kind])]
    if not parts:
        return []
    return list(db.session.execute(parts[0] if len(parts) == 1 else union_all(*[select(part.subquery()) for part in parts])))


def _rows(actor: Actor, kind: str) -> Select[Any]:
    """(id, name, detail, state) of everything of a kind that the actor sees."""
    none: Any = null()
    seen: Select[Any]
    columns: tuple[Any, ...]
    match kind:
        case "mailbox":
            seen, columns = mailboxes.seen(actor), (Mailbox.id, Mailbox.email, Mailbox.display_name, Mailbox.status)
        case "domain":
            seen, columns = domains.seen(actor), (Domain.id, Domain.name, Domain.note, Domain.status)
        case "route":
            seen = mine(actor, Route).where(reach.within(actor, Route.mailbox_id)).join(Mailbox, Mailbox.id == Route.mailbox_id)
            columns = (Route.id, Route.name, Mailbox.email, case((Route.enabled, "on"), else_="off"))
        case "rule":
            seen, columns = mine(actor, Rule), (Rule.id, Rule.name, Rule.value, none)
        case "action":
            seen, columns = mine(actor, Action), (Action.id, Action.name, Action.type, none)
        case "token":
            seen = tokens.visible(actor).join(User, User.id == ApiToken.user_id)
            columns = (ApiToken.id, ApiToken.name, User.email, case((ApiToken.revoked_at.is_not(None), "revoked"), else_="active"))
        case _:
            seen = select(Membership).where(Membership.workspace_id == actor.workspace_id).join(User, User.id == Membership.user_id)
            columns = (Membership.id, User.email, User.name, Membership.role)
    labels = zip(columns, ("id", "name", "detail", "state"), strict=True)
    chosen: list[Any] = [column.label(label) for column, label in labels]
    return seen.with_only_columns(*chosen).limit(LOOKED)


def _found(kind: str, rows: Select[Any], words: list[str], most: int) -> Select[Any]:
    """Those with all words; names that begin with the first one come first."""
    row = rows.subquery().c
    wanted = [or_(has(row.name, word), has(row.detail, word)) for word in words]
    begins = case((_fold(row.name).startswith(words[0].lower(), autoescape=True), 0), else_=1) if words else literal(0)
    detail = func.substr(func.coalesce(row.detail, ""), 1, 120).label("detail")
    query = select(literal(kind).label("kind"), row.id, row.name, detail, row.state).where(*wanted)
    return query.order_by(begins, row.name, row.id).limit(most)


def has(column: Any, word: str) -> ColumnElement[bool]:
    """Somewhere in it. SQLite folds the case of ASCII alone; other letters are asked for in each case."""
    spellings = {word} if word.isascii() else {word, word.lower(), word.upper(), word.title()}
    contains = column.contains if is_sqlite() else column.icontains  # SQLite's LIKE folds by itself
    return or_(*[contains(spelling, autoescape=True) for spelling in sorted(spellings)])


def _fold(column: Any) -> Any:
    return column if is_sqlite() else func.lower(column)
