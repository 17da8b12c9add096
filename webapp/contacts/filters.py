"""Which contacts a filter lets through: the same for the page, the API, exports, the bulk bar and "everyone that matches".

Features above add filters of their own (`more`): segments add `segment_id`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, false, select, text

from webapp.contacts import tags, words
from webapp.contacts.models import Contact, GroupMember
from webapp.core.bulk import among
from webapp.core.errors import invalid
from webapp.mail.address import BadAddress, normalise

#: filters of features above: name -> (workspace id, value) -> condition on contacts
more: dict[str, Callable[[int, Any], ColumnElement[bool]]] = {}
#: those of them that are asked in another way of contacts that are walked one by one until a page is full
walked: dict[str, Callable[[int, Any], ColumnElement[bool]]] = {}
#: name of a filter -> column, and how it is compared
TIMES = {
    "created_after": (Contact.created_at, ">="), "created_before": (Contact.created_at, "<"), "updated_after": (Contact.updated_at, ">="),
    "updated_before": (Contact.updated_at, "<"), "active_after": (Contact.last_active_at, ">="),
    "active_before": (Contact.last_active_at, "<"),
}  # fmt: skip
NAMES = ("search", "tag", "group_id", "subscribed", "email", "status", "ids", *TIMES)
#: words of the filter `status` -> condition
STATES: dict[str, Any] = {
    "subscribed": text("contacts.subscribed AND contacts.bounced_at IS NULL AND contacts.complained_at IS NULL"),
    "unsubscribed": text("NOT contacts.subscribed"), "bounced": Contact.bounced_at.is_not(None),
    "complained": Contact.complained_at.is_not(None),
}  # fmt: skip


def given(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The filters that narrow anything. raises TypeError for a name that nobody knows"""
    unknown = set(filters) - set(NAMES) - set(more) - {"segment_id"}
    if unknown:
        raise TypeError(f"no filters of contacts: {', '.join(sorted(unknown))}")
    return {name: value for name, value in filters.items() if value not in (None, "")}


def filtered(workspace_id: int, filters: Mapping[str, Any], *, searching: bool = True, walking: bool = False) -> Select[Any]:
    """SELECT of contacts that fit, in no order.

    filters    search (words or beginnings of words of name, address, company), tag (name), group_id, subscribed, status (subscribed,
               unsubscribed, bounced, complained), email (the whole address), created_after, created_before, updated_after, updated_before,
               active_after, active_before (aware datetimes), ids (a list), segment_id and whatever else stands in `more`
    searching  False leaves the search to the caller
    walking    for a list that is walked one by one until a page is full, not for all who fit
    raises     NotFound for a segment of nobody
    """
    query: Any = select(Contact).where(Contact.workspace_id == workspace_id)
    for name, value in given(filters).items():
        if name == "search":
            if searching and (found := words.matching(workspace_id, str(value))) is not None:
                query = query.where(found)
        else:
            query = query.where(_condition(workspace_id, name, value, walking))
    return query


def _condition(workspace_id: int, name: str, value: Any, walking: bool) -> Any:
    if name in TIMES:
        column, sign = TIMES[name]
        return column >= value if sign == ">=" else column < value
    if name == "tag":
        return tags.bearing(workspace_id, str(value))
    if name == "group_id":
        return Contact.id.in_(select(GroupMember.contact_id).where(GroupMember.group_id == value))
    if name == "subscribed":
        return text("contacts.subscribed" if value else "NOT contacts.subscribed")
    if name == "status":
        return STATES[value] if value in STATES else false()
    if name == "ids":
        return among(Contact.id, value)
    if name == "email":
        return Contact.address == _address(str(value))
    if name not in more:
        raise invalid(name, "Contacts cannot be narrowed by this here.")
    return (walked if walking and name in walked else more)[name](workspace_id, value)


def _address(text_: str) -> str:
    try:
        return normalise(text_)
    except BadAddress:
        return text_.lower()
