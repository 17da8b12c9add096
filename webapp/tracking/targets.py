"""Where a tracked link leads: the stored address of the campaign's link, its merge tags filled in for the one who clicks.

Nothing in the request says where to go, so there is nothing to bend (RELIABILITY C-60). What is stored was written by a member, and is
checked once more: http or https, a host without a user name before it, no control characters, no backslashes.
"""

import re
import threading
from urllib.parse import unquote, urlsplit, urlunsplit

from sqlalchemy import select

from webapp.campaigns.marks import Mark
from webapp.campaigns.models import CampaignLink
from webapp.contacts.models import Contact
from webapp.core.db import db
from webapp.mail.letter import links
from webapp.mail.letter.model import CONTACT_FIELDS
from webapp.tracking import resolving

#: targets that a process remembers; a number is never given to another target
MOST = 20_000
_ODD = re.compile(r"[\x00-\x20\x7f\\]")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9.])?|[0-9A-Fa-f:.]{2,45}")
_known: dict[tuple[int, int], tuple[str, tuple[str, ...]]] = {}
_lock = threading.Lock()


def target(mark: Mark, number: int) -> str | None:
    """The address for a Location header; None where the campaign has no such link, or one that leads nowhere safe."""
    found = _link(mark.campaign_id, number)
    if found is None:
        return None
    url, fields = found
    return safe(links.target(url, _values(mark.contact_id) if fields else {}))


def safe(url: str) -> str | None:
    """The same address when a browser may be sent there, its host in ASCII.

    >>> safe("//evil.test/") or safe("https://ann@evil.test/") or safe("javascript:alert(1)")
    >>> safe("https://b%C3%BCcher.test/neu")
    'https://xn--bcher-kva.test/neu'
    """
    if _ODD.search(url) or not url.isascii():
        return None
    try:
        parts = urlsplit(url)
        host, port = unquote(parts.hostname or ""), parts.port
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not _HOST.fullmatch(host):
        return None
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port is not None else "")
    return urlunsplit((parts.scheme, place, parts.path, parts.query, parts.fragment))


def forget() -> None:
    """For tests, whose databases change under a living process."""
    with _lock:
        _known.clear()


def _link(campaign_id: int, number: int) -> tuple[str, tuple[str, ...]] | None:
    found = _known.get((campaign_id, number))
    if found is None:
        mine = CampaignLink.campaign_id == campaign_id, CampaignLink.number == number
        url = db.session.scalar(select(CampaignLink.url).where(*mine))
        if url is None:
            return None
        found = url, links.fields_of(url)
        with _lock:
            if len(_known) >= MOST:
                _known.clear()
            _known[campaign_id, number] = found
    return found


def _values(contact_id: int) -> dict[str, object]:
    reader = resolving.readers([contact_id]).get(contact_id)
    contact = None if reader is None else db.session.get(Contact, reader.id)
    if contact is None:
        return {}
    custom = {f"custom.{key}": value for key, value in (contact.custom_fields or {}).items()}
    return {**{name: getattr(contact, name) for name in CONTACT_FIELDS}, **custom}
