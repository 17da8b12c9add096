"""Each token's own log: every call, no secret, written beside the requests and kept for 30 days."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from flask import current_app
from sqlalchemy import select, update

from tests.factories.mailboxes import make_mailbox
from webapp.core.db import db, utcnow
from webapp.intake import logins
from webapp.tokens import calls, door, jobs
from webapp.tokens.models import ApiToken, TokenCall


def log_of(person: Any, token_id: int, query: str = "") -> list[dict[str, Any]]:
    answer = person.api.get(f"/tokens/{token_id}/log{query}")
    assert answer.status_code == 200, answer.json
    return list(answer.json["data"])


def id_of(api: Any) -> int:
    return int(api.get("/tokens/current").json["data"]["id"])


def test_each_call_is_a_line_with_answer_place_and_scopes(alice: Any) -> None:
    mailbox = make_mailbox(alice, "orders@acme.test")
    api = alice.token_with("mailboxes:read", "domains:read")
    token_id = id_of(api)
    api.get(f"/mailboxes/{mailbox.id}?search=secret-word", headers={"User-Agent": "shop/2", "X-Request-Id": "req-from-shop"})
    api.get("/mailboxes/424242")
    api.post("/domains", json={"name": "x.test"}, headers={"Idempotency-Key": "secret-key"})
    lines = log_of(alice, token_id)
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("POST", "/api/v1/domains", 403), ("GET", "/api/v1/mailboxes/424242", 404), ("GET", f"/api/v1/mailboxes/{mailbox.id}", 200),
        ("GET", "/api/v1/tokens/current", 200),
    ]  # fmt: skip
    third = lines[2]
    assert (third["ip"], third["client"], third["request_id"]) == ("127.0.0.1", "shop/2", "req-from-shop")
    assert third["scopes"] == ["mailboxes:read"] and 0 <= third["ms"] < 60_000 and third["at"].endswith("Z")
    assert "secret-word" not in str(lines) and "secret-key" not in str(lines)


def test_the_log_is_read_by_cursor_and_narrowed_by_result_method_and_time(alice: Any) -> None:
    api = alice.token_with("mailboxes:read")
    token_id = id_of(api)
    for number in range(5):
        api.get(f"/mailboxes/{424_000 + number}")
    first = alice.api.get(f"/tokens/{token_id}/log?per_page=4").json
    rest = alice.api.get(f"/tokens/{token_id}/log?per_page=4&cursor={first['meta']['next_cursor']}").json
    assert [line["path"][-1] for line in first["data"]] == ["4", "3", "2", "1"] and len(rest["data"]) == 2
    assert len(log_of(alice, token_id, "?result=refused")) == 5 and len(log_of(alice, token_id, "?result=done")) == 1
    assert log_of(alice, token_id, "?method=POST") == [] and log_of(alice, token_id, "?before=2020-01-01") == []
    assert len(log_of(alice, token_id, "?after=2020-01-01")) == 6
    assert alice.api.get(f"/tokens/{token_id}/log?result=half").status_code == 422


def test_only_those_who_see_a_token_see_its_log(alice: Any, bob: Any, eve: Any) -> None:
    token_id = id_of(alice.token_with("domains:read"))
    assert bob.api.get(f"/tokens/{token_id}/log").status_code == 404 and eve.api.get(f"/tokens/{token_id}/log").status_code == 404
    assert eve.page.get(f"/tokens/{token_id}/log").status_code == 404


def test_a_token_that_was_revoked_shows_who_still_tries(alice: Any) -> None:
    api = alice.token_with("domains:read")
    token_id = id_of(api)
    alice.api.delete(f"/tokens/{token_id}")
    before = len(log_of(alice, token_id))
    door.forget_all()
    for _ in range(3):
        assert api.get("/domains").status_code == 401
    lines = log_of(alice, token_id)
    assert len(lines) == before + 1 and (lines[0]["status"], lines[0]["times"]) == (401, 3), "equal refusals are one line"


def test_a_login_over_smtp_is_a_line(alice: Any) -> None:
    make_mailbox(alice, "orders@acme.test")
    api = alice.token_with("messages:send")
    token_id = id_of(api)
    assert logins.log_in("api", api.token, "192.0.2.7") is not None
    line = log_of(alice, token_id)[0]
    assert (line["method"], line["path"], line["status"], line["ip"]) == ("SMTP", "AUTH", 235, "192.0.2.7")
    assert line["scopes"] == ["messages:send"]


def test_a_request_makes_no_query_and_no_commit_for_its_line(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    api = alice.token_with("mailboxes:read")
    id_of(api)
    written: list[int] = []
    monkeypatch.setattr(calls, "flush", lambda app: written.append(1))
    before = calls.count_waiting()
    for _ in range(20):
        assert api.get("/mailboxes").status_code == 200
    assert calls.count_waiting() == before + 20 and not written
    assert db.session.scalar(select(TokenCall.id).limit(1)) is None


def test_lines_are_written_within_a_second_by_a_thread_of_their_own(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(current_app.config, calls.SETTING, 0.05)
    done, flush = threading.Event(), calls.flush
    monkeypatch.setattr(calls, "flush", lambda app: (flush(app), done.set()))
    token_id = id_of(alice.token_with("domains:read"))
    db.session.rollback()
    assert done.wait(10)
    monkeypatch.setitem(current_app.config, calls.SETTING, 0)
    assert db.session.scalar(select(TokenCall.path).where(TokenCall.token_id == token_id)) == "/api/v1/tokens/current"


def test_a_database_that_is_away_costs_lines_and_no_request(alice: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    api = alice.token_with("domains:read")
    id_of(api)
    from_sqlalchemy = calls.SQLAlchemyError("away")

    def broken(taken: Any) -> None:
        raise from_sqlalchemy

    monkeypatch.setattr(calls, "_write", broken)
    db.session.rollback()
    calls._flush_later(current_app._get_current_object())  # type: ignore[attr-defined]
    assert "could not be written" in caplog.text and calls.count_waiting() == 0
    assert api.get("/domains").status_code == 200


def test_more_lines_than_fit_are_dropped_and_counted(alice: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setattr(calls, "MOST", 5)
    api = alice.token_with("domains:read")
    token_id = id_of(api)
    for _ in range(8):
        api.get("/domains")
    assert calls.count_waiting() == 5
    assert len(log_of(alice, token_id)) == 5 and "lines of the tokens' logs were dropped" in caplog.text


def test_lines_are_kept_for_30_days(alice: Any) -> None:
    api = alice.token_with("domains:read")
    token_id = id_of(api)
    api.get("/domains")
    assert len(log_of(alice, token_id)) == 2
    oldest = db.session.scalar(select(TokenCall.id).where(TokenCall.token_id == token_id).order_by(TokenCall.id).limit(1))
    past = calls.microseconds(utcnow() - timedelta(days=30, minutes=1))
    db.session.execute(update(TokenCall).where(TokenCall.id == oldest).values(at_us=past))
    db.session.commit()
    jobs.forget_old()
    assert [line["path"] for line in log_of(alice, token_id)] == ["/api/v1/domains"]


def test_last_use_is_refreshed_with_the_lines(alice: Any) -> None:
    api = alice.token_with("domains:read")
    token_id = id_of(api)
    row = db.session.get(ApiToken, token_id)
    row.last_used_at = utcnow() - timedelta(hours=1)
    db.session.commit()
    calls.forget()
    _known_again(api)
    log_of(alice, token_id)
    db.session.expire_all()
    assert utcnow() - db.session.get(ApiToken, token_id).last_used_at < timedelta(minutes=1)
    assert db.session.get(ApiToken, token_id).last_used_client == "later/1"


def _known_again(api: Any) -> None:
    door.forget_all()
    assert api.get("/domains", headers={"User-Agent": "later/1"}).status_code == 200


def test_the_page_shows_the_log_with_filters(alice: Any) -> None:
    api = alice.token_with("domains:read")
    token_id = id_of(api)
    api.get("/mailboxes")
    page = alice.page.get(f"/tokens/{token_id}/log").get_data(as_text=True)
    assert "/api/v1/mailboxes" in page and "/api/v1/tokens/current" in page and "403" in page
    refused = alice.page.get(f"/tokens/{token_id}/log?result=refused", htmx=True).get_data(as_text=True)
    assert "/api/v1/mailboxes" in refused and "/api/v1/tokens/current" not in refused and "<html" not in refused
    unused = alice.page.get(f"/tokens/{id_of(alice.token_with('data:read'))}/log?method=SMTP").get_data(as_text=True)
    assert "No call of the last 30 days matches" in unused
