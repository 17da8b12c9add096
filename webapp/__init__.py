"""Mailroom's application: the one place where the parts meet."""

from pathlib import Path

from flask_wtf.csrf import CSRFProtect

from webapp import features
from webapp.core import blobs, health, htmx, idempotency, limits, live, openapi, outside, paint, queue, secrets, web
from webapp.core.db import db
from webapp.core.web import Mailroom
from webapp.settings import Settings

__version__ = "0.1.0"
ROOT = Path(__file__).resolve().parent.parent
csrf = CSRFProtect()


def create_app(settings: Settings) -> Mailroom:
    """The whole application for these settings; opens no connection."""
    app = Mailroom(
        "webapp",
        root_path=str(ROOT / "webapp"),
        template_folder=str(ROOT / "templates"),
        static_folder=str(ROOT / "static"),
        static_url_path="/static",
    )
    secrets.configure(settings.secret_keys)
    app.config.update(
        SETTINGS=settings,
        VERSION=__version__,
        SECRET_KEY=settings.secret_keys[0],
        SECRET_KEY_FALLBACKS=list(settings.secret_keys[1:]),
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SESSION_COOKIE_NAME="mailroom",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.public_url.startswith("https://"),
        PERMANENT_SESSION_LIFETIME=14 * 86400,
        SESSION_REFRESH_EACH_REQUEST=False,  # the row of the session ends after 14 days whatever the cookie says
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_CHECK_DEFAULT=True,
        MAX_FORM_MEMORY_SIZE=settings.max_message_bytes * 2,
        MAX_CONTENT_LENGTH=settings.max_message_bytes * 2,
        RATE_LIMITS=limits.parse(settings.rate_limits),
        SEND_FILE_MAX_AGE_DEFAULT=3600,
        **openapi.SETTINGS,
    )
    app.extensions["redis"] = queue.connection(settings.redis_url or "redis://127.0.0.1:6379/0")
    web.init_app(app)
    db.init_app(app)
    csrf.init_app(app)
    htmx.init_app(app)
    paint.install(app)
    outside.init_app(app, settings)
    blobs.init_app(app, settings)
    openapi.api.init_app(app)
    app.register_blueprint(openapi.blp)
    app.register_blueprint(health.blp)
    app.register_blueprint(live.blp)
    web.refusal_hooks[:] = [idempotency.keep_refusal]
    features.open_models()
    features.open_doors(app)
    for name in [name for name in app.blueprints if name.startswith("api_")]:
        csrf.exempt(app.blueprints[name])
    for view in app.view_functions.values():
        if getattr(view, "for_strangers", False):
            csrf.exempt(view)
    return app
