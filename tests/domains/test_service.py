"""What the API does not show: the trash, races, and that no lock is held while the DNS is asked."""

import threading
from typing import Any

import pytest

from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from webapp.core import counters, events, trash
from webapp.core.actor import Actor
from webapp.core.db import begin_writing, db, utcnow
from webapp.core.errors import Conflict, HouseError, Invalid
from webapp.core.paging import PageRequest
from webapp.domains import service
from webapp.domains.models import Domain
from webapp.mailboxes import service as mailboxes
from webapp.mailboxes.models import Mailbox


def total(person: Any, name: str) -> int:
    return counters.read(person.workspace.id, name)


def test_a_deleted_domain_comes_back_with_the_mailboxes_that_went_with_it_and_only_those(alice: Any) -> None:
    before = make_mailbox(alice, "before@acme.test")
    along = make_mailbox(alice, "along@acme.test")
    mailboxes.delete_mailbox(alice.actor, before.id)
    service.delete_domain(alice.actor, along.domain_id, force=True)
    db.session.commit()
    assert {(item.kind, item.name) for item in trash.list_trash(alice.actor, PageRequest()).items} == {
        ("domain", "acme.test"), ("mailbox", "before@acme.test"), ("mailbox", "along@acme.test"),
    }  # fmt: skip
    assert (total(alice, "domains"), total(alice, "mailboxes")) == (0, 0)
    domain = trash.restore(alice.actor, "domain", along.domain_id)
    db.session.commit()
    assert mailboxes.find_mailbox("along@acme.test") == along and mailboxes.find_mailbox("before@acme.test") is None
    db.session.refresh(domain)
    assert (domain.mailbox_count, total(alice, "domains"), total(alice, "mailboxes")) == (1, 1, 1)
    trash.restore(alice.actor, "mailbox", before.id)
    db.session.commit()
    assert (db.session.get(Domain, domain.id).mailbox_count, total(alice, "mailboxes")) == (2, 2)  # type: ignore[union-attr]


def test_a_domain_does_not_come_back_while_its_name_is_in_use(alice: Any, eve: Any) -> None:
    domain = make_domain(alice, "acme.test")
    service.delete_domain(alice.actor, domain.id)
    make_domain(eve, "acme.test")
    with pytest.raises(Conflict, match="set up again"):
        trash.restore(alice.actor, "domain", domain.id)


