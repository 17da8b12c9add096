"""The sending side: strangers over SMTP, a mail program that logs in, a program over the API; each keeps a ledger of what was answered.

All of them do what a real one does after a refusal for now or a lost reply: they send the same again.
"""

import json
import random
import smtplib
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

PAUSE_S = 0.25
TIMEOUT_S = 30.0
#: mails of one connection
PER_CONNECTION = 20


@dataclass
class Letter:
    """One mail to hand in. `lost`: how many times it was handed in without an answer coming back."""

    key: str
    kind: str
    recipients: list[str]
    raw: bytes = b""
    sender: str = ""
    answer: str = ""
    lost: int = 0
    refused: list[str] = field(default_factory=list)


class Ledger:
    """Everything that was handed in, with its answer; an append-only file beside it."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self.letters: dict[str, Letter] = {}
        self.later: Counter[str] = Counter()

    def note(self, letter: Letter, what: str, text: str = "") -> None:
        with self._lock:
            self._file.write(json.dumps({"at": time.time(), "key": letter.key, "what": what, "text": text}) + "\n")
            self._file.flush()
            if what == "answered":
                letter.answer = text
            elif what == "lost":
                letter.lost += 1
            elif what == "refused":
                letter.refused.append(text)
                letter.answer = text
            else:
                self.later[f"{letter.kind} {text[:3]}"] += 1

    def of(self, *kinds: str) -> list[Letter]:
        return [letter for letter in self.letters.values() if letter.kind in kinds]

    @property
    def open(self) -> int:
        return sum(not letter.answer for letter in self.letters.values())

    def close(self) -> None:
        self._file.close()


class Sender(threading.Thread, ABC):
    """Hands its letters in one after the other, spread over `lasts_s` seconds, each until it is answered."""

    def __init__(self, ledger: Ledger, letters: list[Letter], lasts_s: float, give_up: threading.Event) -> None:
        super().__init__(daemon=True)
        self.ledger, self.letters, self.lasts_s, self.give_up = ledger, letters, lasts_s, give_up
        self.problem = ""

    def run(self) -> None:
        began = time.monotonic()
        try:
            for number, letter in enumerate(self.letters):
                early = began + self.lasts_s * number / len(self.letters) - time.monotonic()
                if early > 0:
                    self.give_up.wait(early)
                while not letter.answer and not self.give_up.is_set():
                    if not self.hand_in(letter):
                        self.give_up.wait(PAUSE_S * (0.5 + random.random()))
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"
            raise
        finally:
            self.close()

    @abstractmethod
    def hand_in(self, letter: Letter) -> bool:
        """One try; True when it was answered."""

    def close(self) -> None:
        """Say good-bye."""


class SmtpSender(Sender):
    """Over SMTP; `login` is user name and password, of a mail program."""

    def __init__(self, *given: Any, port: int, login: tuple[str, str] | None = None) -> None:
        super().__init__(*given)
        self.port, self.login = port, login
        self._line: smtplib.SMTP | None = None
        self._carried = 0

    def hand_in(self, letter: Letter) -> bool:
        began = False
        try:
            line = self._open()
            self._carried += 1
            code, text = line.mail(letter.sender)
            for recipient in letter.recipients:
                if code // 100 == 2:
                    code, text = line.rcpt(recipient)
            if code // 100 == 2:
                began = True
                code, text = line.data(letter.raw)
            return self._note(letter, code, text.decode("utf-8", "replace"))
        except smtplib.SMTPResponseException as error:  # the greeting, the login or DATA was refused
            self.close()
            return self._note(letter, error.smtp_code, repr(error.smtp_error))
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            self.ledger.note(letter, "lost" if began else "later", f"{type(error).__name__}")
            return False

    def _note(self, letter: Letter, code: int, text: str) -> bool:
        if code // 100 == 2:
            self.ledger.note(letter, "answered", f"{code} {text}")
            return True
        self.close()
        self.ledger.note(letter, "refused" if code // 100 == 5 else "later", f"{code} {text}")
        return code // 100 == 5

    def _open(self) -> smtplib.SMTP:
        if self._line is not None and self._carried >= PER_CONNECTION:
            self.close()
        if self._line is None:
            self._line, self._carried = smtplib.SMTP("127.0.0.1", self.port, local_hostname="elsewhere.test", timeout=TIMEOUT_S), 0
            self._line.ehlo()
            if self.login:
                self._line.login(*self.login)
        return self._line

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


class ApiSender(Sender):
    """Over the API, with an Idempotency-Key that stays the same when it repeats."""

    def __init__(self, *given: Any, client: Callable[[], httpx.Client], path: str) -> None:
        super().__init__(*given)
        self.client, self.path = client(), path

    def hand_in(self, letter: Letter) -> bool:
        mail = {
            "receivers": letter.recipients, "subject": letter.key, "body": f"Over the API: {letter.key}.",
            "headers": {"X-Fault-Key": letter.key},
        }  # fmt: skip
        try:
            answer = self.client.post(self.path, json=mail, headers={"Idempotency-Key": letter.key})
        except httpx.ConnectError as error:
            self.ledger.note(letter, "later", type(error).__name__)
            return False
        except httpx.HTTPError as error:
            self.ledger.note(letter, "lost", type(error).__name__)
            return False
        if answer.status_code < 300:
            self.ledger.note(letter, "answered", f"{answer.status_code} {answer.text[:200]}")
            return True
        again = answer.status_code >= 500 or answer.status_code == 429 or "in_progress" in answer.text
        self.ledger.note(letter, "later" if again else "refused", f"{answer.status_code} {answer.text[:300]}")
        return not again

    def close(self) -> None:
        self.client.close()
