"""`app.py` with a clock that jumps: starts like it, and every process asks a file by how many seconds its clock is wrong.

    FAULTS_CLOCK=FILE python -m tests.faults.shifted up

What the product takes from the wall clock moves (`datetime.now` in its modules, `time.time` everywhere); monotonic time goes on, as it does
when an operator or a time server sets a clock. PostgreSQL keeps its own time.
"""

import datetime as datetimes
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from webapp import cli
from webapp.settings import ROOT

FILE = os.environ["FAULTS_CLOCK"]
LOOK_S = 0.2
_REAL, _time, _monotonic = datetimes.datetime, time.time, time.monotonic
_known: list[float] = [0.0, -1.0]


def shift() -> float:
    """Seconds by which the clock is wrong now."""
    if _monotonic() - _known[1] > LOOK_S:
        _known[1] = _monotonic()
        try:
            _known[0] = float(Path(FILE).read_text() or 0)
        except (OSError, ValueError):
            return _known[0]
    return _known[0]


class _Like(type(_REAL)):  # type: ignore[misc]
    """Every real moment counts as one of the class below, which has no instances of its own."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _REAL)


class Shifted(_REAL, metaclass=_Like):
    """`datetime` whose `now` is wrong; what it gives out are real ones."""

    def __new__(cls, *given: object, **named: object) -> "datetimes.datetime":  # type: ignore[misc]
        return _REAL(*given, **named)  # type: ignore[arg-type]

    @classmethod
    def now(cls, tz: datetimes.tzinfo | None = None) -> "datetimes.datetime":  # type: ignore[override]
        return _REAL.now(tz) + datetimes.timedelta(seconds=shift())

    @classmethod
    def fromisoformat(cls, text: str) -> "datetimes.datetime":  # type: ignore[override]
        return _REAL.fromisoformat(text)

    @classmethod
    def fromtimestamp(cls, stamp: float, tz: datetimes.tzinfo | None = None) -> "datetimes.datetime":  # type: ignore[override]
        return _REAL.fromtimestamp(stamp, tz)

    @classmethod
    def strptime(cls, text: str, form: str) -> "datetimes.datetime":  # type: ignore[override]
        return _REAL.strptime(text, form)

    @classmethod
    def combine(cls, *given: object, **named: object) -> "datetimes.datetime":  # type: ignore[override]
        return _REAL.combine(*given, **named)  # type: ignore[arg-type]


def plant() -> None:
    """Give every module of the product the wrong clock."""
    time.time = lambda: _time() + shift()
    for name, module in list(sys.modules.items()):
        if name.startswith("webapp") and getattr(module, "datetime", None) is _REAL:
            module.datetime = Shifted  # type: ignore[attr-defined]


def main(begun: float) -> None:
    """As `app.py`."""
    sys.argv[0] = str(ROOT / "app.py")
    plant()
    cli.main(begun)


if __name__ == "__main__":
    main(time.monotonic())
