"""`/tokens`, `/message-tokens` and `/scopes`: making, listing, narrowing, rotating and revoking tokens, and what each one did."""

from typing import Any

from flask import Flask, current_app
from flask.views import MethodView

from webapp.core import idempotency, openapi, scopes
from webapp.core.access import current_actor, doors
from webapp.core.paging import PageRequest, sliced
from webapp.core.rest import Blueprint, Deleted
from webapp.tokens import call_log, calls, door, message_tokens, narrowing, rotation, service, watching
from webapp.tokens.schemas import (
    CallQuery,
    CallSchema,
    MeSchema,
    Rotation,
    ScopeSchema,
    TokenCreate,
    TokenMade,
    TokenPatch,
    TokenQuery,
    TokenRotated,
    TokenSchema,
)
from webapp.tokens.schemas_message import MessageTokenCreate, MessageTokenPatch, MessageTokenRevoked
from webapp.tokens.whoami import describe_caller

blp = Blueprint("api_tokens", __name__, url_prefix="/api/v1", description="Bearer tokens; the value of one is shown once")


@blp.route("/tokens")
class Tokens(MethodView):
    @blp.needs("tokens:read")
    @blp.paged(TokenSchema, TokenQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List tokens, newest first; never their values."""
        kind, state, search = filters.get("kind"), filters.get("status"), filters.get("search")
        return service.list_tokens(current_actor(), asked, kind=kind, state=state, search=search)

    @blp.needs("tokens:write")
    @blp.arguments(TokenCreate)
    @blp.response(201, TokenMade)
    def post(self, new: dict[str, Any]) -> Any:
        """Create a token; its value is in this answer alone."""
        token, value = service.create_token(current_actor(), **new)
        idempotency.one_time("token")
        return service.made(token, value)


@blp.route("/tokens/current")
class CurrentToken(MethodView):
    @blp.needs(None, kinds=("ops", "workspace", "message"))
    @blp.response(200, TokenSchema)
    def get(self) -> Any:
        """Show the token that asks."""
        return service.get_current(current_actor())


@blp.route("/tokens/<int:token_id>")
class Token(MethodView):
    @blp.needs("tokens:read")
    @blp.response(200, TokenSchema)
    def get(self, token_id: int) -> Any:
        """Show one token."""
        return service.get_token(current_actor(), token_id)

    @blp.needs("tokens:write")
    @blp.arguments(TokenPatch)
    @blp.response(200, TokenSchema)
    def patch(self, changes: dict[str, Any], token_id: int) -> Any:
        """Rename or narrow a token."""
        return narrowing.update_token(current_actor(), token_id, changes)

    @blp.needs("tokens:write")
    @blp.response(200, Deleted)
    def delete(self, token_id: int) -> Any:
        """Revoke a token; it is refused everywhere within a second."""
        token = service.revoke_token(current_actor(), token_id)
        return {"id": token.id, "message": f"Token {token.name} is revoked."}


@blp.route("/tokens/<int:token_id>:rotate")
class TokenRotation(MethodView):
    @blp.needs("tokens:write")
    @blp.arguments(Rotation)
    @blp.response(201, TokenRotated)
    def post(self, asked: dict[str, Any], token_id: int) -> Any:
        """Make the successor of a token; the old value works on for the overlap."""
        old, new, value = rotation.rotate_token(current_actor(), token_id, asked["overlap_s"])
        idempotency.one_time("token")
        return {**service.made(new, value), "replaces": {"id": old.id, "ends_at": old.expires_at}}


@blp.route("/tokens/<int:token_id>/log")
class TokenLog(MethodView):
    @blp.needs("tokens:read")
    @blp.paged(CallSchema, CallQuery, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any], token_id: int) -> Any:
        """List what a token asked for in the last 30 days, newest first; lines arrive within a second or two."""
        calls.flush(current_app._get_current_object())  # type: ignore[attr-defined]
        return call_log.list_calls(current_actor(), token_id, asked, filters)


@blp.route("/mailboxes/<int:mailbox_id>/message-tokens", "/mailbox/<int:mailbox_id>/message-tokens")
class MailboxMessageTokens(MethodView):
    @blp.needs("mailboxes:message-tokens:manage")
    @blp.paged(TokenSchema)
    def get(self, asked: PageRequest, filters: dict[str, Any], mailbox_id: int) -> Any:
        """List the message tokens of a mailbox, newest first; never their values."""
        return message_tokens.list_of_mailbox(current_actor(), mailbox_id, asked)

    @blp.needs("mailboxes:message-tokens:manage", key_required=True)
    @blp.arguments(MessageTokenCreate)
    @blp.response(201, TokenMade)
    def post(self, new: dict[str, Any], mailbox_id: int) -> Any:
        """Create a message token for a mailbox; its value is in this answer alone."""
        token, value = message_tokens.create(current_actor(), mailbox_id, **new)
        idempotency.one_time("token")
        return service.made(token, value)


@blp.route("/message-tokens/<int:message_token_id>")
class MessageToken(MethodView):
    @blp.needs("mailboxes:message-tokens:manage")
    @blp.response(200, TokenSchema)
    def get(self, message_token_id: int) -> Any:
        """Show one message token."""
        return message_tokens.get(current_actor(), message_token_id)

    @blp.needs("mailboxes:message-tokens:manage")
    @blp.arguments(MessageTokenPatch)
    @blp.response(200, TokenSchema)
    def patch(self, changes: dict[str, Any], message_token_id: int) -> Any:
        """Rename or narrow a message token."""
        return message_tokens.narrow(current_actor(), message_token_id, changes)

    @blp.needs("mailboxes:message-tokens:manage")
    @blp.response(200, MessageTokenRevoked)
    def delete(self, message_token_id: int) -> Any:
        """Revoke a message token; it is refused everywhere within a second."""
        token = message_tokens.revoke(current_actor(), message_token_id)
        return {"id": token.id, "message": f"Token {token.name} is revoked.", "revoked_at": token.revoked_at}


@blp.route("/scopes")
class Scopes(MethodView):
    @blp.needs(None, kinds=("ops", "workspace", "message"))
    @blp.paged(ScopeSchema)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List every scope with what it covers and the role that it needs."""
        return sliced(list(scopes.SCOPES.values()), asked)


@blp.route("/me")
class Me(MethodView):
    @blp.needs(None)
    @blp.response(200, MeSchema, top=("capabilities",))
    def get(self) -> Any:
        """Show the token that asks, its workspace, and what it may really do."""
        return describe_caller(current_actor())


def init_app(app: Flask) -> None:
    doors.token_actor = door.authenticate
    watching.init_app(app)
    openapi.register(blp)
