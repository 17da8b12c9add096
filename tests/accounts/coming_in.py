"""What tests of invitations and password links share: a browser of nobody, a real transport, the mail that was written."""

import re
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from tests.people import PageClient
from webapp.core.db import db
from webapp.mail import mime
from webapp.messages import store
from webapp.messages.models import Message
from webapp.sending.models import Outgoing

LINK = re.compile(r"http://localhost(/(?:join|reset)\?key=[\w-]+)")


def stranger(app: Any) -> PageClient:
    """A browser that nobody is signed in with; it has looked at the sign-in page, so its forms carry a token."""
    browser = PageClient(app, None)
    page = browser.get("/login").get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    browser.csrf = token[1]
    return browser


def with_transport(app: Any, transport: str = "smtp://127.0.0.1:9") -> None:
    """From now on mail would really leave (nobody answers there); the fixture `app` puts the settings back."""
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], transport=transport)


def sources(to: str) -> list[bytes]:
    """What was written to an address in the product's own name, oldest first."""
    query = select(Outgoing).where(Outgoing.kind == "system").order_by(Outgoing.id)
    rows = [(row.raw_id, db.session.get_one(Message, row.message_id)) for row in db.session.scalars(query)]
    return [store.load_raw(raw_id) for raw_id, copy in rows if copy.envelope_recipients == [to]]


def links_to(to: str) -> list[str]:
    """The paths of the links in those mails; plain text and HTML hold the same one."""
    found = []
    for raw in sources(to):
        mail = mime.parse(raw)
        plain, rich = LINK.findall(mail.text), set(LINK.findall(mail.html or ""))
        assert len(set(plain)) == 1 and set(plain) == rich, (plain, rich)
        found.append(plain[0])
    return found


def plain_body(answer: Any) -> str:
    """A page without what differs at each request: tokens and request ids."""
    return re.sub(r'(name="csrf_token" value|X-CSRFToken")[=:] ?"[^"]*"|req_[0-9a-f]+', "", answer.get_data(as_text=True))
