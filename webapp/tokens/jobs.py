"""Background door: tokens' logs are kept for 30 days."""

from webapp.core.queue import every
from webapp.tokens import calls


@every(3600, "tokens.forget")
def forget_old() -> None:
    calls.forget_old()
