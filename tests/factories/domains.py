"""The smallest valid domain; keywords override."""

from functools import lru_cache
from itertools import count
from typing import Any

from webapp.core.db import db, utcnow
from webapp.domains import checks
from webapp.domains.models import DkimKey, DnsCheck, Domain
from webapp.mail import dkim

_numbers = count(1)


@lru_cache(maxsize=1)
def dkim_key() -> tuple[str, str]:
    """One key for all tests; making one costs a tenth of a second."""
    return dkim.new_key()


def make_domain(person: Any, name: str | None = None, *, verified: bool = True, commit: bool = True, **columns: Any) -> Domain:
    """A domain in the workspace of `person` (a Person, or a workspace id), proven unless told otherwise."""
    workspace_id = person if isinstance(person, int) else person.workspace.id
    private, public = dkim_key()
    state = {"status": "active", "verified_at": utcnow()} if verified else {}
    values = {
        "workspace_id": workspace_id, "name": name or f"domain{next(_numbers)}.test", "verify_token": "0123456789abcdef0123456789abcdef",
        **state, **columns,
    }  # fmt: skip
    domain = Domain(**values)
    key = DkimKey(workspace_id=workspace_id, selector="mailroom1", private=private, public=public, state="active", activated_by="start")
    domain.keys.append(key)
    db.session.add(domain)
    db.session.flush()
    if commit:
        db.session.commit()
    return domain


def make_check(person: Any, domain_id: int) -> DnsCheck:
    """A check of all records that is due now; `work_off` does it."""
    check = checks.recheck(person.actor, domain_id)
    db.session.commit()
    return check
