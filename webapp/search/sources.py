"""Where names are looked for: one statement over all small tables, each within what the actor sees.

Every word has to stand somewhere in the name or detail of a row, in any case and with nothing in it special. Of each table at most LOOKED
rows are looked through, so the cost has a bound whatever is asked for.

The statement is made once for each form that a question has (which kinds, how many words) and for everybody with the same rights: the
features build their part from an actor whose workspace and person are parameters. Tokens with limits have theirs made anew.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, func, literal, null, or_, select, union_all

from webapp.accounts.models import Membership, User
from webapp.automation import reach
from webapp.automation.models import Action, Route, Rule
from webapp.contacts.models import ContactGroup, Tag
from webapp.core.actor import Actor
from webapp.core.db import db, is_sqlite
from webapp.core.lookup import mine
from webapp.domains import rows as domains
from webapp.domains.models import Domain
from webapp.mailboxes import rows as mailboxes
from webapp.mailboxes.models import Mailbox
from webapp.segments.models import Segment
from webapp.tokens import service as tokens
from webapp.tokens.models import ApiToken

LOOKED = 20_000
#: kind -> the scope that it takes to see it
SCOPES = {
    "mailbox": "mailboxes:read", "domain": "domains:read", "route": "routes:read", "rule": "rules:read", "action": "actions:read",
    "token": "tokens:read", "member": "account:read", "group": "contacts:read", "tag": "contacts:read", "segment": "contacts:read",
}  # fmt: skip
ESCAPE = "/"


def names(actor: Actor, kinds: Iterable[str], words: list[str], most: int) -> list[Any]:
    """Rows (kind, id, name, detail, state) of things with these words, the best of each kind first; at most `most` of each kind.

    Kinds that the actor may not read have none.
    """
    allowed = tuple(kind for kind in kinds if kind in SCOPES and actor.may(SCOPES[kind]))
    if not allowed or not words:
        return []
    spellings = [_spellings(word) for word in words]
    form = tuple(len(some) for some in spellings)
    if actor.domain_ids is None and actor.mailbox_ids is None:
        statement = _made_once(actor.has_role("admin"), allowed, form, is_sqlite())
    else:
        statement = _statement(actor, allowed, form, is_sqlite())
    values: dict[str, Any] = {"workspace_id": actor.workspace_id, "user_id": actor.user_id, "most": most, "looked": LOOKED}
    values["begins"] = _literal(words[0]) + "%"
    for place, some in enumerate(spellings):
        values.update({f"word_{place}_{number}": f"%{_literal(spelling)}%" for number, spelling in enumerate(some)})
    return list(db.session.execute(statement, values))


def _spellings(word: str) -> list[str]:
    """SQLite folds the case of ASCII alone; other letters are asked for in each case."""
    if word.isascii() or not is_sqlite():
        return [word]
    return [word, word.lower(), word.upper(), word.title()]


def _literal(word: str) -> str:
    """The word for LIKE, with nothing in it special."""
    return word.replace(ESCAPE, ESCAPE * 2).replace("%", f"{ESCAPE}%").replace("_", f"{ESCAPE}_")


@lru_cache(maxsize=256)
def _made_once(admin: bool, kinds: tuple[str, ...], form: tuple[int, ...], sqlite: bool) -> Any:
    whose: Any = bindparam("workspace_id")
    person: Any = bindparam("user_id")
    everybody = replace(Actor.system(whose), role="admin" if admin else "agent", user_id=person)
    return _statement(everybody, kinds, form, sqlite)


def _statement(actor: Actor, kinds: tuple[str, ...], form: tuple[int, ...], sqlite: bool) -> Any:
    """form: for each word how many spellings it has"""
    parts = [_found(kind, _rows(actor, kind), form, sqlite) for kind in kinds]
    return parts[0] if len(parts) == 1 else union_all(*[select(part.subquery()) for part in parts])


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
        case "group":
            seen, columns = mine(actor, ContactGroup), (ContactGroup.id, ContactGroup.name, ContactGroup.description, none)
        case "tag":
            seen, columns = mine(actor, Tag), (Tag.id, Tag.name, none, none)
        case "segment":
            seen, columns = mine(actor, Segment), (Segment.id, Segment.name, Segment.description, none)
        case _:
            seen = select(Membership).where(Membership.workspace_id == actor.workspace_id).join(User, User.id == Membership.user_id)
            columns = (Membership.id, User.email, User.name, Membership.role)
    labels = zip(columns, ("id", "name", "detail", "state"), strict=True)
    chosen: list[Any] = [column.label(label) for column, label in labels]
    return seen.with_only_columns(*chosen).limit(bindparam("looked"))


def _found(kind: str, rows: Select[Any], form: tuple[int, ...], sqlite: bool) -> Select[Any]:
    """Those with all words; names that begin with the first one come first."""
    row = rows.subquery().c

    def like(column: Any, parameter: str) -> ColumnElement[bool]:
        pattern: Any = bindparam(parameter)
        compare = column.like if sqlite else column.ilike  # SQLite's LIKE folds by itself
        found: ColumnElement[bool] = compare(pattern, escape=ESCAPE)
        return found

    wanted = [
        or_(*[like(column, f"word_{place}_{number}") for column in (row.name, row.detail) for number in range(spellings)])
        for place, spellings in enumerate(form)
    ]
    begins = case((like(row.name, "begins"), 0), else_=1)
    detail = func.substr(func.coalesce(row.detail, ""), 1, 120).label("detail")
    query = select(literal(kind).label("kind"), row.id, row.name, detail, row.state).where(*wanted)
    return query.order_by(begins, row.name, row.id).limit(bindparam("most"))
