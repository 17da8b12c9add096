"""From the audience to the ledger: writing a row is claiming it.

    lock campaign ─> next people ─> rows, leased by whoever sends them ─> position moves ─> commit, before a byte goes out

All of it is one transaction, so whoever stands before the position was looked at once, and whoever has a row is in somebody's hands. Two
workers take turns at the campaign's row. Whoever got one already (a merged twin) is left out by the ledger's unique address.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import compress
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from webapp.campaigns import allowance, audience, copies, tallies
from webapp.campaigns.compiling import Ready
from webapp.campaigns.copies import Copies
from webapp.campaigns.ledger_rows import insert_new
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact
from webapp.core import failpoints, live, queue
from webapp.core.db import database_now, db
from webapp.core.fast_rows import take_ids
from webapp.sending import history, holds, ledger, return_path, ways
from webapp.sending.models import Delivery, Outgoing
from webapp.sending.settle import Waiting
from webapp.suppressions import lookup
from webapp.suppressions.models import Suppression

#: people of one claim: the first ones are few, so that a letter that bounces is stopped early
FIRST, BATCH = 100, 1000
#: near the end a claim takes this part of what may be left, so that all workers end together, but not less than this
TAIL, LEAST = 2, 250
#: a campaign with a rate makes up for at most so much time in which nothing was taken, in seconds
BURST_S = 1.0
LIVE_EVENT = "campaigns-changed"
_UNSYNCED = {"synchronize_session": False}
#: columns without the mapper, which would be a third of the reading
_TABLE: Any = Contact.__table__.c
#: what a claim needs of the campaign
NEEDED = (
    Campaign.id, Campaign.workspace_id, Campaign.version, Campaign.state, Campaign.mailbox_id, Campaign.outgoing_id, Campaign.group_ids,
    Campaign.segment_ids, Campaign.exclude_group_ids, Campaign.exclude_segment_ids, Campaign.audience_position, Campaign.audience_last_id,
    Campaign.is_expanded, Campaign.send_rate, Campaign.next_attempt_at, Campaign.skipped_count, Campaign.deleted_at,
)  # fmt: skip
#: statements of every claim are made once: building one takes longer than running it
_LOCKED = select(*NEEDED).where(Campaign.id == bindparam("campaign")).with_for_update(of=Campaign)
_BARRED = select(Suppression.id).where(Suppression.workspace_id == bindparam("workspace")).limit(1)
_MAIL = select(Outgoing.envelope_sender, Outgoing.raw_id).where(Outgoing.id == bindparam("outgoing"))


@dataclass
class Claimed:
    """What one claim brought: rows to send, and who makes their mails. `is_changed`: the letter is another one by now, nothing was done."""

    rows: list[Waiting] = field(default_factory=list)
    make: Copies | None = None
    is_changed: bool = False


def claim(
    campaign_id: int, ready: Ready, version: int, owner: str, boot_id: str, first_state: str, busy: Sequence[str] = (), portion: int = BATCH
) -> Claimed:
    """Take the next people of a campaign. The caller commits before anything is sent.

    ready, version  its letter as the caller has it
    first_state     what the platform's way out makes of new rows: queued (they are leased at once) or captured
    busy            domains where this process hangs already; their rows wait for the ordinary machinery
    portion         people that the caller can send to in a while
    """
    campaign = db.session.execute(_LOCKED, {"campaign": campaign_id}).one_or_none()
    if campaign is None or campaign.state != "sending" or campaign.is_expanded or campaign.deleted_at is not None:
        return Claimed()
    if campaign.version != version:
        return Claimed(is_changed=True)
    now = database_now()
    most = _allowed(campaign, now, portion)
    most = min(most, allowance.room(campaign, now)) if most > 0 else 0
    if most < 1:
        return Claimed()
    last = campaign.audience_last_id or 0
    window = audience.next_window(campaign, campaign.audience_position, most, last)
    people = audience.look(campaign, window, [*_SEEN, *copies.columns(ready)])
    going = [one for one in people if one[3] and one[4] is one[5] is None]
    is_last, position = window.is_last, window.upto
    if len(going) > most:
        is_last, position = False, going[most - 1][0]
        people = [one for one in people if one[0] <= position]
        going = going[:most]
    barred = lookup.barred(campaign.workspace_id, [one[1] for one in going], "bulk") if _may_be_barred(campaign.workspace_id) else {}
    going = [one for one in going if one[1] not in barred] if barred else going
    slow = _slow_ones(campaign, going, busy) if going else set()
    rows, made = _write(campaign, going, slow, (owner, boot_id, first_state), now)
    allowance.taken(campaign, made)
    failpoints.hit("campaign.rows_written")
    _move_on(campaign, position, is_last, made, len(people) - made, now)
    values: dict[int, Sequence[Any]] = {one[0]: one[len(_SEEN) :] for one in going}
    if len(rows) < len(going):
        values = {number: values[number] for number in (row.contact_id for row in rows) if number is not None}
    return Claimed(rows, Copies(campaign_id, ready, values) if rows else None)


def _may_be_barred(workspace_id: int) -> bool:
    """Whether the suppression list names anybody at all; hashing a thousand addresses for an empty one is time lost."""
    return db.session.scalar(_BARRED, {"workspace": workspace_id}) is not None


#: what is asked of everybody; people are tuples that begin so
_SEEN = (_TABLE.id, _TABLE.address, _TABLE.domain, _TABLE.subscribed, _TABLE.bounced_at, _TABLE.complained_at)


def _allowed(campaign: Row[Any], now: datetime, portion: int) -> int:
    """How many may be taken now."""
    left = (campaign.audience_last_id or 0) - campaign.audience_position
    most = FIRST if campaign.audience_position == 0 else min(BATCH, portion, max(LEAST, left // TAIL))
    if not campaign.send_rate:
        return most
    since = max(campaign.next_attempt_at or now, now - timedelta(seconds=BURST_S))
    if since > now:
        return 0
    return min(most, 1 + int((now - since).total_seconds() * campaign.send_rate / 60))


def _write(
    campaign: Row[Any], people: Sequence[Any], slow: set[int], holder: tuple[str, str, str], now: datetime
) -> tuple[list[Waiting], int]:
    """The rows of these people; those that leave over the network now are leased. returns them, and how many rows there are in all"""
    if not people:
        return [], 0
    owner, boot_id, first_state = holder
    ids = take_ids(Delivery, len(people))
    first = "leased" if first_state == "queued" else first_state
    states = [("queued" if one[0] in slow else first) for one in people] if slow else [first] * len(people)
    written = insert_new(campaign, people, ids, states, owner, boot_id, now)
    if len(written) < len(people):
        kept = [(one, number, state) for one, number, state in zip(people, ids, states, strict=True) if number in written]
        people, ids, states = [one for one, _, _ in kept], [number for _, number, _ in kept], [state for _, _, state in kept]
    _count(campaign, people, states)
    if "queued" in states:
        queue.ring("sending.bulk")
    if first_state == "captured":
        history.copied([number for number, state in zip(ids, states, strict=True) if state == "captured"])
    sender, raw_id = db.session.execute(_MAIL, {"outgoing": campaign.outgoing_id}).one()
    workspace_id, outgoing_id, mailbox_id, campaign_id = campaign.workspace_id, campaign.outgoing_id, campaign.mailbox_id, campaign.id
    from_whom = return_path.of_all(workspace_id, sender) if mailbox_id is not None else lambda _: sender
    rows = [
        Waiting(
            number, workspace_id, outgoing_id, None, mailbox_id, one[1], one[2], "bulk", "queued", 0, False, None, boot_id, now,
            from_whom(number), raw_id, 0, "", None, None, campaign_id, one[0],
        )
        for one, number, state in zip(people, ids, states, strict=True) if state == "leased"
    ]  # fmt: skip
    return rows, len(people)


def _slow_ones(campaign: Row[Any], people: Sequence[Any], busy: Sequence[str]) -> set[int]:
    """Contacts whose rows the ordinary machinery takes: mailboxes of this installation, whatever is on hold, domains that hang."""
    domains = {one[2] for one in people}
    here = ways.local_addresses((one[1] for one in people), campaign.workspace_id, domains)
    on_hold = holds.holds_of({campaign.workspace_id})
    found = {one[0] for one in people if one[1] in here} if here else set()
    if busy:
        found |= {one[0] for one in people if one[2] in set(busy)}
    if on_hold:
        whole = (campaign.workspace_id, campaign.mailbox_id or 0) in on_hold
        found |= {one[0] for one in people if whole or (campaign.workspace_id, one[2]) in on_hold}
    return found


def _count(campaign: Row[Any], people: Sequence[Any], states: Sequence[str]) -> None:
    for state, number in Counter(states).items():
        domains = [one[2] for one in people]
        at_domains = Counter(domains if number == len(people) else compress(domains, [one == state for one in states]))
        tallies.moved_many({(campaign.workspace_id, campaign.id, domain): n for domain, n in at_domains.items()}, None, state)
        ledger.count_move(campaign.workspace_id, None, state, number)


def _move_on(campaign: Row[Any], position: int, is_last: bool, made: int, skipped: int, now: datetime) -> None:
    """These people were looked at."""
    values: dict[str, Any] = {
        "audience_position": max(position, campaign.audience_position), "is_expanded": is_last,
        "skipped_count": campaign.skipped_count + skipped, "updated_at": Campaign.updated_at,
    }  # fmt: skip
    if campaign.send_rate and made:
        since = max(campaign.next_attempt_at or now, now - timedelta(seconds=BURST_S))
        values["next_attempt_at"] = since + timedelta(seconds=made * 60 / campaign.send_rate)
    if is_last:
        values |= {"recipients_count": tallies.total(campaign.workspace_id, campaign.id), "next_attempt_at": None}
    db.session.execute(update(Campaign).where(Campaign.id == campaign.id).values(values), execution_options=_UNSYNCED)
    live.notify(campaign.workspace_id, LIVE_EVENT)
