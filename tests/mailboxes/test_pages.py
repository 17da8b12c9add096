"""The mailbox pages: plain forms first, passwords shown once, every refusal."""

import re
from typing import Any

import pytest

from tests.factories.domains import make_domain
from tests.factories.mailboxes import PASSWORD, make_mailbox
from webapp.audit.models import AuditEntry
from webapp.core import counters
from webapp.core.db import db
from webapp.domains.models import Domain
from webapp.mailboxes import links, service
from webapp.mailboxes.models import Mailbox

SETTINGS = {
    "display_name": "Shop", "note": "", "can_receive": "y", "can_send": "y", "default_delivery": "deliver", "log_level": "normal",
    "archive_enabled": "y", "archive_retention_days": "", "hourly_limit": "", "daily_limit": "", "total_limit": "",
    "max_message_kb": "10240",
    "storage_mb": "",
}  # fmt: skip


def trail() -> list[str]:
    return list(
        db.session.scalars(db.select(AuditEntry.action).where(AuditEntry.target_type.in_(["domain", "mailbox"])).order_by(AuditEntry.id))
    )


def test_an_empty_list_leads_to_what_comes_first(alice: Any) -> None:
    page = alice.page.get("/mailboxes").text
    assert "No mailboxes yet" in page and 'href="/domains/new"' in page
    make_domain(alice, "acme.test")
    page = alice.page.get("/mailboxes").text
    assert 'href="/mailboxes/new"' in page and "local_part" in page


def test_the_list_shows_state_use_and_storage_and_is_filtered_by_its_address(alice: Any, eve: Any) -> None:
    one = make_mailbox(alice, "a@acme.test", display_name="Ada <b>", storage_limit_bytes=1000)
    make_mailbox(alice, "b@acme.test", status="paused", can_send=False)
    other = make_mailbox(alice, "c@other.test")
    make_mailbox(eve, "eve@evil.test")
    counters.bump(alice.workspace.id, f"messages:{one.id}", 1234)
    counters.bump(alice.workspace.id, f"messages:{one.id}:bytes", 950)
    page = alice.page.get("/mailboxes").text
    assert "Ada &lt;b&gt;" in page and "receives only" in page and "1,234" in page and "950 B of 1,000 B" in page and "eve@evil" not in page
    rows = alice.page.get(f"/mailboxes?domain={one.domain_id}&state=paused", htmx=True).text
    assert "<html" not in rows and "b@acme.test" in rows and "a@acme.test" not in rows
    assert "c@other.test" in alice.page.get(f"/mailboxes?domain={other.domain_id}").text
    assert "a@acme.test" in alice.page.get("/mailboxes?q=ADA").text
    newest = alice.page.get("/mailboxes?sort=created_at", htmx=True).text
    assert newest.index("c@other.test") < newest.index("a@acme.test")
    for odd in ("domain=x", "state=odd", "page=0", "sort=password_hash"):
        assert alice.page.get(f"/mailboxes?{odd}").status_code == 200


def test_a_created_mailbox_shows_its_password_once_in_ready_snippets(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    answer = alice.page.post("/mailboxes/new", {"local_part": "Orders", "domain_id": domain.id, "display_name": "Shop", "password": ""})
    assert answer.status_code == 201
    secret = re.search(r'id="secret">([^<]+)<', answer.text)
    assert secret is not None and service.check_login("orders@acme.test", secret[1]) is not None
    assert answer.text.count(secret[1]) >= 4 and "shown once" in answer.text and "2587" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert secret[1] not in alice.page.get("/mailboxes/1").text
    assert trail() == ["mailbox.create"]


def test_a_typed_password_is_taken(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    answer = alice.page.post("/mailboxes/new", {"local_part": "orders", "domain_id": domain.id, "password": 'it\'s "quoted" & long'})
    assert answer.status_code == 201 and "the password that you typed" in answer.text
    assert service.check_login("orders@acme.test", 'it\'s "quoted" & long') is not None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"local_part": ""}, "Write a name"),
        ({"local_part": "a b"}, "Use letters"),
        ({"local_part": "taken"}, "taken@acme.test already exists"),
        ({"password": "short"}, "12 to 128 characters"),
        ({"domain_id": "999"}, "Not a valid choice"),
        ({"domain_id": "x"}, "Not a valid choice"),
        ({"display_name": "Ke\x0bpt"}, "Must be one line"),
        ({"local_part": "x" * 100}, "At most 64 characters"),
    ],
)
def test_a_refused_mailbox_keeps_what_was_typed_but_never_a_password(alice: Any, change: dict[str, str], says: str) -> None:
    box = make_mailbox(alice, "taken@acme.test")
    form = {"local_part": "orders", "domain_id": str(box.domain_id), "display_name": "Kept", "password": "a long enough secret", **change}
    answer = alice.page.post("/mailboxes/new", form)
    assert (
        answer.status_code == 422
        and says in answer.text
        and f'value="{form["display_name"]}"' in answer.text
        and "a long enough secret" not in answer.text
    )
    assert db.session.scalar(db.select(db.func.count()).select_from(Mailbox)) == 1 and trail() == []


