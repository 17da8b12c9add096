"""The letters of a batch for one destination, made from their rows as connections ask for them; a mail is read and made ready once.

`make` fills in the copies of campaigns; without it the campaigns are asked when the first of them comes.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence

from webapp.core.db import db, reading
from webapp.mail.smtp_pipe import Letter, Mail
from webapp.messages import store
from webapp.sending import campaigned
from webapp.sending.settle import Waiting

logger = logging.getLogger("mailroom.sending")
#: so many bytes of mail ready for the wire are kept at most, beside the one in use
KEPT_BYTES = 4 * 1024 * 1024


class Letters:
    """A `Supply` for lanes. Rows whose mail cannot be made ready are told to `spoilt` and left out (C-25).

    taken  the rows of letters that were given out, by id
    """

    def __init__(
        self, rows: Sequence[Waiting], spoilt: Callable[[Waiting, Exception], None], make: campaigned.Make | None = None
    ) -> None:
        self.taken: dict[int, Waiting] = {}
        self._make = make
        self._rows, self._spoilt = deque(rows), spoilt
        self._returned: deque[Letter] = deque()
        self._mails: dict[int, Mail] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._rows) + len(self._returned)

    def popleft(self) -> Letter:
        if self._returned:
            return self._returned.popleft()
        while True:
            row = self._rows.popleft()
            try:
                mail = self._mail(row.raw_id) if row.campaign_id is None else self._copy(row)
            except Exception as error:  # noqa: BLE001 - one mail that breaks must not take its neighbours along
                db.session.rollback()
                self._spoilt(row, error)
                continue
            self.taken[row.id] = row
            return Letter(row.id, row.envelope_sender, row.recipient, mail)

    def appendleft(self, letter: Letter) -> None:
        self._returned.appendleft(letter)

    def rest(self) -> list[Waiting]:
        """The rows that were not tried; none is left afterwards."""
        rows = [*(self.taken[letter.key] for letter in self._returned), *self._rows]
        self._returned.clear()
        self._rows.clear()
        return rows

    def _copy(self, row: Waiting) -> Mail:
        """A copy of a campaign, made for its recipient."""
        if self._make is None:
            with reading():
                self._make = campaigned.mails([row, *(one for one in self._rows if one.campaign_id is not None)])
                db.session.rollback()
        return self._make(row)

    def _mail(self, raw_id: int) -> Mail:
        mail = self._mails.get(raw_id)
        if mail is None:
            with reading():
                raw = store.load_raw(raw_id)
                db.session.rollback()
            mail = self._mails[raw_id] = Mail(raw)
            self._bytes += mail.size
            while self._bytes > KEPT_BYTES and len(self._mails) > 1:
                self._bytes -= self._mails.pop(next(iter(self._mails))).size
        return mail
