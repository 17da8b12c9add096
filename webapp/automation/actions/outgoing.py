"""What the actions that send mail have in common: addresses, trace headers, and handing over to sending."""

from collections.abc import Mapping, Sequence
from typing import Any

from webapp.automation import loops
from webapp.automation.actions.base import Context, Result
from webapp.automation.actions.set_data import check_address
from webapp.automation.variables import has_placeholder
from webapp.core.errors import Invalid
from webapp.mail.address import BadAddress, normalise
from webapp.sending import service as sending


class Unsendable(Exception):
    """The mail cannot go; the text says why."""


def check_addresses(values: Mapping[str, Any], field: str) -> None:
    """Addresses without variables are checked on save. raises BadParameters"""
    for text in values.get(field) or []:
        if not has_placeholder(text):
            check_address(field, text)


def addresses(context: Context, field: str) -> list[str]:
    """The addresses of a list parameter, normalised, each once. raises Unsendable"""
    found = []
    for text in context.lines(field):
        try:
            found.append(normalise(text))
        except BadAddress as error:
            raise Unsendable(str(error)) from None
    if not found:
        raise Unsendable("There is no address left once the variables are replaced.")
    return list(dict.fromkeys(found))


def traces(context: Context) -> list[tuple[str, str]]:
    """The trace headers of the mail at hand and one more for this run."""
    before = [(loops.TRACE, value) for value in context.mail.header_values(loops.TRACE)]
    return [*before, trace(context)]


def loop_mark(context: Context) -> tuple[str, str]:
    """What tells us, should the mail come back, that this mailbox answered; other programs that answer look for it as well."""
    return loops.LOOP, context.run.mailbox_email


def going_round(context: Context) -> str | None:
    """Why this mail is not sent on or answered: it went round already. None when it may go."""
    return loops.too_many_traces(context.mail) or loops.was_here(context.mail, context.run.mailbox_email, context.run.hostname)


def trace(context: Context) -> tuple[str, str]:
    return loops.TRACE, f"run {context.run.id}; {context.run.mailbox_email}; {context.run.hostname}"


def hand_over(context: Context, *, raw: bytes, recipients: Sequence[str], envelope_sender: str, kind: str) -> str:
    """Submit within the transaction that records the attempt, so that it leaves once. Returns a sentence; raises Unsendable"""
    run = context.run
    try:
        outgoing = sending.submit(
            workspace_id=run.workspace_id, mailbox_id=run.mailbox_id, envelope_sender=envelope_sender, recipients=list(recipients), raw=raw,
            kind=kind, source_type="run", source_id=run.id, request_id=run.request_id, from_address=run.mailbox_email, is_test=run.is_test,
        )  # fmt: skip
    except Invalid as refused:
        raise Unsendable(refused.message) from None
    return f"Handed over for {', '.join(recipients)} as outgoing mail {outgoing.id}."


def refused(error: Unsendable) -> Result:
    return Result("failed", error=str(error))
