"""C-40: web, SMTP, four workers and the scheduler write into one SQLite file together; nobody is told that the database is locked."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.bench.common import smtp_load
from tests.database.nodes import node, settings_of
from tests.flows.installation import OWNER, PASSWORD, Installation, wait_for
from webapp.core.db import begin_writing, db

MAILS, SESSIONS, PEOPLE, EACH = 60, 4, 3, 5


def clerk(house: Installation, token: str, number: int, mailbox: dict[str, Any], domain_id: int, answers: list[tuple[str, int]]) -> None:
    """What a person does: makes mailboxes, changes and deletes them, reads lists, sends mail to the mailbox of all."""
    with house.client(token) as api:
        for turn in range(EACH):
            made = api.post("/mailbox/", json={"domain_id": domain_id, "local_part": f"p{number}.{turn}"})
            answers.append(("make", made.status_code))
            own = made.json()["data"]["id"]
            mail = {"receivers": [mailbox["email"]], "subject": f"from {number} turn {turn}", "body": "Hello."}
            answers.append(("send", api.post(f"/mailboxes/{own}/mail/send", json=mail).status_code))
            answers.append(("change", api.patch(f"/mailboxes/{own}", json={"max_message_bytes": 5000 + turn}).status_code))
            answers.append(("read", api.get(f"/mailboxes/{mailbox['id']}/archives", params={"search": "hello"}).status_code))


def run_all(works: list[Callable[[], object]]) -> list[BaseException]:
    """All at the same time; what they raised."""
    raised: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told by the test
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_c40_nobody_hears_of_a_locked_database_while_all_parts_write(tmp_path: Path) -> None:
    house = Installation(tmp_path, MAILROOM_ADMIN_EMAIL=OWNER, MAILROOM_ADMIN_PASSWORD=PASSWORD, MAILROOM_WORKERS="4")
    house.start(60)
    try:
        token = house.run("token", "create", "--kind", "workspace", "--expires", "1d").stdout.strip()
        with house.client(token) as api:
            domain = api.post("/domains", json={"name": "acme.test"}).json()["data"]
            api.post(f"/domains/{domain['id']}/verify", json={"by_hand": True}).raise_for_status()
            mailbox = api.post("/mailbox/", json={"domain_id": domain["id"], "local_part": "bench"}).json()["data"]
        answers: list[tuple[str, int]] = []

        def strangers() -> None:
            smtp_load(house.smtp, messages=MAILS, sessions=SESSIONS, size=2000, keep=True)

        def person(number: int) -> Callable[[], None]:
            return lambda: clerk(house, token, number, mailbox, domain["id"], answers)

        assert run_all([strangers, *(person(number) for number in range(PEOPLE))]) == []
        assert len(answers) == PEOPLE * EACH * 4
        assert [answer for answer in answers if answer[1] not in (200, 201, 202)] == []
        wanted = MAILS + PEOPLE * EACH
        with closing(sqlite3.connect(f"file:{tmp_path}/instance/mailroom.sqlite?mode=ro", uri=True, isolation_level=None)) as database:
            filed = "SELECT count(*) FROM messages WHERE mailbox_id = ? AND state = 'processed' AND folder = 'INBOX'"
            wait_for(lambda: database.execute(filed, (mailbox["id"],)).fetchone()[0] == wanted, "all mail in its folder", 60)
            [ends] = database.execute("PRAGMA quick_check").fetchone()
        assert ends == "ok"
    finally:
        house.stop()
    assert "locked" not in house.text(), house.text()[-3000:]


def test_c40_who_reads_first_and_writes_then_loses_nothing_and_is_not_refused(tmp_path: Path) -> None:
    """A lock that grows from reading to writing is what a time-out alone does not cover: SQLite refuses it at once when another wrote."""
    with node(settings_of(tmp_path)) as app:
        db.session.execute(text("CREATE TABLE tally (number INTEGER)"))
        db.session.execute(text("INSERT INTO tally VALUES (0)"))
        db.session.commit()

        def count_up() -> None:
            for _ in range(25):
                with app.app_context():
                    begin_writing()
                    number = db.session.execute(text("SELECT number FROM tally")).scalar_one()
                    db.session.execute(text("UPDATE tally SET number = :next"), {"next": number + 1})
                    db.session.commit()

        assert run_all([count_up] * 4) == []
        assert db.session.execute(text("SELECT number FROM tally")).scalar_one() == 100
