"""`regex` and `not_regex`: a search for a pattern, never a full match.

google-re2 evaluates in linear time whatever the pattern. What it refuses (lookaround, back references) goes to the `regex` module
with one second and at most 1 MB of text; patterns whose counted repetitions would unfold to more than a few thousand pieces are refused
on save, because that module unfolds them while compiling. The standard `re` module never sees a user's pattern.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import re2
import regex

from webapp.automation.rule_types.base import LIMIT_S, RuleError, RuleProblem, RuleSpec, RuleTimeout, RuleType

LONGEST = 4096
MOST_PIECES = 5000
MOST_TEXT = 1_000_000
RE2_MEMORY = 8 << 20

Search = Callable[[str, float], tuple[int, int] | None]


class BadPattern(Exception):
    """The pattern is no regular expression, or one that is too large; the text says why."""


@dataclass(frozen=True)
class Pattern:
    #: "re2", or "regex" for what re2 refuses
    engine: str
    search: Search


@lru_cache(maxsize=1024)
def compiled(pattern: str, case_sensitive: bool) -> Pattern:
    """raises BadPattern"""
    if len(pattern) > LONGEST:
        raise BadPattern(f"A pattern has at most {LONGEST} characters; this one has {len(pattern)}.")
    try:
        return Pattern("re2", _with_re2(pattern, case_sensitive))
    except re2.error:
        pass
    if _pieces(pattern) > MOST_PIECES:
        raise BadPattern("The counted repetitions of this pattern unfold to more than 5,000 pieces. Use smaller counts, + or *.")
    try:
        return Pattern("regex", _with_regex(pattern, case_sensitive))
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise BadPattern(f"This is not a regular expression: {error}.") from None


def _with_re2(pattern: str, case_sensitive: bool) -> Search:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = case_sensitive
    options.max_mem = RE2_MEMORY
    engine = re2.compile(pattern, options)

    def search(text: str, _seconds: float) -> tuple[int, int] | None:
        found = engine.search(text.encode("utf-8", "replace").decode())
        return None if found is None else found.span()

    return search


def _with_regex(pattern: str, case_sensitive: bool) -> Search:
    engine = regex.compile(pattern, regex.V0 if case_sensitive else regex.V0 | regex.IGNORECASE)

    def search(text: str, seconds: float) -> tuple[int, int] | None:
        found = engine.search(text[:MOST_TEXT], timeout=max(seconds, 0.001))
        return None if found is None else found.span()

    return search


def _pieces(pattern: str) -> int:
    """About how many pieces a pattern has once its counted repetitions are written out; groups multiply what is inside."""
    totals, last, position = [0], 0, 0
    while position < len(pattern):
        char = pattern[position]
        if char == "(":
            totals.append(0)
            last = 0
        elif char == ")":
            last = (totals.pop() if len(totals) > 1 else 0) + 1
            totals[-1] += last
        elif char == "{" and (count := _count(pattern, position)) is not None:
            times, position = count
            totals[-1] += last * max(0, times - 1)
            last *= max(1, times)
        elif char == "[":
            position = _class_end(pattern, position)
            totals[-1], last = totals[-1] + 1, 1
        else:
            position += char == "\\"
            totals[-1], last = totals[-1] + 1, 1
        if totals[-1] > MOST_PIECES:
            return totals[-1]
        position += 1
    return sum(totals)


def _count(pattern: str, start: int) -> tuple[int, int] | None:
    """The upper count of `{m,n}` at `start` (the lower one when it is open) and where it ends; None when it is no repetition."""
    end = pattern.find("}", start, start + 24)
    least, _, most = pattern[start + 1 : end].partition(",") if end > 0 else ("", "", "")
    numbers = [part.strip() for part in (least, most)]
    if end < 0 or not all(part.isdigit() or not part for part in numbers) or not any(numbers):
        return None
    return max(int(part or 0) for part in numbers), end


def _class_end(pattern: str, start: int) -> int:
    position = start + 1
    position += pattern[position : position + 1] == "^"
    position += pattern[position : position + 1] == "]"
    while position < len(pattern) and pattern[position] != "]":
        position += 2 if pattern[position] == "\\" else 1
    return position


class Regex(RuleType):
    name = "regex"
    label = "matches regex"
    summary = "True when the pattern is found anywhere in the field; anchors narrow it."
    cost = 10

    def check(self, rule: RuleSpec) -> None:
        super().check(rule)
        try:
            compiled(rule.value, rule.case_sensitive)
        except BadPattern as problem:
            raise RuleProblem("value", str(problem)) from None

    def engine(self, rule: RuleSpec) -> str | None:
        try:
            return compiled(rule.value, rule.case_sensitive).engine
        except BadPattern:
            return None

    def search(self, rule: RuleSpec, text: str, until: float) -> tuple[int, int] | None:
        try:
            return compiled(rule.value, rule.case_sensitive).search(text, until - time.monotonic())
        except BadPattern as problem:
            raise RuleError(str(problem)) from None
        except TimeoutError:
            raise RuleTimeout(f"The pattern took longer than {LIMIT_S:g} s on this mail.") from None
        except (MemoryError, re2.error, regex.error) as error:
            raise RuleError(f"The pattern could not be evaluated: {error}.") from None


class NotRegex(Regex):
    name = "not_regex"
    label = "does not match regex"
    summary = "True when the pattern is found nowhere in the field; also true on an empty field."
    negative = True
