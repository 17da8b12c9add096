"""Exactly once, and exactly back: kills and pauses at any place lose and double nothing, undoing restores what was."""

import csv
import io
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from tests.automation.killing import work_in_child
from tests.imports.files import as_csv, as_xlsx, counts, found, upload
from webapp.contacts import erasing, groups, membership, service
from webapp.contacts import tags as tagging
from webapp.contacts.models import Consent, Contact, ContactGroup, ContactTag, GroupMember, Tag
from webapp.core import counters, failpoints
from webapp.core.counters import Counter
from webapp.core.db import begin_writing, db, utcnow
from webapp.imports import jobs, running, undoing
from webapp.imports import service as imports
from webapp.imports.models import ContactImport, ImportChange, ImportProblem
from webapp.suppressions.adding import New, add_many
from webapp.suppressions.models import Suppression

KILLED = -signal.SIGKILL
POINTS = ("import.claimed", "import.before_commit", "import.after_commit")
#: columns that the index of words moves by itself, and ids, which are never given again
ASIDE = {"is_indexed", "id", "created_at"}


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("LEAST", "FIRST", "MOST"):
        monkeypatch.setattr(running, name, 7)
    monkeypatch.setattr(undoing, "BATCH", 5)
    yield
    failpoints.plant("")


def state(workspace_id: int) -> dict[str, Any]:
    """Everything about the contacts of a workspace, by address."""
    db.session.rollback()
    rows = db.session.scalars(select(Contact).where(Contact.workspace_id == workspace_id).execution_options(populate_existing=True)).all()
    of_tags, of_groups = tagging.of_contacts([row.id for row in rows]), groups.of_contacts([row.id for row in rows])
    columns = [column.name for column in Contact.__table__.columns if column.name not in ASIDE]
    numbers = select(Counter.name, Counter.number).where(Counter.workspace_id == workspace_id, Counter.number != 0)
    return {
        "contacts": {row.address: {name: getattr(row, name) for name in columns} for row in rows},
        "ids": {row.address: row.id for row in rows},
        "tags": {row.address: sorted(tag.name for tag in of_tags[row.id]) for row in rows},
        "groups": {row.address: sorted(group.name for group in of_groups[row.id]) for row in rows},
        "consents": sorted(db.session.execute(select(Consent.contact_id, Consent.what, Consent.source)).all()),
        "counters": {name: number for name, number in db.session.execute(numbers) if name.split(":")[0] in ("contacts", "tag", "group")},
    }  # fmt: skip


def work_until_idle(tries: int = 200) -> int:
    """Work like a worker that is killed and started again. returns how often it was"""
    killed = 0
    for _ in range(tries):
        db.session.rollback()
        begin_writing()
        try:
            if jobs.work_off(time.monotonic() + 30):
                return killed
        except failpoints.Planted:
            killed += 1
            give_up_leases()
    raise AssertionError("it never ended")


def people_file(number: int) -> io.BytesIO:
    rows = [[f"user{n}@example.org" if n % 9 else f"no address {n}", f"Name {n}", "vip" if n % 4 == 0 else ""] for n in range(number)]
    return as_csv(["email", "name", "tags"], *rows, [f"user{number - 2}@example.org", "Again", "vip"])


@pytest.mark.parametrize("point", POINTS)
def test_an_import_that_is_killed_at_any_batch_goes_on_without_losing_or_doubling_a_row(
    app: Any, alice: Any, small_batches: None, point: str
) -> None:
    import_id = upload(alice, people_file(60), tags=["all"])
    killed = 0
    for time_of in (1, 2, 3, 1):
        failpoints.plant(f"{point}=raise@{time_of}")
        killed += _killed_once()
    assert killed
    failpoints.plant("")
    work_until_idle()
    job = found(import_id)
    assert (job.state, counts(job)) == ("finished", {"position": 61, "created": 53, "updated": 1, "failed": 7})
    after = state(alice.workspace.id)
    assert sorted(after["contacts"]) == sorted(f"user{n}@example.org" for n in range(60) if n % 9)
    assert after["contacts"]["user58@example.org"]["name"] == "Again"
    parts = db.session.scalars(select(ImportProblem).where(ImportProblem.import_id == import_id)).all()
    assert sum(part.number for part in parts) == 7
    tag_ids = {tag.name: tag.id for tag in db.session.scalars(select(Tag))}
    assert after["counters"][f"tag:{tag_ids['all']}"] == 53
    assert after["counters"]["contacts"] == 53


