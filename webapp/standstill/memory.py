"""What this process knows of its application's database, so that not every piece of work has to ask."""

from dataclasses import dataclass

from flask import current_app


@dataclass
class Memory:
    """Moments of the steady clock at which it last looked where the database lies, and last read whether sending stands still."""

    looked_at: float = float("-inf")
    read_at: float = float("-inf")
    still: bool = False


def of_process() -> Memory:
    """The one of the current application."""
    found: Memory = current_app.extensions.setdefault("standstill", Memory())
    return found
