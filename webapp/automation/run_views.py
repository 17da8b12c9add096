"""Runs as they are shown: the row with its steps, their attempts and the text of the mail."""

from typing import Any

from webapp.automation import runs
from webapp.automation.models_runs import Run
from webapp.automation.schemas_runs import RunOut, RunStepOut
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.messages import service as messages
from webapp.messages.models import Message

LONGEST_BODY = 65_536
_COLUMNS = tuple(field.attribute or name for name, field in RunOut().dump_fields.items())
_STEP_COLUMNS = tuple(field.attribute or name for name, field in RunStepOut(exclude=("attempts",)).dump_fields.items())


def detail(actor: Actor, run_id: int, mailbox_id: int | None = None) -> dict[str, Any]:
    """Everything about one run. raises NotFound"""
    run = runs.get_run(actor, run_id, mailbox_id)
    attempts = runs.attempts_of(run.id)
    steps = []
    for step in runs.steps_of(run.id):
        steps.append({**{name: getattr(step, name) for name in _STEP_COLUMNS}, "attempts": attempts.get(step.id, [])})
    shown = {name: getattr(run, name) for name in _COLUMNS}
    match_type = run.snapshot.get("match_type")
    return {**shown, "verdicts": run.verdicts, "match_type": match_type, "actions": steps, "body": body_of(actor, run)}


def body_of(actor: Actor, run: Run) -> str | None:
    """The text of the mail, for those who may read it."""
    message = db.session.get(Message, run.message_id) if run.message_id is not None else None
    if message is None or message.deleted_at is not None or not actor.may("archives:read") or not messages.may_read_body(actor, message):
        return None
    return messages.read_message(actor, message).text[:LONGEST_BODY]


def accepted(asked: runs.Asked) -> dict[str, Any]:
    """The answer to a test or a replay."""
    ids = [run.id for run in asked.runs]
    return {"test_id": asked.plan.id, "archive_id": asked.message.id, "log_ids": ids, "status": "queued"}
