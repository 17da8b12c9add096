"""/runs: what routes did, each with every rule's verdict and every attempt of every action."""

import json
from datetime import datetime
from typing import Any

import orjson
from flask import Blueprint, Response, request, url_for

from webapp.audit import service as audit
from webapp.automation import actions, exchanges, run_views, runs, schemas_runs
from webapp.automation.mail_fields import FIELDS
from webapp.automation.models_runs import RUN_STATUSES, Run, StepAttempt
from webapp.core import envelope
from webapp.core.access import current_actor, needs
from webapp.core.db import utcnow
from webapp.core.errors import HouseError
from webapp.core.htmx import redirect_to, render
from webapp.core.paging import PageRequest
from webapp.core.shapes import compile_dump
from webapp.core.wording import span

bp = Blueprint("runs", __name__)
PER_PAGE = 25
CHIPS = (
    ("", "All"), ("success", "Done"), ("failed", "Failed"), ("running", "Running"), ("skipped", "Skipped"), ("quarantined", "Quarantined"),
)  # fmt: skip
FILTERS = ("q", "route", "message", "mailbox", "status", "test")
_dump = compile_dump(schemas_runs.RunDetailOut())


@bp.get("/runs")
@needs("logs:read")
def list_page() -> Response:
    """The route log of the workspace, newest first."""
    actor = current_actor()
    status = request.args.get("status", "")
    chosen: dict[str, Any] = {
        "status": status if status in RUN_STATUSES else None, "search": request.args.get("q", "").strip()[:200] or None,
        "route_id": request.args.get("route", type=int), "message_id": request.args.get("message", type=int),
        "is_test": {"1": True, "0": False}.get(request.args.get("test", "")),
    }  # fmt: skip
    mailbox_id = request.args.get("mailbox", type=int)
    page = runs.list_runs(actor, PageRequest(per_page=PER_PAGE, cursor=request.args.get("cursor") or None), chosen, mailbox_id)
    kept = {name: request.args[name] for name in ("route", "message", "mailbox", "status", "test") if request.args.get(name)}
    return render(
        "automation/runs.html", "automation/_runs.html", page=page, now=utcnow(), q=chosen["search"] or "", kept=kept, why=why,
        state_of=state_of, stopped=exchanges.number_stopped(actor),
        filtered=any(value is not None for value in chosen.values()) or mailbox_id is not None,
        older=_url(cursor=page.next_cursor) if page.next_cursor else None, newest=_url() if request.args.get("cursor") else None,
        chips=[{"label": label, "url": _url(status=key), "current": status == key} for key, label in CHIPS],
    )  # fmt: skip


def _url(**changes: Any) -> str:
    kept: dict[str, Any] = {name: request.args[name] for name in FILTERS if request.args.get(name)}
    return url_for(".list_page", **{name: value for name, value in {**kept, **changes}.items() if value})


def state_of(run: Run) -> str:
    """The status in the words of the state table: a run that waits for its next attempt is retrying."""
    if run.status == "running" and run.lease_until is None and run.next_attempt_at is not None:
        return "retrying"
    return run.status


def why(run: Run, now: datetime) -> str:
    """Where a run is and why, in one sentence."""
    if run.status == "queued":
        return "Waits for a worker to take it." if run.matched else "Waits for its rules to be evaluated."
    if state_of(run) == "retrying" and run.next_attempt_at is not None:
        seconds = (run.next_attempt_at - now).total_seconds()
        return f"Waits for its next attempt, {'in ' + span(round(seconds)) if seconds > 1 else 'due now'}. Nothing is lost."
    if run.status == "running":
        return "A worker is at it right now."
    if run.status == "success":
        return "The rules matched and every action is done."
    return run.error or "It did not run."


@bp.get("/runs/<int:run_id>")
@needs("logs:read")
def show_page(run_id: int) -> Response:
    """One run: why it matched, what each action sent and got."""
    return _show(run_id)


def _show(run_id: int, status: int = 200, problem: str = "") -> Response:
    actor = current_actor()
    run = runs.get_run(actor, run_id)
    detail = run_views.detail(actor, run_id)
    rules = dict(enumerate(run.snapshot.get("rules", [])))
    return render(
        "automation/run.html", "automation/_run.html", status=status, run=run, detail=detail, now=utcnow(), why=why(run, utcnow()),
        state=state_of(run), rules=rules, fields={name: item.label for name, item in FIELDS.items()}, problem=problem,
        steps=[_step(step) for step in detail["actions"]], may_test=actor.may("testmail:run"), may_read=actor.may("archives:read"),
        story=audit.story_of(actor, "run", run.id),
        answer=orjson.loads(envelope.json_bytes({"success": True, "data": _dump({**detail, "actions": _short(detail["actions"])})})),
    )  # fmt: skip


def _short(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps without payloads, for the example of the API."""
    return [{**step, "attempts": []} for step in steps]


def _step(step: dict[str, Any]) -> dict[str, Any]:
    kind = actions.find(step["type"])
    return {
        **step, "label": kind.label if kind else step["type"], "icon": kind.icon if kind else "zap",
        "shown": [_attempt(attempt) for attempt in reversed(step["attempts"])],
    }  # fmt: skip


def _attempt(attempt: StepAttempt) -> dict[str, Any]:
    """One attempt as the shared part `attempts` paints it."""
    summary = attempt.error or attempt.detail
    return {
        "number": attempt.number, "state": attempt.outcome, "at": attempt.at, "ms": attempt.ms, "summary": summary,
        "error": attempt.error if attempt.detail and attempt.error else "", "request": _message(attempt.request, ("method", "url")),
        "answer": _message(attempt.answer, ("status",)), "open": False,
    }  # fmt: skip


def _message(value: dict[str, Any] | None, first: tuple[str, ...]) -> str:
    """A request or an answer as it went over the wire: first line, headers, empty line, body."""
    if not value:
        return ""
    if "headers" not in value:
        return envelope.orjson.dumps(value, option=envelope.orjson.OPT_INDENT_2, default=str).decode()
    head = " ".join(str(value[name]) for name in first if value.get(name) is not None)
    lines = [head, *(f"{name}: {text}" for name, text in value["headers"].items())]
    body = _readable(value.get("body") or "")
    return "\n".join(lines) + (f"\n\n{body}" if body else "")


def _readable(body: str) -> str:
    """JSON on several lines; everything else as it is."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2) if body[:1] in "[{" else body
    except ValueError:
        return body


@bp.post("/runs/<int:run_id>/retry")
@needs("testmail:run")
def retry(run_id: int) -> Response:
    """Let a waiting run go now; try what failed once more."""
    runs.retry_now(current_actor(), run_id)
    return redirect_to(url_for(".show_page", run_id=run_id), toast="It goes now")


@bp.post("/runs/<int:run_id>/replay")
@needs("testmail:run")
def replay(run_id: int) -> Response:
    """Run the route again on the same mail, as a new run."""
    actor = current_actor()
    run = runs.get_run(actor, run_id)
    if run.message_id is None:
        raise HouseError("The mail of this run is gone.")
    asked = runs.replay(actor, run.mailbox_id, run.message_id, run.route_id)
    return redirect_to(url_for(".show_page", run_id=asked.runs[0].id), toast="The mail is replayed")
