"""Is this the installation that it was, or a copy of it that must not send?"""

from collections.abc import Iterator

from webapp.core.wording import time_text
from webapp.standstill import service
from webapp.watch.findings import Finding, fail, ok

HARM = "No mail, campaign or action leaves; what comes in is taken."
REMEDY = "If the other copy is gone for good: python app.py standstill end, or the button on the dashboard."


def place() -> Iterator[Finding]:
    """Where the database lies, compared with where it lay."""
    found = service.read()
    if found is not None:
        yield fail("sending", f"Sending stands still since {time_text(found.since)}. {found.why}", HARM, REMEDY)
        return
    verdict = service.compare()
    if verdict.kind == "elsewhere":
        yield fail("sending", f"{verdict.why} Sending will stand still as soon as a part starts.", HARM, REMEDY)
    else:
        yield ok("sending", "The database lies where it lay; nothing stands still.")
