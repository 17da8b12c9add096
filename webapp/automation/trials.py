"""Test mail: made of what somebody typed, of an .eml, or of an archived mail; run for real (flagged everywhere) or evaluated only.

    prepare ──> Prepared (bytes and envelope) ─┬─> start_test   a test message, its plan and its runs        (202)
                                               └─> dry_run      rules evaluated, parameters rendered, nothing done  (200)
"""

import base64
import binascii
import time
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.automation import contexts, loaded_routes, loops, mail_state, matching, parameters, reach, rules, runs, saved_actions, steps
from webapp.automation.actions.base import RunInfo
from webapp.automation.data_rows import lookup
from webapp.automation.loaded_routes import LoadedRoute
from webapp.automation.mail_view import MailView
from webapp.automation.models import Route
from webapp.automation.redaction import redact
from webapp.core.actor import Actor
from webapp.core.config import settings
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, TooLarge, invalid
from webapp.core.lookup import mine
from webapp.mail import mime
from webapp.mail.address import BadAddress, normalise
from webapp.mailboxes.models import Mailbox
from webapp.messages import service as messages
from webapp.messages import store
from webapp.messages.models import Message

TYPED = ("sender", "receivers", "cc", "subject", "body", "html", "headers", "attachments")


@dataclass(frozen=True)
class Prepared:
    """A test mail that is not stored yet; `archived` is the mail that it was taken from."""

    raw: bytes
    envelope_sender: str
    envelope_recipients: list[str]
    mailbox: Mailbox | None
    archived: Message | None = None
    direction: str = "received"

    def view(self) -> MailView:
        return mail_state.view_of(
            self.raw, envelope_sender=self.envelope_sender, envelope_recipients=self.envelope_recipients, direction=self.direction,
            verdict=self.archived.auth_verdict if self.archived else None,
        )  # fmt: skip


def prepare(actor: Actor, mailbox: Mailbox | None, given: dict[str, Any]) -> Prepared:
    """The mail that a test is made with.

    given   typed parts, or `eml` (bytes or base64), or `archive_id`; exactly one source
    raises  Invalid, NotFound for a mail that the actor does not see, TooLarge
    """
    typed = [name for name in TYPED if given.get(name)]
    sources = [name for name in ("eml", "archive_id") if given.get(name) is not None] + (["typed"] if typed else [])
    if len(sources) != 1:
        text = "Send exactly one source: a typed mail (subject, body …), eml, or archive_id."
        raise Invalid(text, fields={(sources[-1] if sources and sources[-1] != "typed" else "subject"): [text]})
    if given.get("archive_id") is not None:
        return _archived(actor, mailbox, given["archive_id"])
    raw = _from_eml(given["eml"]) if sources == ["eml"] else _typed(mailbox, given)
    limit = min(settings().max_message_bytes, mailbox.max_message_bytes if mailbox else settings().max_message_bytes)
    if len(raw) > limit:
        raise TooLarge(f"This mail has {len(raw):,} bytes; the mailbox takes {limit:,}.")
    mail = mime.parse(raw)
    receivers = [mailbox.email] if mailbox else [email for _, email in mail.to]
    return Prepared(raw, mail.sender, receivers, mailbox)


def _archived(actor: Actor, mailbox: Mailbox | None, archive_id: int) -> Prepared:
    try:
        found = messages.get_message(actor, archive_id, mailbox.id if mailbox else None, scope="testmail:run")
    except NotFound:
        raise invalid("archive_id", f"There is no archived mail with the id {archive_id}.") from None
    if found.keeps_back:
        raise invalid("archive_id", "System mail cannot be used for tests.")
    home = mailbox or (db.session.get(Mailbox, found.mailbox_id) if found.mailbox_id else None)
    return Prepared(store.raw_of(found), found.envelope_sender, list(found.envelope_recipients), home, found, found.direction)


def _from_eml(given: bytes | str) -> bytes:
    if isinstance(given, str):
        try:
            given = base64.b64decode("".join(given.split()), validate=True)
        except (binascii.Error, ValueError):
            raise invalid("eml", "This is not base64.") from None
    if not given.strip():
        raise invalid("eml", "The file is empty.")
    if b":" not in given.split(b"\n", 1)[0] and not given.startswith((b"From ", b"\r\n", b"\n")):
        raise invalid("eml", "This does not look like a mail: it does not begin with a header.")
    return given


