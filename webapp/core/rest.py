"""The API's machinery: what every resource gets without writing it again.

    @blp.route("/rules")
    class Rules(MethodView):
        @blp.needs("rules:read")                 # token, limits, scope; documents 401, 403, 429
        @blp.paged(RuleSchema, RuleQuery)        # list envelope; the view takes (asked: PageRequest, filters: dict) and answers a Page
        def get(self, asked, filters): ...

        @blp.needs("rules:write")                # unsafe: idempotency, body checks
        @blp.arguments(RuleSchema)
        @blp.response(201, RuleSchema)           # one-object envelope, dumped fast
        def post(self, new): ...

Order of decorators: route, needs, paged or arguments, response. Both slash forms answer; `core.openapi` adds the shared errors.
"""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, wraps
from types import NoneType
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import flask_smorest
from flask import Response, current_app, g, request
from marshmallow import Schema, fields, validate

from webapp.core import body, envelope, idempotency, limits, openapi
from webapp.core.access import doors
from webapp.core.actor import Actor
from webapp.core.client import client_ip
from webapp.core.errors import Unauthenticated, invalid
from webapp.core.paging import Page, PageRequest
from webapp.core.shapes import Shape, compile_dump, compile_dump_many
from webapp.core.web import SAFE_METHODS

SHORT = validate.Length(max=64)
#: query strings of a list whose reading is kept: how many, of what length, and the types of their values
KEPT_QUERIES, KEPT_QUERY, FIXED = 200, 200, (str, int, bool, datetime, NoneType)
ORDERING = {"createdTime": "created_at", "updatedTime": "updated_at"}


class Paging(Shape):
    page = fields.Integer(load_default=1, validate=validate.Range(1, 2**31), metadata={"description": "Page, from 1"})
    per_page = fields.Integer(load_default=25, validate=validate.Range(1, 100), metadata={"description": "Rows a page, at most 100"})
    sort_by = fields.String(load_default=None, validate=SHORT, metadata={"description": "Field to sort by"})
    sort_order = fields.String(load_default=None, validate=validate.OneOf(["asc", "desc"]), metadata={"description": "asc or desc"})
    ordering = fields.String(load_default=None, validate=SHORT, metadata={"description": "Field, with - in front for descending"})


class CursorPaging(Paging):
    cursor = fields.String(
        load_default=None, validate=validate.Length(max=512), metadata={"description": "From meta.next_cursor of the page before"}
    )


