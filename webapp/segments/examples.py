"""Ready-made segments: what the builder begins with when one of them is chosen."""

from dataclasses import dataclass
from typing import Any

from webapp.segments.language import Tree


@dataclass(frozen=True)
class Example:
    """A segment that many want, with values to be changed."""

    key: str
    name: str
    text: str
    conditions: tuple[Tree, ...]
    match: str = "all"

    @property
    def tree(self) -> Tree:
        return {"match": self.match, "conditions": list(self.conditions)}


def _leaf(field: str, operator: str, value: Any = None) -> Tree:
    return {"field": field, "operator": operator, "value": value}


EXAMPLES = {
    example.key: example
    for example in (
        Example(
            "inactive", "Inactive for 90 days", "Subscribed, and opened or clicked nothing for 90 days: worth a last letter.",
            (_leaf("subscribed", "equals", True), _leaf("last_active_at", "not_within_days", 90)),
        ),
        Example(
            "openers", "Opened the last campaign", "Whoever opened what was sent last: the people to write to next.",
            (_leaf("opened_campaign", "equals", "last"),),
        ),
        Example(
            "non_openers", "Did not open the last campaign", "Got it and did not open it: another subject may help.",
            (_leaf("received_campaign", "equals", "last"), _leaf("opened_campaign", "not_equals", "last")),
        ),
        Example(
            "domain", "Everybody at a company", "All addresses of one domain.", (_leaf("domain", "equals", "example.com"),),
        ),
        Example("new", "New in the last 30 days", "Added lately: for a welcome.", (_leaf("created_at", "within_days", 30),)),
        Example(
            "warm", "Warm leads", "A high score, or a click in the last week.",
            (_leaf("lead_score", "gte", 50), _leaf("clicked_campaign", "within_days", 7)), "any",
        ),
    )
}  # fmt: skip
