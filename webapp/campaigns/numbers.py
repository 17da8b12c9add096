"""The few numbers of a campaign, from counters that the transactions keep which change them: one query for a whole list."""

from collections.abc import Sequence

from webapp.campaigns.models import Campaign
from webapp.core import counters
from webapp.sending.models import STATES

#: what people and machines did, as `stats` names it -> name of the counter
DEEDS = (
    "opened", "clicked", "unsubscribed", "complained", "opens_total", "clicks_total", "machine_opens", "machine_clicks", "machine_opened",
)  # fmt: skip


def read(campaigns: Sequence[Campaign]) -> dict[int, dict[str, int]]:
    """By campaign id: deliveries in each state, `delivered`, what people did, `skipped`, and how many still wait for their turn."""
    if not campaigns:
        return {}
    names = {(campaign.id, part): f"campaign:{campaign.id}:{part}" for campaign in campaigns for part in (*STATES, *DEEDS)}
    found = counters.read_all(list(names.values()), {campaign.workspace_id for campaign in campaigns})
    return {campaign.id: _of(campaign, {part: found[names[campaign.id, part]] for part in (*STATES, *DEEDS)}) for campaign in campaigns}


def _of(campaign: Campaign, parts: dict[str, int]) -> dict[str, int]:
    in_ledger = sum(parts[state] for state in STATES)
    unwritten = 0
    if campaign.state in ("sending", "paused") and not campaign.is_expanded:
        unwritten = max(0, campaign.recipients_count - in_ledger)
    return {
        **parts, "delivered": parts["sent"], "skipped": campaign.skipped_count,
        "waiting": unwritten + parts["queued"] + parts["leased"] + parts["deferred"] + parts["held"],
    }  # fmt: skip