class Blueprint(flask_smorest.Blueprint):
    """A smorest blueprint with the house's envelope, scopes, paging and idempotency."""

    ARGUMENTS_PARSER = body.Parser()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepare_doc_cbks.append(openapi.prepare_house_doc)

    def route(self, rule: str, *paths: str, **options: Any) -> Callable[[Any], Any]:
        """One or several spellings of the same resource; the first is the canonical one, and url_for uses it."""
        register = super().route

        def decorate(view: Any) -> Any:
            for number, spelling in enumerate(paths, 2):
                register(spelling, **{**options, "endpoint": f"{options.get('endpoint') or view.__name__}_{number}"})(view)
            return register(rule, **options)(view)

        return decorate

    def needs(
        self, scope: str | None, *, key_required: bool = False, kinds: tuple[str, ...] = ("ops", "workspace"), family: str | None = None,
        takes_file: bool = False,
    ) -> Callable[[Any], Any]:  # fmt: skip
        """Only for tokens of these kinds that hold the scope (None: any token of the kind).

        family      which rate limit of `core.limits.DEFAULTS` counts, where it is not that of the token's kind
        takes_file  the body is a form with a file of nearly any size, which goes to a temporary file and never into memory
        """

        def decorate(view: Any) -> Any:
            @wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                actor = _enter(scope, kinds, family)
                if request.method in SAFE_METHODS:
                    return view(*args, **kwargs)
                if takes_file:
                    request.max_content_length = body.MOST_FILE
                body.guard_size(request, body.MOST_FILE if takes_file else current_app.config["SETTINGS"].max_message_bytes * 2)
                required = key_required and not request.path.endswith("/") and not f"{request.path}/".startswith("/api/v1/mailbox/")
                replay = idempotency.begin(actor, required, whole=not takes_file)
                if replay is not None:
                    return replay
                response = current_app.make_response(view(*args, **kwargs))
                idempotency.finish(response)
                return response

            guarded._apidoc = {**getattr(view, "_apidoc", {}), "house": {"scope": scope, "key_required": key_required, "kinds": kinds}}  # type: ignore[attr-defined]
            guarded.needs_scope = scope  # type: ignore[attr-defined]
            guarded.token_kinds = kinds  # type: ignore[attr-defined]
            return guarded

        return decorate

    def arguments(self, schema: Any, **options: Any) -> Callable[[Any], Any]:
        """As smorest's; a class is made an instance once instead of on every request."""
        return super().arguments(schema() if isinstance(schema, type) else schema, **options)

    def response(self, status_code: int, schema: Any = None, *, top: tuple[str, ...] = (), **doc: Any) -> Callable[[Any], Any]:
        """The one-object envelope around what the view answers; a Response passes unchanged.

        top  names of fields that stand beside `data` too (reference/trekmail.md section 1.4)
        """
        if "content_type" in doc:
            return super().response(status_code, schema or {"type": "string", "format": "binary"}, **doc)
        if schema is None:
            return super().response(status_code, schema, **doc)
        instance = schema() if isinstance(schema, type) else schema
        dump = compile_dump(instance)
        document = super().response(status_code, _one_schema(instance, top), **doc)

        def decorate(view: Any) -> Any:
            @wraps(view)
            def enveloped(*args: Any, **kwargs: Any) -> Any:
                answer = view(*args, **kwargs)
                if isinstance(answer, Response):
                    return answer
                status = status_code
                if isinstance(answer, tuple):
                    answer, status = answer
                data = dump(answer)
                return envelope.json_response(envelope.one(data, {name: data[name] for name in top if name in data}), status)

            return document(enveloped)

        return decorate

    def also(self, status_code: int, schema: Any, description: str) -> Callable[[Any], Any]:
        """Document the same envelope under a second status (207 of bulk operations)."""
        instance = schema() if isinstance(schema, type) else schema
        return super().alt_response(status_code, schema=_one_schema(instance, ()), description=description)

    def paged(self, schema: Any, query: type[Schema] | None = None, *, cursor: bool = False) -> Callable[[Any], Any]:
        """A list: the view takes (asked: PageRequest, filters: dict) before its path parameters and answers a `Page`."""
        instance = schema() if isinstance(schema, type) else schema
        dump = compile_dump_many(instance)
        base = CursorPaging if cursor else Paging
        shape = type(f"{(query or Shape).__name__}Paged{'By' if cursor else ''}", (query, base) if query else (base,), {})
        read = self.arguments(shape(), location="query")
        document = flask_smorest.Blueprint.response(self, 200, _many_schema(instance, cursor))

        known: dict[bytes, dict[str, Any]] = {}

        def decorate(view: Any) -> Any:
            def answer(path: Any, given: dict[str, Any], kwargs: Any) -> Response:
                asked, filters = _asked(given)
                page = view(*path, asked, filters, **kwargs)
                return envelope.json_response(page_body(page, dump(page.items)))

            @wraps(view)
            def listed(*args: Any, **kwargs: Any) -> Any:
                *path, given = args
                if not isinstance(given, dict):
                    raise TypeError("paged views take their query last")
                _remember(known, given)
                return answer(path, given, kwargs)

            parsed = read(document(listed))

            @wraps(parsed)
            def quick(*args: Any, **kwargs: Any) -> Any:
                given = known.get(request.query_string)
                return parsed(*args, **kwargs) if given is None else answer(args, dict(given), kwargs)

            return quick

        return decorate


def _remember(known: dict[bytes, dict[str, Any]], given: dict[str, Any]) -> None:
    """Most lists are asked for with the same few query strings: what was read from one and cannot change is kept."""
    if len(request.query_string) > KEPT_QUERY or not all(isinstance(value, FIXED) for value in given.values()):
        return
    if len(known) >= KEPT_QUERIES:
        known.clear()
    known[request.query_string] = dict(given)


def _enter(scope: str | None, kinds: tuple[str, ...], family: str | None = None) -> Actor:
    """Who asks, within limits and scope; sets `g.actor`."""
    ip = client_ip(request)
    actor = doors.token_actor(_bearer(), ip, request.user_agent.string[:200])
    g.actor = actor
    if actor.token_kind not in kinds:
        raise Unauthenticated(
            f"A token of kind {actor.token_kind} does not open this address.", hint=f"Use a token of kind {' or '.join(kinds)}."
        )
    g.rate_limit = limits.hit(limits.family_of(scope, actor.token_kind, family), str(actor.token_id))
    if scope is not None:
        actor.require(scope)
    return actor


def _bearer() -> str:
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not value.strip():
        raise Unauthenticated("No token was sent.")
    return value.strip()


