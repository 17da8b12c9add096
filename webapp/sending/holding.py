"""Keeps a claim alive while its holder works: a thread that extends the lease, and the holder's own doubt when that fails."""

import logging
import threading
import time
from types import TracebackType
from typing import Self

from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError

from webapp.core.db import begin_writing, db
from webapp.sending import ledger

logger = logging.getLogger("mailroom.sending")
EVERY_S = ledger.LEASE_S / 3


class Holding:
    """A claim in use. Ask `is_safe` before each mail: a holder that could not extend its lease stops on its own."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self._extended_at = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._hold, daemon=True, name=f"lease {owner}")

    def is_safe(self) -> bool:
        """Whether the lease certainly still runs."""
        return time.monotonic() - self._extended_at < ledger.LEASE_S - 2

    def _hold(self) -> None:
        with self._app.app_context():
            begin_writing()
            while not self._stop.wait(EVERY_S):
                asked_at = time.monotonic()
                try:
                    held = ledger.extend(self.owner)
                    db.session.commit()
                except SQLAlchemyError as error:
                    db.session.rollback()
                    logger.warning("cannot extend the lease of %s: %s", self.owner, error)
                    continue
                if held:
                    self._extended_at = asked_at

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(timeout=15)