def _typed(mailbox: Mailbox | None, given: dict[str, Any]) -> bytes:
    receivers = given.get("receivers") or ([mailbox.email] if mailbox else ["somebody@example.com"])
    try:
        return mime.build(
            mime.NewMail(
                sender=_address("sender", given.get("sender") or f"test@{settings().hostname}"),
                to=[_address(f"receivers.{number}", text) for number, text in enumerate(receivers)],
                cc=[_address(f"cc.{number}", text) for number, text in enumerate(given.get("cc") or [])],
                subject=given.get("subject") or "", text=given.get("body") or ("" if not given.get("html") else None),
                html=given.get("html") or None, headers=[mime.check_header(*pair) for pair in (given.get("headers") or {}).items()],
                attachments=[_file(number, item) for number, item in enumerate(given.get("attachments") or [])],
            )
        )  # fmt: skip
    except ValueError as error:
        raise invalid("headers" if given.get("headers") else "subject", str(error)) from None


def _address(field: str, text: str) -> str:
    try:
        return normalise(text)
    except BadAddress as error:
        raise invalid(field, str(error)) from None


def _file(number: int, item: dict[str, Any]) -> mime.NewAttachment:
    try:
        content = base64.b64decode("".join(item["content"].split()), validate=True)
    except (binascii.Error, ValueError):
        raise invalid(f"attachments.{number}.content", "This is not base64.") from None
    return mime.NewAttachment(item["filename"], content, item.get("content_type") or "")


# --- for real ---------------------------------------------------------------------------------------------


def start_test(actor: Actor, mailbox_id: int, given: dict[str, Any]) -> runs.Asked:
    """Store a test mail in the mailbox and run its routes on it; actions really run, everything is flagged as a test.

    raises Invalid, NotFound, TooLarge, InvalidState when no route would run
    """
    actor.require("testmail:run")
    mailbox = reach.get_mailbox(actor, mailbox_id)
    ready = prepare(actor, mailbox, given)
    raw = mail_state.with_headers(ready.raw, [(loops.TEST, "1")], without=[loops.TEST])
    message = store.store_message(
        workspace_id=mailbox.workspace_id, mailbox_id=mailbox.id, direction=ready.direction, raw=raw, envelope_sender=ready.envelope_sender,
        envelope_recipients=ready.envelope_recipients, recipient=mailbox.email, is_test=True, trusted=True, state="processed", ip=actor.ip,
        request_id=actor.request_id,
    )  # fmt: skip
    store.apply_parsed(message, mime.parse(raw))
    asked = runs.start(actor, mailbox, message, given.get("route_id"))
    about = Target("mailbox", mailbox.id, mailbox.email)
    audit.record(actor, "testmail.run", about, after={"message_id": message.id, "runs": [run.id for run in asked.runs]})
    return asked


# --- dry -------------------------------------------------------------------------------------------------


@dataclass
class DryRun:
    """Everything that a dry run needs; `judge` touches no database, so the transaction can end before it."""

    ready: Prepared
    routes: list[LoadedRoute]
    mailbox: Mailbox
    data: dict[str, Any]
    receiver: str
    report: list[dict[str, Any]] = field(default_factory=list)

    def judge(self) -> list[dict[str, Any]]:
        """One entry for each route: its verdicts, and what its actions would be given."""
        mail, stopped = self.ready.view(), False
        report = []
        for route in self.routes:
            outcome = None if stopped else matching.evaluate(route.rules, route.match_type, mail)
            matched = outcome is not None and outcome.matched
            report.append({
                "route_id": route.id, "route": route.name, "matched": matched, "error": outcome.error if outcome else None,
                "note": "An earlier route matched and stops the walk." if stopped else None,
                "rules": [verdict.as_dict() for verdict in outcome.verdicts] if outcome else [],
                "actions": [self.render(step, mail, route) for step in route.steps] if matched else [],
            })  # fmt: skip
            stopped = stopped or (matched and route.stop_on_match)
        return report

    def render(self, step: dict[str, Any], mail: MailView, route: LoadedRoute | None = None) -> dict[str, Any]:
        """What one action would be given, secrets masked."""
        info = run_info(self.mailbox, self.ready, route.id if route else None, route.name if route else "Test")
        loaded = contexts.build(step["type"], step["settings"], info, mail, receiver=self.receiver, data=self.data)
        shown: dict[str, Any] = {"action_id": step["action_id"], "action": step["name"], "type": step["type"], "rendered": None}
        if loaded.kind is None or loaded.context is None:
            return {**shown, "error": loaded.problem, "warnings": []}
        rendered = parameters.mask(loaded.kind.parameters, loaded.kind.preview(loaded.context))
        return {**shown, "rendered": rendered, "error": None, "warnings": loaded.warnings}


def run_info(mailbox: Mailbox, ready: Prepared, route_id: int | None, route_name: str) -> RunInfo:
    return RunInfo(
        id=0, workspace_id=mailbox.workspace_id, mailbox_id=mailbox.id, mailbox_email=mailbox.email,
        message_id=ready.archived.id if ready.archived else None, route_id=route_id, route_name=route_name, delivery="dlv_test",
        is_test=True, direction=ready.direction,
    )  # fmt: skip


