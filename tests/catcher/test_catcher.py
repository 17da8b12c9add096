"""The request catcher: any request is kept and shown, our own actions reach it without a connection."""

from typing import Any

import pytest

from tests.factories.automation import arrive, make_action, make_route, runs_of
from tests.factories.mailboxes import make_mailbox
from webapp.catcher import listeners, service
from webapp.catcher.models import CaughtRequest
from webapp.core.db import begin_writing, db
from webapp.core.http_guard import HttpClient, Inside


@pytest.fixture
def stranger(app: Any) -> Any:
    """Somebody who knows an address and nothing else."""
    return app.test_client()


def opened(person: Any) -> str:
    answer = person.api.post("/catcher")
    assert answer.status_code == 200, answer.json
    return str(answer.json["data"]["url"])


def path_of(url: str) -> str:
    return "/catch/" + url.rpartition("/")[2]


def test_whatever_comes_is_kept_with_its_headers_and_body_and_answered_as_asked(alice: Any, stranger: Any) -> None:
    path = path_of(opened(alice))
    answer = stranger.post(f"{path}?status=503&x=1", data=b'{"a": 1}', headers={"X-Who": "shop", "Content-Type": "application/json"})
    assert (answer.status_code, answer.json) == (503, {"caught": True})
    assert stranger.delete(path).status_code == 200
    newest, first = alice.api.get("/caught-requests").json["data"]
    assert (newest["method"], newest["body"], newest["answered"]) == ("DELETE", "", 200)
    assert (first["method"], first["query"], first["body"], first["size_bytes"]) == ("POST", "status=503&x=1", '{"a": 1}', 8)
    assert ["X-Who", "shop"] in first["headers"] and first["answered"] == 503


def test_only_the_newest_are_kept_and_large_or_binary_bodies_are_cut_to_text(alice: Any, stranger: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(service, "KEPT", 3)
    path = path_of(opened(alice))
    for number in range(5):
        assert stranger.post(path, data=b"\x00\xff%d" % number + b"x" * 70_000).status_code == 200
    found = alice.api.get("/caught-requests").json["data"]
    assert [row["body"][:3] for row in found] == ["��4", "��3", "��2"]
    assert found[0]["size_bytes"] == 70_003 and len(found[0]["body"]) <= service.BODY_BYTES


def test_a_key_that_nobody_has_is_404_and_a_renewed_address_ends_the_old_one(alice: Any, stranger: Any) -> None:
    assert stranger.post("/catch/nonsense").status_code == 404
    old = path_of(opened(alice))
    new = path_of(str(alice.api.post("/catcher:renew").json["data"]["url"]))
    assert new != old
    assert stranger.post(old).status_code == 404
    assert stranger.post(new).status_code == 200
    assert alice.api.delete("/caught-requests").json["data"] == {"cleared": 1}
    actions = [row["action"] for row in alice.api.get("/audit-events").json["data"]]
    assert actions[:3] == ["catcher.clear", "catcher.renew", "catcher.create"]


def test_another_workspace_sees_nothing_and_a_viewer_cannot_open_it(alice: Any, carol: Any, eve: Any, stranger: Any) -> None:
    stranger.post(path_of(opened(alice)), data=b"secret")
    assert eve.api.get("/caught-requests").json["data"] == []
    assert eve.api.get("/catcher").json["data"]["url"] is None
    assert carol.api.post("/catcher").status_code == 403


def test_a_webhook_action_reaches_the_catcher_although_private_targets_are_closed(alice: Any, outside: Any, work_off: Any) -> None:
    url = opened(alice)
    refusing = HttpClient()
    refusing.inside = Inside(service.prefix(), listeners.take)
    outside.http = refusing
    mailbox = make_mailbox(alice)
    make_route(alice, mailbox, actions=[make_action(alice, url=url)])
    message = arrive(mailbox, subject="Order 4711")
    work_off()
    assert [run.status for run in runs_of(message)] == ["success"]
    caught = alice.api.get("/caught-requests").json["data"]
    assert len(caught) == 1 and '"Order 4711"' in caught[0]["body"] and caught[0]["ip"] is None
    assert refusing.check("http://127.0.0.1/catch/x") is not None


def test_the_page_teaches_then_shows_what_came_with_its_body_readable(alice: Any, stranger: Any) -> None:
    assert "Nothing catches yet" in alice.page.get("/catcher").text
    assert alice.page.post("/catcher").status_code in (200, 303)
    begin_writing()
    catcher = service.find(alice.actor)
    assert catcher is not None
    db.session.commit()
    stranger.post(f"/catch/{catcher.key}?<script>=1", data=b'{"a":{"b":"<img src=x onerror=alert(1)>"}}')
    row = db.session.query(CaughtRequest).one()
    page = alice.page.get(f"/catcher?open={row.id}").text
    assert "&lt;img src=x" in page and "<img src=x" not in page and "<script>=1" not in page
    assert alice.page.post("/catcher/clear").status_code in (200, 303)
    assert db.session.query(CaughtRequest).count() == 0


def test_the_session_of_a_browser_that_looks_at_the_address_is_not_kept(alice: Any, app: Any) -> None:
    path = path_of(opened(alice))
    assert alice.page.get(path).status_code == 200
    headers = dict(alice.api.get("/caught-requests").json["data"][0]["headers"])
    assert headers["Cookie"] == "••••••••"
