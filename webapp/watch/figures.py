"""The figures of /metrics: read from counters, small indexes, Redis and the reports of the parts; nothing is counted row by row."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import redis
from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from webapp.automation.models_runs import StepAttempt
from webapp.core import heartbeat, migrate, queue, rollups
from webapp.core.config import settings
from webapp.core.db import db, is_sqlite
from webapp.sending.models import Attempt
from webapp.sending.tally import AT_ONCE
from webapp.watch import check_disk, queues
from webapp.watch.check_database import sqlite_file

Sample = tuple[dict[str, str], float]


@dataclass(frozen=True)
class Family:
    """One metric. kind: gauge or counter; a counter's name ends in `_total`"""

    name: str
    kind: str
    says: str
    samples: list[Sample] = field(default_factory=list)


def families() -> Iterator[Family]:
    """Every metric; what cannot be asked is left out, and `mailroom_database_up` or `mailroom_redis_up` says 0."""
    yield Family("mailroom_build_info", "gauge", "Version and database of this installation; always 1.", [
        ({"version": str(current_app.config["VERSION"]), "database": "sqlite" if is_sqlite() else "postgresql"}, 1.0)])  # fmt: skip
    try:
        found = list(_of_database())
        up = 1.0
    except DBAPIError:
        found, up = [], 0.0
    finally:
        db.session.rollback()
    yield Family("mailroom_database_up", "gauge", "Whether the database answers.", [({}, up)])
    yield from found
    yield from _of_redis()
    yield from _of_parts()
    yield from _of_disks()


def _of_database() -> Iterator[Family]:
    with db.engine.connect() as connection:
        have = migrate.current(connection)
    yield Family("mailroom_schema_info", "gauge", "Schema of the database and of this program; always 1.",
                 [({"database": have or "", "program": migrate.head()}, 1.0)])  # fmt: skip
    yield Family("mailroom_schema_current", "gauge", "Whether they are the same.", [({}, float(have == migrate.head()))])
    if have != migrate.head():
        return
    now = queues.look()
    yield Family("mailroom_queue_waiting", "gauge", "Rows whose time has come and that nobody finished, by queue, counted up to 10,000.",
                 [({"queue": line.name}, line.waiting) for line in now.lines])  # fmt: skip
    yield Family("mailroom_queue_oldest_seconds", "gauge", "How long the first of them has waited.",
                 [({"queue": line.name}, round(line.oldest_s, 3)) for line in now.lines])  # fmt: skip
    yield Family("mailroom_deliveries", "gauge", "Deliveries that are kept, by state.",
                 [({"state": state}, number) for state, number in now.states.items()])  # fmt: skip
    yield Family("mailroom_leases_held", "gauge", "Deliveries that a worker holds now, counted up to 10,000.", [({}, now.leases)])
    yield Family("mailroom_leases_expired", "gauge", "Of them, those whose holder is gone for 20 s or longer.", [({}, now.leases_gone)])
    yield Family("mailroom_messages_parked", "gauge", "Mails that could not be read three times, counted up to 10,000.", [({}, now.parked)])
    yield from _totals()


def _totals() -> Iterator[Family]:
    names = {"received": ("hour", "received"), "sent": ("hour", "sent")}
    ends = {"sent": ("day", "sent"), "bounced": ("day", "bounced")}
    at_once = rollups.ever("hour", AT_ONCE)
    found = queues.named_totals([*(rollups.ever(*key) for key in (*names.values(), *ends.values())), at_once])
    yield Family("mailroom_messages_total", "counter", "Mails that were stored, by direction.",
                 [({"direction": direction}, found[rollups.ever(*key)]) for direction, key in names.items()])  # fmt: skip
    yield Family("mailroom_deliveries_ended_total", "counter", "Deliveries that ended, by how.",
                 [({"state": state}, found[rollups.ever(*key)]) for state, key in ends.items()])  # fmt: skip
    for name, says, model, more in (
        ("mailroom_delivery_attempts_total", "Attempts to hand over a mail.", Attempt, found[at_once]),
        ("mailroom_action_attempts_total", "Attempts of actions of routes, such as calls of webhooks.", StepAttempt, 0),
    ):
        yield Family(name, "counter", says, [({}, float(more + (db.session.scalar(select(func.max(model.id))) or 0)))])


