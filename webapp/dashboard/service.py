"""What the home page shows: the few numbers that matter, the first steps, mail of a day, what happened last."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.db import utcnow
from webapp.dashboard import chart, figures, steps
from webapp.dashboard.chart import Chart
from webapp.dashboard.steps import Step


@dataclass
class Home:
    """`figures` are items of the macro `figures`, with the endpoint of their list in `goes`."""

    steps: list[Step] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    chart: Chart = field(default_factory=Chart)
    activity: list[Any] = field(default_factory=list)
    computed_at: datetime = field(default_factory=utcnow)

    @property
    def done(self) -> int:
        return sum(step.state == "done" for step in self.steps)


def look(actor: Actor) -> Home:
    """Everything on the home page: a fixed number of queries, each by an index and of bounded length."""
    now = utcnow()
    return Home(steps.look(actor), figures.look(actor, now), chart.look(actor), audit.latest(actor, limit=8), now)
