"""One campaign: before it is sent what is ready and what is missing, then how far it is, what became of it, and who got it."""

from typing import Any

from flask import Response, request, url_for

from webapp.audit import service as audit
from webapp.campaigns import charts, checks, life, looks, numbers, progress, reach, recipients, service, trials
from webapp.campaigns.models import EDITABLE, Campaign
from webapp.campaigns.pages.base import bp, in_words
from webapp.campaigns.schemas import CampaignRow
from webapp.campaigns.showing import shown
from webapp.core.access import current_actor, needs
from webapp.core.actor import Actor
from webapp.core.htmx import render
from webapp.core.paging import PageRequest
from webapp.sending import ways
from webapp.sending.models import STATES

PER_PAGE = 25
#: servers and links on the page
MOST_DOMAINS, MOST_LINKS = 8, 50


@bp.get("/campaigns/<int:campaign_id>")
@needs("campaigns:read")
def show_page(campaign_id: int) -> Response:
    """The page; the part that lives is asked for again while it is sent."""
    actor = current_actor()
    campaign = service.get_campaign(actor, campaign_id)
    found = numbers.read([campaign])[campaign.id]
    context: dict[str, Any] = {
        "campaign": campaign, "numbers": found, "possible": life.possible(campaign), "notice": ways.platform().notice,
        "editable": campaign.state in EDITABLE, "may_write": actor.may("campaigns:write"), "may_send": actor.may("campaigns:send"),
        "may_audit": actor.may("audit:read"), "account": checks.account_of(campaign), "sandbox": looks.SANDBOX, "people": progress.people,
        "in_zone": checks.in_zone, "in_words": in_words,
    }  # fmt: skip
    if campaign.started_at is None:
        context |= _before(actor, campaign, found)
        page, part = "campaigns/draft.html", "campaigns/_draft.html"
    else:
        context |= _after(campaign, found)
        page, part = "campaigns/show.html", "campaigns/_show.html"
    if not request.headers.get("HX-Request"):
        context |= {"activity": audit.story_of(actor, "campaign", campaign.id), "answer": {"data": CampaignRow().dump(shown(campaign))}}
    return render(page, part, **context)


def _before(actor: Actor, campaign: Campaign, found: dict[str, int]) -> dict[str, Any]:
    """Of one that was not started: what it needs, whom it reaches, how it reads."""
    far = progress.read(campaign, found)
    return {
        "problems": checks.problems(campaign), "named": reach.names(campaign), "reached": reach.of_campaign(campaign),
        "look": trials.look_at(actor, campaign), "says": progress.sentence(campaign, found, far),
    }  # fmt: skip


def _after(campaign: Campaign, found: dict[str, int]) -> dict[str, Any]:
    """Of one that was: how far, what people did, by server, by link, over time."""
    far = progress.read(campaign, found)
    return {
        "far": far, "says": progress.sentence(campaign, found, far), "parts": _linked(campaign, far.parts),
        "figures": _figures(campaign, found), "chart": charts.over_time(campaign, request.args.get("by")),
        "links": charts.links(campaign, MOST_LINKS), "domains": charts.domains(campaign, MOST_DOMAINS),
        "named": reach.names(campaign),
    }  # fmt: skip


