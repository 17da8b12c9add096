"""C-41: PostgreSQL cuts connections, restarts, has none left, ends transactions that collide. A unit is done whole or not at all."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, text

from tests.conftest import WITHOUT
from tests.database.nodes import node, settings_of
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_raw
from tests.people import make_people
from tests.servers import PostgresServer, RedisServer
from webapp.audit import verification
from webapp.core import counters, migrate
from webapp.core.db import begin_writing, db, utcnow
from webapp.domains import service as domains
from webapp.domains.models import Domain
from webapp.intake import service as intake
from webapp.mail.smtp_in import Arrival
from webapp.messages.models import Message

pytestmark = pytest.mark.skipif("postgres" in WITHOUT, reason="left out by WITHOUT=postgres")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A cluster that may be stopped; ordinary users may not take the last connections."""
    found = PostgresServer(tmp_path_factory.mktemp("cuts"))
    found.create("cut")
    yield found
    found.stop()


@pytest.fixture
def house(server: PostgresServer, redis_server: RedisServer, tmp_path: Path) -> Iterator[Any]:
    url = f"postgresql+psycopg://mailroom@/cut?host={server.folder}"
    begin_writing()
    with node(settings_of(tmp_path, url, redis_server.url(5))) as app:
        migrate.upgrade(app)
        yield app
        db.session.rollback()
        with db.engine.begin() as connection:
            query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            names = ", ".join(connection.execute(text(query)).scalars())
            connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))


@pytest.fixture
def ann(house: Any) -> Any:
    return make_people(house)["alice"]


def direct(server: PostgresServer, name: str = "cut") -> Any:
    return psycopg.connect(f"postgresql://mailroom@/{name}?host={server.folder}", autocommit=True)


def cut_all(server: PostgresServer) -> int:
    """End every connection to the database but our own; returns how many there were."""
    with direct(server) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'cut' AND pid <> pg_backend_pid()"
        ).fetchall()
    return len(ended)


def arrival_for(address: str) -> Arrival:
    return Arrival(
        sender="ines@elsewhere.test", recipients=[address], raw=make_raw(to=address), ip="192.0.2.1", helo="x", login=None, tls=False,
        received_at=utcnow(), smtputf8=False, trusted=True,
    )  # fmt: skip


def test_c41_requests_right_after_a_cut_are_answered_as_if_nothing_was(server: PostgresServer, house: Any, ann: Any) -> None:
    db.session.remove()
    for _ in range(2):
        for ask in (lambda: ann.api.get("/domains"), lambda: ann.page.get("/domains"), lambda: ann.page.get("/")):
            assert cut_all(server) >= 1
            assert ask().status_code == 200
    assert cut_all(server) >= 1
    assert ann.page.get("/nowhere").status_code == 404, "a page that says no is painted all the same"
    cut_all(server)
    made = ann.api.post("/domains", json={"name": "once.test"})
    assert made.status_code == 201, made.json
    assert cut_all(server) >= 1
    assert ann.page.post("/domains/new", {"name": "twice.test"}).status_code in (201, 303)
    db.session.rollback()
    assert db.session.scalars(select(Domain.name).order_by(Domain.id)).all() == ["once.test", "twice.test"]
    assert counters.read(ann.workspace.id, "domains") == 2


def test_c41_a_cut_in_the_middle_of_a_request_leaves_one_effect(server: PostgresServer, house: Any, ann: Any, monkeypatch: Any) -> None:
    """The connection goes after the row was written and before the commit: the unit is done again from its beginning."""
    record, cuts = domains.audit.record, []

    def cut_first(*arguments: Any, **named: Any) -> Any:
        if not cuts:
            cuts.append(cut_all(server))
        return record(*arguments, **named)

    db.session.remove()
    monkeypatch.setattr(domains.audit, "record", cut_first)
    assert ann.api.post("/domains", json={"name": "middle.test"}).status_code == 201 and cuts[0] >= 1
    monkeypatch.undo()
    assert db.session.scalar(select(func.count(Domain.id))) == 1 and counters.read(ann.workspace.id, "domains") == 1
    assert verification.verify(ann.workspace.id).ok


def test_c41_the_primary_restarts_while_mail_comes_in(server: PostgresServer, house: Any, ann: Any) -> None:
    box = make_mailbox(ann)
    arrival = arrival_for(box.email)
    assert intake.receive(arrival).startswith("250")
    db.session.remove()
    server._run(server.control, "-D", str(server.data), "-m", "immediate", "-l", str(server.folder / "log"), "-w", "restart")
    answers = [intake.receive(arrival) for _ in range(3)]
    assert all(answer.startswith(("250", "451")) for answer in answers) and answers[-1].startswith("250")
    db.session.rollback()
    stored = int(db.session.scalar(select(func.count(Message.id))) or 0)
    assert stored >= 2 and ann.api.get("/domains").status_code == 200


def test_c41_without_a_free_connection_callers_are_told_to_come_again(server: PostgresServer, house: Any, ann: Any, tmp_path: Path) -> None:
    with direct(server) as connection:
        connection.execute("DROP ROLE IF EXISTS few")
        connection.execute("CREATE ROLE few LOGIN CONNECTION LIMIT 1")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO few")
        connection.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO few")
    box = make_mailbox(ann)
    arrival = arrival_for(box.email)
    address = box.email
    held = psycopg.connect(f"postgresql://few@/cut?host={server.folder}")
    url = f"postgresql+psycopg://few@/cut?host={server.folder}"
    with node(settings_of(tmp_path, url, house.config["SETTINGS"].redis_url)) as crowded:
        client = crowded.test_client()
        refused = client.get("/api/v1/domains", headers={"Authorization": f"Bearer {ann.api.token}"})
        assert refused.status_code == 503 and refused.json["error"]["retryable"] and int(refused.headers["Retry-After"]) >= 1
        assert client.get("/readyz").status_code == 503
        assert intake.receive(arrival).startswith("451"), address
        held.close()
        assert client.get("/api/v1/domains", headers={"Authorization": f"Bearer {ann.api.token}"}).status_code == 200
        db.session.remove()
        db.engine.dispose()
        assert intake.receive(arrival).startswith("250")
    assert db.session.scalar(select(func.count(Message.id))) == 1


def test_c41_transactions_that_collide_are_done_again_and_add_up(server: PostgresServer, house: Any, ann: Any, tmp_path: Path) -> None:
    """Eight at once under SERIALIZABLE, where PostgreSQL ends most of them: every answer is true, and counters fit the rows."""
    url = f"postgresql+psycopg://mailroom@/cut?host={server.folder}&options=-c%20default_transaction_isolation%3Dserializable"
    answers: list[int] = []
    with node(settings_of(tmp_path, url, house.config["SETTINGS"].redis_url)) as strict:
        def one(number: int) -> None:
            headers = {"Authorization": f"Bearer {ann.api.token}"}
            for turn in range(3):
                made = strict.test_client().post("/api/v1/domains", json={"name": f"d{number}-{turn}.test"}, headers=headers)
                answers.append(made.status_code)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert set(answers) <= {201, 503} and answers.count(201) >= 8
    db.session.rollback()
    assert db.session.scalar(select(func.count(Domain.id))) == answers.count(201)
    assert counters.read(ann.workspace.id, "domains") == answers.count(201)
