"""Times and amounts in words, as pages, mails and the command line say them. English, UTC, no locale of the machine."""

from datetime import UTC, date, datetime, timedelta

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SECONDS_OF_UNIT = ((86400, "day", "days"), (3600, "h", "h"), (60, "min", "min"), (1, "s", "s"))


def as_utc(value: datetime | date | str | None) -> datetime | None:
    """A moment in UTC; a naive one counts as UTC, a date as its midnight, text is ISO 8601."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def iso(value: datetime | date | str | None) -> str:
    """`2026-09-14T12:32:06Z`, for the `datetime` attribute; empty for None."""
    moment = as_utc(value)
    return f"{moment.isoformat()[:19]}Z" if moment else ""


def time_text(value: datetime | date | str | None, form: str = "full", now: datetime | None = None) -> str:
    """A moment in words, in UTC; the script rewrites it into the reader's zone.

    Forms: `full` "14 Sep 2026, 12:32 UTC" · `exact` with seconds · `time` "12:32 UTC" · `day` "14 Sep 2026" · `short` "12:32" today,
    "14 Sep" this year, "14 Sep 2025" before (for tables, whose foot names the zone once).
    """
    moment = as_utc(value)
    if moment is None:
        return ""
    day = f"{moment.day} {MONTHS[moment.month - 1]}"
    if form == "short":
        today = as_utc(now) or datetime.now(UTC)
        if moment.date() == today.date():
            return f"{moment:%H:%M}"
        return day if moment.year == today.year else f"{day} {moment.year}"
    if form == "time":
        return f"{moment:%H:%M} UTC"
    if form == "day":
        return f"{day} {moment.year}"
    return f"{day} {moment.year}, {moment:%H:%M:%S} UTC" if form == "exact" else f"{day} {moment.year}, {moment:%H:%M} UTC"


def span(seconds: float | timedelta | None) -> str:
    """A length of time in its one or two largest units: "6 min", "1 h 52 min", "3 days"; below 10 s with one decimal, below 1 s in ms."""
    if seconds is None:
        return ""
    amount = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
    if amount < 1:
        return f"{round(amount * 1000)} ms"
    if amount < 10 and amount != int(amount):
        return f"{amount:.1f} s"
    rest, words = int(amount), []
    for size, one, many in SECONDS_OF_UNIT:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count} {one if count == 1 else many}")
        elif words:
            break
        if len(words) == 2 or (words and size == 86400 and count > 2):
            break
    return " ".join(words) or "0 s"


def ago(value: datetime | date | str | None, now: datetime | None = None) -> str:
    """ "4 min ago", "in 3 days", "now"; empty for None."""
    moment = as_utc(value)
    if moment is None:
        return ""
    seconds = int(((as_utc(now) or datetime.now(UTC)) - moment).total_seconds())
    if abs(seconds) < 1:
        return "now"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(-seconds)}"


def number(value: float | None, digits: int = 0) -> str:
    """18420 is "18,420"; None is an en dash."""
    return "–" if value is None else f"{value:,.{digits}f}"


def human_bytes(value: float | None) -> str:
    """An amount of memory in steps of 1024 as mail programs count it: "512 B", "184 KB", "3.4 GB"."""
    if value is None:
        return "–"
    amount = float(value)
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if abs(amount) < 1024 or unit == "TB":
            break
        amount /= 1024
    return f"{amount:,.1f} {unit}" if unit != "B" and abs(amount) < 10 and f"{amount:.1f}"[-1] != "0" else f"{amount:,.0f} {unit}"