@pytest.mark.parametrize("point", ["import.undo_before_commit", "import.undo_after_commit"])
def test_undoing_that_is_killed_at_every_batch_ends_where_it_began(app: Any, alice: Any, small_batches: None, point: str) -> None:
    group = groups.create_group(alice.actor, name="Here")
    for number in range(0, 30, 2):
        service.create_contact(alice.actor, email=f"user{number}@example.org", name="Before", tags=["old"])
    db.session.commit()
    before = state(alice.workspace.id)
    import_id = upload(alice, people_file(40), tags=["all"], group_ids=[group.id])
    work_until_idle()
    assert found(import_id).created > 15
    imports.undo_import(alice.actor, import_id)
    db.session.commit()
    killed = 0
    for time_of in (1, 2, 1, 3, 1):
        failpoints.plant(f"{point}=raise@{time_of}")
        killed += _killed_once()
    failpoints.plant("")
    work_until_idle()
    job = found(import_id)
    assert (job.state, job.left_alone, killed > 3) == ("undone", 0, True)
    assert state(alice.workspace.id) == before


def _killed_once() -> int:
    db.session.rollback()
    begin_writing()
    try:
        jobs.work_off(time.monotonic() + 30)
    except failpoints.Planted:
        give_up_leases()
        return 1
    return 0


@pytest.mark.parametrize("point", [*POINTS, "import.converted", "import.undo_before_commit", "import.undo_after_commit"])
def test_c22_a_worker_that_is_killed_on_an_import_or_its_undoing_leaves_it_to_the_next_one(
    app: Any, alice: Any, small_batches: None, point: str
) -> None:
    """SIGKILL in a process of its own; the lease that it leaves runs out, and the next worker goes on."""
    workspace_id, actor = alice.workspace.id, alice.actor
    before = state(workspace_id)
    rows = [["email", "name"], *([f"user{n}@example.org", f"Name {n}"] for n in range(30))]
    file, name = (as_xlsx(*rows), "people.xlsx") if point == "import.converted" else (as_csv(*rows), "people.csv")
    import_id = upload(alice, file, name=name)
    if "undo" not in point:
        assert work_in_child(app, lambda: failpoints.plant(f"{point}=kill@1")) == KILLED
        give_up_leases()
    work_until_idle()
    assert (found(import_id).state, found(import_id).created) == ("finished", 30)
    assert sorted(state(workspace_id)["contacts"]) == sorted(f"user{n}@example.org" for n in range(30))
    imports.undo_import(actor, import_id)
    db.session.commit()
    if "undo" in point:
        assert work_in_child(app, lambda: failpoints.plant(f"{point}=kill@2")) == KILLED
        give_up_leases()
    work_until_idle()
    assert found(import_id).state == "undone"
    assert state(workspace_id) == before


def give_up_leases() -> None:
    """As after the lease of a dead worker ran out."""
    db.session.rollback()
    begin_writing()
    for job in db.session.scalars(select(ContactImport).execution_options(populate_existing=True)):
        job.lease_until = job.lease_owner = None
    db.session.commit()


ADDRESS = st.integers(0, 9).map(lambda number: f"user{number}@example.org")
CELL = st.sampled_from(["", "Ada", "Ada Lovelace", "=1+1", "Ünï", "x y"])
ROW = st.tuples(
    st.one_of(ADDRESS, ADDRESS.map(str.upper), st.just("broken")), CELL, CELL, st.sampled_from(["", "a", "b", "a,b"]),
    st.sampled_from(["", "yes", "no"]), st.sampled_from(["", "1", "77"]),
)  # fmt: skip
PERSON = st.tuples(ADDRESS, CELL, st.sampled_from([(), ("a",), ("a", "c")]), st.booleans(), st.booleans())
TABLES = (ImportChange, ImportProblem, ContactImport, Contact, Tag, ContactGroup, Suppression, Counter)