def test_a_mailbox_does_not_come_back_without_its_domain_or_when_its_address_is_taken(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    mailboxes.delete_mailbox(alice.actor, box.id)
    other = make_mailbox(alice, "orders@acme.test")
    with pytest.raises(Conflict, match="exists again"):
        trash.restore(alice.actor, "mailbox", box.id)
    db.session.rollback()
    service.delete_domain(alice.actor, other.domain_id, force=True)
    with pytest.raises(Conflict, match="domain of"):
        trash.restore(alice.actor, "mailbox", box.id)


def test_what_lay_in_the_trash_for_30_days_is_gone_mailboxes_before_their_domain(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    kept = make_mailbox(alice, "kept@other.test")
    service.delete_domain(alice.actor, box.domain_id, force=True)
    db.session.execute(db.update(Domain).where(Domain.id == box.domain_id).values(deleted_at=utcnow() - trash.KEPT * 2))
    db.session.execute(db.update(Mailbox).where(Mailbox.id == box.id).values(deleted_at=utcnow() - trash.KEPT * 2))
    db.session.commit()
    assert trash.purge_old() == 2
    db.session.commit()
    assert list(db.session.scalars(db.select(Domain.name))) == ["other.test"]
    assert list(db.session.scalars(db.select(Mailbox.id))) == [kept.id]


def test_a_domain_is_not_purged_while_a_mailbox_below_it_is_left(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    domain = db.session.get(Domain, box.domain_id)
    assert domain is not None
    service.purge_domain(domain)
    db.session.flush()
    assert db.session.get(Domain, domain.id) is domain


def test_verification_is_told_to_those_who_listen_once(alice: Any, outside: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    monkeypatch.setitem(events._ears, "domain_verified", [lambda domain_id: heard.append(domain_id)])
    domain = make_domain(alice, "acme.test", verified=False)
    outside.dns.records[("acme.test", "TXT")] = [f'"mailroom-verify={domain.verify_token}"']
    for _ in range(2):
        assert service.verify_domain(alice.actor, domain.id).is_verified
        db.session.commit()
    assert heard == [domain.id]


def test_nothing_is_locked_while_the_dns_thinks(app: Any, alice: Any, outside: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = make_domain(alice, "acme.test", verified=False)
    number, asked = domain.id, outside.dns.lookup

    def slow(name: str, type: str, **more: Any) -> Any:
        """Another connection writes meanwhile; it would wait ten seconds for a lock."""
        done = threading.Event()

        def write() -> None:
            with app.app_context():
                begin_writing()
                db.session.execute(db.update(Domain).where(Domain.id == number).values(note="meanwhile"))
                db.session.commit()
                done.set()

        threading.Thread(target=write).start()
        assert done.wait(5), "a lock is held while the resolver is asked"
        return asked(name, type, **more)

    monkeypatch.setattr(outside.dns, "lookup", slow)
    assert service.verify_domain(alice.actor, number).note == "meanwhile"


def test_parallel_creations_of_one_name_make_one_domain_and_tell_the_others_it_is_taken(app: Any, alice: Any, eve: Any) -> None:
    outcomes: list[str] = []
    gate = threading.Barrier(6)

    def create(actor: Actor) -> None:
        with app.app_context():
            begin_writing()
            gate.wait(10)
            try:
                service.create_domain(actor, name="acme.test")
                db.session.commit()
                outcomes.append("made")
            except Invalid as refused:
                db.session.rollback()
                outcomes.append(",".join(refused.fields))

    threads = [threading.Thread(target=create, args=(person.actor,)) for person in (alice, eve) * 3]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]
    assert sorted(outcomes) == ["made"] + ["name"] * 5
    assert db.session.scalar(db.select(db.func.count()).select_from(Domain)) == 1


def test_mailboxes_made_and_deleted_in_parallel_keep_the_count_exact(app: Any, alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    number, actor, failures = domain.id, alice.actor, []

    def work(worker: int) -> None:
        with app.app_context():
            for turn in range(4):
                begin_writing()
                try:
                    box, _ = mailboxes.create_mailbox(actor, domain_id=number, local_part=f"box{worker}-{turn}")
                    db.session.commit()
                    if turn % 2:
                        mailboxes.delete_mailbox(actor, box.id)
                        db.session.commit()
                except HouseError as refused:
                    db.session.rollback()
                    failures.append(refused)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    db.session.expire_all()
    assert failures == []
    assert db.session.get(Domain, number).mailbox_count == total(alice, "mailboxes") == 8  # type: ignore[union-attr]


def test_a_domain_is_found_by_name_in_any_workspace_and_any_spelling(alice: Any, eve: Any) -> None:
    domain = make_domain(eve, "xn--bro-hoa.test")
    assert service.find_domain("BÜRO.test.") == domain
    assert service.find_domain("not a domain") is None and service.find_domain("") is None
    service.delete_domain(eve.actor, domain.id)
    assert service.find_domain("büro.test") is None


def test_lists_read_a_fixed_number_of_queries_however_many_rows(alice: Any) -> None:
    for number in range(30):
        make_mailbox(alice, f"box@d{number}.test", commit=False)
    db.session.commit()
    statements: list[str] = []

    def note(*seen: Any) -> None:
        statements.append(seen[2])

    db.event.listen(db.engine, "before_cursor_execute", note)
    try:
        page = service.list_domains(alice.actor, PageRequest(per_page=30))
        assert [domain.mailbox_count for domain in page.items] == [1] * 30
        assert len([text for text in statements if text.startswith("SELECT")]) == 3, "domains, counters, keys"
        statements.clear()
        mailboxes.list_mailboxes(alice.actor, PageRequest(per_page=30))
        assert len([text for text in statements if text.startswith("SELECT")]) <= 5
    finally:
        db.event.remove(db.engine, "before_cursor_execute", note)


def test_the_numbers_per_state_follow_every_change(alice: Any) -> None:
    """The chips of the lists read them instead of counting."""

    def states() -> tuple[dict[str, int], dict[str, int]]:
        db.session.commit()
        found = service.list_with_states(alice.actor, PageRequest())[1]
        boxes = mailboxes.list_with_states(alice.actor, PageRequest())[1]
        return found, {state: boxes[state] for state in ("all", "active", "paused")}

    domain = service.create_domain(alice.actor, name="acme.test")
    one, _ = mailboxes.create_mailbox(alice.actor, domain_id=domain.id, local_part="one")
    mailboxes.create_mailbox(alice.actor, domain_id=domain.id, local_part="two")
    assert states() == ({"all": 1, "active": 0, "pending_dns": 1}, {"all": 2, "active": 2, "paused": 0})
    service.verify_domain(alice.actor, domain.id, by_hand=True)
    mailboxes.pause_mailbox(alice.actor, one.id)
    assert states() == ({"all": 1, "active": 1, "pending_dns": 0}, {"all": 2, "active": 1, "paused": 1})
    service.delete_domain(alice.actor, domain.id, force=True)
    assert states() == ({"all": 0, "active": 0, "pending_dns": 0}, {"all": 0, "active": 0, "paused": 0})
    service.bring_back(alice.actor, domain.id)
    assert states() == ({"all": 1, "active": 1, "pending_dns": 0}, {"all": 2, "active": 1, "paused": 1})
    mailboxes.delete_mailbox(alice.actor, one.id)
    mailboxes.bring_back(alice.actor, one.id)
    mailboxes.resume_mailbox(alice.actor, one.id)
    assert states()[1] == {"all": 2, "active": 2, "paused": 0}
    db.session.delete(db.session.get(Mailbox, one.id))
    assert states()[1] == {"all": 1, "active": 1, "paused": 0}
