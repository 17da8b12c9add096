"""Invitations: written, accepted once by the right person, taken back; the same to everybody outside."""

import re
from datetime import timedelta
from statistics import median
from time import perf_counter
from typing import Any

import pytest
from sqlalchemy import select

from tests.accounts.coming_in import links_to, plain_body, sources, stranger, with_transport
from tests.people import PASSWORD, PageClient
from webapp.accounts import invitations, members, passwords, persons
from webapp.accounts.models import Invitation, Membership, User
from webapp.audit.models import AuditEntry
from webapp.core.db import db, utcnow
from webapp.core.errors import NotFound
from webapp.messages.models import Message
from webapp.tokens import door

DORA = "dora@elsewhere.test"


def path(person: Any, *more: Any) -> str:
    return "/".join([f"/workspaces/{person.workspace.id}/invitations", *map(str, more)])


def invite(person: Any, email: str = DORA, role: str = "agent") -> tuple[int, str]:
    """The id of a fresh invitation and the path of its link."""
    answer = person.api.post(path(person), json={"email": email, "role": role})
    assert answer.status_code == 201, answer.json
    return answer.json["data"]["id"], answer.json["data"]["url"].removeprefix("http://localhost")


def place_of(email: str, workspace: Any) -> Membership | None:
    user = persons.find_user(email)
    return persons.find_membership(user.id, workspace.id) if user else None


def sign_in(browser: PageClient, email: str, password: str, next_path: str) -> Any:
    return browser.post(next_path, {"email": email, "password": password})


def test_an_invitation_by_api_is_listed_resent_and_taken_back(alice: Any) -> None:
    made = alice.api.post(path(alice), json={"email": "Dora@Elsewhere.test", "role": "admin"})
    data = made.json["data"]
    assert made.status_code == 201
    assert (data["email"], data["role"], data["status"], data["inviter_id"]) == (DORA, "admin", "pending", alice.user.id)
    assert [row["id"] for row in alice.api.get(path(alice) + "?status=pending").json["data"]] == [data["id"]]
    assert "url" not in alice.api.get(path(alice, data["id"])).json["data"]
    assert alice.api.delete(path(alice, data["id"])).json["data"]["id"] == data["id"]
    assert alice.api.get(path(alice, data["id"])).json["data"]["status"] == "revoked"
    assert alice.api.delete(path(alice, data["id"])).status_code == 200, "repeating it changes nothing"
    assert alice.api.post(path(alice, f"{data['id']}:resend")).status_code == 409
    told = [row["action"] for row in alice.api.get("/audit-events?target_type=invitation").json["data"]]
    assert told == ["invitation.revoke", "invitation.create"]


def test_the_mail_names_workspace_role_and_inviter_and_its_copy_shows_no_link(alice: Any, work_off: Any) -> None:
    _, link = invite(alice)
    (raw,) = sources(DORA)
    assert b"Acme" in raw and b"alice@acme.test" in raw and b"Auto-Submitted: auto-generated" in raw
    assert links_to(DORA) == [link]
    work_off()
    copy = db.session.scalars(select(Message).where(Message.mailbox_id.is_(None))).one()
    text = alice.page.get(f"/mail/{copy.id}").get_data(as_text=True)
    assert "invites you to join" in text and "[link cut out]" in text and link.partition("key=")[2] not in text


def test_with_a_real_transport_the_link_stands_in_the_mail_alone(app: Any, alice: Any) -> None:
    with_transport(app)
    answer = alice.api.post(path(alice), json={"email": DORA})
    assert answer.json["data"]["url"] is None
    page = alice.page.post("/members/invite", {"email": "emil@elsewhere.test", "role": "viewer"})
    assert page.status_code == 303
    (link,) = links_to("emil@elsewhere.test")
    assert "Join Acme" in stranger(app).get(link).get_data(as_text=True)