@settings(max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(PERSON, max_size=6, unique_by=lambda one: one[0]), st.lists(ROW, max_size=14),
    st.sampled_from(["update", "update", "skip", "error"]), st.lists(ADDRESS, max_size=2),
)  # fmt: skip
def test_importing_and_undoing_any_file_leaves_everything_as_it_was(
    app: Any, alice: Any, small_batches: None, people: list[Any], rows: list[Any], duplicates: str, stopped: list[str]
) -> None:
    begin_writing()
    for table in TABLES:
        db.session.execute(delete(table))
    group = groups.create_group(alice.actor, name="G")
    for email, name, marks, subscribed, member in people:
        given_ = {"custom_fields": {"points": 1}} if member else {}
        contact = service.create_contact(alice.actor, email=email, name=name or "Z", tags=marks, subscribed=subscribed, **given_)
        if member:
            membership.add(alice.actor, group.id, [contact.id])
    add_many(alice.workspace.id, [New(address, "manual") for address in set(stopped)])
    db.session.commit()
    before = state(alice.workspace.id)
    mapping = {"email": "email", "name": "name", "company": "company", "tags": "tags", "ok": "subscribed", "points": "custom.points"}
    titles = list(mapping)
    import_id = upload(alice, as_csv(titles, *rows), mapping=mapping, duplicates=duplicates, tags=["t"], group_ids=[group.id])
    work_until_idle()
    job = found(import_id)
    assert job.state == "finished", job.problem
    assert job.created + job.updated + job.unchanged + job.skipped + job.failed == job.position == len(rows)
    during = state(alice.workspace.id)
    for address, contact_ in during["contacts"].items():
        was = before["contacts"].get(address)
        assert not contact_["subscribed"] or (was["subscribed"] if was else address not in stopped)
    if job.created or job.updated:
        imports.undo_import(alice.actor, import_id)
        db.session.commit()
        work_until_idle()
        assert (found(import_id).state, found(import_id).left_alone) == ("undone", 0)
    after = state(alice.workspace.id)
    for address in before["contacts"]:
        assert after["contacts"][address] == before["contacts"][address]
    assert after == before


def test_what_somebody_touched_since_stays_and_is_reported(app: Any, alice: Any, work_off: Any) -> None:
    old = service.create_contact(alice.actor, email="old@example.org", name="Before")
    other = service.create_contact(alice.actor, email="other@example.org", name="Before")
    db.session.commit()
    names = ["old", "other", "new", "tagged", "fresh"]
    import_id = upload(alice, as_csv(["email", "name"], *[[f"{name}@example.org", "After"] for name in names]))
    work_off()
    ids = state(alice.workspace.id)["ids"]
    begin_writing()
    service.update_contact(alice.actor, old.id, {"phone": "1"})
    service.update_contact(alice.actor, ids["new@example.org"], {"name": "Mine"})
    membership.tag(alice.actor, tagging.named(alice.actor, ["x"])[0].id, [ids["tagged@example.org"]])
    db.session.commit()
    effect = imports.undo_effect(alice.actor, import_id)
    assert (effect.restored, effect.removed, effect.left, effect.is_whole) == (1, 1, 3, True)
    imports.undo_import(alice.actor, import_id)
    work_off()
    job = found(import_id)
    assert (job.state, job.restored, job.removed, job.left_alone) == ("undone", 1, 1, 3)
    after = state(alice.workspace.id)
    assert {address: row["name"] for address, row in after["contacts"].items()} == {
        "old@example.org": "After", "other@example.org": "Before", "new@example.org": "Mine", "tagged@example.org": "After",
    }  # fmt: skip
    assert other.id == after["ids"]["other@example.org"]
    left = list(csv.reader(io.StringIO(alice.page.get(f"/contacts/imports/{import_id}/left.csv").text)))
    assert sorted(row[1] for row in left[1:]) == ["new@example.org", "old@example.org", "tagged@example.org"]


def test_undoing_restores_what_was_beside_the_suppression_list_and_respects_who_left_since(app: Any, alice: Any, work_off: Any) -> None:
    for name in ("barred", "leaves"):
        service.create_contact(alice.actor, email=f"{name}@example.org", name=name)
    add_many(alice.workspace.id, [New("barred@example.org", "manual")])
    db.session.commit()
    import_id = upload(alice, as_csv(["email", "subscribed"], ["barred@example.org", "no"], ["leaves@example.org", "no"]))
    work_off()
    add_many(alice.workspace.id, [New("leaves@example.org", "unsubscription", "bulk")])
    db.session.commit()
    imports.undo_import(alice.actor, import_id)
    work_off()
    after = state(alice.workspace.id)["contacts"]
    assert {address: row["subscribed"] for address, row in after.items()} == {"barred@example.org": True, "leaves@example.org": False}


