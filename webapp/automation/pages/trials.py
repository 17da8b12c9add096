"""/test-mail: a mail that somebody typed, uploaded, or took from the archive, through the routes of a mailbox, dry or for real."""

from typing import Any

from flask import Blueprint, Response, request, url_for

from webapp.automation import actions, reach, runs, trials
from webapp.automation.mail_fields import FIELDS
from webapp.core.access import current_actor, needs
from webapp.core.db import db, utcnow
from webapp.core.errors import HouseError
from webapp.core.htmx import redirect_to, render

bp = Blueprint("trials", __name__)
SOURCES = ("typed", "file", "archive")


@bp.get("/test-mail")
@needs("testmail:run")
def test_page() -> Response:
    """The form; `?mailbox=` and `?message=` fill it."""
    values = {"source": "archive" if request.args.get("message") else "typed", "archive_id": request.args.get("message", "")}
    values["route_id"] = request.args.get("route", "")
    return _page(request.args.get("mailbox", type=int), values)


@bp.post("/test-mail")
@needs("testmail:run")
def run_test() -> Response:
    """Dry: the report beside the form. For real: on to the log of what was set off."""
    actor = current_actor()
    values = {name: request.form.get(name, "") for name in ("source", "sender", "subject", "body", "archive_id", "route_id")}
    mailbox_id = request.form.get("mailbox_id", type=int)
    if mailbox_id is None:
        return _page(None, values, errors={"mailbox_id": ["Choose the mailbox whose routes are tested."]})
    if request.form.get("do") == "refresh":
        return _page(mailbox_id, values)
    try:
        given = _given(values)
        if request.form.get("do") == "run":
            asked = trials.start_test(actor, mailbox_id, given)
            only = asked.runs[0].id if len(asked.runs) == 1 else None
            goal = url_for("runs.show_page", run_id=only) if only else url_for("runs.list_page", message=asked.message.id)
            return redirect_to(goal, toast="The test mail is on its way")
        dry = trials.plan_dry_run(actor, mailbox_id, given)
        db.session.commit()  # Patterns may take their time; nothing is locked meanwhile.
        return _page(mailbox_id, values, report=dry.judge())
    except HouseError as refused:
        db.session.rollback()
        return _page(mailbox_id, values, errors=refused.fields or {"source": [refused.message]})


def _given(values: dict[str, str]) -> dict[str, Any]:
    """What `trials.prepare` takes, from the source that was chosen."""
    route_id = int(values["route_id"]) if values["route_id"].isdigit() else None
    if values["source"] == "file":
        file = request.files.get("file")
        return {"eml": file.read() if file else b"", "route_id": route_id}
    if values["source"] == "archive":
        return {"archive_id": int(values["archive_id"]) if values["archive_id"].isdigit() else 0, "route_id": route_id}
    typed = {name: values[name] for name in ("sender", "subject", "body")}
    return {**typed, "subject": typed["subject"] or "Test mail", "route_id": route_id}


def _page(mailbox_id: int | None, values: dict[str, str], *, report: Any = None, errors: dict[str, list[str]] | None = None) -> Response:
    actor = current_actor()
    boxes = reach.list_mailboxes(actor)
    if mailbox_id is None and len(boxes) == 1:
        mailbox_id = boxes[0].id
    known = mailbox_id is not None and any(box.id == mailbox_id for box in boxes)
    own_routes = [*runs.candidates(mailbox_id or 0, "received"), *runs.candidates(mailbox_id or 0, "sent")] if known else []
    return render(
        "automation/test_mail.html", "automation/_test_mail.html", status=422 if errors else 200, mailboxes=boxes, mailbox_id=mailbox_id,
        values={**dict.fromkeys(("sender", "subject", "body", "archive_id", "route_id"), ""), "source": "typed", **values},
        errors=errors or {}, report=report, now=utcnow(), routes={route.id: route for route in own_routes}.values(),
        mails=trials.latest(actor, mailbox_id) if known and mailbox_id is not None else [],
        labels={kind.name: kind.label for kind in actions.types()}, fields={name: item.label for name, item in FIELDS.items()},
    )  # fmt: skip
