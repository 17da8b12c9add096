"""The second factor: one-time codes of an authenticator app (TOTP, RFC 6238) and the recovery codes that stand in for it.

Every code works once: the newest time step that was taken is stored and only later ones are good (RFC 6238 section 5.2); a recovery
code is marked as used. Both happen in one conditional UPDATE, so of two requests at the same moment one wins.
"""

import hashlib
import re
import secrets as random
from datetime import datetime
from typing import Any, NamedTuple

import pyotp
import segno
from pyotp.exceptions import OTPVerificationError
from sqlalchemy import delete, func, select, update

from webapp.accounts import sessions, throttle
from webapp.accounts.models import User
from webapp.accounts.models_security import RecoveryCode, SecondFactor
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import secrets
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Forbidden, InvalidState, Unauthenticated, invalid

DOOR = "second_factor"
#: how many steps of 30 s a clock may be off in either direction
OFF_BY = 1
SET_UP_LIFE_S = 1800
#: ten codes of three groups of five signs: 75 bits each
CODES, GROUPS, GROUP = 10, 3, 5
#: Crockford's 32 signs; what is misread for one of them is put right
SIGNS, MISREAD = "0123456789abcdefghjkmnpqrstvwxyz", str.maketrans("oil", "011")
WRONG_CODE = "This code is wrong, was used already, or is older than a minute."


class State(NamedTuple):
    """What the page of a person shows: since when it is on (None: off) and how many recovery codes are left."""

    since: datetime | None
    codes_left: int


def is_on(user_id: int) -> bool:
    return db.session.scalar(select(SecondFactor.user_id).where(SecondFactor.user_id == user_id)) is not None


def state(user_id: int) -> State:
    since = db.session.scalar(select(SecondFactor.created_at).where(SecondFactor.user_id == user_id))
    left = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return State(since, db.session.scalar(left) or 0)


# ---------------------------------------------------------------- turning it on and off


def begin(user_id: int) -> str:
    """A new seed in a sealed text for the form; nothing is stored until a code has proved that the app has it."""
    return secrets.sign(DOOR, {"user": user_id, "seed": secrets.encrypt(pyotp.random_base32())})


def seed_of(begun: str, user_id: int) -> str | None:
    """The seed of a sealed text, or None when it is older than half an hour, forged, or somebody else's."""
    value = secrets.unsign(DOOR, begun, SET_UP_LIFE_S)
    if not isinstance(value, dict) or value.get("user") != user_id:
        return None
    return secrets.decrypt(str(value.get("seed")))


def picture(seed: str, account: str, issuer: str) -> str:
    """The address that authenticator apps read, as a QR code in SVG: black on white in both themes, without inline style."""
    address = pyotp.TOTP(seed).provisioning_uri(name=account, issuer_name=issuer)
    code = segno.make(address, error="m", micro=False)
    return code.svg_inline(scale=4, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None)


def turn_on(actor: Actor, session_id: int, begun: str, code: str) -> list[str]:
    """Take the seed once a code proves that the app has it; other browsers of the person are signed out.

    Returns the recovery codes, which are shown this once. raises Invalid about `code`, InvalidState when it is on already
    """
    user = _person(actor)
    if is_on(user.id):
        raise InvalidState("The second factor is on already.", hint="Remove it first to use another app.")
    seed = seed_of(begun, user.id)
    if seed is None:
        raise invalid("code", "This page was open for more than half an hour. Scan the new picture and write its code.")
    step = _step(seed, code)
    if step is None:
        raise invalid("code", "This is not the code that the app shows now. Check that the clock of the device is right.")
    db.session.add(SecondFactor(user_id=user.id, seed=seed, last_step=step, created_at=utcnow()))
    db.session.flush()
    codes = _replace_codes(user.id)
    sessions.end_all_but(user.id, session_id)
    audit.record(actor, "second_factor.enable", Target("user", user.id, user.email))
    return codes


def turn_off(actor: Actor, session_id: int) -> None:
    """Back to the password alone; other browsers of the person are signed out. raises InvalidState when it is off"""
    user = _person(actor)
    forget(user.id)
    sessions.end_all_but(user.id, session_id)
    audit.record(actor, "second_factor.disable", Target("user", user.id, user.email))


