"""The editor: words, sender, audience and letter on one page, with the letter as a reader sees it beside them."""

from typing import Any

from flask import Response, request, url_for
from sqlalchemy import select

from webapp.accounts.forms import add_errors
from webapp.campaigns import accounts, autosaving, letters, looks, reach, service, trials
from webapp.campaigns.forms import LetterForm
from webapp.campaigns.models import EDITABLE, Campaign
from webapp.campaigns.pages.base import bp
from webapp.campaigns.rows import FIXED_ONCE_STARTED
from webapp.contacts.models import Contact, CustomField
from webapp.core.access import current_actor, needs
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import Conflict, HouseError, Invalid, InvalidState
from webapp.core.htmx import redirect_to, render
from webapp.mail.address import BadAddress, normalise
from webapp.mail.letter.model import TAGS

#: custom fields that the picker of merge tags offers
MOST_CUSTOM = 50


@bp.get("/campaigns/<int:campaign_id>/edit")
@needs("campaigns:write")
def edit_page(campaign_id: int) -> Response:
    """The editor."""
    actor = current_actor()
    campaign = service.get_campaign(actor, campaign_id)
    _require_editable(campaign)
    form = LetterForm(obj=campaign)
    form.stamp.data = str(service.stamp(campaign))
    return _page(actor, campaign, form)


def _require_editable(campaign: Campaign) -> None:
    if campaign.state not in EDITABLE:
        hint = "Pause it first." if campaign.state == "sending" else "Duplicate it to write another."
        raise InvalidState(f"{campaign.name} is {campaign.state}, so it cannot be changed.", hint=hint)


@bp.post("/campaigns/<int:campaign_id>/edit")
@needs("campaigns:write")
def save(campaign_id: int) -> Response:
    """Save it, or with the button “Preview” show it without saving."""
    actor = current_actor()
    campaign = service.get_campaign(actor, campaign_id)
    _require_editable(campaign)
    form = LetterForm()
    _offer(actor, campaign, form)
    if request.form.get("look"):
        return _page(actor, campaign, form, seen=_look(actor, campaign, form))
    if form.validate():
        try:
            service.of_others(actor, campaign_id, _stamp(request.form.get("over") or form.stamp.data))
            service.update_campaign(actor, campaign_id, _changes(form, campaign))
            goal = ".edit_page" if request.form.get("stay") else ".show_page"
            return redirect_to(url_for(goal, campaign_id=campaign_id), toast="Saved")
        except HouseError as refused:
            db.session.rollback()
            _add_errors(form, refused)
            campaign = service.get_campaign(actor, campaign_id)
            clash = autosaving.last_saver(actor, campaign) if isinstance(refused, Conflict) else None
            return _page(actor, campaign, form, status=refused.status, clash=clash)
    return _page(actor, campaign, form, status=422)


@bp.post("/campaigns/<int:campaign_id>/autosave")
@needs("campaigns:write")
def autosave(campaign_id: int) -> Response:
    """What was typed so far, a moment after typing stopped. Fields that cannot be kept stay as they were and are named."""
    actor = current_actor()
    form = LetterForm()
    _offer(actor, service.get_campaign(actor, campaign_id), form)
    form.validate()
    refused = {name: list(texts) for name, texts in form.errors.items() if name and name != "csrf_token"}
    values = {name: value for name, value in form.values().items() if name not in refused}
    if not values.get("from_email"):
        values.pop("from_email", None)
    try:
        kept = autosaving.save(actor, campaign_id, _stamp(form.stamp.data), values)
    except (Conflict, InvalidState) as error:
        db.session.rollback()
        campaign = service.get_campaign(actor, campaign_id)
        clash = autosaving.last_saver(actor, campaign) if campaign.state == "draft" else None
        return render("campaigns/_clash.html", status=409, campaign=campaign, clash=clash, refused=error, stamp=service.stamp(campaign))
    problems = {form[name].label.text: " ".join(texts) for name, texts in {**refused, **kept.refused}.items()}
    return render("campaigns/_saved.html", campaign=kept.campaign, stamp=service.stamp(kept.campaign), problems=problems)


def _stamp(text: str | None) -> int:
    text = text or ""
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _changes(form: LetterForm, campaign: Campaign) -> dict[str, Any]:
    """What was typed, without what is settled once sending began."""
    values = form.values()
    if campaign.started_at is not None:
        return {name: value for name, value in values.items() if name not in FIXED_ONCE_STARTED}
    if not values["from_email"]:
        values.pop("from_email")
    return values


