"""Action types: one small file each, found here by name. A new type is a file with a class and one line in this list.

`register` takes further types at start-up, which is how plug-ins (and tests) add theirs.
"""

from webapp.automation.actions.base import ActionType, Context, Result, RunInfo, Skip
from webapp.automation.actions.change_mail import ChangeMail
from webapp.automation.actions.drop import Drop
from webapp.automation.actions.forward import Forward
from webapp.automation.actions.send_mail import SendMail
from webapp.automation.actions.set_data import SetData
from webapp.automation.actions.webhook import Webhook

__all__ = ["ActionType", "Context", "Result", "RunInfo", "Skip", "find", "names", "register", "types"]

_types: dict[str, ActionType] = {}


def register(kind: ActionType) -> ActionType:
    """Make a type known; the same name again replaces it."""
    _types[kind.name] = kind
    return kind


for _kind in (Webhook(), Forward(), SendMail(), ChangeMail(), SetData(), Drop()):
    register(_kind)


def types() -> list[ActionType]:
    return list(_types.values())


def names() -> list[str]:
    return list(_types)


def find(name: str) -> ActionType | None:
    return _types.get(name)
