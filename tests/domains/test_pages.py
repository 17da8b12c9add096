"""The domain pages: plain forms first, fragments for htmx, every state and every refusal."""

from typing import Any

import pytest

from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from webapp.audit.models import AuditEntry
from webapp.core.db import db
from webapp.domains.models import Domain


def trail() -> list[str]:
    return list(
        db.session.scalars(db.select(AuditEntry.action).where(AuditEntry.target_type.in_(["domain", "mailbox"])).order_by(AuditEntry.id))
    )


def test_an_empty_list_says_what_a_domain_is_and_offers_to_add_one(alice: Any, carol: Any) -> None:
    page = alice.page.get("/domains").text
    assert "No domains yet" in page and 'href="/domains/new"' in page and "10 mail.acme.test" in page
    assert "needs the role admin" in carol.page.get("/domains").text


def test_the_list_shows_state_mailboxes_and_chips_and_is_filtered_by_its_address(alice: Any, eve: Any) -> None:
    make_domain(alice, "a.test", note="the shop")
    make_domain(alice, "b.test", verified=False)
    make_mailbox(alice, "x@a.test")
    make_domain(eve, "evil.test")
    page = alice.page.get("/domains").text
    assert page.index("a.test") < page.index("b.test") and "evil.test" not in page
    assert "waiting for DNS" in page and "verified" in page and "the shop" in page
    narrowed = alice.page.get("/domains?q=SHOP&state=active").text
    assert "a.test" in narrowed and "b.test" not in narrowed
    rows = alice.page.get("/domains?state=pending_dns", htmx=True)
    assert "<html" not in rows.text and "b.test" in rows.text and ">a.test" not in rows.text and "HX-Request" in rows.headers["Vary"]
    assert "No domain matches." in alice.page.get("/domains?q=nothing").text
    assert alice.page.get("/domains?state=odd&page=-4").status_code == 200


def test_adding_a_domain_leads_to_its_page_and_without_javascript_too(alice: Any) -> None:
    assert 'name="name"' in alice.page.get("/domains/new").text
    assert alice.page.get("/domains/new", htmx=True).text.lstrip().startswith("<dialog")
    plain = alice.page.post("/domains/new", {"name": "Acme.test", "note": " main "})
    assert (plain.status_code, plain.headers["Location"]) == (303, "/domains/1")
    boosted = alice.page.post("/domains/new", {"name": "other.test"}, htmx=True)
    assert (boosted.status_code, boosted.headers["HX-Redirect"]) == (200, "/domains/2")
    domain = db.session.get(Domain, 1)
    assert domain is not None and (domain.name, domain.note) == ("acme.test", "main")
    assert trail() == ["domain.create"] * 2
    shown = alice.page.get("/domains/1").text
    assert "acme.test is added" in shown and domain.verify_token in shown and "waits for the TXT record" in shown


@pytest.mark.parametrize(
    ("name", "says"), [("", "Write the name"), ("not a name", "not a domain name"), ("taken.test", "one of your domains already")]
)
def test_a_refused_domain_keeps_what_was_typed_and_says_why_beside_the_field(alice: Any, name: str, says: str) -> None:
    make_domain(alice, "taken.test")
    for htmx in (False, True):
        answer = alice.page.post("/domains/new", {"name": name, "note": "kept <b>"}, htmx=htmx)
        assert answer.status_code == 422
        assert (
            says in answer.text
            and "kept &lt;b&gt;" in answer.text
            and f'value="{name}"' in answer.text
            and 'aria-invalid="true"' in answer.text
        )
    assert trail() == []


def test_the_page_of_a_domain_shows_records_mailboxes_activity_and_the_api(alice: Any) -> None:
    domain = make_domain(alice, "acme.test", verified=False, note="<script>alert(1)</script>")
    make_mailbox(alice, "orders@acme.test")
    page = alice.page.get(f"/domains/{domain.id}").text
    for part in (
        "_mailroom.acme.test", "mailroom-verify=0123", "v=spf1", "_dmarc.acme.test", "mailroom1._domainkey.acme.test", domain.dkim_public,
        'data-copy="value-verification"', "Check now",
        "Mark verified by hand", "orders@acme.test", "Activity", f"/api/v1/domains/{domain.id}",
    ):  # fmt: skip
        assert part in page, part
    assert "<script>alert" not in page and "PRIVATE KEY" not in page