def test_while_mail_is_captured_the_page_shows_the_link_once_and_says_why(alice: Any) -> None:
    answer = alice.page.post("/members/invite", {"email": DORA, "role": "viewer"})
    text = answer.get_data(as_text=True)
    assert answer.status_code == 201 and "outgoing mail is captured" in text
    (link,) = links_to(DORA)
    assert link in text
    assert link.partition("key=")[2] not in alice.page.get("/members").get_data(as_text=True)


def test_c61_the_link_has_the_configured_base_whatever_the_request_says(app: Any, alice: Any) -> None:
    forged = {"Host": "evil.test", "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.test"}
    answer = alice.api.post(path(alice), json={"email": DORA}, headers=forged)
    assert answer.status_code == 201 and answer.json["data"]["url"].startswith("http://localhost/join?key=")
    del forged["Host"]  # the browser of the test keeps its cookies for localhost
    assert alice.page.post("/members/invite", {"email": "emil@elsewhere.test", "role": "viewer"}, headers=forged).status_code == 201
    for email in (DORA, "emil@elsewhere.test"):
        (raw,) = sources(email)
        assert b"evil.test" not in raw and len(links_to(email)) == 1


def test_roles_below_admin_invite_nobody_and_nobody_invites_above_themselves(alice: Any, bob: Any, carol: Any) -> None:
    for person in (bob, carol):
        assert person.api.post(path(person), json={"email": DORA}).status_code == 403
        assert person.page.post("/members/invite", {"email": DORA, "role": "viewer"}).status_code == 403
        assert person.api.get(path(person)).status_code == 200
    members.change_role(alice.actor, place_of("bob@acme.test", alice.workspace).id, "admin")  # type: ignore[union-attr]
    db.session.commit()
    door.forget_all()
    assert bob.api.post(path(bob), json={"email": DORA, "role": "owner"}).json["error"]["code"] == "forbidden"
    owners, _ = invite(alice, role="owner")
    for method, suffix in (("delete", ""), ("post", ":resend")):
        assert getattr(bob.api, method)(path(bob, f"{owners}{suffix}")).status_code == 403
    assert bob.api.post(path(bob), json={"email": "emil@elsewhere.test", "role": "admin"}).status_code == 201


def test_a_member_or_somebody_invited_already_is_not_invited_again_until_that_one_expired(alice: Any) -> None:
    assert "is a member already" in str(alice.api.post(path(alice), json={"email": "bob@acme.test"}).json["error"]["details"])
    first, link = invite(alice)
    assert "is invited already" in str(alice.api.post(path(alice), json={"email": DORA}).json["error"]["details"])
    db.session.get_one(Invitation, first).expires_at = utcnow() - timedelta(seconds=1)
    second, _ = invite(alice)
    assert alice.api.get(path(alice, first)).json["data"]["status"] == "revoked" and second != first
    assert link


def test_somebody_new_makes_an_account_signs_in_and_is_there(app: Any, alice: Any) -> None:
    _, link = invite(alice, role="admin")
    browser = stranger(app)
    shown = browser.get(link).get_data(as_text=True)
    assert "Join Acme" in shown and DORA in shown and "Create account" in shown
    short = browser.post(link, {"name": "Dora", "password": "short"})
    assert short.status_code == 422 and "12 to 128" in short.get_data(as_text=True) and 'value="Dora"' in short.get_data(as_text=True)
    made = browser.post(link, {"name": "Dora", "password": PASSWORD})
    assert made.status_code == 303 and made.location.startswith("/login?next=/join")
    assert f'value="{DORA}"' in browser.get(made.location).get_data(as_text=True)
    entered = sign_in(browser, DORA, PASSWORD, made.location)
    assert entered.location == link
    assert browser.get(link).location == "/", "whoever accepted it goes on"
    assert "Acme · Mailroom" in browser.get("/").get_data(as_text=True)
    member = place_of(DORA, alice.workspace)
    assert member is not None and (member.role, member.user.name) == ("admin", "Dora")
    told = db.session.scalars(select(AuditEntry.action).where(AuditEntry.actor_name == DORA).order_by(AuditEntry.id)).all()
    assert told[:3] == ["invitation.accept", "member.join", "user.create"]
    assert stranger(app).get(link).status_code == 404, "the link worked once"


