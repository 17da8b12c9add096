"""Adding several domains at once: each by itself, so that one that is refused does not keep the others out."""

from typing import Any

from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.domains import service

MOST = 20


def add_domains(actor: Actor, names: list[str]) -> dict[str, Any]:
    """Add up to `MOST` names. returns {created, total, results: [{domain, status, id} or {domain, status: error, reason, error}]}

    raises  Forbidden, InsufficientScope: what would refuse every one of them
    """
    actor.require("domains:create")
    results: list[dict[str, Any]] = []
    for name in names:
        try:
            with db.session.begin_nested():
                domain = service.create_domain(actor, name=name)
            results.append({"domain": domain.name, "status": domain.status, "id": domain.id})
        except Invalid as refused:
            reason = refused.more.get("reason", refused.code)
            results.append({"domain": name, "status": "error", "reason": reason, "error": refused.message})
    created = sum(one["status"] != "error" for one in results)
    return {"created": created, "total": len(results), "results": results}
