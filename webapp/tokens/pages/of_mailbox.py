"""The message tokens of a mailbox: a page of its own, and the section of the mailbox's page that is loaded from here."""

from typing import Any

from flask import request

from webapp.core.access import current_actor, needs
from webapp.core.db import utcnow
from webapp.core.htmx import render
from webapp.core.paging import PageRequest
from webapp.tokens import message_tokens, service
from webapp.tokens.pages.blueprint import bp
from webapp.tokens.pages.listing import remark

PER_PAGE = 50


@bp.get("/mailboxes/<int:mailbox_id>/message-tokens")
@needs("mailboxes:message-tokens:manage")
def of_mailbox(mailbox_id: int) -> Any:
    """Programs that read or write the mail of one mailbox."""
    actor = current_actor()
    address = message_tokens.address_of(actor, mailbox_id)
    number = min(max(1, request.args.get("page", 1, int)), 10_000)
    found = message_tokens.list_of_mailbox(actor, mailbox_id, PageRequest(number, PER_PAGE))
    return render(
        "tokens/of_mailbox.html", "tokens/_of_mailbox.html", mailbox_id=mailbox_id, address=address, found=found, now=utcnow(),
        status_of=service.status, remark_of=remark, number=number,
    )  # fmt: skip