def test_a_domain_of_somebody_else_is_not_offered_and_not_taken(alice: Any, eve: Any) -> None:
    make_domain(eve, "evil.test")
    mine = make_domain(alice, "acme.test")
    assert "evil.test" not in alice.page.get("/mailboxes/new").text
    answer = alice.page.post("/mailboxes/new", {"local_part": "orders", "domain_id": mine.id - 1})
    assert answer.status_code == 422


def test_the_page_of_a_mailbox_shows_state_limits_snippets_activity_and_the_api(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test", hourly_limit=500, note="<i>note</i>")
    page = alice.page.get(f"/mailboxes/{box.id}").text
    for part in (
        "orders@acme.test takes and sends mail", "of 500", "no limit", "the password of this mailbox", "Activity",
         f"/api/v1/mailboxes/{box.id}",
        f'href="/domains/{box.domain_id}"', "&lt;i&gt;note",
    ):  # fmt: skip
        assert part in page, part
    assert "argon2" not in page


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"status": "paused"}, "is paused"),
        ({"can_receive": False}, "sends mail and takes none"),
        ({"can_send": False}, "takes mail and sends none"),
        ({"can_send": False, "can_receive": False}, "both are switched off"),
    ],
)
def test_the_page_says_in_one_sentence_where_the_mailbox_stands(alice: Any, columns: dict[str, Any], says: str) -> None:
    box = make_mailbox(alice, "orders@acme.test", **columns)
    assert says in alice.page.get(f"/mailboxes/{box.id}").text


def test_a_mailbox_of_an_unproven_domain_says_that_it_waits_for_it(alice: Any) -> None:
    box = make_mailbox(alice, domain=make_domain(alice, "acme.test", verified=False))
    assert "waits for its domain" in alice.page.get(f"/mailboxes/{box.id}").text


def test_features_above_hang_links_on_the_page_for_those_with_the_scope(alice: Any, carol: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "_links", {})
    links.add("Routes", "route", lambda box: f"/routes?mailbox={box.id}", scope="routes:write", order=2)
    links.add("Archive", "archive", lambda box: f"/archive/{box.id}", scope="archives:read", order=1)
    box = make_mailbox(alice, "orders@acme.test")
    page = alice.page.get(f"/mailboxes/{box.id}").text
    assert page.index(f"/archive/{box.id}") < page.index(f"/routes?mailbox={box.id}")
    seen = carol.page.get(f"/mailboxes/{box.id}").text
    assert f"/archive/{box.id}" in seen and f"/routes?mailbox={box.id}" not in seen


def test_settings_are_changed_and_untouched_sizes_stay_exact(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test", max_message_bytes=2_000_001, storage_limit_bytes=3 * 1024 * 1024 + 5)
    shown = alice.page.get(f"/mailboxes/{box.id}/edit").text
    assert 'value="1953"' in shown and 'value="3"' in shown
    form = {**SETTINGS, "max_message_kb": "1953", "storage_mb": "3", "daily_limit": "9", "log_level": "verbose", "can_send": ""}
    del form["can_send"]
    answer = alice.page.post(f"/mailboxes/{box.id}/edit", form)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/mailboxes/{box.id}")
    row = db.session.get(Mailbox, box.id)
    assert row is not None
    assert (row.display_name, row.daily_limit, row.log_level, row.can_send, row.can_receive) == ("Shop", 9, "verbose", False, True)
    assert (row.max_message_bytes, row.storage_limit_bytes) == (2_000_001, 3 * 1024 * 1024 + 5)
    alice.page.post(f"/mailboxes/{box.id}/edit", {**SETTINGS, "max_message_kb": "64"})
    row = db.session.get(Mailbox, box.id)
    assert row is not None and (row.max_message_bytes, row.storage_limit_bytes, row.daily_limit) == (65536, None, None)
    assert trail() == ["mailbox.update"] * 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"hourly_limit": "0"}, "hourly_limit"),
        ({"daily_limit": "many"}, "daily_limit"),
        ({"max_message_kb": ""}, "max_message_kb"),
        ({"max_message_kb": "99999999"}, "max_message_kb"),
        ({"note": "x" * 121}, "note"),
        ({"default_delivery": "nowhere"}, "default_delivery"),
        ({"display_name": "a\u2028b"}, "display_name"),
    ],
)
def test_a_refused_change_marks_its_field_and_changes_nothing(alice: Any, change: dict[str, str], field: str) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    answer = alice.page.post(f"/mailboxes/{box.id}/edit", {**SETTINGS, **change})
    assert answer.status_code == 422
    assert f'id="{field}-error' in answer.text
    assert db.session.get(Mailbox, box.id).display_name is None and trail() == []  # type: ignore[union-attr]


