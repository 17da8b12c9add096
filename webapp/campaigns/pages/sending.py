"""Buttons of a campaign that ask first: test copy, schedule, send, pause, resume, cancel."""

from typing import Any

from flask import Response, request, url_for
from wtforms.fields import SelectChoice

from webapp.accounts.forms import add_errors
from webapp.accounts.models import User
from webapp.campaigns import checks, life, numbers, reach, service, trials
from webapp.campaigns.forms import ScheduleForm, TestForm
from webapp.campaigns.pages.base import bp
from webapp.campaigns.pages.writing import find_reader
from webapp.campaigns.progress import people
from webapp.campaigns.zones import ZONES
from webapp.core.access import current_actor, needs
from webapp.core.db import db, utcnow
from webapp.core.errors import HouseError, Invalid
from webapp.core.htmx import made, redirect_to, render
from webapp.sending import ways

CHANGED = "campaigns-changed"


@bp.route("/campaigns/<int:campaign_id>/test", methods=["GET", "POST"])
@needs("campaigns:write")
def test_page(campaign_id: int) -> Any:
    """A copy of the letter, as it is saved, to a few addresses."""
    actor = current_actor()
    campaign = service.get_campaign(actor, campaign_id)
    form = TestForm()
    if request.method == "GET":
        form.emails.data = _own_address()
    if form.validate_on_submit():
        try:
            contact_id, _, problem = find_reader(actor, form.preview_as.data or "")
            if problem:
                raise Invalid(problem, fields={"preview_as": [problem]})
            sent = trials.send_test(actor, campaign_id, emails=_parted(form.emails.data), contact_id=contact_id)
            missing = f" Nothing was filled in for {', '.join(sent['missing'])}." if sent["missing"] else ""
            return redirect_to(_back(campaign_id), toast=f"Test copy on its way to {', '.join(sent['emails'])}.{missing}")
        except HouseError as refused:
            db.session.rollback()
            fields = {"emails" if name.startswith("emails") else name: texts for name, texts in refused.fields.items()}
            add_errors(form, Invalid(refused.message, fields=fields), spare="emails")
            campaign = service.get_campaign(actor, campaign_id)
    context = {"form": form, "campaign": campaign, "notice": ways.platform().notice, "examples": reach.examples(actor, campaign)}
    return render("campaigns/test.html", "campaigns/_test_dialog.html", status=422 if form.errors else 200, **context)


def _own_address() -> str:
    user_id = current_actor().user_id
    user = db.session.get(User, user_id) if user_id is not None else None
    return user.email if user is not None else ""


def _parted(text: str) -> list[str]:
    return [part for part in text.replace(";", ",").replace("\n", ",").split(",") if part.strip()]


def _back(campaign_id: int) -> str:
    return url_for(".show_page", campaign_id=campaign_id)


@bp.route("/campaigns/<int:campaign_id>/schedule", methods=["GET", "POST"])
@needs("campaigns:send")
def schedule_page(campaign_id: int) -> Any:
    """When it is to be sent, in a zone that is named."""
    actor = current_actor()
    campaign = service.get_campaign(actor, campaign_id)
    form = ScheduleForm()
    form.schedule_zone.choices = [SelectChoice(name, words) for name, words in ZONES]
    if request.method == "GET":
        form.schedule_zone.data = campaign.schedule_zone or "UTC"
        if campaign.schedule_at is not None:
            form.schedule_at.data = checks.in_zone(campaign.schedule_at, campaign.schedule_zone)
    if form.validate_on_submit():
        try:
            at = checks.local_moment(form.schedule_at.data, form.schedule_zone.data or "UTC")
            service.schedule(actor, campaign_id, at, form.schedule_zone.data)
            return redirect_to(_back(campaign_id), toast="Scheduled")
        except HouseError as refused:
            db.session.rollback()
            add_errors(form, Invalid(refused.message, fields={k: v for k, v in refused.fields.items() if k in form}), spare="schedule_at")
            campaign = service.get_campaign(actor, campaign_id)
    context = {
        "form": form, "campaign": campaign, "problems": checks.problems(campaign), "now": utcnow(), "people": people,
        "reached": reach.of_campaign(campaign),
    }  # fmt: skip
    return render("campaigns/schedule.html", "campaigns/_schedule_dialog.html", status=422 if form.errors else 200, **context)


