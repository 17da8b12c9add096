"""The list of mailboxes: search, filters and order in the address, chips with numbers, the bar for what is picked."""

from typing import Any

from flask import request, url_for

from webapp.core.access import current_actor, needs
from webapp.core.db import utcnow
from webapp.core.htmx import render
from webapp.core.paging import PageRequest
from webapp.mailboxes import limits, listing, meters, service, usage
from webapp.mailboxes.pages.base import bp, offered_domains
from webapp.mailboxes.picking import ACTIONS

PER_PAGE = 25
#: state in the address, label, number
CHIPS = (("", "All", "all"), ("active", "Active", "active"), ("paused", "Paused", "paused"), ("near", "Nearly full", "filling"))
SORTS = {"email": False, "created_at": True}


@bp.get("/mailboxes")
@needs("mailboxes:read")
def list_page() -> Any:
    """Every mailbox with its state and how full it is."""
    actor = current_actor()
    asked = {name: request.args.get(name, "").strip() for name in ("q", "domain", "state", "sort")}
    sort = asked["sort"] if asked["sort"] in SORTS else "email"
    number = min(max(1, request.args.get("page", 1, int)), 10_000)
    wanted = PageRequest(number, PER_PAGE, sort_by=sort, descending=SORTS[sort])
    found, counts = service.list_with_states(actor, wanted, listing.asked_of(asked))
    state = asked["state"] if asked["state"] in {key for key, _, _ in CHIPS} else ""
    chips = [
        {"label": label, "count": counts[count], "url": list_url(asked, state=key), "current": state == key}
        for key, label, count in CHIPS
        if key in ("", "active", "paused", state) or counts[count]
    ]  # fmt: skip
    offered = offered_domains(actor)
    return render(
        "mailboxes/list.html", "mailboxes/_rows.html", found=found, asked=asked, chips=chips, any_mailbox=counts["all"] != 0, now=utcnow(),
        usage_of=usage.of, meters_of=meters.of, state_of=meters.state, room=limits.room, urgent=meters.urgent,
        offered=[("", "All domains"), *offered], any_domain=bool(offered),
        sort=sort, sort_urls={name: list_url(asked, sort=name) for name in SORTS}, actions=ACTIONS,
        newer=list_url(asked, page=number - 1) if number > 1 else None,
        older=list_url(asked, page=number + 1) if found.has_more else None,
    )  # fmt: skip


def list_url(asked: dict[str, str], **changes: Any) -> str:
    chosen = {**asked, **changes}
    return url_for("mailboxes.list_page", **{name: value for name, value in chosen.items() if value not in ("", None, 1)})
