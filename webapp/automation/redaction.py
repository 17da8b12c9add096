"""Taking secrets out of what is kept of requests and answers. Pure."""

from typing import Any

from webapp.automation.parameters import MASK, is_secret_name

LONGEST = 65_536
_ALWAYS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"})


def redact(value: Any, secrets: list[str], name: str = "") -> Any:
    """A copy in which secret headers and every occurrence of a known secret are masked, and long texts are cut to 64 KB."""
    if isinstance(value, dict):
        return {str(key): redact(inner, secrets, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact(inner, secrets) for inner in value]
    if not isinstance(value, str):
        return value
    if name.lower() in _ALWAYS or (name and is_secret_name(name) and value):
        return MASK
    for secret in secrets:
        value = value.replace(secret, MASK)
    value = value.replace("\x00", "\ufffd")
    return value if len(value) <= LONGEST + 100 else f"{value[:LONGEST]}… ({len(value):,} characters in all)"
