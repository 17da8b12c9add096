"""The letter of a campaign compiled, once per process and version, with the keys that sign it.

    ready = prepared(campaign_id, version)      what a worker needs for its copies; reads the database the first time
    ready.compiled.fill_signed(person, ready.keys)

A change of the letter raises its version, so nothing has to be told to the workers. Keys are looked at again after a minute.
"""

import threading
import time
from dataclasses import dataclass

from webapp.campaigns import letters
from webapp.campaigns.models import Campaign
from webapp.core.db import db
from webapp.domains import service as domains
from webapp.mail.letter import Compiled, Letter, SigningKey, compile_letter

#: campaigns that a process keeps compiled, and for how long keys are believed, in seconds
MOST_KEPT, KEYS_S = 16, 60.0


@dataclass
class Ready:
    """A compiled letter; `until`: when its keys are read again."""

    compiled: Compiled
    keys: tuple[SigningKey, ...]
    until: float


def fresh(campaign: Campaign) -> tuple[Letter, Compiled]:
    """The letter as it stands now, and compiled. raises LetterError"""
    letter = letters.letter_of(campaign)
    return letter, compile_letter(letter)


_ready: dict[tuple[int, int], Ready] = {}
_lock = threading.Lock()


def prepared(campaign_id: int, version: int) -> Ready:
    """The compiled letter of this version. raises LookupError when the campaign is gone, LetterError"""
    key = (campaign_id, version)
    found = _ready.get(key)
    if found is not None and found.until > time.monotonic():
        return found
    with _lock:
        campaign = db.session.get(Campaign, campaign_id, populate_existing=True)
        if campaign is None:
            raise LookupError(f"there is no campaign with the id {campaign_id}")
        compiled = found.compiled if found is not None else fresh(campaign)[1]
        ready = Ready(compiled, signing_keys(campaign), time.monotonic() + KEYS_S)
        while len(_ready) >= MOST_KEPT:
            _ready.pop(next(iter(_ready)))
        _ready[key] = ready
        return ready


def forget() -> None:
    """Read everything anew, for tests."""
    _ready.clear()


def signing_keys(campaign: Campaign) -> tuple[SigningKey, ...]:
    """What signs mail from its sender's domain, the RSA key first, so that its signature stands on top."""
    name = campaign.from_email.rpartition("@")[2]
    return tuple(SigningKey(key.domain, key.selector, key.private) for key in reversed(domains.signing_keys(name, campaign.workspace_id)))
