"""The letter in a browser, filled in for the one whose mail the link came in.

It is a document that somebody else wrote, at our address: it is served on an opaque origin without scripts, forms or plug-ins, so that
nothing in it can act as a page of ours (RELIABILITY C-57). Looking at it counts nothing and needs no cookie.
"""

import re
from dataclasses import replace
from html import escape

from flask import Response
from sqlalchemy import select

from webapp.accounts.models import Workspace
from webapp.campaigns import letters
from webapp.campaigns.marks import NOBODY, Mark
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact
from webapp.core.db import db
from webapp.mail.letter.model import LetterError, Person
from webapp.mail.letter.preview import preview
from webapp.tracking import resolving

#: `sandbox` without allow-scripts and allow-same-origin; links may open other pages, outside of the sandbox
POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline' http: https:; "
    "img-src http: https: data:; font-src http: https: data:; media-src http: https:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def letter(mark: Mark, token: str) -> str | None:
    """The HTML; None when the campaign is gone, has no web view, or belongs to somebody else than the contact."""
    campaign = db.session.scalar(
        select(Campaign).join(Workspace, Workspace.id == Campaign.workspace_id)
        .where(Campaign.id == mark.campaign_id, Campaign.deleted_at.is_(None), Workspace.deleted_at.is_(None))
    )  # fmt: skip
    if campaign is None or not campaign.web_view:
        return None
    person = _person(mark, campaign, token)
    if person is None:
        return None
    try:
        shown = preview(replace(letters.letter_of(campaign), track_opens=False), person)
    except LetterError:  # it was changed to something that cannot be read
        return None
    return titled(shown.html, shown.subject)


def titled(html: str, title: str) -> str:
    """The document, with a title where its author gave none."""
    if re.search(r"<title[\s>]", html, re.I):
        return html
    made = f"<title>{escape(title)}</title>"
    head = re.search(r"<head(?:\s[^<>]*)?>", html, re.I)
    return f"{html[: head.end()]}{made}{html[head.end() :]}" if head else f"{made}{html}"


def _person(mark: Mark, campaign: Campaign, token: str) -> Person | None:
    if mark.contact_id == NOBODY:
        return letters.nobody(campaign.id)
    reader = resolving.readers([mark.contact_id]).get(mark.contact_id)
    if reader is None:  # deleted: the letter stays readable, with its fallbacks
        return Person(email="", token=token)
    if reader.workspace_id != campaign.workspace_id:
        return None
    return letters.person_of(db.session.get_one(Contact, reader.id), token)


def document(html: str) -> Response:
    """The answer, with its policy."""
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["X-DNS-Prefetch-Control"] = "off"
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
