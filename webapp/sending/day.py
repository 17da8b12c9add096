"""How mail left in the last 24 hours, hour by hour, ready to be painted as stacked bars."""

from dataclasses import dataclass
from typing import Any

from webapp.core import rollups
from webapp.core.actor import Actor
from webapp.sending.tally import CHARTED

HOURS = 24
#: what is stacked, from below: (name of the number, tone, word)
LAYERS = (("sent", "ok", "sent"), ("deferred", "warn", "put off"), ("bounced", "bad", "bounced"))
WIDTH, HEIGHT = 600, 320


@dataclass(frozen=True)
class Day:
    """The chart: rectangles in a box of 600 x 320, the hours behind them, the sums, and all of it in a sentence."""

    bars: list[dict[str, Any]]
    hours: list[rollups.Span]
    sums: dict[str, int]
    top: int
    sentence: str


def last_day(actor: Actor) -> Day:
    """Attempts of the workspace by how they ended."""
    actor.require("deliveries:read")
    names = {name: f"out.{name}" for name in CHARTED}
    hours = [
        rollups.Span(hour.begins, {name: hour.numbers[full] for name, full in names.items()})
        for hour in rollups.read(actor.workspace_id, "hour", HOURS, list(names.values()))
    ]
    top = max(4, *(sum(hour.numbers.values()) for hour in hours))
    top += top % 2  # so that half of it is a number too
    sums = {name: sum(hour.numbers[name] for hour in hours) for name, _, _ in LAYERS}
    words = ", ".join(f"{sums[name]:,} {word}" for name, _, word in LAYERS)
    return Day(_bars(hours, top), hours, sums, top, f"In the last 24 hours: {words}.")


def _bars(hours: list[rollups.Span], top: int) -> list[dict[str, Any]]:
    bars, step = [], WIDTH / HOURS
    for place, hour in enumerate(hours):
        floor = float(HEIGHT)
        for name, tone, word in LAYERS:
            number = hour.numbers[name]
            height = HEIGHT * number / top
            floor -= height
            if number:
                bars.append({
                    "tone": tone, "x": round(place * step + 2, 1), "y": round(floor, 1), "width": round(step - 4, 1),
                    "height": round(height, 1), "words": f"{hour.begins:%H:%M} UTC: {number:,} {word}",
                })  # fmt: skip
    return bars
