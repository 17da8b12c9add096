"""What a final refusal means for the address: hard or soft, and the class (docs/bounces.md). Pure.

    hard  the address itself: unknown, closed, at a domain that takes no mail
    soft  everything else that is final: full, refused for its content or its sender, blocked, given up by the other side
"""

from webapp.mail.bounce_class import class_of, is_hard, status_in
from webapp.mail.bounce_words import BounceClass


def classify(code: int | None, text: str) -> tuple[str, BounceClass]:
    """(hard or soft, class) of a refusal: its SMTP code, None where no server answered, and its words."""
    status, reply = status_in(text), str(code or "")
    kind = class_of(text, status, reply)
    return ("hard" if is_hard(kind, status, reply) else "soft"), kind
