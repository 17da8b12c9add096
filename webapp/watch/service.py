"""Every check of the installation in one order, for `doctor`, the health page and /readyz."""

from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError

from webapp.core import heartbeat
from webapp.core.actor import Actor
from webapp.core.config import settings
from webapp.core.db import db
from webapp.core.heartbeat import Report
from webapp.settings import Settings
from webapp.standstill import service as standstill
from webapp.watch import check_clock, check_copy, check_database, check_disk, check_names, check_queue, check_redis, check_way_out, queues
from webapp.watch.findings import Finding

SCOPE = "health:read"


def runs_it(actor: Actor) -> bool:
    """Whether this actor's workspace is the one that the installation was set up with; its admins look after the machine."""
    return standstill.runs_it(actor)


def examine(*, asks_others: bool = True) -> Iterator[Finding]:
    """All checks, each as soon as it is known. asks_others: also those that wait for other servers, for some seconds at worst"""
    yield from of_settings(settings())
    yield from check_disk.growth()
    yield from check_redis.broker()
    said = heartbeat.reports()
    yield from check_queue.parts(said)
    yield from check_database.database()
    if check_database.is_usable():
        yield from _of_rows(said)
    if asks_others:
        yield from others()


def of_settings(known: Settings) -> Iterator[Finding]:
    """What needs neither the database nor Redis."""
    yield from check_way_out.certificate(known)
    yield from check_way_out.public_url(known)
    yield from check_disk.disk(known)


def _of_rows(said: list[Report] | None) -> Iterator[Finding]:
    try:
        yield from check_copy.place()
        yield from check_clock.clock(said)
        yield from check_queue.queue(queues.look(), said)
        yield from check_names.domains()
    except DBAPIError as error:
        yield check_database.lost(error)
    finally:
        db.session.rollback()


def others() -> Iterator[Finding]:
    """What other servers must answer."""
    yield from check_names.resolver()
    yield from check_names.host_name()
    yield from check_way_out.way_out()


def of_workspace(actor: Actor) -> Iterator[Finding]:
    """What the admins of a workspace may know that does not look after the machine: its own domains."""
    actor.require(SCOPE)
    yield from check_names.domains(actor.workspace_id)
