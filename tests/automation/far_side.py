"""Mail that really goes round: into our intake, through routes and the ledger, out to a server of somebody else, and back in."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.factories.sending import Script, Sink, Taken, use_transport
from webapp.core.db import begin_writing, db
from webapp.intake import service
from webapp.mail.smtp_in import Arrival

#: what the other side makes of a mail that it got: (envelope sender, recipient, source) of mails to us
Answer = Callable[[Taken], list[tuple[str, str, bytes]]]


def come_in(sender: str, recipient: str, raw: bytes, *, trusted: bool = True, ip: str = "127.0.0.1") -> str:
    """A mail from another server, as the SMTP door hands it over; returns the reply."""
    db.session.commit()
    top = b"Received: from far.test ([192.0.2.7]) by mail.acme.test with ESMTP; Mon, 14 Sep 2026 12:00:00 +0000\r\n"
    reply = service.receive(
        Arrival(sender, [recipient], top + raw, ip, "far.test", None, False, datetime(2026, 9, 14, tzinfo=UTC), False, trusted)
    )  # fmt: skip
    begin_writing()
    return reply


class FarSide:
    """A server elsewhere that takes all our mail and answers each as it is told, until there is nothing left to answer."""

    def __init__(self, app: Any, work_off: Callable[[], int], answer: Answer, script: Script | None = None) -> None:
        self.app, self.work_off, self.answer = app, work_off, answer
        self.sink = Sink(script)
        use_transport(app, self.sink.url)
        self.replies: list[str] = []

    def __enter__(self) -> "FarSide":
        return self

    def __exit__(self, *_: object) -> None:
        self.sink.close()

    def play(self, most: int = 60, between: Callable[[], object] = lambda: None) -> int:
        """Both sides take turns until nobody says anything any more; returns how many turns that took. Fails after `most`."""
        seen = 0
        for turn in range(most):
            self.work_off()
            news = [taken for taken in self.sink.taken[seen:] if taken.recipients]
            seen = len(self.sink.taken)
            if not news:
                return turn
            for taken in news:
                for sender, recipient, raw in self.answer(taken):
                    self.replies.append(come_in(sender, recipient, raw))
            between()
        raise AssertionError(f"still going after {most} turns: {len(self.sink.taken)} mails")


def without(raw: bytes, *names: str) -> bytes:
    """The source without these headers, as a provider that washes them off sends it on."""
    head, _, body = raw.partition(b"\r\n\r\n")
    kept: list[bytes] = []
    dropping = False
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t"):
            dropping = dropping
        else:
            dropping = line.partition(b":")[0].decode("latin-1").lower() in {name.lower() for name in names}
        if not dropping:
            kept.append(line)
    return b"\r\n".join(kept) + b"\r\n\r\n" + body
