"""What a check answers: what is so, why it matters, what to do about it."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One line: `fail` stops Mailroom from working or endangers mail, `warn` is worth knowing.

    what  what was found, a sentence
    why   why it matters; "" where nothing is wrong
    do    what to do about it, or what it means that nothing is to be done
    """

    level: Level
    subject: str
    what: str
    why: str = ""
    do: str = ""

    @property
    def text(self) -> str:
        """All of it in one line."""
        return " ".join(part for part in (self.what, self.why, self.do) if part)

    def as_json(self) -> dict[str, str]:
        return {"level": self.level, "subject": self.subject, "text": self.text, "what": self.what, "why": self.why, "do": self.do}


def ok(subject: str, what: str, do: str = "") -> Finding:
    return Finding("ok", subject, what, "", do)


def warn(subject: str, what: str, why: str = "", do: str = "") -> Finding:
    return Finding("warn", subject, what, why, do)


def fail(subject: str, what: str, why: str = "", do: str = "") -> Finding:
    return Finding("fail", subject, what, why, do)
