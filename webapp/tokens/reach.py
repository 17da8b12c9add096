"""What a token may be limited to. Domains and mailboxes are features above this one; they hand in their names here.

reach.mailboxes = lambda actor, ids: [(7, "orders@shop.example"), …]      ids None: all that the actor may use, at most 200
"""

from collections.abc import Callable

from webapp.core.actor import Actor
from webapp.tokens.models import ApiToken

Names = Callable[[Actor, list[int] | None], list[tuple[int, str]]]


def _none(actor: Actor, ids: list[int] | None) -> list[tuple[int, str]]:
    return []


class Reach:
    """Filled at start-up."""

    domains: Names = staticmethod(_none)
    mailboxes: Names = staticmethod(_none)


reach = Reach()


def words(actor: Actor, token: ApiToken) -> str:
    """The reach of one token in a few words for its row: "2 domains", "1 mailbox", "Acts as Maja"."""
    parts = []
    if token.mailbox_id:
        parts.append("1 mailbox")
    for ids, noun in ((token.domain_ids, "domain"), (token.mailbox_ids, "mailbox")):
        if ids:
            many = "es" if noun == "mailbox" else "s"
            parts.append(f"{len(ids)} {noun}{many if len(ids) > 1 else ''}")
    return ", ".join(parts) or f"Acts as {token.user.name or token.user.email}"


def named(actor: Actor, token: ApiToken) -> list[tuple[str, str]]:
    """(label, names) of each limit, for the token's page."""
    found = []
    mailbox_ids = [token.mailbox_id] if token.mailbox_id else token.mailbox_ids
    for label, ids, names in (("Domains", token.domain_ids, reach.domains), ("Mailboxes", mailbox_ids, reach.mailboxes)):
        if ids:
            known = dict(names(actor, list(ids)))
            found.append((label, ", ".join(known.get(number, f"no. {number}") for number in ids)))
    return found


def sender(actor: Actor, token: ApiToken) -> str | None:
    """A mailbox as which the token may send, for programs that show how; None where there is none yet."""
    if token.mailbox_id is not None or token.mailbox_ids is not None:
        return next((name for _, name in reach.mailboxes(actor, [token.mailbox_id] if token.mailbox_id else token.mailbox_ids)), None)
    found = reach.mailboxes(actor, None)
    if token.domain_ids is not None:
        domains = {name for _, name in reach.domains(actor, token.domain_ids)}
        found = [(number, name) for number, name in found if name.rsplit("@", 1)[1] in domains]
    return next((name for _, name in found), None)
