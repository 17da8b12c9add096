"""A batch of opens and clicks becomes rows, counters, scores and events, in one transaction.

    engagements      one row per campaign and contact: first time by a person, how often by people and by machines
    link_clicks      one row per link that a contact clicked
    counters         campaign:7:opened, clicked (contacts, once), opens_total, clicks_total, machine_opens, machine_clicks,
                     machine_opened (contacts that only a machine opened), hour:…:opened, minute:…:clicked and so on for charts,
                     link:2, link:2:people, link:2:machines
    contacts         last_active_at, lead_score

A click by a person implies an open. Whoever was deleted is not counted any more; whoever was merged counts as who they are now.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, case, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite

from webapp.contacts.models import Contact, Engagement, LinkClick
from webapp.core import counters, live, rollups
from webapp.core.bulk import among
from webapp.core.db import db
from webapp.core.fast_rows import Statement
from webapp.happenings import stream
from webapp.tracking import machines, resolving, scores
from webapp.tracking.resolving import Copy, Letter, Pair, Reader

#: (campaign, contact) -> (link, milliseconds) of lately
Clicks = dict[Pair, list[tuple[int, int]]]
LIVE_EVENT = "campaigns-changed"
#: how long after the start of a campaign its hours are kept for charts
CHARTED = timedelta(days=31)
#: the same for its minutes
BY_MINUTE = timedelta(hours=2)
NUMBERS = ("opens", "clicks", "machine_opens", "machine_clicks")
HELD = ("contact_id", "opened_at", "clicked_at", "unsubscribed_at", "complained_at", *NUMBERS)


class Hit(NamedTuple):
    """One open (link 0) or click. `machine` is what the request alone tells; `data_centre` counts with the time of delivery."""

    campaign_id: int
    contact_id: int
    link: int
    at: datetime
    machine: str | None = None
    data_centre: bool = False


@dataclass
class Deeds:
    """What one contact did with one campaign in this batch."""

    opens: int = 0
    clicks: int = 0
    machine_opens: int = 0
    machine_clicks: int = 0
    opened_at: datetime | None = None
    clicked_at: datetime | None = None
    #: (link, machine or None) -> first time and how often; link 0 is an open
    times: dict[tuple[int, str | None], tuple[datetime, int]] = field(default_factory=dict)

    def add(self, hit: Hit, machine: str | None) -> None:
        what = ("machine_" if machine else "") + ("clicks" if hit.link else "opens")
        setattr(self, what, getattr(self, what) + 1)
        first, number = self.times.get((hit.link, machine), (hit.at, 0))
        self.times[hit.link, machine] = (min(first, hit.at), number + 1)
        if machine is None:
            self.opened_at = min(self.opened_at or hit.at, hit.at)
            if hit.link:
                self.clicked_at = min(self.clicked_at or hit.at, hit.at)


def count(hits: Sequence[Hit], clicks: Clicks) -> int:
    """Write a batch; returns how many of its lines counted. The caller commits."""
    known = resolving.letters({hit.campaign_id for hit in hits})
    people = resolving.readers({hit.contact_id for hit in hits if hit.campaign_id in known})
    mine = [hit for hit in hits if hit.campaign_id in known and hit.contact_id in people]
    mine = [hit for hit in mine if people[hit.contact_id].workspace_id == known[hit.campaign_id].workspace_id]
    if not mine:
        return 0
    copies = resolving.copies([(hit.campaign_id, hit.contact_id) for hit in mine], known, people)
    deeds: dict[Pair, Deeds] = {}
    for hit in mine:
        pair = hit.campaign_id, hit.contact_id
        machine = _machine(hit, known[hit.campaign_id], copies.get(pair), clicks.get(pair, ()))
        deeds.setdefault((hit.campaign_id, people[hit.contact_id].id), Deeds()).add(hit, machine)
    now_copies = {(campaign, people[contact].id): copy for (campaign, contact), copy in copies.items()}
    _Batch(known, {reader.id: reader for reader in people.values()}, now_copies, deeds).write()
    return len(mine)


def _machine(hit: Hit, letter: Letter, copy: Copy | None, clicks: Sequence[tuple[int, int]]) -> str | None:
    if hit.machine:
        return hit.machine
    since = (hit.at - copy.finished_at).total_seconds() if copy is not None and copy.finished_at is not None else None
    early = machines.too_early(since, hit.data_centre)
    if early or not hit.link:
        return early
    return machines.in_burst(clicks, int(hit.at.timestamp() * 1000), letter.links)


@dataclass
class _Batch:
    """All that one transaction writes, added up."""

    letters: dict[int, Letter]
    readers: dict[int, Reader]
    copies: dict[Pair, Copy]
    deeds: dict[Pair, Deeds]
    counters: dict[tuple[int, str], int] = field(default_factory=dict)
    points: dict[int, int] = field(default_factory=dict)
    urls: dict[tuple[int, int], str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)

    def write(self) -> None:
        pairs = sorted(self.deeds)
        before = lock(self.workspaces(pairs))
        clicked = _clicked_before({pair: self.deeds[pair] for pair in pairs if self.deeds[pair].clicks})
        self.urls = resolving.urls((pair[0], link) for pair in pairs for link, _ in self.deeds[pair].times if link)
        for pair in pairs:
            self._add_up(pair, before[pair], clicked)
        _change.many([_values(pair, self.deeds[pair]) for pair in pairs])
        links = [row for pair in pairs for row in _link_rows(pair, self.deeds[pair])]
        if links:
            _click.many(links)
        self._touch_contacts()
        stream.note_many(self.events)
        counters.bump_many(self.counters)
        for workspace_id in {letter.workspace_id for letter in self.letters.values()}:
            live.notify(workspace_id, LIVE_EVENT)

    def workspaces(self, pairs: Iterable[Pair]) -> dict[Pair, int]:
        return {pair: self.letters[pair[0]].workspace_id for pair in pairs}

    def _add_up(self, pair: Pair, before: Any, clicked: dict[tuple[int, int, int], int]) -> None:
        letter, deeds = self.letters[pair[0]], self.deeds[pair]
        opened = deeds.opened_at is not None and before.opened_at is None
        first_click = deeds.clicked_at is not None and before.clicked_at is None
        only_machine = deeds.machine_opens > 0 and before.machine_opens == 0 and before.opened_at is None
        self._bump(letter, "opens_total", deeds.opens)
        self._bump(letter, "clicks_total", deeds.clicks)
        self._bump(letter, "machine_opens", deeds.machine_opens)
        self._bump(letter, "machine_clicks", deeds.machine_clicks)
        self._bump(letter, "opened", int(opened))
        self._bump(letter, "clicked", int(first_click))
        if opened:
            self._bump(letter, "machine_opened", -int(before.machine_opens > 0))
            self._in_hour(letter, deeds.opened_at, "opened")
        else:
            self._bump(letter, "machine_opened", int(only_machine))
        if first_click:
            self._in_hour(letter, deeds.clicked_at, "clicked")
        worth = scores.weights(letter.settings)
        points = worth["open"] if opened else 0
        for (link, machine), (at, number) in sorted(deeds.times.items(), key=lambda item: item[1][0]):
            if link:
                points += self._link(pair, link, machine, number, clicked, worth["click"])
            elif machine is None and before.opens:
                continue  # opened once more: counted, no news
            elif machine is not None and before.machine_opens:
                continue
            self.events.append(self._event(pair, link, machine, at, number))
        if points:
            self.points[pair[1]] = self.points.get(pair[1], 0) + points

    def _link(self, pair: Pair, link: int, machine: str | None, number: int, clicked: dict[tuple[int, int, int], int], worth: int) -> int:
        """Count a link; returns the points for it, which the first click by a person earns."""
        letter = self.letters[pair[0]]
        if machine is not None:
            self._bump(letter, f"link:{link}:machines", number)
            return 0
        self._bump(letter, f"link:{link}", number)
        first = clicked.get((pair[0], link, pair[1]), 0) == 0
        self._bump(letter, f"link:{link}:people", int(first))
        clicked[pair[0], link, pair[1]] = 1
        return worth if first else 0

    def _bump(self, letter: Letter, name: str, by: int) -> None:
        if by:
            key = (letter.workspace_id, f"campaign:{letter.id}:{name}")
            self.counters[key] = self.counters.get(key, 0) + by

    def _in_hour(self, letter: Letter, at: datetime | None, what: str) -> None:
        if at is not None and letter.started_at is not None and at - letter.started_at < CHARTED:
            self._bump(letter, rollups.name("hour", at, what), 1)
            if at - letter.started_at < BY_MINUTE:
                self._bump(letter, rollups.name("minute", at, what), 1)

    def _event(self, pair: Pair, link: int, machine: str | None, at: datetime, number: int) -> dict[str, Any]:
        letter, copy = self.letters[pair[0]], self.copies.get(pair)
        details: dict[str, Any] = {"link": link, "url": self.urls.get((letter.id, link))} if link else {}
        if machine:
            details["machine"] = machine
        if number > 1:
            details["times"] = number
        return {
            "type": "clicked" if link else "opened", "workspace_id": letter.workspace_id, "at": at,
            "delivery_id": copy.id if copy else None, "outgoing_id": letter.outgoing_id, "mailbox_id": copy.mailbox_id if copy else None,
            "recipient": self.readers[pair[1]].address, "campaign_id": pair[0], "contact_id": pair[1], "stream": "bulk",
            "details": details or None,
        }  # fmt: skip

    def _touch_contacts(self) -> None:
        active: dict[int, datetime] = {}
        for (_, contact_id), deeds in self.deeds.items():
            if deeds.opened_at is not None:
                last = max(at for (_, machine), (at, _) in deeds.times.items() if machine is None)
                active[contact_id] = max(active.get(contact_id, last), last)
        if active:
            _active.many([{"key": contact_id, "at": at} for contact_id, at in sorted(active.items())])
        scores.add(self.points)


def lock(pairs: dict[Pair, int]) -> dict[Pair, Any]:
    """The rows of these (campaign, contact) -> workspace, made where there are none, held until the end of the transaction.

    A row that was there at first may be gone once the lock is had, because its contact was merged meanwhile; it is made anew then.
    """
    found: dict[Pair, Any] = {}
    while missing := pairs.keys() - found.keys():
        _begin.many([{"campaign_id": pair[0], "contact_id": pair[1], "workspace_id": pairs[pair]} for pair in sorted(missing)])
        found.update(_held(missing))
    return found


def _held(pairs: Collection[Pair]) -> dict[Pair, Any]:
    """Those that are there, locked."""
    found: dict[Pair, Any] = {}
    query = select(*(Engagement.__table__.c[name] for name in HELD)).order_by(Engagement.contact_id).with_for_update()
    for campaign_id in sorted({campaign for campaign, _ in pairs}):
        theirs = [contact for campaign, contact in pairs if campaign == campaign_id]
        rows = db.session.execute(query.where(Engagement.campaign_id == campaign_id, among(Engagement.contact_id, theirs)))
        found.update({(campaign_id, row.contact_id): row for row in rows})
    return found


def _clicked_before(deeds: dict[Pair, Deeds]) -> dict[tuple[int, int, int], int]:
    """(campaign, link, contact) -> clicks by the person so far; the rows are safe under the locks of `lock`."""
    found = {}
    for campaign_id in {campaign for campaign, _ in deeds}:
        ids = [contact for campaign, contact in deeds if campaign == campaign_id]
        links = sorted({link for pair, one in deeds.items() if pair[0] == campaign_id for link, _ in one.times if link})
        query = select(LinkClick.link, LinkClick.contact_id, LinkClick.clicks).where(LinkClick.campaign_id == campaign_id)
        for row in db.session.execute(query.where(among(LinkClick.link, links), among(LinkClick.contact_id, ids))):
            found[campaign_id, row.link, row.contact_id] = row.clicks
    return found


def _values(pair: Pair, deeds: Deeds) -> dict[str, Any]:
    numbers = {f"more_{name}": getattr(deeds, name) for name in NUMBERS}
    return {"campaign": pair[0], "contact": pair[1], "opened": deeds.opened_at, "clicked": deeds.clicked_at, **numbers}


def _link_rows(pair: Pair, deeds: Deeds) -> list[dict[str, Any]]:
    rows: dict[int, dict[str, Any]] = {}
    for (link, machine), (at, number) in deeds.times.items():
        if link:
            empty = {"campaign_id": pair[0], "link": link, "contact_id": pair[1], "first_at": at, "clicks": 0, "machine_clicks": 0}
            row = rows.setdefault(link, empty)
            row["machine_clicks" if machine else "clicks"] += number
            row["first_at"] = min(row["first_at"], at)
    return list(rows.values())


def _make_begin(dialect: str) -> Any:
    table: Any = Engagement.__table__
    new: Any = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    return new.values(dict.fromkeys(NUMBERS, literal_column("0"))).on_conflict_do_nothing(index_elements=["campaign_id", "contact_id"])


def _make_change(dialect: str) -> Any:
    table: Any = Engagement.__table__
    values = {name: table.c[name] + bindparam(f"more_{name}") for name in NUMBERS}
    for name in ("opened", "clicked"):
        column, given = table.c[f"{name}_at"], bindparam(name, type_=table.c.opened_at.type)
        values[f"{name}_at"] = case((column.is_(None), given), else_=column)
    return update(table).where(table.c.campaign_id == bindparam("campaign"), table.c.contact_id == bindparam("contact")).values(values)


def _make_click(dialect: str) -> Any:
    table: Any = LinkClick.__table__
    new: Any = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    sums = {name: table.c[name] + new.excluded[name] for name in ("clicks", "machine_clicks")}
    return new.on_conflict_do_update(index_elements=["campaign_id", "link", "contact_id"], set_=sums)


def _make_active(dialect: str) -> Any:
    table: Any = Contact.__table__
    at = bindparam("at", type_=table.c.last_active_at.type)
    later = case((table.c.last_active_at > at, table.c.last_active_at), else_=at)
    return update(table).where(table.c.id == bindparam("key")).values(last_active_at=later, updated_at=table.c.updated_at)


_begin, _change, _click, _active = Statement(_make_begin), Statement(_make_change), Statement(_make_click), Statement(_make_active)