def test_c75_an_erased_person_is_forgotten_by_imports_and_not_brought_back(app: Any, alice: Any, work_off: Any) -> None:
    contact = service.create_contact(alice.actor, email="ada@example.org", name="Before")
    db.session.commit()
    rows = ["ada@example.org", "After", "1"], ["ADA@example.org", "Again", "x"], ["bo@example.org", "Bo", ""]
    titles = ["email", "name", "lead_score"]
    import_id = upload(alice, as_csv(titles, *rows), mapping=dict(zip(titles, titles, strict=True)))
    work_off()
    begin_writing()
    erasing.erase(alice.actor, contact.id)
    db.session.commit()
    assert db.session.scalars(select(ImportChange)).all() == []
    assert "ada" not in alice.api.get(f"/contacts/imports/{import_id}/errors").text.lower()
    jobs.drop_files()
    job = found(import_id)
    assert (job.file_key, job.shape["sample"]) == ("", [])
    imports.undo_import(alice.actor, import_id)
    work_off()
    assert (found(import_id).state, state(alice.workspace.id)["contacts"]) == ("undone", {})


def test_after_thirty_days_nothing_of_an_import_is_left_to_undo(app: Any, alice: Any, work_off: Any) -> None:
    service.create_contact(alice.actor, email="ada@example.org", name="Before")
    db.session.commit()
    import_id = upload(alice, as_csv(["email", "name"], ["ada@example.org", "After"], ["broken", ""]))
    work_off()
    begin_writing()
    job = found(import_id)
    job.created_at = job.finished_at = utcnow() - timedelta(days=31)
    db.session.commit()
    begin_writing()
    jobs.forget_old()
    assert db.session.scalars(select(ImportChange)).all() == [] and db.session.scalars(select(ImportProblem)).all() == []
    assert alice.api.post(f"/contacts/imports/{import_id}/undo").status_code == 409


def test_two_imports_are_undone_in_the_order_in_which_they_lie(app: Any, alice: Any, work_off: Any) -> None:
    service.create_contact(alice.actor, email="a@example.org", name="One")
    db.session.commit()
    first = upload(alice, as_csv(["email", "name"], ["a@example.org", "Two"]))
    work_off()
    second = upload(alice, as_csv(["email", "name"], ["a@example.org", "Three"]))
    work_off()
    for import_id, name in ((second, "Two"), (first, "One")):
        begin_writing()
        imports.undo_import(alice.actor, import_id)
        work_off()
        assert found(import_id).left_alone == 0
        assert state(alice.workspace.id)["contacts"]["a@example.org"]["name"] == name


def test_a_pause_stops_within_a_batch_and_goes_on_there(app: Any, alice: Any, small_batches: None) -> None:
    import_id = upload(alice, people_file(40))
    begin_writing()
    while found(import_id).position < 14:
        jobs.work_off(time.monotonic())
        begin_writing()
        jobs.work_off(time.monotonic() + 0.0001)
    begin_writing()
    imports.pause_import(alice.actor, import_id)
    db.session.commit()
    position = found(import_id).position
    work_until_idle()
    assert (found(import_id).state, found(import_id).position) == ("paused", position)
    begin_writing()
    imports.resume_import(alice.actor, import_id)
    db.session.commit()
    work_until_idle()
    assert (found(import_id).state, found(import_id).position) == ("finished", 41)
    assert counters.read(alice.workspace.id, "contacts") == 35


def test_groups_have_nobody_left_after_undoing(app: Any, alice: Any, work_off: Any) -> None:
    group = groups.create_group(alice.actor, name="G")
    db.session.commit()
    import_id = upload(alice, as_csv(["email"], ["a@example.org"], ["b@example.org"]), group_ids=[group.id], consent="Asked at the fair")
    work_off()
    assert counters.read(alice.workspace.id, f"group:{group.id}") == 2
    evidence = set(db.session.scalars(select(Consent.evidence)))
    assert evidence == {f"Asked at the fair (Import {import_id} of people.csv)"}
    begin_writing()
    imports.undo_import(alice.actor, import_id)
    work_off()
    assert counters.read(alice.workspace.id, f"group:{group.id}") == 0
    assert db.session.scalars(select(GroupMember)).all() == []
    assert db.session.scalars(select(ContactTag)).all() == []
    assert db.session.scalars(select(Consent)).all() == []
