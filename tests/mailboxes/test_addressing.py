"""Which mailbox an address reaches, and who may log in."""

from typing import Any

import pytest

from tests.factories.domains import make_domain
from tests.factories.mailboxes import PASSWORD, make_mailbox
from webapp.accounts import passwords
from webapp.core.db import db, utcnow
from webapp.mailboxes import service


def test_an_address_reaches_its_mailbox_whatever_the_case_of_its_letters(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    found = service.resolve("Orders@ACME.test")
    assert (found.mailbox, found.reason) == (box, None)
    assert found.domain is not None and found.domain.name == "acme.test"


def test_a_tag_after_a_plus_reaches_the_name_before_it(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    assert service.resolve("orders+june@acme.test").mailbox == box


def test_a_mailbox_with_a_plus_in_its_own_name_wins_over_the_name_before_it(alice: Any) -> None:
    make_mailbox(alice, "orders@acme.test")
    tagged = make_mailbox(alice, "orders+june@acme.test")
    assert service.resolve("orders+june@acme.test").mailbox == tagged


def test_nobody_takes_mail_for_a_domain_that_is_not_here(alice: Any) -> None:
    found = service.resolve("somebody@elsewhere.test")
    assert (found.mailbox, found.domain, found.reason) == (None, None, "unknown_domain")


@pytest.mark.parametrize("text", ["", "@", "no-at-sign", "a@b@", "two words@acme.test", "x" * 70 + "@acme.test"])
def test_what_is_no_address_reaches_nobody(alice: Any, text: str) -> None:
    make_mailbox(alice, "orders@acme.test")
    assert service.resolve(text).reason == "unknown_domain"


def test_an_unknown_name_in_our_domain_is_told_apart_from_an_unknown_domain(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    found = service.resolve("nobody@acme.test")
    assert (found.mailbox, found.domain, found.reason) == (None, domain, "unknown_mailbox")


def test_the_catch_all_takes_what_has_no_mailbox_and_only_that(alice: Any) -> None:
    domain = make_domain(alice, "acme.test", catch_all_enabled=True, catch_all_destination="rest@acme.test")
    rest, orders = make_mailbox(alice, "rest@acme.test"), make_mailbox(alice, "orders@acme.test")
    assert service.resolve("anything@acme.test").mailbox == rest
    assert service.resolve("orders@acme.test").mailbox == orders
    domain.catch_all_enabled = False
    assert service.resolve("anything@acme.test").reason == "unknown_mailbox"


def test_a_catch_all_never_reaches_into_another_workspace(alice: Any, eve: Any) -> None:
    make_mailbox(eve, "eve@evil.test")
    make_domain(alice, "acme.test", catch_all_enabled=True, catch_all_destination="eve@evil.test")
    assert service.resolve("anything@acme.test").reason == "unknown_mailbox"


@pytest.mark.parametrize("role", ["postmaster", "Abuse", "postmaster+spam"])
def test_postmaster_and_abuse_reach_a_mailbox_whose_address_is_an_owners(alice: Any, role: str) -> None:
    make_mailbox(alice, "first@acme.test")
    owner = make_mailbox(alice, "alice@acme.test")
    assert service.resolve(f"{role}@acme.test").mailbox == owner


def test_postmaster_reaches_the_oldest_mailbox_of_the_domain_when_no_owner_has_one(alice: Any) -> None:
    make_mailbox(alice, "older@other.test")
    first, _ = make_mailbox(alice, "first@acme.test"), make_mailbox(alice, "second@acme.test")
    assert service.resolve("postmaster@acme.test").mailbox == first


def test_postmaster_of_an_empty_domain_reaches_another_domain_of_the_workspace(alice: Any, eve: Any) -> None:
    make_mailbox(eve, "eve@evil.test")
    elsewhere = make_mailbox(alice, "older@other.test")
    make_domain(alice, "acme.test")
    assert service.resolve("postmaster@acme.test").mailbox == elsewhere


def test_postmaster_goes_to_the_catch_all_before_the_owners_and_to_a_mailbox_of_that_name_before_both(alice: Any) -> None:
    make_mailbox(alice, "alice@acme.test")
    rest = make_mailbox(alice, "rest@acme.test")
    domain = service.resolve("rest@acme.test").domain
    assert domain is not None
    domain.catch_all_enabled, domain.catch_all_destination = True, "rest@acme.test"
    assert service.resolve("postmaster@acme.test").mailbox == rest
    own = make_mailbox(alice, "postmaster@acme.test")
    assert service.resolve("postmaster@acme.test").mailbox == own


def test_a_paused_mailbox_and_one_that_only_sends_say_why_they_take_nothing(alice: Any) -> None:
    paused = make_mailbox(alice, "paused@acme.test", status="paused")
    silent = make_mailbox(alice, "noreply@acme.test", can_receive=False)
    assert (service.resolve("paused@acme.test").mailbox, service.resolve("paused@acme.test").reason) == (paused, "paused")
    assert (service.resolve("noreply@acme.test").mailbox, service.resolve("noreply@acme.test").reason) == (silent, "not_receiving")


def test_mailboxes_and_domains_in_the_trash_take_nothing(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    box.deleted_at = utcnow()
    db.session.flush()
    assert service.resolve("orders@acme.test").reason == "unknown_mailbox"
    found = service.resolve("orders@acme.test").domain
    assert found is not None
    found.deleted_at = utcnow()
    db.session.flush()
    assert service.resolve("orders@acme.test").reason == "unknown_domain"


def test_login_wants_the_right_password_of_a_living_mailbox(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    assert service.check_login("ORDERS@acme.test", PASSWORD) == box
    assert service.check_login("orders@acme.test", "not the password") is None
    assert service.check_login("orders+tag@acme.test", PASSWORD) is None
    box.deleted_at = utcnow()
    db.session.flush()
    assert service.check_login("orders@acme.test", PASSWORD) is None


def test_a_paused_mailbox_logs_in_but_may_not_send(alice: Any) -> None:
    make_mailbox(alice, "orders@acme.test", status="paused")
    box = service.check_login("orders@acme.test", PASSWORD)
    assert box is not None and not box.may_send


@pytest.mark.parametrize("email", ["nobody@acme.test", "not an address", ""])
def test_an_unknown_address_costs_one_password_check_like_a_known_one(alice: Any, email: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []
    real = passwords.matches
    monkeypatch.setattr(passwords, "matches", lambda stored, password: seen.append(stored) or real(stored, password))
    assert service.check_login(email, PASSWORD) is None
    assert seen == [None]