def _linked(campaign: Campaign, parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each part of the bar leads to the people in it."""
    return [{**part, "url": _people(campaign, part["key"]) if part.get("key") else None} for part in parts]


def _people(campaign: Campaign, status: str | None) -> str:
    return url_for("campaigns.recipients_page", campaign_id=campaign.id, status=status)


def _figures(campaign: Campaign, found: dict[str, int]) -> list[dict[str, Any]]:
    """What people did; each number names its whole and leads to them."""
    got = found["delivered"] + found["captured"]

    def of(number: int, whole: int, what: str) -> str:
        return f"{100 * number / whole:.1f} % of {whole:,} {what}" if whole else f"of {what}"

    opened, clicked = found["opened"], found["clicked"]
    tried = got + found["bounced"]
    return [
        {"name": "Opened", "value": opened, "note": of(opened, got, "delivered") if campaign.track_opens else "opens are not counted",
         "url": _people(campaign, "opened")},
        {"name": "Clicked", "value": clicked, "note": of(clicked, got, "delivered") if campaign.track_clicks else "clicks are not counted",
         "url": _people(campaign, "clicked")},
        {"name": "Unsubscribed", "value": found["unsubscribed"], "note": of(found["unsubscribed"], got, "delivered"),
         "url": _people(campaign, "unsubscribed")},
        {"name": "Bounced", "value": found["bounced"], "note": of(found["bounced"], tried, "tried"), "url": _people(campaign, "bounced"),
         "tone": "bad" if found["bounced"] > tried * 0.05 and found["bounced"] > 4 else ""},
        {"name": "Complained", "value": found["complained"], "note": of(found["complained"], got, "delivered"),
         "url": _people(campaign, "complained"), "tone": "bad" if found["complained"] else ""},
        {"name": "By machines, left out", "value": found["machine_opens"] + found["machine_clicks"],
         "note": f"{found['machine_opens']:,} opens, {found['machine_clicks']:,} clicks"},
    ]  # fmt: skip


@bp.get("/campaigns/<int:campaign_id>/frame")
@needs("campaigns:read")
def letter_frame(campaign_id: int) -> Response:
    """The saved letter as a made-up person reads it, for the frame."""
    actor = current_actor()
    look = trials.look_at(actor, service.get_campaign(actor, campaign_id))
    return looks.framed(look.html or "<!doctype html><title>Letter</title><p>This letter cannot be shown.</p>")


@bp.get("/campaigns/<int:campaign_id>/recipients")
@needs("campaigns:read")
def recipients_page(campaign_id: int) -> Response:
    """Who got it, by state or by what they did, each with the sentence that says why."""
    actor = current_actor()
    campaign = service.get_campaign(actor, campaign_id)
    status = request.args.get("status")
    filters = {
        "status": status if status in (*STATES, *recipients.DEEDS) else None, "email": request.args.get("q", "").strip()[:254] or None,
        "domain": request.args.get("domain", "").strip()[:253] or None,
    }  # fmt: skip
    asked = PageRequest(per_page=PER_PAGE, cursor=request.args.get("cursor") or None)
    page = recipients.list_recipients(actor, campaign, asked, filters)
    found = numbers.read([campaign])[campaign.id]
    return render(
        "campaigns/recipients.html", "campaigns/_recipients.html", campaign=campaign, page=page, q=filters["email"] or "",
        chosen=filters["status"], domain=filters["domain"], chips=_chips(campaign, found, filters["status"]),
        older=_kept(campaign, cursor=page.next_cursor) if page.next_cursor else None,
        newest=_kept(campaign, cursor=None) if asked.cursor else None, may_contacts=actor.may("contacts:read"),
        may_deliveries=actor.may("deliveries:read"), narrowed=any(filters.values()),
    )  # fmt: skip


def _kept(campaign: Campaign, **changes: str | None) -> str:
    kept: dict[str, Any] = {name: request.args[name] for name in ("status", "q", "domain", "cursor") if request.args.get(name)}
    values = {name: value for name, value in {**kept, **changes}.items() if value}
    return url_for("campaigns.recipients_page", campaign_id=campaign.id, **values)


def _chips(campaign: Campaign, found: dict[str, int], chosen: str | None) -> list[dict[str, Any]]:
    """One for all, then states and deeds that occur or are chosen; the numbers are kept, not counted."""
    everybody = sum(found[state] for state in STATES)
    chips = [{"label": "All", "url": _kept(campaign, status=None, cursor=None), "count": everybody, "current": chosen is None}]
    for key in (*STATES, *recipients.DEEDS):
        if found[key] or key == chosen:
            label = "Sending" if key == "leased" else key.capitalize()
            chips.append({"label": label, "url": _kept(campaign, status=key, cursor=None), "count": found[key], "current": key == chosen})
    return chips
