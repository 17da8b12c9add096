"""/metrics: what Prometheus reads, who may read it, and that it asks indexes alone."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from tests.factories.messages import make_mail
from tests.factories.sending import make_outgoing, use_transport
from tests.watch.faults import all_there, standing_queue
from webapp.core import heartbeat
from webapp.core.db import db

LARGE = ("messages", "deliveries", "runs", "counters", "attempts", "step_attempts")
#: indexes that hold only what waits, is parked or is in somebody's hands
SMALL = ("ix_messages_waiting", "ix_messages_parked", "ix_deliveries_lease_until")


def read(app: Any, **headers: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = app.test_client().get("/metrics", headers=headers)
    assert answer.status_code == 200 and answer.content_type.startswith("text/plain; version=0.0.4")
    found = {}
    for family in text_string_to_metric_families(answer.get_data(as_text=True)):
        assert family.type in ("gauge", "counter") and family.documentation, family.name
        for sample in family.samples:
            found[(sample.name, frozenset(sample.labels.items()))] = sample.value
    return found


def value(found: Any, name: str, **labels: str) -> float:
    return float(found[(name, frozenset(labels.items()))])


def test_prometheus_reads_depth_age_and_totals(app: Any, alice: Any, work_off: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    standing_queue(alice, 300)
    make_outgoing(alice)
    all_there()
    first = read(app)
    assert value(first, "mailroom_queue_waiting", queue="intake") == 2, "the mail, and the archive copy of what is sent"
    assert value(first, "mailroom_queue_waiting", queue="out_transactional") == 1
    assert 299 < value(first, "mailroom_queue_oldest_seconds", queue="intake") < 900
    assert value(first, "mailroom_parts", part="worker") == 1 and value(first, "mailroom_redis_up") == 1
    assert value(first, "mailroom_database_up") == 1 and value(first, "mailroom_schema_current") == 1
    assert any(name == "mailroom_part_rss_bytes" and number > 1_000_000 for (name, _), number in first.items())
    before = value(first, "mailroom_messages_total", direction="received")
    work_off()
    make_mail(None, workspace_id=alice.workspace.id)
    after = read(app)
    assert value(after, "mailroom_messages_total", direction="received") == before + 1
    assert value(after, "mailroom_queue_waiting", queue="out_transactional") == 0
    assert value(after, "mailroom_deliveries", state="deferred") == 1


def test_figures_of_a_part_stand_beside_each_other(app: Any) -> None:
    heartbeat.gauges["smtp_sessions"], heartbeat.totals["smtp_sessions_total"] = lambda: 3, lambda: 17
    try:
        heartbeat.beat("smtp")
    finally:
        del heartbeat.gauges["smtp_sessions"], heartbeat.totals["smtp_sessions_total"]
    found = {name: number for (name, _), number in read(app).items()}
    assert found["mailroom_part_smtp_sessions"] == 3 and found["mailroom_part_smtp_sessions_total"] == 17


def test_it_answers_without_redis(app: Any) -> None:
    app.extensions["redis"] = type(app.extensions["redis"])(host="127.0.0.1", port=1, retry=None)
    found = read(app)
    assert value(found, "mailroom_redis_up") == 0 and value(found, "mailroom_queue_waiting", queue="intake") == 0


def ask(app: Any, ip: str, **headers: str) -> int:
    return int(app.test_client().get("/metrics", headers=headers, environ_overrides={"REMOTE_ADDR": ip}).status_code)


def test_strangers_and_what_a_proxy_brings_need_a_token(app: Any, alice: Any, eve: Any) -> None:
    assert ask(app, "127.0.0.1") == 200 and ask(app, "::1") == 200
    assert ask(app, "192.0.2.7") == 401 and ask(app, "127.0.0.1", **{"X-Forwarded-For": "192.0.2.7"}) == 401
    assert ask(app, "192.0.2.7", Authorization=f"Bearer {alice.api.token}") == 200
    assert ask(app, "127.0.0.1", Authorization=f"Bearer {eve.api.token}") == 403, "another workspace does not look after the machine"
    assert ask(app, "127.0.0.1", Authorization=f"Bearer {alice.token_with('domains:read').token}") == 403
    assert ask(app, "127.0.0.1", Authorization="Bearer nonsense") == 401

    settings = app.config["SETTINGS"]
    app.config["SETTINGS"] = replace(settings, public_url="https://mail.acme.test")
    assert ask(app, "127.0.0.1") == 401, "a proxy that tells nothing would open it to everybody"
    app.config["SETTINGS"] = replace(settings, public_url="https://mail.acme.test", trusted_proxies=(ip_network("127.0.0.1"),))
    assert ask(app, "127.0.0.1", **{"X-Forwarded-For": "192.0.2.7"}) == 401 and ask(app, "127.0.0.1") == 401
    app.config["SETTINGS"] = replace(settings, trusted_networks=(ip_network("192.0.2.0/24"),))
    assert ask(app, "192.0.2.7") == 200


def test_readyz_says_degraded_and_stays_ready(app: Any, alice: Any) -> None:
    all_there()
    client = app.test_client()
    assert client.get("/readyz").get_json() == {"status": "ready", "problems": [], "degraded": []}
    standing_queue(alice, 3600)
    answer = client.get("/readyz")
    assert answer.status_code == 200 and "has waited for 1 h" in answer.get_json()["degraded"][0]
    app.extensions["redis"].flushdb()
    assert "no worker has reported in within the last minute" in client.get("/readyz").get_json()["degraded"]


def test_c44_metrics_read_no_table_row_by_row(app: Any, alice: Any) -> None:
    """How many statements it takes does not depend on what there is, and each of them looks into an index."""
    make_mail(None, workspace_id=alice.workspace.id)
    said: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        said.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        read(app)
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    asked = [(statement, parameters) for statement, parameters in said if statement.startswith("SELECT") and "alembic" not in statement]
    assert 10 <= len(asked) <= 25
    if db.engine.dialect.name != "sqlite":
        return  # an empty table is always scanned there; tests/watch/test_plans.py looks at a full one
    with db.engine.connect() as connection:
        for statement, parameters in asked:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            scans = [line for line in plan if line.startswith("SCAN ") and line.split()[1] in LARGE]
            assert all(any(index in line for index in SMALL) for line in scans), (statement, plan)