def test_many_mailboxes_are_named_in_part_with_a_way_to_all_of_them(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    for number in range(12):
        make_mailbox(alice, f"box{number:02}@acme.test", domain=domain)
    page = alice.page.get(f"/domains/{domain.id}").text
    assert "box09@acme.test" in page and "box11@acme.test" not in page and f"/mailboxes?domain={domain.id}" in page


def test_checking_goes_on_in_the_background_and_the_page_follows_without_a_reload(alice: Any, outside: Any, work_off: Any) -> None:
    domain = make_domain(alice, "acme.test", verified=False)
    begun = alice.page.post(f"/domains/{domain.id}/check", htmx=True)
    assert begun.status_code == 200 and begun.text.lstrip().startswith("<div") and 'id="domain-state"' in begun.text
    assert "Looking them up now" in begun.text and "every 2s" in begun.text and 'role="progressbar"' in begun.text
    work_off()
    missed = alice.page.get(f"/domains/{domain.id}", htmx=True)
    assert "knows no name _mailroom.acme.test" in missed.text and "every 2s" not in missed.text and "<html" not in missed.text
    assert "next <time" in missed.text and "Check now" in missed.text
    outside.dns.records[("_mailroom.acme.test", "TXT")] = [f"mailroom-verify={domain.verify_token}"]
    plain = alice.page.post(f"/domains/{domain.id}/check")
    assert (plain.status_code, plain.headers["Location"]) == (303, f"/domains/{domain.id}")
    work_off()
    page = alice.page.get(f"/domains/{domain.id}").text
    assert "MX, SPF, DKIM need a change in the DNS" in page and "at fake, next <time" in page
    assert trail() == ["domain.recheck", "domain.recheck", "domain.verify", "domain.dns"]


def test_a_key_is_rotated_from_its_dialog_and_given_up_after_a_confirmation(alice: Any, outside: Any) -> None:
    domain = make_domain(alice, "acme.test")
    assert alice.page.get(f"/domains/{domain.id}/rotate", htmx=True).text.lstrip().startswith("<dialog")
    assert "0 to 90 days." in alice.page.post(f"/domains/{domain.id}/rotate", {"algorithm": "rsa", "overlap_days": "91"}).text
    made = alice.page.post(f"/domains/{domain.id}/rotate", {"algorithm": "rsa", "overlap_days": "3"})
    assert (made.status_code, made.headers["Location"]) == (303, f"/domains/{domain.id}")
    page = alice.page.get(f"/domains/{domain.id}").text
    assert "mailroom2._domainkey.acme.test" in page and "stays published 3 days longer" in page
    again = alice.page.post(f"/domains/{domain.id}/rotate", {"algorithm": "rsa", "overlap_days": "3"})
    assert again.status_code == 422 and "waits for its record already" in again.text
    key = next(key for key in db.session.get_one(Domain, domain.id).keys if key.state == "pending")
    assert "carries the signature of mailroom2" in alice.page.get(f"/domains/{domain.id}/keys/{key.id}/activate").text
    assert alice.page.post(f"/domains/{domain.id}/keys/{key.id}/activate").status_code == 303
    old = db.session.get_one(Domain, domain.id).keys[0]
    assert "still on its way" in alice.page.get(f"/domains/{domain.id}/keys/{old.id}/withdraw").text
    assert alice.page.post(f"/domains/{domain.id}/keys/{old.id}/withdraw").status_code == 303
    assert [key.state for key in db.session.get_one(Domain, domain.id).keys] == ["retired", "active"]
    assert alice.page.post(f"/domains/{domain.id}/keys/{old.id}/withdraw").status_code == 303
    assert "is gone already" in alice.page.get(f"/domains/{domain.id}").text


def test_the_zone_file_is_downloaded_as_text(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    answer = alice.page.get(f"/domains/{domain.id}/zone")
    assert answer.mimetype == "text/plain" and "acme.test.zone.txt" in answer.headers["Content-Disposition"]
    assert "acme.test. 3600 IN MX 10 mail.acme.test." in answer.text


def test_vouching_asks_first_and_is_for_owners_alone(alice: Any, bob: Any) -> None:
    domain = make_domain(alice, "acme.test", verified=False)
    asked = alice.page.get(f"/domains/{domain.id}/vouch").text
    assert "closed networks" in asked and "audit log" in asked and not db.session.get(Domain, domain.id).is_verified  # type: ignore[union-attr]
    done = alice.page.post(f"/domains/{domain.id}/vouch")
    assert done.status_code == 303 and db.session.get(Domain, domain.id).verified_by_hand  # type: ignore[union-attr]
    page = alice.page.get(f"/domains/{domain.id}").text
    assert "an owner vouched for it" in page and "Mark verified by hand" not in page
    db.session.execute(db.text("UPDATE memberships SET role = 'admin' WHERE user_id = :id"), {"id": bob.user.id})
    db.session.commit()
    for call in (bob.page.get, bob.page.post):
        assert call(f"/domains/{domain.id}/vouch").status_code == 403


def test_note_and_catch_all_are_changed_in_one_form(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    make_mailbox(alice, "rest@acme.test")
    form = {"note": "main", "catch_all_enabled": "y", "catch_all_destination": "Rest@acme.test"}
    assert alice.page.post(f"/domains/{domain.id}/edit", form).status_code == 303
    changed = db.session.get(Domain, domain.id)
    assert changed is not None and (changed.note, changed.catch_all_destination) == ("main", "rest@acme.test")
    shown = alice.page.get(f"/domains/{domain.id}/edit").text
    assert 'value="rest@acme.test"' in shown and "checked" in shown
    assert "Must be one line" in alice.page.post(f"/domains/{domain.id}/edit", {**form, "note": "two\nlines"}).text
    refused = alice.page.post(f"/domains/{domain.id}/edit", {**form, "note": "other", "catch_all_destination": "nobody@acme.test"})
    assert refused.status_code == 422 and "no mailbox of this workspace" in refused.text and 'value="nobody@acme.test"' in refused.text
    assert db.session.get(Domain, domain.id).note == "main"  # type: ignore[union-attr]
    assert alice.page.post(f"/domains/{domain.id}/edit", {**form, "mail_elsewhere": "y"}).status_code == 303
    changed = db.session.get_one(Domain, domain.id)
    assert (changed.mail_hosting, changed.catch_all_enabled) == ("external", False)
    assert "mail is kept elsewhere" in alice.page.get(f"/domains/{domain.id}").text
    assert alice.page.post(f"/domains/{domain.id}/edit", {"note": ""}).status_code == 303
    assert (db.session.get(Domain, domain.id).note, db.session.get(Domain, domain.id).catch_all_enabled) == (None, False)  # type: ignore[union-attr]


def test_deleting_names_its_effect_in_numbers_and_can_be_undone(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    make_mailbox(alice, "a@acme.test")
    asked = alice.page.get(f"/domains/{domain.id}/delete").text
    assert "1 mailbox goes to the trash with acme.test" in asked
    gone = alice.page.post(f"/domains/{domain.id}/delete", {"boxes": "1"})
    assert (gone.status_code, gone.headers["Location"]) == (303, "/domains")
    assert f'action="/domains/{domain.id}/restore"' in alice.page.get("/domains").text
    assert alice.page.get(f"/domains/{domain.id}").status_code == 404
    back = alice.page.post(f"/domains/{domain.id}/restore")
    assert (back.status_code, back.headers["Location"]) == (303, f"/domains/{domain.id}")
    assert "a@acme.test" in alice.page.get(f"/domains/{domain.id}").text
    assert trail() == ["mailbox.delete", "domain.delete", "mailbox.restore", "domain.restore"]


def test_deleting_asks_again_when_mailboxes_came_since_the_question(alice: Any) -> None:
    domain = make_domain(alice, "acme.test")
    make_mailbox(alice, "a@acme.test")
    answer = alice.page.post(f"/domains/{domain.id}/delete", {"boxes": "0"})
    assert answer.status_code == 409 and "1 mailbox goes" in answer.text
    assert alice.page.get(f"/domains/{domain.id}").status_code == 200


def test_a_domain_whose_name_is_in_use_again_does_not_come_back(alice: Any, eve: Any) -> None:
    domain = make_domain(alice, "acme.test")
    alice.page.post(f"/domains/{domain.id}/delete", {"boxes": "0"})
    make_domain(eve, "acme.test")
    assert alice.page.post(f"/domains/{domain.id}/restore").status_code == 303
    assert "set up again meanwhile" in alice.page.get("/domains").text
    assert db.session.get(Domain, domain.id).deleted_at is not None  # type: ignore[union-attr]


PATHS = (
    ("get", ""), ("get", "/edit"), ("post", "/edit"), ("post", "/check"), ("get", "/rotate"), ("post", "/rotate"), ("get", "/delete"),
    ("post", "/delete"),
)  # fmt: skip


@pytest.mark.parametrize(("method", "path"), [*PATHS, ("get", "/vouch"), ("post", "/vouch"), ("post", "/restore")])
def test_a_foreign_domain_is_404_on_every_page(alice: Any, eve: Any, method: str, path: str) -> None:
    domain = make_domain(alice, "acme.test")
    assert getattr(eve.page, method)(f"/domains/{domain.id}{path}").status_code == 404
    assert trail() == []


@pytest.mark.parametrize("who", ["bob", "carol"])
def test_agents_and_viewers_read_with_disabled_buttons_and_are_refused_at_the_doors(
    request: pytest.FixtureRequest, alice: Any, who: str
) -> None:
    person = request.getfixturevalue(who)
    domain = make_domain(alice, "acme.test", verified=False)
    page = person.page.get(f"/domains/{domain.id}")
    assert page.status_code == 200 and "needs the role admin" in page.text and "needs the role owner" in page.text
    assert f"/domains/{domain.id}/edit" not in page.text and f"/domains/{domain.id}/delete" not in page.text
    assert person.page.get("/domains/new").status_code == 403
    for method, path in PATHS[1:]:
        assert getattr(person.page, method)(f"/domains/{domain.id}{path}").status_code == 403, path


def test_somebody_who_is_not_signed_in_is_sent_to_the_sign_in_page(app: Any, alice: Any) -> None:
    answer = app.test_client().get("/domains?q=x")
    assert answer.status_code == 303 and "/login?next=" in answer.headers["Location"]
