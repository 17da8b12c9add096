"""The Flask class of the house: request ids, one commit per request, and errors as JSON or as a page.

An answer below 400 commits the session; everything else rolls back. Rings and events wait for the commit (`core.queue`).
"""

import logging
import re
from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response, current_app, g, request, session
from flask.json.provider import JSONProvider
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.routing import IntegerConverter

from webapp.core import db as database
from webapp.core import envelope, htmx, limits, request_ids
from webapp.core.body import MOST_FILE
from webapp.core.client import is_secure
from webapp.core.db import db
from webapp.core.errors import BadRequest, Conflict, HouseError, MethodNotAllowed, NotFound, TooLarge, Unavailable, UnsupportedMedia
from webapp.core.repeats import MOST_TIMES, may_repeat

log = logging.getLogger("mailroom.web")
PRINTABLE = re.compile(r"[\x21-\x7e]{1,128}")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

#: the policy of every page; foreign mail HTML is served with its own (messages)
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFE_HEADERS = (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "same-origin"))
PAGE_HEADERS = (*SAFE_HEADERS, ("Content-Security-Policy", CONTENT_SECURITY_POLICY), ("X-Frame-Options", "DENY"))

#: below these nobody has a session: programs bring tokens, readers of campaign mail a signed mark in the address
WITHOUT_COOKIES = ("/api/", "/t/", "/u/", "/v/")
#: called with (error, path) after the roll-back of a refused request; the audit log listens
refusal_hooks: list[Callable[[HouseError], None]] = []


class RowId(IntegerConverter):
    """Ids that fit a database integer; larger numbers are simply no address of ours (404)."""

    def __init__(self, map: Any, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max", 2**63 - 1)
        super().__init__(map, *args, **kwargs)


class FastJson(JSONProvider):
    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return envelope.json_bytes(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return envelope.orjson.loads(s)


class PageSessions(SecureCookieSessionInterface):
    """The cookie is for pages. Elsewhere none is read and none is set."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        return self.session_class() if request.path.startswith(WITHOUT_COOKIES) else super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if not request.path.startswith(WITHOUT_COOKIES):
            super().save_session(app, session, response)


class Mailroom(Flask):
    json_provider_class = FastJson
    session_interface = PageSessions()

    def full_dispatch_request(self) -> Response:
        """The whole request, done again when the database ended it and certainly kept nothing of it (`core.repeats`)."""
        before = dict(session)
        for times in range(1, MOST_TIMES + 1):
            response = self._once()
            if times == MOST_TIMES or not g.pop("repeat", False):
                break
            for name in list(g):
                g.pop(name)
            if dict(session) != before:
                session.clear()
                session.update(before)
        return response

    def _once(self) -> Response:
        response = super().full_dispatch_request()
        if not db.session.registry.has():  # a request that asked nothing of it needs no session made to end it
            return response
        try:
            if response.status_code < 400:
                db.session.commit()
            else:
                db.session.rollback()
        except Exception as error:  # noqa: BLE001  # whatever a commit raises, nothing of the request happened
            db.session.rollback()
            response = self.finalize_request(self._answer_failure(error))
        return response

    def _answer_failure(self, error: Exception) -> Response:
        """A commit that failed is answered like an exception in the view: nothing of the request happened."""
        return self.make_response(answer_error(as_house_error(error)))


def init_app(app: Mailroom) -> None:
    app.url_map.converters["int"] = RowId
    app.url_map.strict_slashes = False
    app.before_request(_begin)
    app.after_request(_finish)
    app.register_error_handler(HouseError, answer_error)
    app.register_error_handler(HTTPException, answer_http)
    app.register_error_handler(Exception, lambda error: answer_error(as_house_error(error)))


def is_api() -> bool:
    return request.path.startswith("/api/")


def _begin() -> None:
    asked = request.headers.get("X-Request-Id", "")
    g.request_id = asked if PRINTABLE.fullmatch(asked) else request_ids.new()
    if request.method in SAFE_METHODS:
        database.begin_reading()
    else:
        database.begin_writing()
    if not is_api():
        _let_file_in()
        _refuse_nul()


def _let_file_in() -> None:
    """A page that takes a file of nearly any size says so (`view.takes_file`); strangers may not send one."""
    if getattr(current_app.view_functions.get(request.endpoint or ""), "takes_file", False) and "_user_id" in session:
        request.max_content_length = MOST_FILE


def _refuse_nul() -> None:
    """No database takes a NUL character; pages refuse it here once, the API in `core.body` with the field's name."""
    texts = [*request.args.values()]
    if request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data"):
        texts += request.form.values()
    if any("\x00" in text for text in texts):
        raise BadRequest("Text with a NUL character is not taken.", hint="Remove the character and send it again.")


def _finish(response: Response) -> Response:
    headers = response.headers
    set_already = {name.lower() for name, _ in headers}
    wanted = SAFE_HEADERS if is_api() else PAGE_HEADERS
    if response.mimetype in ("text/html", "application/json"):
        wanted = (*wanted, ("Cache-Control", "no-store"))
    if is_secure(request):
        wanted = (*wanted, ("Strict-Transport-Security", "max-age=31536000"))
    for name, value in wanted:
        if name.lower() not in set_already:
            headers.add(name, value)
    headers.set("X-Request-Id", g.get("request_id", ""))
    limits.add_headers(response)
    return response


def answer_http(error: HTTPException) -> Response:
    response = answer_error(from_http(error))
    methods = getattr(error, "valid_methods", None)
    if methods:
        response.headers["Allow"] = ", ".join(sorted(methods))
    return response


def from_http(error: HTTPException) -> HouseError:
    """A werkzeug exception in our words."""
    if error.code == 404:
        return NotFound(f"There is nothing at {request.path}.", hint="Check the address.")
    if error.code == 405:
        return MethodNotAllowed(f"{request.path} does not take {request.method}.")
    if isinstance(error, RequestEntityTooLarge) or error.code == 413:
        return TooLarge("The request body is larger than this server takes.")
    if error.code == 415:
        return UnsupportedMedia("The body has a type that this address does not take.")
    house = HouseError if (error.code or 500) >= 500 else BadRequest
    refusal = house(error.description or error.name)
    if error.code and house is BadRequest:
        refusal.status = error.code if error.code in (400, 403, 409, 422) else 400
    return refusal


def as_house_error(error: Exception) -> HouseError:
    """Whatever went wrong, as an answer: races and a busy database are the caller's to repeat, the rest is a bug and logged."""
    if isinstance(error, HouseError):
        return error
    if isinstance(error, IntegrityError):
        log.info("conflict at commit: %s", error.orig, extra={"request_id": g.get("request_id")})
        return Conflict("Something else changed the same object at the same moment; nothing was saved.")
    g.repeat = may_repeat(error)
    if isinstance(error, (OperationalError, NoConnectionFree)) or g.repeat or getattr(error, "connection_invalidated", False):
        log.warning("database unavailable: %s", getattr(error, "orig", error), extra={"request_id": g.get("request_id")})
        return Unavailable("The database did not answer in time; nothing was saved.", retry_after_s=2)
    log.exception("request failed", extra={"request_id": g.get("request_id")})
    return HouseError("Something went wrong on our side; nothing was saved.")


def answer_error(error: HouseError) -> Response:
    db.session.rollback()
    for hook in refusal_hooks:
        hook(error)
    if is_api():
        return envelope.error_response(error)
    return htmx.render_error(error)