def test_a_new_password_is_shown_once_and_the_old_one_stops(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    assert "stops working at once" in alice.page.get(f"/mailboxes/{box.id}/password").text
    answer = alice.page.post(f"/mailboxes/{box.id}/password", {"password": ""})
    secret = re.search(r'id="secret">([^<]+)<', answer.text)
    assert answer.status_code == 201 and secret is not None
    assert service.check_login("orders@acme.test", PASSWORD) is None and service.check_login("orders@acme.test", secret[1]) is not None
    refused = alice.page.post(f"/mailboxes/{box.id}/password", {"password": "orders@acme.test"})
    assert refused.status_code == 422 and "may not be the address" in refused.text


def test_pausing_and_resuming_work_with_and_without_javascript(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    plain = alice.page.post(f"/mailboxes/{box.id}/pause")
    assert (plain.status_code, plain.headers["Location"]) == (303, f"/mailboxes/{box.id}")
    assert "is paused" in alice.page.get(f"/mailboxes/{box.id}").text
    live = alice.page.post(f"/mailboxes/{box.id}/resume", htmx=True)
    assert live.status_code == 200 and "mailboxes-changed" in live.headers["HX-Trigger"]
    assert db.session.get(Mailbox, box.id).status == "active"  # type: ignore[union-attr]
    undoable = alice.page.post(f"/mailboxes/{box.id}/pause", htmx=True)
    assert f"/mailboxes/{box.id}/resume" in undoable.headers["HX-Trigger"]


def test_deleting_names_its_effect_in_numbers_and_can_be_undone(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    counters.bump(alice.workspace.id, f"messages:{box.id}", 12)
    asked = alice.page.get(f"/mailboxes/{box.id}/delete", htmx=True).text
    assert asked.lstrip().startswith("<dialog") and "12 mails (0 B) go to the trash with orders@acme.test" in asked
    gone = alice.page.post(f"/mailboxes/{box.id}/delete", {"catching": "0"})
    assert (gone.status_code, gone.headers["Location"]) == (303, "/mailboxes")
    assert f'action="/mailboxes/{box.id}/restore"' in alice.page.get("/mailboxes").text
    assert alice.page.post(f"/mailboxes/{box.id}/restore").headers["Location"] == f"/mailboxes/{box.id}"
    assert service.find_mailbox("orders@acme.test") is not None
    assert trail() == ["mailbox.delete", "mailbox.restore"]


def test_deleting_a_catch_all_says_so_and_asks_again_when_it_became_one(alice: Any) -> None:
    box = make_mailbox(alice, "rest@acme.test")
    domain = db.session.get(Domain, box.domain_id)
    assert domain is not None
    domain.catch_all_enabled, domain.catch_all_destination = True, "rest@acme.test"
    again = alice.page.post(f"/mailboxes/{box.id}/delete", {"catching": "0"})
    assert again.status_code == 409 and "The catch-all of acme.test is switched off" in again.text
    assert alice.page.post(f"/mailboxes/{box.id}/delete", {"catching": "1"}).status_code == 303
    assert db.session.get(Domain, box.domain_id).catch_all_enabled is False  # type: ignore[union-attr]


def test_a_mailbox_whose_address_is_taken_does_not_come_back(alice: Any) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    alice.page.post(f"/mailboxes/{box.id}/delete", {"catching": "0"})
    make_mailbox(alice, "orders@acme.test")
    alice.page.post(f"/mailboxes/{box.id}/restore")
    assert "exists again meanwhile" in alice.page.get("/mailboxes").text


PATHS = (
    ("get", ""), ("get", "/edit"), ("post", "/edit"), ("get", "/password"), ("post", "/password"), ("post", "/pause"), ("post", "/resume"),
    ("get", "/delete"), ("post", "/delete"),
)  # fmt: skip


@pytest.mark.parametrize(("method", "path"), [*PATHS, ("post", "/restore")])
def test_a_foreign_mailbox_is_404_on_every_page(alice: Any, eve: Any, method: str, path: str) -> None:
    box = make_mailbox(alice, "orders@acme.test")
    assert getattr(eve.page, method)(f"/mailboxes/{box.id}{path}").status_code == 404
    assert trail() == [] and service.check_login("orders@acme.test", PASSWORD) is not None


@pytest.mark.parametrize("who", ["bob", "carol"])
def test_agents_and_viewers_read_with_disabled_buttons_and_are_refused_at_the_doors(
    request: pytest.FixtureRequest, alice: Any, who: str
) -> None:
    person = request.getfixturevalue(who)
    box = make_mailbox(alice, "orders@acme.test")
    page = person.page.get(f"/mailboxes/{box.id}")
    assert page.status_code == 200 and "needs the role admin" in page.text
    for path in ("/edit", "/delete", "/password", "/pause"):
        assert f"/mailboxes/{box.id}{path}" not in page.text
    listed = person.page.get("/mailboxes").text
    assert "orders@acme.test" in listed and f"/mailboxes/{box.id}/delete" not in listed and "needs the role admin" in listed
    assert person.page.get("/mailboxes/new").status_code == 403
    for method, path in PATHS[1:]:
        assert getattr(person.page, method)(f"/mailboxes/{box.id}{path}").status_code == 403, path
