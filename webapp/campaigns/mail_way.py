"""The address for mail programs that unsubscribe by mail (RFC 2369 section 3.2), beside the https way that comes first (RFC 8058).

    news@acme.test sends ─> List-Unsubscribe: <https://…/u/TOKEN>, <mailto:news+unsubscribe@acme.test?subject=unsubscribe%20TOKEN>

It is a tag of the mailbox that sends, so such mail takes the ordinary way in and needs no address of its own. It is offered only where
mail for it certainly comes here: the mailbox receives, its domain is proven, and the last look at the DNS found that its MX leads here.
The token stands in the subject, because hosts on the way may change the case of an address. What such a mail does: `tracking.by_mail`.
"""

from typing import Any

from sqlalchemy import func, select

from webapp.core.db import db
from webapp.domains.models import DnsCheck, Domain
from webapp.mail.address import split_plus
from webapp.mailboxes.models import Mailbox

TAG = "unsubscribe"
#: of the results of a look at the DNS
RECORD = "mx_primary"
#: longest local part (RFC 5321 section 4.5.3.1.1)
_LONGEST = 64
_LAST = select(func.max(DnsCheck.id)).where(DnsCheck.domain_id == Domain.id, DnsCheck.status == "complete").correlate(Domain)


def address(mailbox_id: int | None) -> str | None:
    """Where mail unsubscribes from campaigns of this mailbox; None where it would not surely come here."""
    if mailbox_id is None:
        return None
    query = select(Mailbox.email, DnsCheck.results).join(Domain, Domain.id == Mailbox.domain_id)
    query = query.join(DnsCheck, DnsCheck.id == _LAST.scalar_subquery())
    living = Mailbox.deleted_at.is_(None), Mailbox.can_receive, Mailbox.status == "active", Domain.deleted_at.is_(None)
    proven = Domain.verified_at.is_not(None), Domain.status == "active", Domain.mail_hosting == "trekmail"
    found = db.session.execute(query.where(Mailbox.id == mailbox_id, *living, *proven)).one_or_none()
    if found is None or not _leads_here(found.results):
        return None
    local, _, domain = found.email.rpartition("@")
    tagged = f"{local}+{TAG}"
    return None if split_plus(local)[1] is not None or local.startswith('"') or len(tagged) > _LONGEST else f"{tagged}@{domain}"


def _leads_here(results: list[dict[str, Any]]) -> bool:
    """Whether the record was right when somebody last answered."""
    entry: dict[str, Any] = next((one for one in results if one.get("id") == RECORD), {})
    return bool(entry.get("known", entry.get("state")) == "right")