def _of_redis() -> Iterator[Family]:
    client: Any = current_app.extensions["redis"]
    try:
        pipe = client.pipeline(transaction=False)
        for name in queue.QUEUES:
            pipe.llen(f"rq:queue:{name}")
            pipe.zcard(f"rq:failed:{name}")
        pipe.info("memory")
        *numbers, memory = pipe.execute()
    except redis.RedisError:
        yield Family("mailroom_redis_up", "gauge", "Whether Redis answers.", [({}, 0.0)])
        return
    yield Family("mailroom_redis_up", "gauge", "Whether Redis answers.", [({}, 1.0)])
    yield Family("mailroom_redis_memory_bytes", "gauge", "Memory that Redis uses.", [({}, float(memory["used_memory"]))])
    waiting, failed = numbers[0::2], numbers[1::2]
    yield Family("mailroom_queue_jobs", "gauge", "Jobs (bells) in the queues of Redis.",
                 [({"queue": name}, float(number)) for name, number in zip(queue.QUEUES, waiting, strict=True)])  # fmt: skip
    yield Family("mailroom_queue_jobs_failed", "gauge", "Jobs that ended with an error within the last day.",
                 [({"queue": name}, float(number)) for name, number in zip(queue.QUEUES, failed, strict=True)])  # fmt: skip


def _of_parts() -> Iterator[Family]:
    said = heartbeat.reports() or []
    kinds = sorted({"smtp", "worker", "scheduler", *(report.part for report in said)})
    yield Family("mailroom_parts", "gauge", "Processes that reported in within the last minute, by part.",
                 [({"part": part}, float(sum(report.part == part for report in said))) for part in kinds])  # fmt: skip
    for kind, attribute in (("gauge", "gauges"), ("counter", "totals")):
        for name in sorted({name for report in said for name in getattr(report, attribute)}):
            samples: list[Sample] = [
                ({"part": report.part, "host": report.host, "pid": str(report.pid)}, float(getattr(report, attribute)[name]))
                for report in said if name in getattr(report, attribute)
            ]  # fmt: skip
            yield Family(f"mailroom_part_{name}", kind, PART_FIGURES.get(name, "Reported by the process itself."), samples)


PART_FIGURES = {
    "rss_bytes": "Memory of the process.", "smtp_sessions": "Connections that are open on the SMTP ports.",
    "smtp_sessions_total": "Connections that were opened on the SMTP ports.",
}  # fmt: skip


def _of_disks() -> Iterator[Family]:
    known = settings()
    found = check_disk.disks(known)
    yield Family("mailroom_disk_free_bytes", "gauge", "Room left for this user where data is written.",
                 [({"place": one.what}, float(one.free_bytes)) for one in found])  # fmt: skip
    yield Family("mailroom_disk_bytes", "gauge", "Size of these file systems.",
                 [({"place": one.what}, float(one.total_bytes)) for one in found])  # fmt: skip
    file = sqlite_file(known)
    if file is not None:
        sizes: list[Sample] = [
            ({"file": name}, float(place.stat().st_size))
            for name, place in (("database", file), ("wal", file.with_name(f"{file.name}-wal"))) if place.exists()
        ]  # fmt: skip
        yield Family("mailroom_sqlite_bytes", "gauge", "Size of SQLite's files.", sizes)


def as_text(found: Iterator[Family]) -> str:
    """Prometheus' text format 0.0.4. Source: prometheus.io, Exposition formats"""
    lines: list[str] = []
    for family in found:
        lines += [f"# HELP {family.name} {family.says}", f"# TYPE {family.name} {family.kind}"]
        for labels, value in family.samples:
            inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            lines.append(f"{family.name}{{{inside}}} {value:.15g}" if inside else f"{family.name} {value:.15g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
