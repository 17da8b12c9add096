"""`demo`: everything, with a sample workspace in which mail keeps arriving."""

import os
from dataclasses import replace
from socket import create_server

import click
from flask import Flask

from webapp.demo import cast, stage, traffic
from webapp.processes import up as everything
from webapp.processes.up import Guest
from webapp.setting_sources import read_dotenv
from webapp.settings import DOTENV, ROOT, load_settings

HOOK_HOST = "127.0.0.1"


@click.command("demo")
@click.option("--mails-per-minute", type=click.FloatRange(0.1, 600), default=12, show_default=True, help="How lively it is.")
@click.pass_obj
def demo(begun: float | None, mails_per_minute: float) -> None:
    """Start everything with a lively sample workspace: domains, mailboxes, routes, tokens, and mail that keeps arriving.

    Its data lies in instance/demo, apart from your own, unless MAILROOM_INSTANCE says otherwise. Nothing leaves this machine.
    """
    _keep_apart()
    settings = load_settings()
    settings = replace(settings, allow_private_targets=(*settings.allow_private_targets, HOOK_HOST), transport="capture")
    word = stage.password(settings.instance)
    listener = create_server((HOOK_HOST, 0))
    url = f"http://{HOOK_HOST}:{listener.getsockname()[1]}/mail"

    def prepare(app: Flask) -> dict[str, object]:
        made = stage.set_up(app, word, url)
        return {"token": made.token, "orders_id": made.orders_id, "readers": " ".join(made.readers)}

    def run(prepared: dict[str, object]) -> None:
        readers = tuple(str(prepared["readers"]).split())
        found = stage.Stage(str(prepared["token"]), int(str(prepared["orders_id"])), readers)
        traffic.run(settings, found, listener, mails_per_minute)

    lines = (("Sample", f"sign in as {cast.OWNER} with the password {word}"),)
    everything.up(settings, begun, Guest("demo", prepare, run, lines))


def _keep_apart() -> None:
    """The sample gets a folder of its own unless somebody chose one."""
    chosen = read_dotenv(DOTENV) if DOTENV.exists() else {}
    names = ("MAILROOM_INSTANCE", "MAILROOM_INSTANCE_FILE")
    if not any(os.environ.get(name) or chosen.get(name) for name in names):
        os.environ["MAILROOM_INSTANCE"] = str(ROOT / "instance" / "demo")
