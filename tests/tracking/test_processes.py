"""Real web processes: a plain HTTP client without cookies, many at once over several processes, and what a kill may take along."""

import http.client
import threading
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from tests.factories.tracking import make_sent_campaign
from tests.servers import wait_until
from tests.tracking.readers import PERSON, Reader, write_down
from tests.web_process import WebProcess
from webapp.contacts.models import Contact
from webapp.core.db import db, reading, utcnow
from webapp.tokens import calls
from webapp.tracking import counting, hits
from webapp.tracking.counting import Hit, count


def ask(server: WebProcess, method: str, path: str, body: str | None = None) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        headers = {"User-Agent": PERSON, **({"Content-Type": "application/x-www-form-urlencoded"} if body else {})}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def written(sent: Any, name: str) -> int:
    """A counter as it stands in the database now; no transaction stays open that a process would wait for."""
    db.session.rollback()
    with reading():
        number: int = sent.number(name)
        db.session.rollback()
    return number


def test_c70_one_click_survives_a_kill_right_after_its_answer_and_a_contact_is_unique_over_processes(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice, "one@people.test", "two@people.test")
    one, two, ids = sent.token(0), sent.token(1), [contact.id for contact in sent.contacts]
    reader = Reader(app)
    db.session.rollback()
    with WebProcess(app) as server:
        for _ in range(5):
            assert ask(server, "GET", f"/t/o/{one}.gif")[0] == 200
            reader.open(one)
        db.session.rollback()
        write_down(app)
        wait_until(lambda: written(sent, "opens_total") == 10, "both processes to write their opens", 30)
        assert written(sent, "opened") == 1
        status, headers, _ = ask(server, "GET", f"/t/c/{one}/1")
        assert status == 302 and headers["location"] == "https://shop.test/a"
        for token in (one, two):
            status, headers, body = ask(server, "POST", f"/u/{token}", "List-Unsubscribe=One-Click")
            assert (status, body) == (200, b"You are unsubscribed.\n") and "set-cookie" not in headers
        server.kill()
    assert written(sent, "unsubscribed") == 2
    assert not any(db.session.get_one(Contact, contact_id, populate_existing=True).subscribed for contact_id in ids)


def test_batches_of_several_processes_at_once_lose_nothing_and_count_each_contact_once(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice, *(f"p{place}@people.test" for place in range(20)))
    campaign_id, ids = sent.campaign.id, [contact.id for contact in sent.contacts]
    db.session.rollback()
    at = utcnow()
    begin, failures = threading.Barrier(4), []

    def work(backwards: bool) -> None:
        batch = [Hit(campaign_id, contact_id, link, at) for contact_id in (ids[::-1] if backwards else ids) for link in (0, 1)]
        with app.app_context():
            begin.wait()
            for _ in range(5):
                try:
                    count(batch, {})
                    db.session.commit()
                except SQLAlchemyError as error:
                    failures.append(error)
                    db.session.rollback()
            db.session.remove()

    threads = [threading.Thread(target=work, args=(number % 2 == 1,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [written(sent, name) for name in ("opened", "clicked", "opens_total", "clicks_total")] == [20, 20, 400, 400]
    assert [written(sent, f"link:1{part}") for part in ("", ":people")] == [400, 20]


def test_a_process_that_is_asked_to_end_writes_what_it_has(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    token = sent.token()
    app.config[calls.SETTING] = 3600.0
    Reader(app).click(token)
    db.session.rollback()
    hits._before_the_end()
    assert written(sent, "clicks_total") == 1 and hits.count_waiting() == 0


def test_what_a_busy_database_refuses_waits_and_a_batch_that_never_fits_is_given_up(
    app: Any, alice: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent = make_sent_campaign(alice)
    Reader(app).open(sent.token())
    real = counting.count

    def refuse(*_: Any) -> int:
        raise OperationalError("", None, Exception("locked"))

    monkeypatch.setattr(counting, "count", refuse)
    assert write_down(app) == 0 and hits.count_waiting() == 1
    monkeypatch.setattr(counting, "count", real)
    assert write_down(app) == 1 and sent.number("opens_total") == 1
    Reader(app).open(sent.token())
    monkeypatch.setattr(counting, "count", refuse)
    for _ in range(hits.TRIES):
        assert write_down(app) == 0
    assert hits.count_waiting() == 0 and "given up" in caplog.text


def test_what_waits_has_an_end_and_clicks_outlast_opens(
    app: Any, alice: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent = make_sent_campaign(alice)
    monkeypatch.setattr(hits, "MOST", 2)
    monkeypatch.setattr(hits, "MOST_CLICKS", 3)
    Reader(app).open(sent.token(), 4)
    Reader(app).click(sent.token())
    Reader(app).click(sent.token())
    assert write_down(app) == 3 and sent.number("clicks_total") == 1 and "3 opens and clicks were dropped" in caplog.text
