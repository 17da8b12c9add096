"""Real web processes: a plain HTTP client without cookies, many at once over several processes, and what a kill may take along."""

import http.client
import signal
import threading
from typing import Any

from tests.factories.tracking import make_sent_campaign
from tests.servers import wait_until
from tests.tracking.readers import PERSON
from tests.web_process import WebProcess
from webapp.contacts.models import Contact
from webapp.core.db import db, reading


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


def test_c70_one_click_survives_a_kill_right_after_its_answer_and_the_same_contact_is_unique_over_processes(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice, "one@people.test", "two@people.test")
    db.session.rollback()
    with WebProcess(app) as one, WebProcess(app) as two:
        status, headers, body = ask(one, "POST", f"/u/{sent.token(1)}", "List-Unsubscribe=One-Click")
        assert (status, body) == (200, b"You are unsubscribed.\n") and "set-cookie" not in headers
        opens = [threading.Thread(target=ask, args=(server, "GET", f"/t/o/{sent.token(0)}.gif")) for server in (one, two) * 10]
        for thread in opens:
            thread.start()
        for thread in opens:
            thread.join()
        wait_until(lambda: written(sent, "opens_total") == 20, "both processes to write their opens", 30)
        assert written(sent, "opened") == 1
        assert ask(two, "POST", f"/u/{sent.token(0)}", "List-Unsubscribe=One-Click")[0] == 200
        two.kill()
        status, headers, _ = ask(one, "GET", f"/t/c/{sent.token(0)}/1")
        assert status == 302 and headers["location"] == "https://shop.test/a"
        one.process.send_signal(signal.SIGINT)
        one.process.wait(30)
    assert written(sent, "clicks_total") == 1, "a process that is asked to end writes what it has"
    assert not any(db.session.get_one(Contact, contact.id, populate_existing=True).subscribed for contact in sent.contacts)
