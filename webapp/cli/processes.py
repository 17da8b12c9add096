"""`up` and the parts by themselves: `web`, `worker`, `scheduler`, `smtp`."""

import click
from flask import Flask

from webapp import create_app, scheduler, worker
from webapp.core import log, migrate
from webapp.intake import smtpd
from webapp.processes import ports, web
from webapp.processes import up as everything
from webapp.processes.redis_server import with_embedded
from webapp.settings import Settings, load_settings
from webapp.standstill import service as standstill


@click.command("up")
@click.pass_obj
def up(begun: float | None) -> None:
    """Start everything on this machine: web, workers, scheduler, SMTP, and Redis unless REDIS_URL is set.

    The first start makes the instance folder and prints a set-up link that works once. Ctrl-C stops in order, 15 s at most.
    """
    everything.up(load_settings(), begun)


@click.command("web")
def web_part() -> None:
    """Run the dashboard, the API and the public pages."""
    settings = with_embedded(load_settings())
    log.configure()
    listener = ports.listen("MAILROOM_HTTP_PORT", settings.http_host, settings.http_port)
    web.serve(_application(settings), settings, listener)


@click.command("worker")
def worker_part() -> None:
    """Run one worker: routes and actions, deliveries, webhooks. As many as wanted, on as many machines as wanted."""
    settings = with_embedded(load_settings())
    worker.work(settings, _application(settings))


@click.command("scheduler")
def scheduler_part() -> None:
    """Ring for what is due: retries, scheduled work, sweeps. Two of them are harmless."""
    settings = with_embedded(load_settings())
    scheduler.run(settings, _application(settings))


@click.command("smtp")
def smtp_part() -> None:
    """Take mail over SMTP, on the port for other servers and on the submission port."""
    settings = with_embedded(load_settings())
    ports.check(settings, but="MAILROOM_HTTP_PORT")
    smtpd.run(settings, _application(settings))


def _application(settings: Settings) -> Flask:
    """raises ClickException when a later version has been at work on the database"""
    app = create_app(settings)
    try:
        migrate.refuse_newer(app)
    except RuntimeError as error:
        raise click.ClickException(str(error)) from None
    with app.app_context():
        standstill.look()
    return app
