"""News that travels upward: a feature below sends, features above listen, within the same transaction.

The payload of each event is named here; ids only. Listeners are registered by `listeners.py` modules, opened by `features.py`.
"""

from collections.abc import Callable
from typing import Any

#: name -> payload keys, in the sender's transaction
EVENTS: dict[str, tuple[str, ...]] = {
    "mail_archived": ("message_id", "is_test"),
    "mail_submitted": ("message_id",),
    "run_finished": ("run_id",),
    "deliveries_changed": ("workspace_id", "states"),  # {delivery id: state}, of one batch
    "delivery_complained": ("delivery_id",),
    "suppressions_added": ("workspace_id", "reasons"),  # {address: reason}, of those that are new
    "suppression_lifted": ("workspace_id", "address", "reason"),  # the last row of this reason
    "contacts_leaving": ("workspace_id", "gone"),  # {contact id: address}, right before they are deleted
    "contacts_back": ("workspace_id", "contact_ids"),  # deletion was undone; what hung on them is there again
    "domain_verified": ("domain_id",),
    "domain_unverified": ("domain_id",),
    "mailbox_deleted": ("mailbox_id",),
    "mailbox_limit": ("warning_id",),
    "contacts_merging": ("workspace_id", "source_id", "target_id"),  # sent before anything is locked or looked at
    "contacts_merged": ("workspace_id", "source_id", "target_id"),
    "contact_erased": ("workspace_id", "contact_id", "address", "with_messages", "counts"),  # listeners add to counts: table -> rows
    "contact_group_deleted": ("workspace_id", "group_id"),  # sent before; who still needs it raises InUse
    "installation_goes_on": (),
    "workspace_created": ("workspace_id",),
    "workspace_deleted": ("workspace_id",),
}
_ears: dict[str, list[Callable[..., None]]] = {name: [] for name in EVENTS}


def listen(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a listener; it gets the payload as keyword arguments."""

    def register(ear: Callable[..., None]) -> Callable[..., None]:
        if ear not in _ears[name]:
            _ears[name].append(ear)
        return ear

    return register


def send(name: str, **payload: Any) -> None:
    """Tell everybody who listens; an exception of a listener rolls the sender's transaction back."""
    if set(payload) != set(EVENTS[name]):
        raise TypeError(f"{name} carries {EVENTS[name]}, not {tuple(payload)}")
    for ear in _ears[name]:
        ear(**payload)
