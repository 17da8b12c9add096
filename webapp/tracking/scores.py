"""The lead score: what each deed of a contact is worth (reference/mailtrixy.md section 15, point 20). Between 0 and 100."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import case, literal, update

from webapp.contacts.models import Contact
from webapp.core.bulk import among
from webapp.core.db import db

#: deed -> points; a workspace may set others in its settings under KEY
WEIGHTS = {"open": 1, "click": 3, "reply": 5, "deal": 10, "bounce": -10}
KEY = "lead_score"
LEAST, MOST = 0, 100


def weights(settings: Mapping[str, Any]) -> dict[str, int]:
    """The points of a workspace: its own where they are numbers between -100 and 100."""
    own = settings.get(KEY)
    own = own if isinstance(own, dict) else {}
    fits = {name: own[name] for name in WEIGHTS if isinstance(own.get(name), int) and abs(own[name]) <= MOST}
    return {**WEIGHTS, **fits}


def add(points: Mapping[int, int]) -> None:
    """contact -> points to add. One statement for each number of points; the lock order is that of the ids within it."""
    by_points: dict[int, list[int]] = {}
    for contact_id, number in sorted(points.items()):
        if number:
            by_points.setdefault(number, []).append(contact_id)
    for number, ids in sorted(by_points.items()):
        total = Contact.lead_score + number
        bounded = case((total > MOST, literal(MOST)), (total < LEAST, literal(LEAST)), else_=total)
        _run(update(Contact).where(among(Contact.id, ids)).values(lead_score=bounded, updated_at=Contact.updated_at))


def _run(change: Any) -> None:
    db.session.execute(change, execution_options={"synchronize_session": False})
