"""The ears: what contacts do when the installation was restored or moved."""

from webapp.contacts import receipts
from webapp.core import events


@events.listen("installation_goes_on")
def look_for_the_erased() -> None:
    """This is the only copy now, perhaps a restored one: nobody who was erased is written to."""
    receipts.after_restore()
