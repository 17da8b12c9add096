"""A copy of an installation sends nothing until somebody says that it is the only one; whatever merely moved or grew goes on (C-34)."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.factories.automation import arrive, make_action, make_route
from tests.factories.drafts import make_draft
from tests.factories.mailboxes import make_mailbox
from tests.factories.sending import deliveries, make_outgoing
from webapp import create_app, scheduler
from webapp.audit.models import AuditEntry
from webapp.automation.models_runs import Run
from webapp.campaigns import life
from webapp.campaigns.models import Campaign
from webapp.core import queue
from webapp.core.db import begin_writing, db, is_sqlite
from webapp.core.errors import Forbidden, InvalidState
from webapp.sending.models import Delivery
from webapp.standstill import memory, service
from webapp.standstill.models import Installation
from webapp.tokens import calls
from webapp.watch import check_copy


@pytest.fixture
def twins(app: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Makes further applications: `twins(url)` on that database, `twins()` on the same one, as another machine would."""
    made = []

    def make(url: str | None = None, instance: Path | None = None) -> Any:
        known = app.config["SETTINGS"]
        settings = replace(known, database_url=url or known.database_url, instance=instance or known.instance)
        twin = create_app(settings)
        twin.config[calls.SETTING] = 0
        made.append(twin)
        return twin

    yield make
    for twin in made:
        with twin.app_context():
            db.session.remove()
            db.engine.dispose()


