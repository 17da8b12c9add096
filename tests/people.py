"""Alice owns, Bob is an agent, Carol only looks, Eve is a stranger with a workspace of her own."""

import hashlib
from dataclasses import dataclass
from typing import Any

from argon2 import PasswordHasher
from itsdangerous import URLSafeTimedSerializer

from webapp.accounts import passwords, service, sessions
from webapp.accounts.models import Membership, User, Workspace
from webapp.core.actor import Actor
from webapp.core.db import begin_writing, db, utcnow
from webapp.tokens import service as tokens

PASSWORD = "correct horse battery"
#: hashed once with cheap parameters; sign-in tests set a real one
HASH = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$kr9UMP5WPZpVYaUrFmwk0g"


def hash_cheaply() -> None:
    """Passwords of this process cost next to nothing; what they cost otherwise is tested in tests/accounts/test_password_cost.py."""
    setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))  # noqa: B010
    setattr(passwords, "_DUMMY", passwords.hash_password("nobody has this password"))  # noqa: B010


class Api:
    """A test client that sends a bearer token; `json` answers are read with `.json`."""

    def __init__(self, app: Any, token: str) -> None:
        self.app, self.token = app, token
        self.client = app.test_client()

    def request(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        if not path.startswith("/api"):
            path = f"/api/v1{path}"
        return call(self.client, method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Any:
        headers = options.pop("headers", {})
        return self.request("POST", path, headers=headers, **options)

    def put(self, path: str, **options: Any) -> Any:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Any:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Any:
        return self.request("DELETE", path, **options)


class PageClient:
    """A signed-in browser without JavaScript: posts carry the CSRF token; `htmx=True` makes an htmx request."""

    def __init__(self, app: Any, session_value: str | None) -> None:
        self.app, self.session = app, str(session_value)
        self.client = app.test_client()
        raw = hashlib.sha256(self.session.encode()).hexdigest()
        with self.client.session_transaction() as cookie:
            if session_value:
                cookie["_user_id"] = session_value
                cookie["_fresh"] = True
            cookie["csrf_token"] = raw
        self.csrf = URLSafeTimedSerializer(app.secret_key, salt="wtf-csrf-token").dumps(raw)

    def get(self, path: str, htmx: bool = False, **options: Any) -> Any:
        headers = {**options.pop("headers", {}), **({"HX-Request": "true"} if htmx else {})}
        return call(self.client, "GET", path, headers=headers, **options)

    def post(self, path: str, data: dict[str, Any] | None = None, htmx: bool = False, **options: Any) -> Any:
        headers = {**options.pop("headers", {}), **({"HX-Request": "true"} if htmx else {}), "X-CSRFToken": self.csrf}
        return call(self.client, "POST", path, data=data or {}, headers=headers, **options)


def call(client: Any, method: str, path: str, **options: Any) -> Any:
    """The test's own transaction ends first: on SQLite it would hold the write lock that the request needs.

    The request gets an application context of its own, as on a server: Flask would share `g` (who is signed in) with the test's.
    """
    db.session.commit()
    try:
        with client.application.app_context():
            return client.open(path, method=method, **options)
    finally:
        begin_writing()
        db.session.expire_all()


@dataclass
class Person:
    user: User
    workspace: Workspace
    actor: Actor
    api: Api
    page: PageClient
    token: str

    def token_with(self, *scopes: str, kind: str = "ops", **more: Any) -> Api:
        """A client with another token of this person."""
        _, value = tokens.create_token(self.actor, name="test", kind=kind, scopes=list(scopes), **more)
        db.session.commit()
        return Api(self.api.app, value)


def make_person(app: Any, email: str, role: str, workspace: Workspace) -> Person:
    user = User(email=email, name=email.split("@")[0].title(), password_hash=HASH, password_changed_at=utcnow())
    db.session.add(user)
    db.session.flush()
    db.session.add(Membership(workspace_id=workspace.id, user_id=user.id, role=role))
    db.session.flush()
    actor = service.actor_for(user, workspace.id, role)
    token = ""
    if actor.may("tokens:write"):
        _, token = tokens.create_token(actor, name=f"{user.name}'s token", kind="workspace", scopes=["*"])
    else:
        owner = Actor(type="system", workspace_id=workspace.id, role="owner", scopes=frozenset({"*"}), user_id=user.id, name="fixture")
        _, token = tokens.create_token(owner, name=f"{user.name}'s token", kind="workspace", scopes=["*"])
    session = sessions.start(user, workspace.id, "127.0.0.1", "pytest")
    db.session.commit()
    return Person(user, workspace, actor, Api(app, token), PageClient(app, session), token)


def make_people(app: Any) -> dict[str, Person]:
    acme, evil = Workspace(name="Acme", settings={}), Workspace(name="Evil Corp", settings={})
    db.session.add_all([acme, evil])
    db.session.commit()
    return {
        "alice": make_person(app, "alice@acme.test", "owner", acme),
        "bob": make_person(app, "bob@acme.test", "agent", acme),
        "carol": make_person(app, "carol@acme.test", "viewer", acme),
        "eve": make_person(app, "eve@evil.test", "owner", evil),
    }
