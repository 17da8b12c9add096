"""What can be picked and done in bulk: features register their rows and actions here, once, in `init_app` of their pages.

    kinds.register(Kind("mailbox", "mailbox", "mailboxes", …, actions=(Action("pause", …), …)))

The bar, the preview, the undo and the work itself are the house's (`service`, `pages`, templates/parts/picks.html).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy import Select

from webapp.core.actor import Actor
from webapp.core.errors import Invalid, NotFound

Before = dict[str, Any] | None
#: longest value that an action is given, in characters
LONGEST_GIVEN = 200


@dataclass
class Done:
    """What became of one batch.

    changed  row id -> what it takes to change it back
    problem  why a row was left as it was, in one sentence; the first reason is enough
    """

    changed: dict[int, Before] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True)
class Effect:
    """What an action would do: how many rows it changes, and that in words; `milder` is the less drastic way."""

    changes: int
    sentence: str
    milder: str = ""


@dataclass(frozen=True)
class Given:
    """What an action has to be told first, such as which tag.

    label, hint   of the field that asks for it
    offered       (actor) -> [(value, what people read)]
    free          whether something that is not offered may be typed
    nothing       what to do where nothing is offered
    bind          (value) -> the action with it; its name is the one of the action, a colon and the value. raises Invalid
    """

    label: str
    hint: str
    offered: Callable[[Actor], list[tuple[str, str]]]
    bind: Callable[[str], "Action"]
    free: bool = False
    nothing: str = ""


@dataclass(frozen=True)
class Action:
    """One button of the bar.

    past    "paused": stands behind the number in the toast
    scope   needed to do it; `undo_scope` to undo it
    asks    always ask first; the others are asked about only where no script showed the effect beforehand
    link    what stands between label and rows: "Add tag vip *to* 12 contacts", or a colon
    given   what it has to be told first; `effect`, `apply` and `undo` are then those of the action that `given.bind` makes
    effect  (actor, SELECT of ids) -> Effect
    apply   (actor, ids) -> Done; in the caller's transaction, with an audit entry for each row that changed
    undo    (actor, {id: before}) -> Done, whose `changed` are those that are as before again
    """

    name: str
    label: str
    icon: str
    past: str
    scope: str
    effect: Callable[[Actor, Select[Any]], Effect]
    apply: Callable[[Actor, list[int]], Done]
    undo: Callable[[Actor, Mapping[int, Before]], Done]
    undo_scope: str | None = None
    asks: bool = False
    danger: bool = False
    #: boxes of the list in whose bar it stands; none: in each
    only: tuple[str, ...] = ()
    link: str = ""
    given: Given | None = None

    @classmethod
    def that_asks(cls, name: str, label: str, icon: str, scope: str, given: Given, link: str = "") -> Self:
        """An action that is nothing before it was told which."""

        def untold(*_: Any) -> Any:
            raise Invalid(f"{label}: nothing was chosen.", hint="Choose one in the form.")

        return cls(name, label, icon, "changed", scope, untold, untold, untold, link=link, given=given)

    def title(self, words: str) -> str:
        """With the rows that it is done to: "Pause 2 mailboxes", "Add tag vip to 2 contacts", "Add to group: 2 contacts"."""
        return " ".join(filter(None, (self.label, self.link, words))).replace(" : ", ": ")


@dataclass(frozen=True)
class Kind:
    """One kind of rows.

    scope    needed to see them
    choose   (actor, filters of the list's address or None, ids or None) -> SELECT of ids, narrowed to what the actor sees. raises Invalid
    summary  (actor, SELECT of ids) -> ["2 active", "4,210 messages"], shown in the bar before anything is pressed
    home     address of the list
    elsewhere  knows the addresses (paths) of other lists with such rows, to which one comes back as well
    event    what its list listens to
    """

    name: str
    noun: str
    plural: str
    scope: str
    choose: Callable[[Actor, Mapping[str, str] | None, list[int] | None], Select[Any]]
    summary: Callable[[Actor, Select[Any]], list[str]]
    home: Callable[[], str]
    event: str
    actions: tuple[Action, ...]
    elsewhere: Callable[[str], bool] = lambda path: False

    def words(self, number: int) -> str:
        return f"{number:,} {self.noun if number == 1 else self.plural}"

    def action(self, name: str) -> Action:
        """By its name, with what it was told behind a colon. raises NotFound; Invalid for what it cannot be told"""
        plain, _, told = name.partition(":")
        found = next((action for action in self.actions if action.name == plain), None)
        if found is None or (told and found.given is None):
            raise NotFound(f"Nothing called {name!r} can be done to {self.plural}.")
        if not told or found.given is None:
            return found
        if len(told) > LONGEST_GIVEN:
            raise Invalid(f"{found.given.label}: at most {LONGEST_GIVEN} characters.")
        return found.given.bind(told)


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """The same name again replaces it."""
    _kinds[kind.name] = kind


def get(name: str) -> Kind:
    """raises NotFound"""
    if name not in _kinds:
        raise NotFound(f"There is no list of {name!r} to pick from.")
    return _kinds[name]