def copied(app: Any, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A copy of the database, as a restored backup is one; returns its URL."""
    db.session.commit()
    sqlite = is_sqlite()
    db.session.remove()
    db.engine.dispose()
    if not sqlite:
        server: Any = request.getfixturevalue("postgres_server")
        name = f"copy_{abs(hash(request.node.nodeid)) % 10**8}"
        server._run(shutil.which("createdb") or "createdb", "-h", str(server.folder), "-U", "mailroom", "-T", "mailroom", name)
        return f"postgresql+psycopg://mailroom@/{name}?host={server.folder}"
    file = Path(app.config["SETTINGS"].database_url.removeprefix("sqlite:///"))
    for part in file.parent.glob(f"{file.name}*"):
        shutil.copy2(part, tmp_path / part.name)
    return f"sqlite:///{tmp_path / file.name}"


def stop(why: str = "The data was on another machine before.") -> None:
    """As a look does that finds the database elsewhere."""
    service.look()
    begin_writing()
    service._begin(service._locked(), service.Actor.system(0), why)
    db.session.commit()


def states(app: Any) -> list[str]:
    with app.app_context():
        found = list(db.session.scalars(select(Delivery.state).order_by(Delivery.id)))
        db.session.rollback()
    return found


def test_c34_a_restored_copy_stands_still_while_the_original_sends(
    app: Any, alice: Any, twins: Any, request: pytest.FixtureRequest, tmp_path: Path, work_off: Any
) -> None:
    make_outgoing(alice, "ada@acme.test", mailbox=make_mailbox(alice, "ada@acme.test"))
    assert service.look() is None, "the first look keeps where it is"
    copy = twins(copied(app, request, tmp_path), tmp_path)
    with copy.app_context():
        queue.run_all()
        still = service.read()
        assert still is not None and "before" in still.why
        assert not {name for name in scheduler.sweep() if queue.drains[name].leaves} and queue.perform("sending.drain") is True
        begin_writing()
        entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "installation.stop")).one()
        assert entry.workspace_id == alice.actor.workspace_id and still.why in (entry.after or "")
        db.session.rollback()
    assert states(copy) == ["queued"]
    work_off()
    assert states(app) == ["sent"] and service.read() is None, "the original is no copy"
    with copy.app_context():
        begin_writing()
        service.end(service.Actor.system(0, "command line"))
        db.session.commit()
        assert service.look() is None, "here is its place now"
        begin_writing()
        assert queue.run_all() > 0
    assert states(copy) == ["sent"]


def test_c34_many_machines_on_one_database_go_on(app: Any, alice: Any, twins: Any) -> None:
    assert service.look() is None
    for _ in range(3):
        twin = twins()
        with twin.app_context():
            assert service.look() is None and not service.is_on()
    assert service.look() is None


def test_c34_a_moved_folder_or_another_way_to_the_server_goes_on(app: Any, alice: Any, twins: Any, tmp_path: Path) -> None:
    assert service.look() is None
    before = db.session.get_one(Installation, 1).place
    if not is_sqlite():
        with twins(app.config["SETTINGS"].database_url + "&application_name=other", tmp_path).app_context():
            assert service.look() is None and db.session.get_one(Installation, 1).place == before
        return
    db.session.remove()
    db.engine.dispose()
    file = Path(app.config["SETTINGS"].database_url.removeprefix("sqlite:///"))
    moved = tmp_path / "there"
    moved.mkdir()
    for part in file.parent.glob(f"{file.name}*"):
        shutil.move(part, moved / part.name)
    twin = twins(f"sqlite:///{moved / file.name}", moved)
    with twin.app_context():
        assert service.look() is None
        after = db.session.get_one(Installation, 1).place
        assert after["path"] == str(moved / file.name) != before["path"] and after["file"] == before["file"]


def test_c34_campaigns_schedules_and_actions_wait_too(app: Any, alice: Any, work_off: Any) -> None:
    campaign, later = make_draft(alice), make_draft(alice)
    life.send(alice.actor, campaign.id)
    db.session.execute(update(Campaign).where(Campaign.id == later.id).values(state="scheduled", schedule_at=campaign.created_at))
    mailbox = make_mailbox(alice, "orders@acme.test")
    make_route(alice, mailbox, actions=[make_action(alice)])
    stop()
    arrive(mailbox, subject="Invoice 1")
    work_off()
    assert db.session.scalar(select(Delivery.id)) is None and db.session.scalar(select(Run.id)) is None
    assert [row.state for row in db.session.scalars(select(Campaign).order_by(Campaign.id))] == ["sending", "scheduled"]
    service.end(alice.actor)
    work_off()
    db.session.expire_all()
    assert {row.state for row in deliveries()} == {"captured"} and db.session.scalar(select(Run.id)) is not None
    assert [row.state for row in db.session.scalars(select(Campaign).order_by(Campaign.id))] == ["sent", "sent"]


def test_going_on_rings_for_what_waited(app: Any, alice: Any) -> None:
    make_outgoing(alice)
    stop()
    app.extensions["redis"].flushdb()
    service.end(alice.actor)
    db.session.commit()
    assert app.extensions["redis"].get("ring:sending.drain") and app.extensions["redis"].get("ring:campaigns.drain")


def test_only_those_who_look_after_the_installation_let_it_go_on(app: Any, alice: Any, bob: Any, eve: Any) -> None:
    stop()
    for person in (bob, eve):
        with pytest.raises(Forbidden):
            service.end(person.actor)
    service.end(alice.actor)
    with pytest.raises(InvalidState):
        service.end(alice.actor)


def test_stopped_by_hand_it_says_so(app: Any, alice: Any) -> None:
    assert service.begin(alice.actor, " Moving to the new machine ").why == "Moving to the new machine"
    with pytest.raises(InvalidState):
        service.begin(alice.actor)
    db.session.commit()
    assert service.is_on()


def test_c34_every_page_says_it_and_the_button_ends_it(app: Any, alice: Any, carol: Any, eve: Any) -> None:
    assert "stands still" not in alice.page.get("/contacts").get_data(as_text=True)
    stop("The data was in another PostgreSQL server before.")
    for address in ("/contacts", "/campaigns", "/"):
        text = alice.page.get(address).get_data(as_text=True)
        assert "Sending stands still" in text and "another PostgreSQL server" in text and 'href="/standstill"' in text
    for person in (carol, eve):
        text = person.page.get("/contacts").get_data(as_text=True)
        assert "Sending stands still" in text and "PostgreSQL" not in text and "/standstill" not in text
    assert carol.page.post("/standstill/end").status_code == 403 and eve.page.post("/standstill/end").status_code == 403
    assert "This is the only copy now: go on" in alice.page.get("/standstill").get_data(as_text=True)
    assert "only copy now: go on" not in eve.page.get("/standstill").get_data(as_text=True)
    assert alice.page.post("/standstill/end").status_code == 303
    text = alice.page.get("/standstill").get_data(as_text=True)
    assert "Nothing stands still" in text and "Sending stands still:" not in text
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "installation.go_on")).one()
    assert (entry.actor_id, entry.workspace_id) == (alice.user.id, alice.workspace.id)


def test_deliveries_say_why_they_wait(app: Any, alice: Any) -> None:
    number = deliveries(make_outgoing(alice, "ada@acme.test", mailbox=make_mailbox(alice, "ada@acme.test")))[0].id
    campaign = make_draft(alice)
    life.send(alice.actor, campaign.id)
    db.session.commit()
    stop()
    assert "sending stands still" in alice.api.get(f"/deliveries/{number}").json["data"]["why"]
    assert "no copy of one that still runs" in alice.page.get(f"/queue/{number}").get_data(as_text=True)
    assert "to go: sending stands still" in alice.page.get(f"/campaigns/{campaign.id}").get_data(as_text=True)


def test_readiness_and_doctor_say_it(app: Any, alice: Any) -> None:
    stop()
    body = app.test_client().get("/readyz").json
    assert body["status"] == "ready" and any("stands still" in text for text in body["degraded"])
    assert "standstill end" in alice.page.get("/health").get_data(as_text=True)
    service.end(alice.actor)
    db.session.commit()
    assert "nothing stands still" in alice.page.get("/health").get_data(as_text=True)


def test_a_process_reads_the_row_twice_a_second_at_most_and_looks_once_a_minute(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    look = service.look
    monkeypatch.setattr(service, "look", lambda: (looks.append(1), look())[1])
    for _ in range(5):
        assert not service.is_on()
    assert looks == [1]
    memory.of_process().looked_at -= service.LOOK_S + 1
    assert not service.is_on() and looks == [1, 1]


def test_the_command_tells_stops_and_ends(app: Any, alice: Any, command: Any) -> None:
    assert command("standstill") == ("Sending goes on.\n", 0)
    said, code = command("standstill", "begin", "--why", "A look at the queue.")
    assert code == 0 and said.startswith("Sending stands still since 20") and said.endswith("UTC. A look at the queue.\n")
    answer = json.loads(command("standstill", "--json")[0])
    assert answer["stands_still"] is True and answer["why"] == "A look at the queue." and answer["place"] == "same"
    assert command("standstill", "end") == ("Sending goes on; this is the only copy now.\n", 0)
    assert command("standstill", "end") == ("Sending does not stand still.", 1)
    entries = db.session.scalars(select(AuditEntry).where(AuditEntry.target_type == "installation").order_by(AuditEntry.id)).all()
    assert [(entry.action, entry.actor_name) for entry in entries] == [
        ("installation.stop", "command line"), ("installation.go_on", "command line"),
    ]  # fmt: skip


def test_the_command_warns_of_a_copy_that_nothing_has_started_yet(app: Any, command: Any) -> None:
    service.look()
    begin_writing()
    row = db.session.get_one(Installation, 1)
    row.place = {**row.place, "kind": "moon"}
    said, _ = command("standstill")
    assert "The data was in another kind of database before. It will stand still as soon as a part starts." in said
    assert "as soon as a part starts" in " ".join(finding.text for finding in check_copy.place())
