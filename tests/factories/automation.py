"""Rules, actions, routes and mails that set them off."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from sqlalchemy import update

from tests.factories.messages import make_mail
from webapp.automation import routes, rules, runs, saved_actions
from webapp.automation.actions import ActionType, Context, Result
from webapp.automation.models import Action, Route, Rule
from webapp.automation.models_runs import RoutePlan, Run, RunStep, StepAttempt
from webapp.core.db import begin_writing, db
from webapp.mailboxes.models import Mailbox
from webapp.messages import store
from webapp.messages.models import Message

_numbers = count(1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
HOOK = "https://hooks.example.com/in"


def make_rule(person: Any, **values: Any) -> Rule:
    """A rule on the subject that finds "Invoice", unless told otherwise."""
    given = {"name": f"rule {next(_numbers)}", "type": "includes", "field": "subject", "value": "Invoice", **values}
    rule = rules.create_rule(person.actor, **given)
    db.session.commit()
    return rule


def make_action(person: Any, type: str = "webhook", **values: Any) -> Action:
    """An action; parameters may be given as keywords, settings too."""
    settings = {name: values.pop(name) for name in (*saved_actions.SETTINGS, "name") if name in values}
    parameters = values.pop("parameters", values)
    if type == "webhook":
        parameters = {"url": HOOK, **parameters}
    action = saved_actions.create_action(person.actor, **{"name": f"{type} {next(_numbers)}", **settings}, type=type, parameters=parameters)
    db.session.commit()
    return action


def make_route(person: Any, mailbox: Mailbox, *, rules: Any = (), actions: Any = (), **values: Any) -> Route:
    """A route without rules fires on every mail, one without actions absorbs it."""
    steps = [item if isinstance(item, dict) else {"action_id": item.id} for item in actions]
    given = {"name": f"route {next(_numbers)}", "rule_ids": [rule.id for rule in rules], "actions": steps, **values}
    route = routes.create_route(person.actor, mailbox_id=mailbox.id, **given)
    db.session.commit()
    return route


def arrive(mailbox: Mailbox, **parts: Any) -> Message:
    """What intake does with a mail: read it, ask the routes, file it unless it has to wait."""
    message = make_mail(mailbox, folder=None, **parts)
    if not runs.plan(message) and message.direction == "received":
        store.file_message(message)
    db.session.commit()
    return message


def runs_of(message: Message | None = None) -> list[Run]:
    """As they stand in the database now."""
    db.session.expire_all()
    query = db.session.query(Run).order_by(Run.id)
    return (query.filter_by(message_id=message.id) if message is not None else query).all()


def steps_of(run: Run) -> list[RunStep]:
    return runs.steps_of(run.id)


def attempts_of(run: Run) -> list[StepAttempt]:
    """Every attempt of a run, in the order in which they were made."""
    return [attempt for step in steps_of(run) for attempt in runs.attempts_of(run.id).get(step.id, [])]


def make_due() -> None:
    """Let every wait be over and every lease run out, as if time had passed or the holder had died."""
    begin_writing()
    db.session.execute(update(Run).where(Run.next_attempt_at.is_not(None)).values(next_attempt_at=LONG_AGO))
    db.session.execute(update(Run).values(lease_until=None))
    db.session.execute(update(RoutePlan).values(lease_until=None))
    db.session.commit()


class Noting(ActionType):
    """An action type for tests: writes down what it saw, and answers as it is told."""

    name = "noting"
    label = "Note"
    summary = "Writes down what it saw."

    def __init__(self, *answers: Result) -> None:
        self.answers = list(answers)
        self.seen: list[Context] = []

    def perform(self, context: Context) -> Result:
        self.seen.append(context)
        return self.answers.pop(0) if self.answers else Result("success", "Noted.")
