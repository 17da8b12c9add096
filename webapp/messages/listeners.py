"""The ears of the archive."""

from webapp.core import events
from webapp.messages import forgetting


@events.listen("contact_erased")
def forget_contact(workspace_id: int, contact_id: int, address: str, with_messages: bool, counts: dict[str, int]) -> None:
    """Mail goes along where that was asked for."""
    if with_messages:
        counts["messages"] = counts.get("messages", 0) + forgetting.erased(workspace_id, address)
