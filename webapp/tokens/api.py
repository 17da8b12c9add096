"""`/tokens` and `/scopes`: making, listing, narrowing and revoking tokens."""

from typing import Any

from flask import Flask
from flask.views import MethodView

from webapp.core import idempotency, openapi, scopes
from webapp.core.access import current_actor, doors
from webapp.core.paging import PageRequest, sliced
from webapp.core.rest import Blueprint, Deleted
from webapp.tokens import door, service, watching
from webapp.tokens.schemas import MeSchema, ScopeSchema, TokenCreate, TokenMade, TokenPatch, TokenQuery, TokenSchema
from webapp.tokens.whoami import describe_caller

blp = Blueprint("api_tokens", __name__, url_prefix="/api/v1", description="Bearer tokens; the value of one is shown once")


@blp.route("/tokens")
class Tokens(MethodView):
    @blp.needs("tokens:read")
    @blp.paged(TokenSchema, TokenQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List tokens, newest first; never their values."""
        return service.list_tokens(current_actor(), asked, kind=filters.get("kind"), state=filters.get("status"))

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
        return service.update_token(current_actor(), token_id, changes)

    @blp.needs("tokens:write")
    @blp.response(200, Deleted)
    def delete(self, token_id: int) -> Any:
        """Revoke a token; it is refused everywhere within a second."""
        token = service.revoke_token(current_actor(), token_id)
        return {"id": token.id, "message": f"Token {token.name} is revoked."}


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
