"""Tokens: made once, shown once, narrowed, revoked. What a token may do never exceeds its maker."""

from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import joinedload

from webapp.accounts.models import Membership, User, Workspace
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import counters, live, scopes
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Forbidden, Invalid, InvalidState, NotFound, invalid
from webapp.core.lookup import mine
from webapp.core.paging import Page, PageRequest, paginate
from webapp.tokens import format as form
from webapp.tokens.models import ApiToken
from webapp.tokens.reach import reach

LIFE = {"ops": timedelta(days=90), "message": timedelta(days=90), "workspace": timedelta(hours=4)}
MESSAGE_SCOPES = frozenset({"messages:read", "messages:write", "messages:send"})
LONGEST = timedelta(days=3650)


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
) -> tuple[ApiToken, str]:
    """Make a token for the actor's user; the value is returned this once.

    expires_in  seconds, 0 for never; without it and `expires_at` the kind's default life
    raises      Forbidden (beyond one's own rights), Invalid about scopes, expires_in, mailbox_id, allowed_ips
    """  # fmt: skip
    actor.require("tokens:write")
    if actor.user_id is None:
        raise Forbidden("A token acts for a person; this caller is none.")
    granted = check_scopes(actor, scopes, kind)
    if kind == "message" and mailbox_id is None:
        raise invalid("mailbox_id", "A message token needs the mailbox that it opens.")
    if kind != "message" and mailbox_id is not None:
        raise invalid("mailbox_id", "Only a message token is bound to one mailbox; use mailbox_ids for a limit.")
    _check_reach(
        actor, domain_ids, [mailbox_id] if mailbox_id is not None else mailbox_ids, "mailbox_ids" if mailbox_id is None else "mailbox_id"
    )
    value = form.make(kind)
    token = ApiToken(
        workspace_id=actor.workspace_id, user_id=actor.user_id, name=name.strip(), kind=kind, public_id=form.public_id(value),
        secret_hash=form.digest(value), last_four=value[-4:], scopes=granted,
        domain_ids=_within(actor.domain_ids, domain_ids, "domain_ids"),
        mailbox_ids=_within(actor.mailbox_ids, mailbox_ids, "mailbox_ids"), mailbox_id=mailbox_id, allowed_ips=check_networks(allowed_ips),
        expires_at=_expiry(kind, expires_in, expires_at),
    )  # fmt: skip
    db.session.add(token)
    db.session.flush()
    audit.record(actor, "token.create", target(token), after=snapshot(token))
    live.notify(actor.workspace_id, "tokens-changed")
    return token, value


def check_scopes(actor: Actor, wanted: list[str], kind: str) -> list[str]:
    """The scopes without duplicates. raises Invalid for unknown ones, Forbidden for what the actor has not itself"""
    if not wanted:
        raise invalid("scopes", "Name at least one scope, or * for all.")
    for name in wanted:
        if not scopes.is_known(name):
            raise invalid("scopes", f"There is no scope {name!r}; GET /api/v1/scopes lists them.")
        if kind == "message" and name not in MESSAGE_SCOPES:
            raise invalid("scopes", f"A message token takes {', '.join(sorted(MESSAGE_SCOPES))} only.")
        if not scopes.covers(actor.scopes, name):
            raise Forbidden(f"A token can give no more than it has; this one lacks {name}.", code="insufficient_scope")
    return sorted(set(wanted))


def check_networks(texts: list[str] | None) -> list[str] | None:
    if not texts:
        return None
    try:
        return [str(ip_network(text.strip(), strict=False)) for text in texts]
    except ValueError:
        raise invalid("allowed_ips", "Write addresses or networks, as in 192.0.2.7 or 192.0.2.0/24.") from None


def _check_reach(actor: Actor, domain_ids: list[int] | None, mailbox_ids: list[int] | None, field: str) -> None:
    """raises Invalid about ids of domains and mailboxes that this workspace does not have"""
    for name, ids, names in (("domain_ids", domain_ids, reach.domains), (field, mailbox_ids, reach.mailboxes)):
        if ids:
            missing = sorted(set(ids) - {number for number, _ in names(actor, list(ids))})
            if missing:
                raise invalid(name, f"There is no such one here: {', '.join(map(str, missing[:10]))}.")


def _within(own: frozenset[int] | None, wanted: list[int] | None, field: str) -> list[int] | None:
    """A limit may only get narrower than that of the token which asks."""
    if own is None:
        return sorted(set(wanted)) if wanted else None
    chosen = set(wanted) if wanted else set(own)
    if not chosen <= own:
        raise invalid(field, "A token can give no more than it has; some of these are outside its own limit.")
    return sorted(chosen)


def _expiry(kind: str, expires_in: int | None, expires_at: datetime | None) -> datetime | None:
    now = utcnow()
    if expires_at is not None and expires_in is not None:
        raise invalid("expires_at", "Send either expires_in or expires_at.")
    if expires_in == 0:
        return None
    moment = expires_at or now + (
        LIFE[kind] if expires_in is None else timedelta(seconds=min(expires_in, int(LONGEST.total_seconds()) + 1))
    )
    if not now < moment <= now + LONGEST:
        raise invalid("expires_at" if expires_at else "expires_in", "The end lies in the past or more than ten years ahead.")
    return moment


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
    if token.revoked_at:
        return "revoked"
    if token.expires_at and token.expires_at <= utcnow():
        return "expired"
    if (
        token.expires_at
        and token.last_used_at
        and token.expires_at <= utcnow() + min(timedelta(days=7), (token.expires_at - token.created_at) / 4)
    ):
        return "expires soon"
    return "active" if token.last_used_at else "never used"