def renew_codes(actor: Actor) -> list[str]:
    """Ten new recovery codes, shown this once; the old ones stop working. raises InvalidState while the second factor is off"""
    user = _person(actor)
    if not is_on(user.id):
        raise InvalidState("Recovery codes belong to the second factor, which is off.", hint="Turn it on first.")
    codes = _replace_codes(user.id)
    audit.record(actor, "recovery_codes.replace", Target("user", user.id, user.email))
    return codes


def _person(actor: Actor) -> User:
    user = db.session.get(User, actor.user_id) if actor.user_id and actor.type == "user" else None
    if user is None:
        raise Forbidden("Only a person at a page has a second factor.")
    return user


def forget(user_id: int) -> None:
    """Remove seed and recovery codes; whoever calls this ends the sessions and tells the audit log. raises InvalidState when it is off"""
    result: Any = db.session.execute(delete(SecondFactor).where(SecondFactor.user_id == user_id))
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    if result.rowcount != 1:
        raise InvalidState("The second factor is off already.", hint="Signing in asks for the password alone.")


def _replace_codes(user_id: int) -> list[str]:
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    now = utcnow()
    codes = ["-".join("".join(random.choice(SIGNS) for _ in range(GROUP)) for _ in range(GROUPS)) for _ in range(CODES)]
    db.session.add_all(RecoveryCode(user_id=user_id, code_hash=_hash(code), created_at=now) for code in codes)
    db.session.flush()
    return codes


def _hash(code: str) -> str:
    plain = re.sub(r"[\s-]", "", code).lower().translate(MISREAD)
    return hashlib.sha256(plain.encode()).hexdigest()


# ---------------------------------------------------------------- using codes


def check_sign_in(user: User, *, code: str, recovery: str, ip: str | None, request_id: str | None) -> int | None:
    """The second step of signing in. Returns how many recovery codes are left when one was used, else None.

    raises TooMany (throttled), Unauthenticated (wrong); both ways of it are audited
    """
    throttle.take(DOOR, user.email, ip)
    actor = Actor(type="user", workspace_id=0, id=user.id, user_id=user.id, name=user.email, ip=ip, request_id=request_id)
    target = Target("user", user.id, user.email)
    by_recovery = bool(recovery.strip())
    if not (use_recovery_code(user.id, recovery) if by_recovery else use_app_code(user.id, code)):
        db.session.rollback()
        audit.record_refused(actor, "session.create", target, "wrong recovery code" if by_recovery else "wrong one-time code")
        raise Unauthenticated(WRONG_CODE, hint="After five failures the way is closed for 15 minutes.")
    throttle.give_back(DOOR, user.email, ip)
    audit.record(actor, "session.create", target)
    if not by_recovery:
        return None
    audit.record(actor, "recovery_codes.use", target)
    return state(user.id).codes_left


def use_app_code(user_id: int, code: str) -> bool:
    """Whether the app shows this code now and it was not used before; from here on it was."""
    factor = db.session.get(SecondFactor, user_id)
    step = _step(factor.seed, code) if factor is not None else None
    if step is None:
        return False
    taken = update(SecondFactor).where(SecondFactor.user_id == user_id, SecondFactor.last_step < step).values(last_step=step)
    result: Any = db.session.execute(taken, execution_options={"synchronize_session": False})
    return bool(result.rowcount == 1)


def use_recovery_code(user_id: int, code: str) -> bool:
    """Whether this is an unused recovery code of the person; from here on it is used."""
    used = (
        update(RecoveryCode)
        .where(RecoveryCode.user_id == user_id, RecoveryCode.code_hash == _hash(code), RecoveryCode.used_at.is_(None))
        .values(used_at=utcnow())
    )
    result: Any = db.session.execute(used, execution_options={"synchronize_session": False})
    return bool(result.rowcount == 1)


def _step(seed: str, code: str) -> int | None:
    """The time step (30 s since 1970) whose code this is, or None."""
    digits = re.sub(r"[\s-]", "", code)
    if not re.fullmatch(r"[0-9]{6}", digits):
        return None
    try:
        return pyotp.TOTP(seed).verify_and_get_timecode(digits, valid_window=OFF_BY)
    except OTPVerificationError:
        return None
