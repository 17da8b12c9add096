"""Keeps claims alive while their holders work: one thread of the process extends every lease, and a holder doubts when that fails."""

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
    """A claim in use. Ask `is_safe` before each mail: a holder whose lease could not be extended stops on its own."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self._extended_at = time.monotonic()

    def is_safe(self) -> bool:
        """Whether the lease certainly still runs."""
        return time.monotonic() - self._extended_at < ledger.LEASE_S - 2

    def extend(self) -> None:
        """Hold on for another while; a failure is logged and tried again later."""
        asked_at = time.monotonic()
        with self.app.app_context():
            begin_writing()
            try:
                held = ledger.extend(self.owner)
                db.session.commit()
            except SQLAlchemyError as error:
                db.session.rollback()
                logger.warning("cannot extend the lease of %s: %s", self.owner, error)
                return
            if held:
                self._extended_at = asked_at

    def __enter__(self) -> Self:
        _keeper.take(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _keeper.let_go(self)


class _Keeper:
    """The thread that extends; it ends by itself when there has been nothing to hold for a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[Holding] = set()
        self._is_running = False
        #: held while leases are extended, so that nobody takes a batch for ended whose lease is being written
        self._extending = threading.Lock()

    def take(self, holding: Holding) -> None:
        with self._lock:
            self._held.add(holding)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, daemon=True, name="leases").start()

    def let_go(self, holding: Holding) -> None:
        with self._lock:
            self._held.discard(holding)
        with self._extending:  # after this nobody works on its rows any more
            return

    def _run(self) -> None:
        while True:
            time.sleep(EVERY_S)
            with self._lock:
                held = list(self._held)
                if not held:
                    self._is_running = False
                    return
            with self._extending:
                for holding in held:
                    if holding in self._held:
                        holding.extend()


_keeper = _Keeper()
