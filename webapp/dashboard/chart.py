"""Mail of the last 24 hours as bars: how much came and went in each hour, from numbers that are kept, not counted."""

from dataclasses import dataclass, field
from datetime import datetime
from math import ceil, log10

from webapp.core import rollups
from webapp.core.actor import Actor

HOURS, WIDTH, HEIGHT, GAP = 24, 600, 320, 3


@dataclass(frozen=True)
class Bar:
    """A rectangle of the drawing; its tone, and its hour with what was in it for the title."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    begins: datetime
    words: str


@dataclass
class Chart:
    """Bars in a drawing of WIDTH by HEIGHT; `top` is the number at its upper edge."""

    bars: list[Bar] = field(default_factory=list)
    hours: list[rollups.Span] = field(default_factory=list)
    top: int = 1
    received: int = 0
    sent: int = 0

    @property
    def sentence(self) -> str:
        """The chart in words."""
        if not self.received + self.sent:
            return "No mail came or went within the last 24 hours."
        busiest = max(self.hours, key=lambda hour: sum(hour.numbers.values()))
        most = sum(busiest.numbers.values())
        return f"{self.received:,} received and {self.sent:,} sent within 24 hours, most ({most:,}) from {busiest.begins:%H}:00 UTC."


def look(actor: Actor) -> Chart:
    """The last 24 hours, the running one at the right."""
    hours = rollups.read(actor.workspace_id, "hour", HOURS, ["received", "sent"])
    most = max(max(hour.numbers.values()) for hour in hours)
    chart = Chart(hours=hours, top=_round_up(most))
    slot = WIDTH / HOURS
    width = (slot - GAP) / 2
    for place, hour in enumerate(hours):
        for side, (what, tone) in enumerate((("received", "busy"), ("sent", "ok"))):
            number = hour.numbers[what]
            height = round(HEIGHT * number / chart.top, 1)
            if number:
                words = f"{number:,} {what} from {hour.begins:%H}:00 UTC"
                height = max(2.0, height)
                x = round(place * slot + GAP / 2 + side * width, 2)
                chart.bars.append(Bar(x, round(HEIGHT - height, 1), round(width - 0.5, 2), height, tone, hour.begins, words))
        chart.received += hour.numbers["received"]
        chart.sent += hour.numbers["sent"]
    return chart


def _round_up(number: int) -> int:
    """The next number that reads well on an axis: 1, 2, 5 or 10 times a power of ten, at least 4."""
    if number <= 4:
        return 4
    power = 10 ** int(log10(number))
    return int(next(step * power for step in (1, 2, 5, 10) if step * power >= number) if number > power else ceil(number))
