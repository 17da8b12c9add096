"""What every action type is and gets. See docs/actions.md for how to write one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from webapp.automation.mail_view import MailView
from webapp.automation.parameters import BadParameters, Declared
from webapp.automation.variables import Variables, expand, expand_json
from webapp.core.http_guard import HttpClient

Outcome = Literal["success", "retry", "failed", "skipped"]


@dataclass(frozen=True)
class RunInfo:
    """What an action may know about the run that it is part of.

    delivery   the same on each attempt of one action of one run; sent along so that the other side can tell a repetition
    attempt    1 for the first
    """

    id: int
    workspace_id: int
    mailbox_id: int
    mailbox_email: str
    message_id: int | None
    route_id: int | None
    route_name: str
    delivery: str
    attempt: int = 1
    is_test: bool = False
    direction: str = "received"
    request_id: str | None = None
    version: str = ""
    hostname: str = "localhost"
    timeout_s: float = 15.0
    attach_to_mail: bool = False


@dataclass(frozen=True)
class Context:
    """Everything an action works with. `values` are its parameters as saved, secrets plain; text(), line(), url() replace variables.

    attachment_url  number of an attachment -> signed address, valid for a day
    data_for        receiver address -> its mailbox data
    """

    run: RunInfo
    mail: MailView
    values: Mapping[str, Any]
    variables: Variables
    http: HttpClient
    attachment_url: Callable[[int], str] = lambda number: ""

    def text(self, name: str) -> str:
        return expand(str(self.values.get(name) or ""), self.variables)

    def line(self, name: str) -> str:
        return expand(str(self.values.get(name) or ""), self.variables, "line")

    def html(self, name: str) -> str:
        return expand(str(self.values.get(name) or ""), self.variables, "html")

    def url(self, name: str) -> str:
        return expand(str(self.values.get(name) or ""), self.variables, "url")

    def lines(self, name: str) -> list[str]:
        """A list parameter, each entry expanded; an entry that becomes several addresses is split at its commas."""
        found: list[str] = []
        for entry in self.values.get(name) or []:
            found += [part.strip() for part in expand(entry, self.variables, "line").split(",") if part.strip()]
        return list(dict.fromkeys(found))

    def mapping(self, name: str) -> dict[str, str]:
        return {key: expand(value, self.variables, "line") for key, value in (self.values.get(name) or {}).items()}

    def json(self, value: Any) -> Any:
        return expand_json(value, self.variables)


@dataclass
class Result:
    """What came of one attempt.

    outcome         success; retry (later, by the schedule); failed (for good); skipped (nothing to do, and that is fine)
    detail          one sentence for the log
    new_raw         the changed mail, for the actions behind this one; `changed` names what changed
    drop            take the mail out of its folder
    pass_to_next    False ends the route here, as a success; None leaves it to the settings
    deed            work on our own database, done in the transaction that records this attempt, so that it happens exactly once;
                    may return a sentence that replaces `detail`, return Undone, or raise Skip, which undoes what it did
    """

    outcome: Outcome
    detail: str = ""
    request: Any = None
    answer: Any = None
    error: str | None = None
    status_code: int | None = None
    retry_after_s: float | None = None
    new_raw: bytes | None = None
    changed: list[str] = field(default_factory=list)
    drop: bool = False
    pass_to_next: bool | None = None
    deed: "Callable[[], str | Undone | None] | None" = None


@dataclass(frozen=True)
class Undone:
    """A deed decides against it, and what it wrote down about that stays: the text says why."""

    outcome: Literal["skipped", "failed"]
    text: str


class Skip(Exception):
    """A deed finds that there is nothing to do; the text says why."""


class ActionType(ABC):
    """A kind of action: a small class with its parameters declared once.

    name           on the wire and in the table
    label, icon    in the editor
    summary        one sentence for docs and the API
    parameters     form, validation, API schema and docs come from this
    on_error       what follows its failure unless the action says otherwise: delivering types `continue`, transforming ones `stop`
    timeout_s      default time for one attempt
    attaches       whether its answer can become an attachment (`attach_to_mail`)
    outside        whether it reaches beyond our own database, so that a killed worker leaves doubt
    absorbs        whether a route with it may take the mail out of its folder
    """

    name: ClassVar[str]
    label: ClassVar[str]
    icon: ClassVar[str] = "zap"
    summary: ClassVar[str]
    parameters: ClassVar[Declared] = ()
    on_error: ClassVar[str] = "continue"
    timeout_s: ClassVar[float] = 15.0
    attaches: ClassVar[bool] = False
    outside: ClassVar[bool] = False
    absorbs: ClassVar[bool] = False

    @abstractmethod
    def perform(self, context: Context) -> Result:
        """Do it, without a transaction open; what goes wrong is a Result, only bugs raise."""

    def check(self, values: Mapping[str, Any], http: HttpClient) -> None:  # noqa: B027  # most types have nothing to add
        """Checks beyond the declared ones. raises BadParameters"""

    def describe(self, values: Mapping[str, Any]) -> str:
        """A few words after the label in lists: "to kontor@revisor.example"."""
        return ""

    def preview(self, context: Context) -> dict[str, Any]:
        """For a dry run: the parameters with their variables replaced. The caller masks secrets."""
        return {item.name: _rendered(item.kind, item.variables, context, context.values.get(item.name)) for item in self.parameters}

    def default_on_error(self, attach_to_mail: bool) -> str:
        return "stop" if attach_to_mail else self.on_error


def _rendered(kind: str, variables: bool, context: Context, value: Any) -> Any:
    if not variables or value is None:
        return value
    if kind == "url":
        return expand(value, context.variables, "url")
    return context.json(value)


def bad(field: str, text: str) -> BadParameters:
    return BadParameters({field: [text]})
