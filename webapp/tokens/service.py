"""Tokens: made once, shown once, narrowed, revoked. What a token may do never exceeds its maker."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import joinedload

from webapp.accounts.models import Membership, User, Workspace
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import counters, live
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Forbidden, NotFound, invalid
from webapp.core.lookup import mine
from webapp.core.paging import Page, PageRequest, paginate
from webapp.tokens import bounds, hints
from webapp.tokens import format as form
from webapp.tokens.bounds import MESSAGE_SCOPES
from webapp.tokens.models import ApiToken

STATES = ("active", "soon", "unused", "expired", "revoked")
MANAGE_MESSAGE = "mailboxes:message-tokens:manage"


def create_token(
    actor: Actor,
    *,
    name: str,
    kind: str = "workspace",
    scopes: list[str],
    expires_in: int | None = None,
    expires_at: datetime | None = None,
    domain_ids: list[int] | None = None,
    mailbox_ids: list[int] | None = None,
    mailbox_id: int | None = None,
    allowed_ips: list[str] | None = None,
    scope: str = "tokens:write",
) -> tuple[ApiToken, str]:
    """Make a token for the actor's user; the value is returned this once. It gets no further than the token that makes it.

    expires_in  seconds, 0 for never; without it and `expires_at` the kind's default life
    scope       that the actor needs for it
    raises      Forbidden (beyond one's own rights), Invalid about scopes, expires_in, mailbox_id, domain_ids, mailbox_ids, allowed_ips
    """  # fmt: skip
    actor.require(scope)
    if actor.user_id is None:
        raise Forbidden("A token acts for a person; this caller is none.")
    granted = bounds.check_scopes(actor, scopes, kind)
    if kind == "message" and mailbox_id is None:
        raise invalid("mailbox_id", "A message token needs the mailbox that it opens.")
    if kind != "message" and mailbox_id is not None:
        raise invalid("mailbox_id", "Only a message token is bound to one mailbox; use mailbox_ids for a limit.")
    if mailbox_id is not None:
        bounds.check_reach(actor, None, [mailbox_id], "mailbox_id")
    bounds.check_reach(actor, domain_ids, mailbox_ids)
    value = form.make(kind)
    token = ApiToken(
        workspace_id=actor.workspace_id, user_id=actor.user_id, name=name.strip(), kind=kind, public_id=form.public_id(value),
        secret_hash=form.digest(value), last_four=value[-4:], scopes=granted,
        domain_ids=bounds.within(actor.domain_ids, domain_ids, "domain_ids"), mailbox_id=mailbox_id,
        mailbox_ids=bounds.within(actor.mailbox_ids, mailbox_ids, "mailbox_ids"),
        allowed_ips=bounds.networks_within(actor, allowed_ips), expires_at=bounds.expiry(kind, expires_in, expires_at),
    )  # fmt: skip
    db.session.add(token)
    db.session.flush()
    audit.record(actor, "token.create", target(token), after=snapshot(token))
    live.notify(actor.workspace_id, "tokens-changed")
    return token, value


def snapshot(token: ApiToken) -> dict[str, Any]:
    """What the audit log keeps of a token: never anything secret."""
    return {
        "name": token.name, "kind": token.kind, "scopes": token.scopes, "expires_at": token.expires_at, "domain_ids": token.domain_ids,
        "mailbox_ids": token.mailbox_ids, "mailbox_id": token.mailbox_id, "allowed_ips": token.allowed_ips, "last_four": token.last_four,
    }  # fmt: skip


def target(token: ApiToken) -> Target:
    return Target("token", token.id, token.name)


def status(token: ApiToken) -> str:
    """active, expires soon, never used, expired or revoked."""
    now = utcnow()
    if token.revoked_at:
        return "revoked"
    if token.expires_at and token.expires_at <= now:
        return "expired"
    if token.last_used_at and hints.expires_soon(token, now):
        return "expires soon"
    return "active" if token.last_used_at else "never used"


def in_state(state: str) -> Any:
    """The condition behind a chip of the list: active, soon (they end within a week), unused, expired or revoked."""
    living = and_(ApiToken.revoked_at.is_(None), or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > utcnow()))
    return {
        "active": living,
        "soon": and_(living, ApiToken.expires_at <= utcnow() + hints.SOON),
        "unused": and_(living, ApiToken.last_used_at.is_(None)),
        "expired": and_(ApiToken.revoked_at.is_(None), ApiToken.expires_at <= utcnow()),
        "revoked": ApiToken.revoked_at.is_not(None),
    }[state]


def count_states(actor: Actor) -> dict[str, int]:
    """How many tokens each chip has, counted over the newest 1,000."""
    actor.require("tokens:read")
    newest = visible(actor).with_only_columns(ApiToken.id).order_by(ApiToken.id.desc()).limit(1000)
    sums = [func.count(case((in_state(name), 1))).label(name) for name in STATES]
    row = db.session.execute(select(func.count().label("all"), *sums).where(ApiToken.id.in_(newest))).one()
    return dict(row._mapping)


def visible(actor: Actor) -> Any:
    """Admins see every token of the workspace, others their own; a limited token those that reach no further than itself."""
    query = mine(actor, ApiToken)
    if not actor.has_role("admin"):
        query = query.where(ApiToken.user_id == actor.user_id)
    if actor.is_limited:
        columns = (ApiToken.id, ApiToken.domain_ids, ApiToken.mailbox_ids, ApiToken.mailbox_id)
        rows = db.session.execute(mine(actor, ApiToken).with_only_columns(*columns))
        query = query.where(ApiToken.id.in_([row.id for row in rows if bounds.is_inside(actor, row)]))
    return query


def list_tokens(
    actor: Actor, asked: PageRequest, *, kind: str | None = None, state: str | None = None, search: str | None = None,
    mailbox_id: int | None = None, scope: str = "tokens:read",
) -> Page[ApiToken]:
    """Tokens of the workspace with their owners and hints, newest first.

    state       one of STATES
    search      a part of the name, the owner's address or the last four
    mailbox_id  only message tokens of this mailbox
    """  # fmt: skip
    actor.require(scope)
    query = visible(actor).options(joinedload(ApiToken.user))
    if mailbox_id is not None:
        query = query.where(ApiToken.mailbox_id == mailbox_id)
    if kind:
        query = query.where(ApiToken.kind == kind)
    if state:
        query = query.where(in_state(state))
    if search:
        owner = select(User.id).where(User.email.icontains(search, autoescape=True))
        named = ApiToken.name.icontains(search, autoescape=True)
        query = query.where(or_(named, ApiToken.last_four == search, ApiToken.user_id.in_(owner)))
    whole = not (kind or state or search or mailbox_id or actor.is_limited) and actor.has_role("admin")
    total = counters.read(actor.workspace_id, "api_tokens") if whole else None
    names = {"id": ApiToken.id, "name": ApiToken.name, "created_at": ApiToken.created_at, "last_used_at": ApiToken.last_used_at}
    found = paginate(query, asked, sortable=names, default="id", tie=ApiToken.id, total=total, descending=True)
    hints.attach(found.items)
    return found


def get_token(actor: Actor, token_id: int, scope: str = "tokens:read", *, for_update: bool = False) -> ApiToken:
    """One token with its owner and hints.

    raises NotFound for tokens of other workspaces, below admin for those of others, and for a limited token beyond its limits
    """
    actor.require(scope)
    query = visible(actor).where(ApiToken.id == token_id).options(joinedload(ApiToken.user))
    if for_update:
        query = query.with_for_update(of=ApiToken).execution_options(populate_existing=True)
    found: ApiToken | None = db.session.scalar(query)
    if found is None:
        raise NotFound(f"There is no token with the id {token_id}.")
    hints.attach([found])
    return found


def owner_of(token: ApiToken) -> User:
    """The person whose rights a token has at most."""
    found = db.session.get(User, token.user_id)
    if found is None:
        raise NotFound("The owner of this token is gone.")
    return found


def get_current(actor: Actor) -> ApiToken:
    """The token that asks, whatever its scopes."""
    found = db.session.get(ApiToken, actor.token_id) if actor.token_id else None
    if found is None:
        raise NotFound("This caller uses no token.")
    hints.attach([found])
    return found


def prefix(token: ApiToken) -> str:
    """What its value begins with."""
    return form.PREFIXES[token.kind]


def made(token: ApiToken, value: str) -> dict[str, Any]:
    """A fresh token for its one showing: every column, and the value."""
    shown = {column.key: getattr(token, column.key) for column in ApiToken.__table__.c}
    return {**shown, "status": status(token), "prefix": prefix(token), "hints": [], "token": value}


def revoke_token(actor: Actor, token_id: int, scope: str = "tokens:write") -> ApiToken:
    """End a token at once; repeating it changes nothing."""
    token = get_token(actor, token_id, scope)
    if token.revoked_at is None:
        token.revoked_at = utcnow()
        db.session.flush()
        audit.record(actor, "token.revoke", target(token), before={"status": "active"}, after={"status": "revoked"})
        live.notify(actor.workspace_id, "tokens-changed")
    return token


def create_by_cli(
    *,
    workspace: str | None,
    kind: str,
    user: str | None,
    mailbox_id: int | None,
    scopes: list[str],
    expires: timedelta | None,
    name: str | None,
) -> str:
    """`app.py token create`: returns the value.

    raises Invalid when the workspace must be named; NotFound for unknown names
    """
    query = select(Workspace).order_by(Workspace.id)
    found = list(db.session.scalars(query.where(Workspace.name == workspace) if workspace else query.limit(2)))
    if not found:
        raise NotFound(f"There is no workspace {workspace}." if workspace else "There is no workspace yet; set Mailroom up first.")
    if len(found) > 1:
        raise invalid("workspace", "There are several workspaces; name one with --workspace.")
    members = (
        select(Membership).join(User, User.id == Membership.user_id).where(Membership.workspace_id == found[0].id).order_by(Membership.id)
    )
    member = db.session.scalar(members.where(User.email == user.strip().lower()) if user else members.where(Membership.role == "owner"))
    if member is None:
        raise NotFound(f"{user or 'An owner'} is no member of {found[0].name}.")
    actor = Actor(
        type="system", workspace_id=found[0].id, name="command line", role=member.role, scopes=frozenset({"*"}), user_id=member.user_id
    )
    _, value = create_token(
        actor, name=name or "command line", kind=kind, scopes=scopes or (["*"] if kind != "message" else sorted(MESSAGE_SCOPES)),
        expires_in=None if expires is None else int(expires.total_seconds()), mailbox_id=mailbox_id,
    )  # fmt: skip
    return value
