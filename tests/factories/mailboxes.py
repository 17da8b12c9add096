"""The smallest valid mailbox; keywords override."""

from itertools import count
from typing import Any

from argon2 import PasswordHasher

from tests.factories.domains import make_domain
from webapp.core.db import db
from webapp.domains.models import Domain
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.service import add_to_count

PASSWORD = "a mailbox password"
#: hashed with cheap parameters, so that a login in a test costs little
_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
_numbers = count(1)


def make_mailbox(person: Any, email: str | None = None, *, domain: Domain | None = None, commit: bool = True, **columns: Any) -> Mailbox:
    """A mailbox whose password is PASSWORD.

    email   the whole address; its domain is made (proven) when the workspace does not have it yet
    domain  where it lives, when no address is given
    """
    workspace_id = person if isinstance(person, int) else person.workspace.id
    if domain is None and email is not None:
        name = email.rpartition("@")[2]
        domain = db.session.query(Domain).filter_by(name=name, workspace_id=workspace_id, deleted_at=None).one_or_none()
        domain = domain or make_domain(person, name, commit=False)
    domain = domain or make_domain(person, commit=False)
    address = email or f"box{next(_numbers)}@{domain.name}"
    values = {
        "workspace_id": workspace_id, "domain_id": domain.id, "email": address, "local_part": address.rpartition("@")[0],
        "password_hash": _HASH, **columns,
    }  # fmt: skip
    mailbox = Mailbox(**values)
    db.session.add(mailbox)
    db.session.flush()
    add_to_count(domain.id, 1)
    if commit:
        db.session.commit()
    return mailbox
