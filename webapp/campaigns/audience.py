"""Who gets a campaign: members of its groups and segments, minus its exclusions, who are subscribed and neither bounced nor complained.

    window = next_window(campaign, after_id, size)     a stretch of contact ids that holds about so many of those to be looked at
    look(campaign, window, columns)                    everybody in it whom the campaign names, and whether they may be written to
    eligible(campaign, after_id, limit)                a SELECT of those who get it, for lists and previews
    count(campaign)                                    (how many, whether that is exact), within a bounded time

Contacts are walked by id. Groups alone are read from the index of their members, so that a small group in a large workspace costs what the
group is large; segments are asked of the contacts of the window. So no slice reads more than its window, whoever is in it (C-32).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Select, case, exists, false, func, or_, select

from webapp.contacts.models import Contact, GroupMember
from webapp.core.bulk import among
from webapp.core.db import db
from webapp.segments.compile import condition
from webapp.segments.models import Segment

#: how long counting may take, in seconds, before the rest is estimated
PATIENCE_S = 0.2
#: members or contacts of one window when they are counted
COUNTED = 5_000


class Audience(Protocol):
    """What names an audience: a campaign, or a form that is going to be one."""

    @property
    def workspace_id(self) -> Any: ...

    @property
    def group_ids(self) -> Any: ...

    @property
    def segment_ids(self) -> Any: ...

    @property
    def exclude_group_ids(self) -> Any: ...

    @property
    def exclude_segment_ids(self) -> Any: ...


@dataclass(frozen=True)
class Window:
    """Contacts with ids above `after` and up to `upto`; `is_last` when none the campaign may name stands behind it."""

    after: int
    upto: int
    is_last: bool


def last_id(workspace_id: int) -> int:
    """The highest contact id of a workspace; newer contacts do not come into what begins now."""
    return db.session.scalar(select(func.max(Contact.id)).where(Contact.workspace_id == workspace_id)) or 0


def next_window(campaign: Audience, after_id: int, size: int, last: int) -> Window:
    """The stretch behind `after_id` with at most `size` members of each group, or `size` contacts where there are segments."""
    ends: list[int | None] = []
    if campaign.segment_ids:
        ids = select(Contact.id).where(Contact.workspace_id == campaign.workspace_id, Contact.id > after_id, Contact.id <= last)
        ends.append(db.session.scalar(ids.order_by(Contact.id).offset(size - 1).limit(1)))
    else:
        for group_id in campaign.group_ids:
            ids = select(GroupMember.contact_id).where(GroupMember.group_id == group_id, GroupMember.contact_id > after_id)
            ids = ids.where(GroupMember.contact_id <= last).order_by(GroupMember.contact_id)
            ends.append(db.session.scalar(ids.offset(size - 1).limit(1)))
    found = [end for end in ends if end is not None]
    upto = min(found, default=last)
    return Window(after_id, upto, not found or upto >= last)


def look(campaign: Audience, window: Window, columns: Sequence[Any]) -> list[Any]:
    """Tuples of `columns` of everybody in the window whom the campaign names, by id; whether they may be written to is not asked."""
    query = select(*columns).where(Contact.workspace_id == campaign.workspace_id, *_included(campaign, window), *_excluded(campaign))
    return list(map(tuple, _bare(query.order_by(Contact.id))))


def reachable() -> tuple[ColumnElement[bool], ...]:
    """May campaigns go there at all? The suppression list is asked beside it."""
    return Contact.subscribed.is_(True), Contact.bounced_at.is_(None), Contact.complained_at.is_(None)


def eligible(campaign: Audience, after_id: int = 0, limit: int | None = None, *, upto: int | None = None) -> Select[Any]:
    """Ids and addresses of those who get it, by id. `upto` bounds what is looked at; without groups and segments it is nobody."""
    window = Window(after_id, upto if upto is not None else last_id(campaign.workspace_id), True)
    query: Any = select(Contact.id, Contact.email, Contact.name).where(Contact.workspace_id == campaign.workspace_id, *reachable())
    query = query.where(*_included(campaign, window, in_one=True), *_excluded(campaign)).order_by(Contact.id)
    return query if limit is None else query.limit(limit)


def has_anyone(campaign: Audience, last: int, patience_s: float = 1.0) -> bool:
    """Whether somebody gets it; True as well when looking takes too long."""
    ends, after = time.monotonic() + patience_s, 0
    size = 200
    while time.monotonic() < ends:
        window = next_window(campaign, after, size, last)
        if db.session.execute(eligible(campaign, window.after, 1, upto=window.upto)).first() is not None:
            return True
        if window.is_last:
            return False
        after, size = window.upto, COUNTED
    return True


def count(campaign: Audience, patience_s: float = PATIENCE_S) -> tuple[int, bool]:
    """How many get it now, and whether that is exact: after a while the rest is taken to be like what was counted."""
    if not campaign.group_ids and not campaign.segment_ids:
        return 0, True
    last = last_id(campaign.workspace_id)
    ends, after, found = time.monotonic() + patience_s, 0, 0
    while True:
        window = next_window(campaign, after, COUNTED, last)
        ids = eligible(campaign, window.after, upto=window.upto).with_only_columns(Contact.id).order_by(None)
        found += db.session.scalar(select(func.count()).select_from(ids.subquery())) or 0
        if window.is_last:
            return found, True
        after = window.upto
        if time.monotonic() >= ends:
            return round(found * last / after), False


# --- what belongs to it -------------------------------------------------------------------------------------


def _included(campaign: Audience, window: Window, in_one: bool = False) -> list[Any]:
    """Conditions over contacts: in the window, and in a group or segment.

    in_one  as one statement; else the members are asked for before, so that no planner walks the contacts instead
    """
    inside = Contact.id > window.after, Contact.id <= window.upto
    if not campaign.segment_ids:
        members = select(GroupMember.contact_id).where(GroupMember.group_id.in_(campaign.group_ids))
        members = members.where(GroupMember.contact_id > window.after, GroupMember.contact_id <= window.upto)
        if not campaign.group_ids:
            return [false()]
        return [Contact.id.in_(members)] if in_one else [among(Contact.id, sorted({row[0] for row in _bare(members)}))]
    found = _segments(campaign.workspace_id, campaign.segment_ids)
    if campaign.group_ids:
        found.append(_in_groups(campaign.group_ids))
    return [*inside, or_(false(), *found)]


def _bare(query: Select[Any]) -> Any:
    """Rows without what the mapper does to each of them."""
    return db.session.connection().execute(query)


def _excluded(campaign: Audience) -> list[Any]:
    """Conditions that leave out whom the campaign excludes."""
    return [case((one, 1), else_=0) == 0 for one in _exclusions(campaign)]


def _exclusions(campaign: Audience) -> list[Any]:
    """Conditions over contacts, one for each way to be excluded."""
    left_out: list[Any] = [_in_groups(campaign.exclude_group_ids)] if campaign.exclude_group_ids else []
    return left_out + _segments(campaign.workspace_id, campaign.exclude_segment_ids)


def named(campaign: Audience, window: Window) -> tuple[list[Any], ColumnElement[bool]]:
    """Conditions over contacts for what explains a number: whom it names in the window, and whether that one is excluded."""
    return [Contact.workspace_id == campaign.workspace_id, *_included(campaign, window, in_one=True)], or_(false(), *_exclusions(campaign))


def _in_groups(group_ids: Sequence[int]) -> ColumnElement[bool]:
    return exists().where(GroupMember.contact_id == Contact.id, GroupMember.group_id.in_(group_ids))


def _segments(workspace_id: int, ids: Sequence[int]) -> list[ColumnElement[bool]]:
    """What these segments ask; one that is gone asks nothing and has nobody."""
    if not ids:
        return []
    query = select(Segment.match, Segment.conditions).where(Segment.workspace_id == workspace_id, Segment.id.in_(list(ids)))
    return [condition(workspace_id, {"match": row.match, "conditions": row.conditions}, few=True) for row in db.session.execute(query)]
