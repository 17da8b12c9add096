"""What every rule type is and gets."""

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from webapp.automation.mail_fields import texts_of
from webapp.automation.mail_view import MailView

#: how long one rule may take on one mail, seconds (RELIABILITY C-18)
LIMIT_S = 1.0
EXCERPT = 80


class RuleProblem(Exception):
    """A value that cannot be saved; `field` is the rule's field it is about, the text a sentence for its author."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class RuleError(Exception):
    """The rule could not be evaluated; it counts as not matched and the route fails with this text."""


class RuleTimeout(RuleError):
    """The rule took longer than it may."""


@dataclass(frozen=True)
class RuleSpec:
    """One rule as it is evaluated, apart from its row.

    options  what types beyond the four text tests need (prompt, model, code)
    """

    type: str
    field: str = "subject"
    value: str = ""
    header_name: str = ""
    case_sensitive: bool = False
    id: int | None = None
    name: str = ""
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """Whether a rule holds, and the piece of text that shows why (empty when there is none to show)."""

    holds: bool
    excerpt: str = ""


class RuleType(ABC):
    """A kind of rule. The text tests only need `search`; others override `judge` and use of the mail what they like.

    name      on the wire and in the table
    label     in the editor, read after the field: "Subject · includes text"
    summary   one sentence for docs and the API
    cost      order of evaluation, cheap first: 0 text, 10 regex, 50 code, 100 a model over the network
    negative  true when none of the field's texts may hold it, false when any is enough
    uses      which fields of a rule this type reads
    """

    name: str
    label: str
    summary: str
    cost: int = 0
    negative: bool = False
    uses: tuple[str, ...] = ("field", "header_name", "value", "case_sensitive")

    @abstractmethod
    def search(self, rule: RuleSpec, text: str, until: float) -> tuple[int, int] | None:
        """Where the value is found in one text; None when it is not. raises RuleError, RuleTimeout past `until` (time.monotonic)"""

    def check(self, rule: RuleSpec) -> None:
        """raises RuleProblem when the rule cannot be saved"""
        if not rule.value.strip():
            raise RuleProblem("value", "Write what to look for; an empty value would be found in every mail.")

    def engine(self, rule: RuleSpec) -> str | None:
        """What evaluates it, where there is a choice; shown on the page."""
        return None

    def judge(self, rule: RuleSpec, mail: MailView) -> Finding:
        """Whether the rule holds for the mail. raises RuleError"""
        return self._judge_texts(rule, texts_of(mail, rule.field, rule.header_name))

    def _judge_texts(self, rule: RuleSpec, texts: Sequence[str]) -> Finding:
        until = time.monotonic() + LIMIT_S
        for text in texts:
            place = self.search(rule, text, until)
            if place is not None:
                return Finding(not self.negative, excerpt(text, *place))
        return Finding(self.negative, excerpt(texts[0]) if len(texts[0]) <= EXCERPT else "")


def excerpt(text: str, start: int = 0, end: int = 0) -> str:
    """The found piece with some text around it, on one line, at most about 80 characters."""
    around = max(0, (EXCERPT - (end - start)) // 2)
    left, right = max(0, start - around), min(len(text), max(end, start) + around)
    right = min(right, left + EXCERPT)
    piece = " ".join(text[left:right].replace("\x00", "\ufffd").encode("utf-8", "replace").decode().split())
    return f"{'…' if left else ''}{piece}{'…' if right < len(text) else ''}"