@bp.post("/campaigns/<int:campaign_id>/unschedule")
@needs("campaigns:send")
def unschedule(campaign_id: int) -> Response:
    """Back to a draft."""
    row = life.unschedule(current_actor(), campaign_id)
    return made(go_to=_back(row.id), trigger=CHANGED, toast=f"“{row.name}” is a draft again")


@bp.route("/campaigns/<int:campaign_id>/send", methods=["GET", "POST"])
@needs("campaigns:send")
def send_page(campaign_id: int) -> Any:
    """The last look: how many, from whom, who is left out and why."""
    actor = current_actor()
    problem: HouseError | None = None
    if request.method == "POST":
        try:
            row = life.send(actor, campaign_id)
            return redirect_to(_back(row.id), toast=f"“{row.name}” is being sent")
        except Invalid as refused:
            db.session.rollback()
            problem = refused
    campaign = service.get_campaign(actor, campaign_id)
    if campaign.state not in ("draft", "scheduled"):
        return redirect_to(_back(campaign_id))
    return render(
        "campaigns/send.html", status=422 if problem else 200, campaign=campaign, problem=problem, problems=checks.problems(campaign),
        named=reach.names(campaign), found=reach.breakdown(campaign), look=trials.look_at(actor, campaign), notice=ways.platform().notice,
        account=checks.account_of(campaign),
    )  # fmt: skip


@bp.post("/campaigns/<int:campaign_id>/pause")
@needs("campaigns:send")
def pause(campaign_id: int) -> Response:
    """Stop within a batch."""
    row = life.pause(current_actor(), campaign_id)
    return made(go_to=_back(row.id), trigger=CHANGED, toast=f"“{row.name}” is paused; {people(life.left(row))} are left")


@bp.post("/campaigns/<int:campaign_id>/resume")
@needs("campaigns:send")
def resume(campaign_id: int) -> Response:
    """Go on with those who are left."""
    row = life.resume(current_actor(), campaign_id)
    return made(go_to=_back(row.id), trigger=CHANGED, toast=f"“{row.name}” goes on")


@bp.get("/campaigns/<int:campaign_id>/cancel")
@needs("campaigns:send")
def ask_cancel(campaign_id: int) -> Response:
    """The confirmation, with the effect in numbers."""
    row = service.get_campaign(current_actor(), campaign_id)
    found = numbers.read([row])[row.id]
    got = found["sent"] + found["captured"]
    left = life.left(row)
    have = f" {people(got)} already {'has' if got == 1 else 'have'} it." if row.started_at is not None else ""
    waits = f": {found['waiting'] - found['deferred']:,} waiting and {found['deferred']:,} deferred" if found["deferred"] else ""
    return render(
        "parts/confirm.html", "parts/_confirm.html", title="Cancel campaign?", url=url_for(".cancel", campaign_id=row.id),
        text=f"{people(left)} will not get “{row.name}”{waits}.{have}", milder="A cancelled campaign cannot be resumed; pausing can.",
        typed="cancel", button="Cancel campaign", cancel=_back(row.id), keep="Keep sending" if row.state == "sending" else "Keep it",
    )  # fmt: skip


@bp.post("/campaigns/<int:campaign_id>/cancel")
@needs("campaigns:send")
def cancel(campaign_id: int) -> Response:
    """Stop for good."""
    service.get_campaign(current_actor(), campaign_id)
    if request.form.get("typed", "").strip().lower() != "cancel":
        raise Invalid("The word was not typed, so nothing was cancelled.", fields={"typed": ["Type cancel to go on."]})
    row = life.cancel(current_actor(), campaign_id)
    return redirect_to(_back(row.id), toast=f"“{row.name}” is cancelled")
