"""The one way in: whatever leaves (API, SMTP login, forward, auto-reply, system mail) is submitted here, without an actor.

    check envelope ─> ready the source ─> sign ─> archive copy ─> outgoing + one delivery per recipient ─> ring
"""

from collections.abc import Iterable, Mapping, Sequence

from webapp.core import errors, events, failpoints, live, queue
from webapp.core.bulk import insert_rows
from webapp.core.config import settings
from webapp.core.db import database_now, db
from webapp.core.outside import outside
from webapp.domains import service as domains
from webapp.mail import dkim
from webapp.mail.address import BadAddress, normalise
from webapp.messages import store
from webapp.sending import barring, history, ledger, quota, source, ways
from webapp.sending.models import Delivery, Outgoing
from webapp.sending.wishes import wished_reports

#: recipients of one mail
MOST_RECIPIENTS = 1000


def submit(
    *, workspace_id: int, mailbox_id: int | None, envelope_sender: str, recipients: Sequence[str], raw: bytes, kind: str,
    stream: str = "transactional", message_id: int | None = None, source_type: str | None = None, source_id: int | None = None,
    request_id: str | None = None, from_address: str | None = None, is_test: bool = False, run_routes: bool = False,
) -> Outgoing:  # fmt: skip
    """Take a mail for sending: once this commits, every recipient has its row.

    envelope_sender  an address, or "" for reports and answers by machines
    recipients       any spelling; equal ones count once
    raw              the mail; it is signed when the domain of its From is one of this workspace
    message_id       the archive copy, where the caller has one already; else one is stored with direction `sent`
    from_address     header From, where the caller knows it better than the header
    run_routes       tell automation that a mailbox sends this, so that its outgoing routes run
    raises           Invalid about recipients, sender or the mail
    """  # fmt: skip
    addresses = check_recipients(recipients)
    sender = check_sender(envelope_sender)
    ready = source.prepare(raw, hostname=settings().hostname, now=outside().clock.now())
    from_address = from_address or ready.sender or sender
    stored = store.store_raw(sign(ready.raw, ready.sender, workspace_id))
    failpoints.hit("submit.source_kept")
    barred = barring.at_submit(workspace_id, addresses, stream, kind)
    states = first_states(addresses, workspace_id) | dict.fromkeys(barred, "suppressed")
    if message_id is None:
        copy = store.store_message(
            workspace_id=workspace_id, mailbox_id=mailbox_id, raw_id=stored.id, direction="sent", envelope_sender=sender,
            envelope_recipients=addresses, trusted=True, is_test=is_test, request_id=request_id, delivery_state=overall(states.values()),
            sender=from_address, subject=ready.subject, message_id_header=ready.message_id,
        )  # fmt: skip
        message_id = copy.id
    outgoing = Outgoing(
        workspace_id=workspace_id, mailbox_id=mailbox_id, message_id=message_id, raw_id=stored.id, envelope_sender=sender,
        from_address=from_address, subject=ready.subject, message_id_header=ready.message_id, size_bytes=stored.size_bytes, stream=stream,
        kind=kind, source_type=source_type, source_id=source_id, request_id=request_id, recipient_count=len(addresses),
        reports=wished_reports(kind=kind, stream=stream, sender=sender, raw=ready.raw),
    )  # fmt: skip
    failpoints.hit("submit.copied")
    db.session.add(outgoing)
    db.session.flush()
    failpoints.hit("submit.outgoing")
    quota.count(mailbox_id, kind)
    add_deliveries(outgoing, states, barred)
    failpoints.hit("submit.in_ledger")
    if run_routes:
        events.send("mail_submitted", message_id=message_id)
    return outgoing


def add_deliveries(outgoing: Outgoing, states: dict[str, str], barred: Mapping[str, str]) -> None:
    """The ledger's rows in one statement, their counters, and the bell. barred: why the suppressed ones are"""
    now, way = database_now(), ways.platform()
    first = {
        "queued": (now, None, None, None, None), "captured": (None, way.name, None, None, now),
        "held": (None, None, way.held_reason, "transport", None), "suppressed": (None, None, None, None, now),
    }  # fmt: skip
    shared = (outgoing.workspace_id, outgoing.id, outgoing.mailbox_id, outgoing.stream, 0, False, now, now)
    rows = [(*shared, address, address.rpartition("@")[2], state, *first[state], barred.get(address)) for address, state in states.items()]
    insert_rows(Delivery, _DELIVERY, rows)
    history.begun(outgoing, barred)
    ledger.count_moves((outgoing.workspace_id, None, state) for state in states.values())
    live.notify(outgoing.workspace_id, ledger.LIVE_EVENT)
    if "queued" in states.values():
        queue.ring("sending.bulk" if outgoing.stream == "bulk" else "sending.drain")


_DELIVERY = (
    "workspace_id", "outgoing_id", "mailbox_id", "stream", "attempts", "sent_again", "created_at", "updated_at", "recipient", "domain",
    "state", "next_attempt_at", "host", "held_reason", "held_by", "finished_at",
    "last_error",
)  # fmt: skip


def first_states(addresses: Sequence[str], workspace_id: int) -> dict[str, str]:
    """Where each recipient begins: those of this installation are always queued, for the others the transport says."""
    here, first = ways.local_addresses(addresses, workspace_id), ways.platform().first_state
    return {address: "queued" if address in here else first for address in addresses}


def overall(states: Iterable[str]) -> str:
    """The one state of a mail with several recipients: the first of `ledger.OVERALL` that any of them has."""
    found = set(states)
    return next(state for state in ledger.OVERALL if state in found)


def check_recipients(recipients: Sequence[str], field: str = "recipients") -> list[str]:
    """The addresses in normal form, each once, in their order. raises Invalid that names the bad one"""
    found: dict[str, None] = {}
    for text in recipients:
        try:
            found[normalise(text)] = None
        except BadAddress as error:
            raise errors.invalid(field, str(error)) from None
    if not found:
        raise errors.invalid(field, "Name at least one recipient.")
    if len(found) > MOST_RECIPIENTS:
        raise errors.invalid(field, f"One mail takes at most {MOST_RECIPIENTS:,} recipients; these are {len(found):,}.")
    return list(found)


def check_sender(address: str) -> str:
    """The envelope sender in normal form; empty stays empty. raises Invalid"""
    if not address:
        return ""
    try:
        return normalise(address)
    except BadAddress as error:
        raise errors.invalid("envelope_sender", str(error)) from None


def sign(raw: bytes, from_address: str, workspace_id: int) -> bytes:
    """The mail with the DKIM signatures of the domain of its header From, when that is one of this workspace; else unchanged."""
    for key in domains.signing_keys(from_address.rpartition("@")[2], workspace_id) if "@" in from_address else ():
        raw = dkim.sign(raw, key.domain, key.selector, key.private)
    return raw