#: field of the API -> field of the form, where they differ
FIELDS = {"email_account_id": "mailbox_id", "recipient_groups": "group_ids"}


def _add_errors(form: LetterForm, refused: HouseError) -> None:
    fields = {FIELDS.get(name, name).partition(".")[0]: texts for name, texts in refused.fields.items()}
    add_errors(form, Invalid(refused.message, fields=fields), spare="name")


def _page(
    actor: Actor, campaign: Campaign, form: LetterForm, *, status: int = 200, seen: Any = None, clash: autosaving.Saver | None = None
) -> Response:
    if not form.mailbox_id.choices:
        _offer(actor, campaign, form)
    reached = reach.of_campaign(campaign) if status == 200 and request.method == "GET" else None
    custom = select(CustomField.key, CustomField.label).where(CustomField.workspace_id == actor.workspace_id)
    return render(
        "campaigns/edit.html", status=status, campaign=campaign, form=form, tags=TAGS, seen=seen or None, sandbox=looks.SANDBOX,
        custom=list(db.session.execute(custom.order_by(CustomField.position, CustomField.id).limit(MOST_CUSTOM))),
        examples=reach.examples(actor, campaign), domains=accounts.verified_domains(actor), reached=reached,
        settled=campaign.started_at is not None, may_send=actor.may("campaigns:send"), clash=clash, stamp=service.stamp(campaign),
    )  # fmt: skip


def _offer(actor: Actor, campaign: Campaign, form: LetterForm) -> None:
    """What there is to choose from, and what is chosen already."""
    in_groups, in_segments = campaign.group_ids + campaign.exclude_group_ids, campaign.segment_ids + campaign.exclude_segment_ids
    form.offer(accounts.usable(actor, campaign.mailbox_id), reach.groups(actor, in_groups), reach.segments(actor, in_segments))


@bp.post("/campaigns/<int:campaign_id>/preview")
@needs("campaigns:write")
def preview_part(campaign_id: int) -> Response:
    """The letter as it was typed so far, for one person; nothing is saved."""
    actor = current_actor()
    campaign = service.get_campaign(actor, campaign_id)
    return render("campaigns/_preview.html", seen=_look(actor, campaign, LetterForm()), sandbox=looks.SANDBOX)


def _look(actor: Actor, campaign: Campaign, form: LetterForm) -> dict[str, Any]:
    """What the preview shows: the look and the name of its frame, or why there is none."""
    contact_id, who, problem = find_reader(actor, form.preview_as.data or "")
    given = {name: getattr(form, name).data for name in ("subject", "body_html", "body_format", "body_text", "preheader", "from_name")}
    given |= {"body_text": given["body_text"] or None, "preheader": given["preheader"] or None}
    try:
        found = trials.look(actor, {**given, "campaign_id": campaign.id, "contact_id": contact_id})
    except Invalid as refused:
        return {"refused": refused, "who": who, "problem": problem}
    return {"look": found, "frame": looks.keep(actor, found.html), "who": who, "problem": problem}


def find_reader(actor: Actor, text: str) -> tuple[int | None, str, str]:
    """(id of the contact with that address, who it is, what is wrong with the address)."""
    made_up = f"{letters.SAMPLE['name']}, a made-up person"
    if not text.strip():
        return None, made_up, ""
    if not actor.may("contacts:read"):
        return None, made_up, "Your role may not read contacts."
    try:
        address = normalise(text)
    except BadAddress as error:
        return None, made_up, str(error)
    mine = Contact.workspace_id == actor.workspace_id, Contact.address == address
    found = db.session.execute(select(Contact.id, Contact.name, Contact.email).where(*mine)).one_or_none()
    if found is None:
        return None, made_up, f"There is no contact with the address {address}."
    return found.id, f"{found.name} <{found.email}>" if found.name else found.email, ""


@bp.get("/campaigns/looks/<look>")
@needs("campaigns:read")
def look_frame(look: str) -> Response:
    """The document inside the frame of a preview."""
    return looks.document(current_actor(), look)


@bp.post("/campaigns/<int:campaign_id>/count")
@needs("campaigns:write")
def count_part(campaign_id: int) -> Response:
    """How many the chosen groups and segments reach."""
    actor = current_actor()
    service.get_campaign(actor, campaign_id)
    form = LetterForm()
    named = {name: getattr(form, name).data for name in ("group_ids", "segment_ids", "exclude_group_ids", "exclude_segment_ids")}
    return render("campaigns/_reach.html", reached=reach.count(actor, named), nobody=not named["group_ids"] and not named["segment_ids"])
