"""What a token may be given at most: never a scope, a domain, a mailbox or a network that its maker has not (RELIABILITY C-46)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import IPv6Network, ip_network
from typing import Any

from webapp.core import scopes
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Forbidden, Invalid, invalid
from webapp.tokens.models import ApiToken
from webapp.tokens.reach import reach

LIFE = {"ops": timedelta(days=90), "message": timedelta(days=90), "workspace": timedelta(hours=4)}
MESSAGE_SCOPES = frozenset({"messages:read", "messages:write", "messages:send"})
LONGEST = timedelta(days=3650)


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
    """Networks as they are stored; an IPv4 one written in IPv6's way becomes IPv4, as addresses are compared. None for none"""
    if not texts:
        return None
    found = []
    for text in texts:
        try:
            network = ip_network(text.strip(), strict=False)
        except ValueError:
            raise invalid("allowed_ips", "Write addresses or networks, as in 192.0.2.7 or 192.0.2.0/24.") from None
        if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None and network.prefixlen >= 96:
            network = ip_network(f"{network.network_address.ipv4_mapped}/{network.prefixlen - 96}")
        found.append(str(network))
    return found


def networks_within(actor: Actor, texts: list[str] | None) -> list[str] | None:
    """The networks of a new token: those asked for, inside those of the token that makes it. raises Invalid"""
    wanted = check_networks(texts)
    maker = db.session.get(ApiToken, actor.token_id) if actor.token_id is not None else None
    if maker is None or not maker.allowed_ips:
        return wanted
    if wanted is None:
        return list(maker.allowed_ips)
    if not is_narrower(wanted, maker.allowed_ips):
        raise invalid("allowed_ips", "A token can give no more than it has; some of these lie outside its own networks.")
    return wanted


def is_narrower(new: list[str] | None, old: list[Any]) -> bool:
    """Whether each of the new networks lies in one of the old ones."""
    if not new:
        return False
    outer = [ip_network(text) for text in old]
    return all(any(n.version == o.version and n.subnet_of(o) for o in outer) for n in map(ip_network, new))  # type: ignore[arg-type]


def check_reach(actor: Actor, domain_ids: Iterable[int] | None, mailbox_ids: Iterable[int] | None, field: str = "mailbox_ids") -> None:
    """raises Invalid about domains and mailboxes that this workspace does not have, or that the asking token does not see"""
    for name, ids, names in (("domain_ids", domain_ids, reach.domains), (field, mailbox_ids, reach.mailboxes)):
        if ids is None:
            continue
        wanted = set(ids)
        if not wanted:
            raise invalid(name, "Name at least one, or leave this out for no limit.")
        missing = sorted(wanted - {number for number, _ in names(actor, list(wanted))})
        if missing:
            raise invalid(name, f"There is no such one here: {', '.join(map(str, missing[:10]))}.")


def within(own: frozenset[int] | None, wanted: list[int] | None, field: str) -> list[int] | None:
    """A limit may only get narrower than that of the token which asks. raises Invalid"""
    if own is None:
        return None if wanted is None else sorted(set(wanted))
    chosen = set(own) if wanted is None else set(wanted)
    if not chosen <= own:
        raise invalid(field, "A token can give no more than it has; some of these are outside its own limit.")
    return sorted(chosen)


def expiry(kind: str, expires_in: int | None, expires_at: datetime | None) -> datetime | None:
    """When a new token ends; None for never. raises Invalid"""
    now = utcnow()
    if expires_at is not None and expires_in is not None:
        raise invalid("expires_at", "Send either expires_in or expires_at.")
    if expires_in == 0:
        return None
    told = None if expires_in is None else timedelta(seconds=min(expires_in, int(LONGEST.total_seconds()) + 1))
    moment = expires_at or now + (LIFE[kind] if told is None else told)
    if not now < moment <= now + LONGEST:
        raise invalid("expires_at" if expires_at else "expires_in", "The end lies in the past or more than ten years ahead.")
    return moment


def covers(actor: Actor, token: ApiToken) -> bool:
    """Whether this token reaches no further than the actor: its value may be handed to it."""
    if not all(scopes.covers(actor.scopes, name) for name in token.scopes):
        return False
    if not is_inside(actor, token):
        return False
    maker = db.session.get(ApiToken, actor.token_id) if actor.token_id is not None else None
    return maker is None or not maker.allowed_ips or is_narrower(token.allowed_ips, maker.allowed_ips)


def is_inside(actor: Actor, token: Any) -> bool:
    """Whether the limits of a token (or a row with its three columns) lie within those of the actor."""
    mailbox_ids = [token.mailbox_id] if token.mailbox_id is not None else token.mailbox_ids
    if actor.mailbox_ids is not None and (mailbox_ids is None or not set(mailbox_ids) <= actor.mailbox_ids):
        return False
    if actor.domain_ids is None:
        return True
    if token.domain_ids is not None and set(token.domain_ids) <= actor.domain_ids:
        return True
    return mailbox_ids is not None and {number for number, _ in reach.mailboxes(actor, list(mailbox_ids))} >= set(mailbox_ids)


def widens(field: str, text: str) -> Invalid:
    """The refusal of a change that would make a token reach further."""
    return Invalid(text, fields={field: [text]}, code="token_cannot_widen")