def test_somebody_with_an_account_signs_in_and_joins_with_one_press(app: Any, alice: Any, eve: Any) -> None:
    _, link = invite(alice, "eve@evil.test", "viewer")
    assert "Join Acme" in eve.page.get(link).get_data(as_text=True)
    assert place_of("eve@evil.test", alice.workspace) is None, "looking is not joining"
    assert eve.page.post(link).location == "/"
    assert "Acme · Mailroom" in eve.page.get("/").get_data(as_text=True)
    member = place_of("eve@evil.test", alice.workspace)
    assert member is not None and member.role == "viewer"
    assert eve.page.post(link).location == "/", "pressing twice does no harm"


def test_an_invitation_is_for_its_address_alone(app: Any, alice: Any, eve: Any) -> None:
    _, link = invite(alice)
    assert "This invitation is for another address" in eve.page.get(link).get_data(as_text=True)
    eve.page.post(link, {"name": "x", "password": PASSWORD})
    assert place_of("eve@evil.test", alice.workspace) is None and persons.find_user(DORA) is None
    key = link.partition("key=")[2]
    with pytest.raises(Exception, match="signed in as eve"):
        invitations.accept(key, eve.user, None, None)


def test_a_link_ends_with_its_week_its_resending_and_its_revocation(app: Any, alice: Any) -> None:
    number, link = invite(alice)
    row = db.session.get_one(Invitation, number)
    assert timedelta(days=6, hours=23) < row.expires_at - utcnow() <= timedelta(days=7)
    early = alice.api.post(path(alice, f"{number}:resend"))
    assert early.status_code == 429 and early.json["error"]["retry_after"] > 0
    row.sent_at, row.expires_at = utcnow() - timedelta(days=8), utcnow() - timedelta(seconds=1)
    db.session.commit()
    assert stranger(app).get(link).status_code == 404
    again = alice.api.post(path(alice, f"{number}:resend"))
    fresh = again.json["data"]["url"].removeprefix("http://localhost")
    assert again.status_code == 200 and again.json["data"]["status"] == "pending" and fresh != link
    assert stranger(app).get(link).status_code == 404 and stranger(app).get(fresh).status_code == 200
    assert alice.page.post(f"/invitations/{number}/revoke").status_code == 303
    assert stranger(app).get(fresh).status_code == 404
    assert stranger(app).post(fresh, {"name": "Dora", "password": PASSWORD}).status_code == 404


def test_what_somebody_invited_ends_when_they_may_no_longer_give_it(app: Any, alice: Any, bob: Any) -> None:
    place = place_of("bob@acme.test", alice.workspace)
    assert place is not None
    members.change_role(alice.actor, place.id, "admin")
    db.session.commit()
    links = [invite(bob, f"{role}@elsewhere.test", role)[1] for role in ("viewer", "admin")]
    alice.api.patch(f"/workspaces/{alice.workspace.id}/members/{place.id}", json={"status": "suspended"})
    assert [stranger(app).get(link).status_code for link in links] == [404, 404]
    states = [row["status"] for row in alice.api.get(path(alice)).json["data"]]
    assert states == ["revoked", "revoked"]


def test_the_inviter_s_right_is_looked_at_again_when_the_link_is_opened(app: Any, alice: Any) -> None:
    _, link = invite(alice)
    alice.user.status = "suspended"
    db.session.commit()
    assert stranger(app).get(link).status_code == 404


def test_a_link_is_used_once_even_by_two_at_the_same_moment(app: Any, alice: Any) -> None:
    _, link = invite(alice)
    key = link.partition("key=")[2]
    found = invitations.find(key)
    assert found is not None
    user = persons.new_user(DORA, "", PASSWORD)
    invitations._take(found, user, None, None)
    with pytest.raises(NotFound):
        invitations._take(found, user, None, None)
    assert len(db.session.scalars(select(Membership.id).where(Membership.user_id == user.id)).all()) == 1


