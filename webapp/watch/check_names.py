"""DNS: the resolver answers, this machine's name leads to it and back, and the records of each domain as they were last checked."""

import ipaddress
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import func, or_, select

from webapp.core.config import settings
from webapp.core.db import db, utcnow
from webapp.core.net_guard import is_private_name
from webapp.core.outside import outside
from webapp.domains.models import Domain
from webapp.watch.findings import Finding, fail, ok, warn

#: how many domains with trouble are named
MOST_NAMED = 10
#: a domain is looked at once a day at least; one that was not for so long waits for a scheduler
STALE = timedelta(days=3)
ASK_S = 3
WRONG = ("missing", "different")


def resolver() -> Iterator[Finding]:
    """Whether names can be looked up at all."""
    answer = outside().dns.lookup("example.com", "NS", timeout_s=ASK_S)
    where = settings().dns or "The system's resolver"
    if answer.is_certain:
        yield ok("dns", f"{where} answers.")
        return
    yield warn(
        "dns", f"{where} does not answer ({answer.status}).",
        "Domains cannot be checked, sender checks end without a verdict, and mail by MX waits.",
        "Check the network of this machine, or name another resolver in MAILROOM_DNS.",
    )  # fmt: skip


def host_name() -> Iterator[Finding]:
    """The name that this machine gives itself at EHLO; other servers look it up, and the name of its address too."""
    known = settings()
    name = known.hostname
    if known.transport != "mx" and all(ipaddress.ip_address(host).is_loopback for host in [_numeric(known.smtp_host)]):
        yield ok("hostname", f"{name}; no mail server outside looks it up, since mail neither comes from nor goes to one directly.")
        return
    if "." not in name or is_private_name(name):
        yield warn("hostname", f"{name} is no public name.", "Other servers look it up at EHLO and trust it less or refuse.",
                   "Set MAILROOM_HOSTNAME to a name whose A record is this machine.")  # fmt: skip
        return
    found = [value for kind in ("A", "AAAA") for value in outside().dns.lookup(name, kind, timeout_s=ASK_S).values]
    if not found:
        yield warn("hostname", f"{name} leads to no address.", "MX records with it lead nowhere, and some refuse EHLO with it.",
                   "Add an A record for it, or set MAILROOM_HOSTNAME.")  # fmt: skip
        return
    yield from _reverse(name, found)


def _reverse(name: str, addresses: list[str]) -> Iterator[Finding]:
    for address in addresses:
        back = outside().dns.lookup(ipaddress.ip_address(address).reverse_pointer, "PTR", timeout_s=ASK_S)
        if back.is_certain and name not in back.values:
            yield warn(
                "hostname", f"{address} does not lead back to {name} ({', '.join(back.values) or 'no PTR record'}).",
                "Large receivers refuse mail from an address whose name does not match.",
                f"Ask the provider of the address to set its PTR record to {name}.",
            )  # fmt: skip
        elif back.is_certain:
            yield ok("hostname", f"{name} is {address}, and {address} is {name}.")


def domains(workspace_id: int | None = None) -> Iterator[Finding]:
    """The records of each domain, as last checked; of one workspace, or of all."""
    mine = [Domain.deleted_at.is_(None), *([Domain.workspace_id == workspace_id] if workspace_id is not None else [])]
    total = int(db.session.scalar(select(func.count(Domain.id)).where(*mine)) or 0)
    old = utcnow() - STALE
    trouble = or_(
        Domain.status != "active", Domain.dns_status.in_(WRONG), Domain.dkim_status.in_(WRONG),
        Domain.dns_checked_at < old,
    )  # fmt: skip
    columns = (Domain.name, Domain.status, Domain.dns_status, Domain.dkim_status, Domain.dns_checked_at)
    rows = db.session.execute(select(*columns).where(*mine, trouble).order_by(Domain.id).limit(MOST_NAMED + 1)).all()
    for row in rows[:MOST_NAMED]:
        yield _domain(row.name, row.status, row.dns_status, row.dkim_status, row.dns_checked_at, old)
    if len(rows) > MOST_NAMED:
        yield warn("domains", "More domains than these need something.", "", "See Set up, Domains.")
    if not rows:
        yield ok("domains", f"{total} {'domain' if total == 1 else 'domains'}, all as they should be." if total else "No domain yet.")


def _domain(name: str, status: str, records: str, dkim: str, checked_at: object, old: object) -> Finding:
    do = f"Open Set up, Domains, {name}: it shows each record to add and what was found."
    if status == "suspended":
        return warn("domains", f"{name} is suspended.", "It takes no mail from strangers and runs no routes.", do)
    if status != "active":
        return warn("domains", f"{name} is not verified yet.", "It takes mail from trusted networks only, and runs no routes.", do)
    if records in WRONG:
        return fail("domains", f"Records of {name} are {_as_word(records)} (MX, SPF, DKIM or DMARC).",
                    "Mail may not reach it, and mail from it may be refused or land in spam.", do)  # fmt: skip
    if dkim in WRONG:
        return fail("domains", f"The DKIM record of {name} is {_as_word(dkim)}.", "Its signatures cannot be verified.", do)
    return warn("domains", f"{name} was last looked at {checked_at:%Y-%m-%d}.", "What it shows may be outdated.",
                "Start a scheduler and a worker; they look at each domain every day.")  # fmt: skip


def _as_word(state: str) -> str:
    return "not as they should be" if state == "different" else state


def _numeric(host: str) -> str:
    """The host as an address; a name counts as one that others reach, unless it is localhost."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return "127.0.0.1" if host == "localhost" else "192.0.2.1"
