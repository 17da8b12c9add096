"""The letter to the owners of a workspace when the proof of a domain was gone for three days, so that it counts as unproven again."""

from sqlalchemy import select

from webapp.accounts.models import Membership, User
from webapp.core.config import settings
from webapp.core.db import db
from webapp.domains.models import Domain
from webapp.mail.dns_records import PROOF_LABEL, PROOF_PREFIX
from webapp.sending.system_mail import send_system_mail


def tell_unverified(domain_id: int) -> None:
    """One mail to each owner, in the transaction that takes the proof away."""
    domain = db.session.get(Domain, domain_id)
    if domain is None or domain.deleted_at is not None:
        return
    subject = f"{domain.name} is no longer verified"
    page = f"{settings().public_url.rstrip('/')}/domains/{domain.id}"
    text = (
        f"The TXT record that proves {domain.name} was not found for three days. Until it is there again, the domain takes mail from"
        " trusted networks and logins only and runs no routes; mailboxes and their mail stay as they are.\n\n"
        f"Publish again:\n{PROOF_LABEL}.{domain.name}  TXT  {PROOF_PREFIX}{domain.verify_token}\n\n"
        f"It is looked up by itself; to look now: {page}\n"
    )
    owners = select(User.email).join(Membership, Membership.user_id == User.id).order_by(User.id)
    for address in db.session.scalars(owners.where(Membership.workspace_id == domain.workspace_id, Membership.role == "owner")).all():
        send_system_mail(address, subject, text, workspace_id=domain.workspace_id)