def test_c65_inviting_says_the_same_whether_the_address_has_an_account(alice: Any, eve: Any) -> None:
    known, unknown = (alice.api.post(path(alice), json={"email": email}) for email in ("eve@evil.test", "nobody@evil.test"))
    strip = lambda answer: {k: v for k, v in answer.json["data"].items() if k not in ("id", "email", "url") and not k.endswith("_at")}  # noqa: E731
    assert known.status_code == unknown.status_code == 201 and strip(known) == strip(unknown)
    sizes = [len(re.sub(r"eve|nobody", "", mime_text(email))) for email in ("eve@evil.test", "nobody@evil.test")]
    assert sizes[0] == sizes[1]


def mime_text(email: str) -> str:
    (raw,) = sources(email)
    return re.sub(r"(?s)^.*?\r\n\r\n", "", raw.decode(), count=1)[:400]


def test_c65_accepting_says_and_costs_the_same_whether_the_address_has_an_account(app: Any, alice: Any, eve: Any) -> None:
    eve.user.password_hash = passwords.hash_password(PASSWORD)
    db.session.commit()
    seen, links = [], []
    for email in ("eve@evil.test", "eva@evil.test"):
        _, link = invite(alice, email)
        key, browser = link.partition("key=")[2], stranger(app)
        page = browser.get(link)
        refused = browser.post(link, {"name": "E", "password": "short"})
        done = browser.post(link, {"name": "E", "password": "a wholly new passphrase"})
        after = browser.get(done.location)
        texts = [plain_body(answer).replace(email, "ADDRESS").replace(key, "KEY") for answer in (page, refused, after)]
        where = done.location.replace(key, "KEY").replace(email, "ADDRESS")
        seen.append(([page.status_code, refused.status_code, done.status_code], where, texts))
        links.append(link)
    assert seen[0] == seen[1]
    assert place_of("eve@evil.test", alice.workspace) is None, "her account takes part only after she signed in"
    assert passwords.matches(db.session.get_one(User, eve.user.id).password_hash, PASSWORD), "and keeps its password"
    assert place_of("eva@evil.test", alice.workspace) is not None
    opened = stranger(app).get(links[0])
    assert opened.status_code == 200, "her invitation still waits for her"


def test_c65_accepting_takes_the_same_time_for_both(app: Any, alice: Any, eve: Any) -> None:
    """The hash of the password is most of it, and is computed for both."""
    times: dict[bool, list[float]] = {True: [], False: []}
    browser = stranger(app)
    for number in range(6):
        for known in (True, False):
            email = f"{'known' if known else 'fresh'}{number}@evil.test"
            if known:
                persons.new_user(email, "", PASSWORD)
            _, link = invite(alice, email)
            began = perf_counter()
            assert browser.post(link, {"name": "E", "password": "a wholly new passphrase"}).status_code == 303
            times[known].append(perf_counter() - began)
    fast, slow = sorted(median(values) for values in times.values())
    assert slow < 4 * fast + 0.05, times


def test_open_invitations_stand_on_the_members_page_with_their_actions(alice: Any, carol: Any) -> None:
    number, _ = invite(alice)
    text = alice.page.get("/members").get_data(as_text=True)
    assert DORA in text and f"/invitations/{number}/resend" in text and f"/invitations/{number}/revoke" in text
    assert f"/invitations/{number}/resend" not in carol.page.get("/members").get_data(as_text=True)


def test_the_address_of_invitations_without_or_with_a_wrong_key_leads_nowhere(app: Any) -> None:
    assert "Open the link of your invitation" in stranger(app).get("/join").get_data(as_text=True)
    assert stranger(app).get("/join?key=guess").status_code == 404
    assert stranger(app).post("/join?key=guess", {"name": "x", "password": PASSWORD}).status_code == 404
