"""From an answered request, or a login over SMTP, to a line of its token's log: what was asked for, never with which values."""

import re
import time
from functools import lru_cache

from flask import Flask, Response, g, request

from webapp.core.actor import Actor
from webapp.tokens import calls
from webapp.tokens.calls import Call

PARAMETER = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>")
METHOD_SMTP, LOGIN = "SMTP", "AUTH"
LET_IN, SENT_AWAY = 235, 535


def init_app(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_note)


def _begin() -> None:
    g.began = time.perf_counter()


def _note(response: Response) -> Response:
    """One line for a request that came with a token of ours, whatever became of it."""
    refused: Actor | None = g.get("refused_token")
    actor: Actor | None = refused or g.get("actor")
    if actor is None or actor.token_id is None:
        return response
    noted: Call | None = g.get("noted_call")
    if noted is not None:  # the commit failed after all, and the request is answered once more
        noted.status = response.status_code
        return response
    took_ms = round((time.perf_counter() - g.began) * 1000)
    g.noted_call = Call(
        actor.token_id, now_us(), request.method, path(), response.status_code, took_ms, actor.ip, request.user_agent.string[:200] or None,
        g.get("request_id"), tuple(sorted(actor.used or ())),
    )  # fmt: skip
    calls.note(g.noted_call)
    return response


def note_login(actor: Actor, let_in: bool, client: str) -> None:
    """A line for a login over SMTP with a token."""
    if actor.token_id is not None:
        status = LET_IN if let_in else SENT_AWAY
        used = tuple(sorted(actor.used or ()))
        calls.note(Call(actor.token_id, now_us(), METHOD_SMTP, LOGIN, status, 0, actor.ip, client, None, used))


def now_us() -> int:
    """Microseconds of the epoch."""
    return time.time_ns() // 1000


def path() -> str:
    """The rule of this request with its numbers filled in; texts (signatures, names of files) stay out of the log."""
    rule = request.url_rule
    if rule is None:
        return "/"
    template, names = _template(rule.rule)
    given = request.view_args or {}
    values = {name: given[name] if isinstance(given.get(name), int) else f"{{{name}}}" for name in names}
    return template % values


@lru_cache(2000)
def _template(rule: str) -> tuple[str, tuple[str, ...]]:
    """`/mailboxes/<int:mailbox_id>` as a text to fill in, and its names."""
    names = tuple(found[2] for found in PARAMETER.finditer(rule))
    parts = PARAMETER.sub(lambda found: f"\0{found[2]}\0", rule.rstrip("/"))
    return re.sub("\0(\\w+)\0", r"%(\1)s", parts.replace("%", "%%")), names