def _asked(given: dict[str, Any]) -> tuple[PageRequest, dict[str, Any]]:
    page, per_page, cursor = given.pop("page"), given.pop("per_page"), given.pop("cursor", None)
    sort_by, order, ordering = given.pop("sort_by"), given.pop("sort_order"), given.pop("ordering")
    descending = None if order is None else order == "desc"
    if ordering:
        descending = ordering.startswith("-")
        sort_by = ORDERING.get(ordering.lstrip("-"), ordering.lstrip("-"))
    if cursor is not None and page != 1:
        raise invalid("page", "Send either page or cursor, not both.")
    return PageRequest(page, per_page, cursor, sort_by, descending), given


def page_body(page: Page[Any], data: list[Any]) -> dict[str, Any]:
    numbers: dict[str, Any] = {"current_page": page.page, "per_page": page.per_page, "total": page.total, "last_page": page.last_page}
    if page.total_is_capped:
        numbers["total_is_capped"] = True
        numbers["last_page"] = None
    links: dict[str, str | None] = {"next": None, "prev": None}
    if page.keyset:
        numbers["next_cursor"], numbers["has_more"] = page.next_cursor, page.has_more
        if page.next_cursor:
            links["next"] = _link(cursor=page.next_cursor, page=None)
    elif page.has_more:
        links["next"] = _link(page=(page.page or 1) + 1)
    if page.page and page.page > 1:
        links["prev"] = _link(page=page.page - 1)
    numbers.update(page.more)
    return envelope.many(data, links, numbers)


def _link(**changes: Any) -> str:
    """This address with other arguments, under the public one."""
    kept = _without(request.query_string.decode("ascii", "replace"), frozenset(changes))
    new = urlencode([(name, value) for name, value in changes.items() if value is not None])
    path = quote(request.root_path + request.path, safe="/:@!$&'()*+,;=-._~")
    return f"{current_app.config['SETTINGS'].public_url.rstrip('/')}{path}?{kept}{'&' if kept else ''}{new}"


@lru_cache(1000)
def _without(query: str, names: frozenset[str]) -> str:
    """A query string without some arguments."""
    return urlencode([(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in names])


class Meta(Shape):
    timestamp = fields.DateTime(required=True)
    request_id = fields.String(required=True)


class PageMeta(Meta):
    current_page = fields.Integer(required=True, allow_none=True)
    per_page = fields.Integer(required=True)
    total = fields.Integer(required=True, allow_none=True)
    last_page = fields.Integer(required=True, allow_none=True)
    total_is_capped = fields.Boolean()


class CursorMeta(PageMeta):
    next_cursor = fields.String(required=True, allow_none=True)
    has_more = fields.Boolean(required=True)


class Links(Shape):
    next = fields.String(required=True, allow_none=True)
    prev = fields.String(required=True, allow_none=True)


class Deleted(Shape):
    """The answer of every DELETE."""

    id = fields.Integer(required=True)
    message = fields.String(required=True)


def _name(schema: Schema) -> str:
    return type(schema).__name__.removesuffix("Schema")


_envelopes: dict[tuple[type[Schema], str, tuple[str, ...]], Schema] = {}


def _one_schema(schema: Schema, top: tuple[str, ...]) -> Schema:
    """The documented envelope of one object; the same one wherever the shape is the same."""
    known = _envelopes.get((type(schema), "one", top))
    if known is not None:
        return known
    beside = {name: schema.fields[name] for name in top}
    members: dict[str, Any] = {
        "success": fields.Boolean(required=True), "data": fields.Nested(schema, required=True), "meta": fields.Nested(Meta, required=True),
        "_idempotency_replay_warning": fields.String(), **beside,
    }  # fmt: skip
    made: Schema = type(f"{_name(schema)}{''.join(name.title() for name in top)}Answer", (Shape,), members)()
    return _envelopes.setdefault((type(schema), "one", top), made)


def _many_schema(schema: Schema, cursor: bool) -> Schema:
    known = _envelopes.get((type(schema), "stream" if cursor else "list", ()))
    if known is not None:
        return known
    members: dict[str, Any] = {
        "success": fields.Boolean(required=True), "data": fields.List(fields.Nested(schema), required=True),
        "links": fields.Nested(Links, required=True), "meta": fields.Nested(CursorMeta if cursor else PageMeta, required=True),
    }  # fmt: skip
    made: Schema = type(f"{_name(schema)}{'Stream' if cursor else 'List'}", (Shape,), members)()
    return _envelopes.setdefault((type(schema), "stream" if cursor else "list", ()), made)
