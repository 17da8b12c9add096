"""The blueprint of the mailbox pages, and what several of them need."""

from flask import Blueprint

from webapp.core.actor import Actor
from webapp.domains import service as domains

bp = Blueprint("mailboxes", __name__)
#: domains that a select offers; with more of them, the search finds the rest
OFFERED = 200


def offered_domains(actor: Actor) -> list[tuple[int, str]]:
    """(id, name) of the domains, for a select."""
    return domains.name_domains(actor, OFFERED) if actor.may("domains:read") else []