def in_state(state: str) -> Any:
    """The condition behind a chip of the list: active, unused, expired or revoked."""
    living = and_(ApiToken.revoked_at.is_(None), or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > utcnow()))
    return {
        "active": living,
        "unused": and_(living, ApiToken.last_used_at.is_(None)),
        "expired": and_(ApiToken.revoked_at.is_(None), ApiToken.expires_at <= utcnow()),
        "revoked": ApiToken.revoked_at.is_not(None),
    }[state]


def count_states(actor: Actor) -> dict[str, int]:
    """How many tokens each chip has, counted over the newest 1,000."""
    actor.require("tokens:read")
    newest = visible(actor).with_only_columns(ApiToken.id).order_by(ApiToken.id.desc()).limit(1000)
    sums = [func.count(case((in_state(name), 1))).label(name) for name in ("active", "unused", "expired", "revoked")]
    row = db.session.execute(select(func.count().label("all"), *sums).where(ApiToken.id.in_(newest))).one()
    return dict(row._mapping)


def visible(actor: Actor) -> Any:
    """Admins see every token of the workspace, others their own."""
    query = mine(actor, ApiToken)
    return query if actor.has_role("admin") else query.where(ApiToken.user_id == actor.user_id)


def list_tokens(
    actor: Actor, asked: PageRequest, *, kind: str | None = None, state: str | None = None, search: str | None = None
) -> Page[ApiToken]:
    """Tokens of the workspace with their owners, newest first; `state` is active, unused, expired or revoked; `search` a part of
    the name, the owner's address or the last four."""  # fmt: skip
    actor.require("tokens:read")
    query = visible(actor).options(joinedload(ApiToken.user))
    if kind:
        query = query.where(ApiToken.kind == kind)
    if state:
        query = query.where(in_state(state))
    if search:
        owner = select(User.id).where(User.email.icontains(search, autoescape=True))
        named = ApiToken.name.icontains(search, autoescape=True)
        query = query.where(or_(named, ApiToken.last_four == search, ApiToken.user_id.in_(owner)))
    total = counters.read(actor.workspace_id, "api_tokens") if not (kind or state or search) and actor.has_role("admin") else None
    names = {"id": ApiToken.id, "name": ApiToken.name, "created_at": ApiToken.created_at, "last_used_at": ApiToken.last_used_at}
    return paginate(query, asked, sortable=names, default="id", tie=ApiToken.id, total=total, descending=True)


def get_token(actor: Actor, token_id: int, scope: str = "tokens:read") -> ApiToken:
    """raises NotFound for tokens of other workspaces, and below admin for those of others"""
    actor.require(scope)
    query = visible(actor).where(ApiToken.id == token_id).options(joinedload(ApiToken.user))
    found: ApiToken | None = db.session.scalar(query)
    if found is None:
        raise NotFound(f"There is no token with the id {token_id}.")
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
    return found


def prefix(token: ApiToken) -> str:
    """What its value begins with."""
    return form.PREFIXES[token.kind]


def made(token: ApiToken, value: str) -> dict[str, Any]:
    """A fresh token for its one showing: every column, and the value."""
    shown = {column.key: getattr(token, column.key) for column in ApiToken.__table__.c}
    return {**shown, "status": status(token), "prefix": prefix(token), "token": value}


def update_token(actor: Actor, token_id: int, changes: dict[str, Any]) -> ApiToken:
    """Rename or narrow a token: name, fewer scopes, an earlier end, fewer networks.

    raises Invalid `token_cannot_widen` for anything that would widen it, InvalidState when it is revoked
    """
    token = get_token(actor, token_id, "tokens:write")
    if token.revoked_at:
        raise InvalidState("This token is revoked.")
    before = snapshot(token)
    if "scopes" in changes:
        wanted = changes["scopes"]
        if not wanted or not all(scopes.covers(frozenset(token.scopes), name) for name in wanted):
            raise _widens("scopes", "A token can only lose scopes; make a new one for more.")
        token.scopes = sorted(set(wanted))
    if "expires_at" in changes:
        moment = changes["expires_at"]
        if moment is None or moment <= utcnow() or (token.expires_at and moment > token.expires_at):
            raise _widens("expires_at", "A token can only end sooner; rotate it for a longer life.")
        token.expires_at = moment
    if "allowed_ips" in changes:
        networks = check_networks(changes["allowed_ips"])
        if token.allowed_ips and not _narrower(networks, token.allowed_ips):
            raise _widens("allowed_ips", "A token can only lose networks; make a new one for more.")
        token.allowed_ips = networks
    if "name" in changes:
        token.name = changes["name"].strip()
    db.session.flush()
    audit.record(actor, "token.update", target(token), before=before, after=snapshot(token))
    return token


def _widens(field: str, text: str) -> Invalid:
    return Invalid(text, fields={field: [text]}, code="token_cannot_widen")


def _narrower(new: list[str] | None, old: list[Any]) -> bool:
    if not new:
        return False
    outer = [ip_network(text) for text in old]
    return all(any(n.version == o.version and n.subnet_of(o) for o in outer) for n in map(ip_network, new))  # type: ignore[arg-type]


def revoke_token(actor: Actor, token_id: int) -> ApiToken:
    """End a token at once; repeating it changes nothing."""
    token = get_token(actor, token_id, "tokens:write")
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
