"""Which mailbox an address reaches, and who may log in as one. No actor: SMTP asks before anybody is known.

    exact address → name+tag as name → the same at the domain whose addresses this one matches → the domain's catch-all
    → postmaster@ and abuse@ to the owners → nobody

A domain whose mail is kept elsewhere has no address here.
"""

from dataclasses import dataclass

from sqlalchemy import and_, case, select
from sqlalchemy.orm import aliased

from webapp.accounts import passwords
from webapp.accounts.models import Membership, User
from webapp.core.db import db
from webapp.domains.models import Domain
from webapp.mail.address import BadAddress, normalise, parse_address, split_plus
from webapp.mailboxes.models import Mailbox

#: addresses that every domain must answer (RFC 2142; postmaster also RFC 5321 section 4.5.1)
ROLES = ("postmaster", "abuse")


@dataclass(frozen=True)
class Resolved:
    """Where mail for one address goes.

    mailbox  takes it when `reason` is None; with the reasons `paused` and `not_receiving` the one that would
    domain   the living domain of the address, whatever its state; the caller asks `domain.is_verified`
    reason   None, or why nobody takes it: unknown_domain, unknown_mailbox, paused, not_receiving
    """

    mailbox: Mailbox | None
    domain: Domain | None
    reason: str | None


def find_mailbox(address: str) -> Mailbox | None:
    """The living mailbox that has exactly this address, in any case of letters; no plus-tag, no catch-all."""
    try:
        email = normalise(address)
    except BadAddress:
        return None
    return db.session.scalar(select(Mailbox).where(Mailbox.email == email, Mailbox.deleted_at.is_(None)))


def resolve(address: str) -> Resolved:
    """Who gets mail for an address.

    One query for ordinary addresses; a second one for catch-alls and for postmaster@ and abuse@ without a mailbox. Those two reach, in
    this order: the catch-all, a mailbox whose address is an owner's own, the oldest receiving mailbox of the domain, then of the workspace.
    source  DESIGN section 5
    """
    try:
        parsed = parse_address(address)
    except BadAddress:
        return Resolved(None, None, "unknown_domain")
    base, _ = split_plus(parsed.local)
    wanted = {parsed.text, f"{base}@{parsed.domain}"}
    living = and_(Mailbox.domain_id == Domain.id, Mailbox.deleted_at.is_(None), Mailbox.email.in_(wanted))
    query = select(Domain, Mailbox).outerjoin(Mailbox, living).where(Domain.name == parsed.domain, Domain.deleted_at.is_(None))
    rows = db.session.execute(query).all()
    if not rows:
        return Resolved(None, None, "unknown_domain")
    domain: Domain = rows[0][0]
    if not domain.is_hosted:
        return Resolved(None, None, "unknown_domain")
    # The exact address wins over the one without its tag.
    boxes = sorted((row[1] for row in rows if row[1] is not None), key=lambda box: box.email != parsed.text)
    if boxes:
        return _taken_by(boxes[0], domain)
    if domain.primary_domain_id is not None and (matched := _matching(domain, parsed.local, base)) is not None:
        return _taken_by(matched, domain)
    if domain.catch_all_enabled and domain.catch_all_destination:
        found = _in_workspace(domain.workspace_id, domain.catch_all_destination)
        if found is not None:
            return _taken_by(found, domain)
    if base in ROLES:
        owner = _for_owners(domain)
        if owner is not None:
            return _taken_by(owner, domain)
    return Resolved(None, domain, "unknown_mailbox")


def _taken_by(mailbox: Mailbox, domain: Domain) -> Resolved:
    if mailbox.status != "active":
        return Resolved(mailbox, domain, "paused")
    return Resolved(mailbox, domain, None if mailbox.can_receive else "not_receiving")


def _matching(domain: Domain, local: str, base: str) -> Mailbox | None:
    """The mailbox of the same local part at the primary domain."""
    primary = aliased(Domain)
    query = select(Mailbox).join(primary, primary.id == Mailbox.domain_id).where(
        primary.id == domain.primary_domain_id, primary.workspace_id == domain.workspace_id, primary.deleted_at.is_(None),
        primary.mail_hosting == "trekmail", Mailbox.deleted_at.is_(None), Mailbox.local_part.in_({local, base}),
    )  # fmt: skip
    return min(db.session.scalars(query), key=lambda box: box.local_part != local, default=None)


def postmaster(hostname: str) -> str | None:
    """The address behind `postmaster` without a domain (RFC 5321 section 4.5.1): of the domain that our host name belongs to when that is
    one of ours, else of the oldest that has somebody to read it; verified ones first. None when nobody reads mail here at all."""
    labels = hostname.lower().split(".")
    ours = [".".join(labels[start:]) for start in range(len(labels))]
    ranks = (
        case((and_(Domain.verified_at.is_not(None), Domain.status == "active"), 0), else_=1),
        case({name: place for place, name in enumerate(ours)}, value=Domain.name, else_=len(ours)), Domain.id,
    )  # fmt: skip
    for name in db.session.scalars(select(Domain.name).where(Domain.deleted_at.is_(None)).order_by(*ranks).limit(20)).all():
        address = f"{ROLES[0]}@{name}"
        if resolve(address).reason is None:
            return address
    return None


def _in_workspace(workspace_id: int, email: str) -> Mailbox | None:
    query = select(Mailbox).where(Mailbox.email == email, Mailbox.workspace_id == workspace_id, Mailbox.deleted_at.is_(None))
    return db.session.scalar(query)


def _for_owners(domain: Domain) -> Mailbox | None:
    """A mailbox that the owners of the workspace read, as far as that can be told."""
    owners = (
        select(User.email)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.workspace_id == domain.workspace_id, Membership.role == "owner")
    )
    rank = case((Mailbox.email.in_(owners), 0), (Mailbox.domain_id == domain.id, 1), else_=2)
    query = select(Mailbox).where(
        Mailbox.workspace_id == domain.workspace_id, Mailbox.deleted_at.is_(None), Mailbox.status == "active", Mailbox.can_receive
    )
    return db.session.scalar(query.order_by(rank, Mailbox.id).limit(1))


def check_login(email: str, password: str) -> Mailbox | None:
    """The mailbox whose address and password these are, else None, in the same time whether the address exists or not.

    A paused mailbox logs in too; what it may do is `mailbox.may_send`. Failures are counted by the caller.
    """
    mailbox = find_mailbox(email)
    fits = passwords.matches(mailbox.password_hash if mailbox else None, password)
    return mailbox if fits else None
