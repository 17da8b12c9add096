"""What changed between two versions of one thing, field by field, with secrets masked. Used by the audit log and by forms."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: a field whose name holds one of these is never shown in the clear
SECRET_WORDS = (
    "password",
    "secret",
    "token",
    "api_key",
    "apikey",
    "private_key",
    "credential",
    "recovery",
    "totp_seed",
    "cookie",
    "authorization",
)
#: names that hold such a word and are harmless
NOT_SECRET = ("token_id", "secret_set", "password_set", "password_changed_at", "token_name", "token_kind", "must_change_password")


@dataclass(frozen=True, slots=True)
class Change:
    """One field; `before` and `after` are text, None where the field does not exist on that side."""

    path: str
    before: str | None
    after: str | None


def is_secret(path: str) -> bool:
    name = path.rpartition(".")[2].lower()
    return name not in NOT_SECRET and any(word in name for word in SECRET_WORDS)


def mask(value: object) -> str:
    """Four dots, and the last four characters of a long value so that two secrets can be told apart.

    >>> mask("correct-horse-9c02")
    '•••• 9c02'
    """
    text = "" if value is None else str(value)
    if text.startswith(("••••", "****")):
        return text
    return f"•••• {text[-4:]}" if len(text) >= 16 else "••••"


def masked(value: Any, path: str = "") -> Any:
    """A copy of nested dicts and lists in which secret fields are masked."""
    if isinstance(value, Mapping):
        return {key: masked(inner, f"{path}.{key}") for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(inner, path) for inner in value]
    return mask(value) if path and value not in (None, "", True, False) and is_secret(path) else value


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Change]:
    """Changed fields in the order of `after`, then those that went away. Nested fields read `actions[1].auth.secret`.

    A missing side (None) means that the thing was made or removed: then every field counts as changed.
    """
    old, new = dict(_flat(before or {})), dict(_flat(after or {}))
    paths = [*new, *(path for path in old if path not in new)]
    return [
        Change(path, _shown(path, old[path]) if path in old else None, _shown(path, new[path]) if path in new else None)
        for path in paths
        if path not in old or path not in new or old[path] != new[path]
    ]


def _shown(path: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in ("", [], {}):
        return "empty"
    return mask(value) if is_secret(path) else str(value)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        yield from _leaves(f"{prefix}{key}", inner)


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        yield from _flat(value, f"{path}.")
    elif isinstance(value, (list, tuple)) and any(isinstance(item, Mapping) for item in value):
        for position, item in enumerate(value):
            yield from _leaves(f"{path}[{position}]", item)
    elif isinstance(value, (list, tuple)):
        yield path, ", ".join(map(str, value))
    else:
        yield path, value
