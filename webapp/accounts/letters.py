"""The mails of this feature: an invitation, a password link. Texts stand in templates/mail/<name>/; sending, which is above, takes them.

Links begin with MAILROOM_PUBLIC_URL, whatever a request said about its host (RELIABILITY C-61).
"""

from collections.abc import Callable
from typing import Any

from flask import current_app

from webapp.core.config import settings


class Post:
    """The slot that the sending feature fills at start-up."""

    #: (to, subject, text, html, *, workspace_id, request_id); part of the current transaction
    send: Callable[..., Any]


post = Post()


def captured() -> bool:
    """Whether mail stays on this machine, where the links of system mail are cut out: then links go another way."""
    return settings().transport == "capture"


def link(path: str, value: str) -> str:
    """The public address of a one-time link."""
    return f"{settings().public_url.rstrip('/')}{path}?key={value}"


def send(name: str, to: str, *, workspace_id: int | None, request_id: str | None, **said: Any) -> None:
    """Write the mail `name` and submit it; it leaves when the transaction commits.

    workspace_id  whose archive keeps the copy, None: a workspace of the recipient
    """
    pages = current_app.jinja_env
    said["public_url"] = settings().public_url.rstrip("/")
    subject, text, html = (pages.get_template(f"mail/{name}/{part}").render(said) for part in ("subject.txt", "body.txt", "body.html"))
    post.send(to, " ".join(subject.split()), text.strip() + "\n", html, workspace_id=workspace_id, request_id=request_id)