def plan_dry_run(actor: Actor, mailbox_id: int, given: dict[str, Any]) -> DryRun:
    """Load a dry run of the enabled routes of a mailbox; the caller ends the transaction, then calls `judge`."""
    actor.require("testmail:run")
    mailbox = reach.get_mailbox(actor, mailbox_id)
    ready = prepare(actor, mailbox, given)
    route_id = given.get("route_id")
    if route_id is not None:
        routes = list(db.session.scalars(mine(actor, Route).where(Route.id == route_id, Route.mailbox_id == mailbox.id)))
        if not routes:
            raise invalid("route_id", f"{mailbox.email} has no route with the id {route_id}.")
    else:
        routes = runs.candidates(mailbox.id, ready.direction)
    receiver = ready.archived.recipient if ready.archived and ready.archived.recipient else mailbox.email
    return DryRun(ready, loaded_routes.load_routes(routes), mailbox, lookup(mailbox.id, receiver), receiver)


# --- one rule, one action ----------------------------------------------------------------------------------


def plan_rule_test(actor: Actor, rule_id: int, given: dict[str, Any]) -> tuple[rules.RuleSpec, Prepared]:
    """A rule and the mail to try it on; the caller ends the transaction, then asks `matching.judge`."""
    actor.require("testmail:run")
    rule = rules.get_rule(actor, rule_id)
    spec = rules.spec_of(rule)
    mailbox = reach.get_mailbox(actor, given["mailbox_id"]) if given.get("mailbox_id") else None
    return replace(spec, options={**spec.options, "problem": None}), prepare(actor, mailbox, given)


@dataclass(frozen=True)
class ActionTest:
    """One action ready to be tried on one mail."""

    loaded: contexts.Loaded
    rendered: dict[str, Any]


def plan_action_test(actor: Actor, action_id: int, given: dict[str, Any]) -> ActionTest:
    """An action and the mail to try it on; the caller ends the transaction before it performs.

    raises Invalid when no mailbox is named and the source has none
    """
    actor.require("testmail:run")
    action = saved_actions.get_action(actor, action_id)
    mailbox = reach.get_mailbox(actor, given["mailbox_id"]) if given.get("mailbox_id") else None
    ready = prepare(actor, mailbox, given)
    mailbox = mailbox or ready.mailbox
    if mailbox is None:
        raise invalid("mailbox_id", "Name the mailbox on whose behalf the action runs.")
    step = loaded_routes.step_of(action)
    receiver = ready.archived.recipient if ready.archived and ready.archived.recipient else mailbox.email
    info = run_info(mailbox, ready, None, f"Test of {action.name}")
    raw_id = ready.archived.raw_id if ready.archived else None
    loaded = contexts.build(
        action.type, step["settings"], info, ready.view(), receiver=receiver, data=lookup(mailbox.id, receiver), raw_id=raw_id
    )
    if loaded.kind is None or loaded.context is None:
        raise invalid("type", loaded.problem or "This action cannot run.")
    if not given.get("dry_run"):
        audit.record(actor, "action.test", saved_actions.target(action), after={"mailbox": mailbox.email})
    return ActionTest(loaded, parameters.mask(loaded.kind.parameters, loaded.kind.preview(loaded.context)))


def perform(test: ActionTest) -> dict[str, Any]:
    """Do it once, for real. Call it without a transaction open; work on our own database happens in the one that it begins."""
    started = time.perf_counter()
    result = steps.perform(test.loaded)
    ms = round((time.perf_counter() - started) * 1000)
    if result.deed is not None and result.outcome == "success":
        result = steps.do_deed(result)
    hidden = test.loaded.secrets
    return {
        "outcome": result.outcome, "detail": redact(" ".join([result.detail, *test.loaded.warnings]).strip(), hidden),
        "error": redact(result.error, hidden), "status_code": result.status_code, "ms": ms, "changed": result.changed,
        "request": steps.as_dict(redact(result.request, hidden)), "answer": steps.as_dict(redact(result.answer, hidden)),
        "rendered": test.rendered,
    }  # fmt: skip


def mailbox_of_message(actor: Actor, message_id: int) -> Message:
    """For the link "create rule from this mail". raises NotFound"""
    return messages.get_message(actor, message_id)


def latest(actor: Actor, mailbox_id: int, limit: int = 25) -> list[Message]:
    """The newest mails of a mailbox, to choose one for a test."""
    mailbox = reach.get_mailbox(actor, mailbox_id)
    query = select(Message).where(Message.mailbox_id == mailbox.id, Message.deleted_at.is_(None)).order_by(Message.id.desc()).limit(limit)
    return list(db.session.scalars(query))
