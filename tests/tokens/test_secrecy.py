"""C-47: tokens are looked up by their public part and compared in constant time, and their values stand nowhere but in one answer."""

import gc
import io
import logging
import statistics
import time
from typing import Any

import pytest
from sqlalchemy import LargeBinary, select

from tests.factories.mailboxes import make_mailbox
from webapp.core import queue
from webapp.core.db import Base, db
from webapp.core.errors import Unauthenticated
from webapp.intake import logins
from webapp.tokens import door
from webapp.tokens import format as form


def relatives(value: str) -> dict[str, str]:
    """Well-formed values that are wrong: an id that nobody has, and a known id with another secret."""
    kind = form.check(value)[0]
    stranger = form.make(str(kind))
    start = len(form.PREFIXES[str(kind)])
    head = value[: start + form.ID_LENGTH] + stranger[start + form.ID_LENGTH : -6]
    wrong = head + form._checksum(head)
    assert form.check(wrong) == (kind, True) and form.public_id(wrong) == form.public_id(value)
    return {"unknown": stranger, "wrong": wrong}


def refused_in(value: str) -> float:
    began = time.perf_counter()
    with pytest.raises(Unauthenticated, match="not valid"):
        door.authenticate(value, "127.0.0.1", "test")
    return time.perf_counter() - began


def test_c47_unknown_ids_and_wrong_secrets_get_the_same_answer_from_the_same_work(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    others = relatives(alice.token)
    compared: list[tuple[str, str]] = []
    compare = door.hmac.compare_digest

    def counting(left: str, right: str) -> bool:
        compared.append((left, right))
        return bool(compare(left, right))

    monkeypatch.setattr(door.hmac, "compare_digest", counting)
    answers = []
    for value in others.values():
        answer = alice.api.get("/me", headers={"Authorization": f"Bearer {value}"})
        error = {key: answer.json["error"][key] for key in ("code", "message", "hint", "details", "retryable")}
        answers.append((answer.status_code, error))
    assert answers[0] == answers[1] and answers[0][0] == 401
    assert [len(left) for left, _ in compared] == [64, 64], "one comparison of whole digests each, with a dummy for the unknown id"


def test_c47_the_times_of_unknown_ids_and_wrong_secrets_do_not_tell_them_apart(alice: Any) -> None:
    others = relatives(alice.token)
    taken: dict[str, list[float]] = {name: [] for name in others}
    db.session.rollback()
    gc.disable()
    try:
        for number in range(300):
            for name in sorted(others, reverse=bool(number % 2)):
                taken[name].append(refused_in(others[name]))
    finally:
        gc.enable()
    # The quick half of each: what a busy machine adds to single samples says nothing about the work that is done.
    quick = {name: statistics.median(sorted(times)[: len(times) // 2]) for name, times in taken.items()}
    ratio = quick["wrong"] / quick["unknown"]
    assert 0.67 < ratio < 1.5, quick


def test_c47_how_many_characters_of_the_secret_are_right_does_not_change_the_time(alice: Any) -> None:
    """Digests are compared, so that a right beginning is no nearer than a wrong one."""
    first = relatives(alice.token)["wrong"]
    nearly = alice.token[:-8] + ("A" if alice.token[-8] != "A" else "B")
    nearly += alice.token[-7]
    nearly += form._checksum(nearly)
    assert form.check(nearly)[1] and nearly != alice.token
    assert sum(a == b for a, b in zip(form.digest(nearly), form.digest(alice.token), strict=True)) < 20
    assert refused_in(nearly) < 5 and refused_in(first) < 5


def everything_stored(app: Any) -> str:
    """All of the database and of Redis as text."""
    texts = []
    for table in Base.metadata.sorted_tables:
        for row in db.session.execute(select(*[column for column in table.c if not isinstance(column.type, LargeBinary)])):
            texts.append(f"{table.name} {tuple(row)}")
        for column in [column for column in table.c if isinstance(column.type, LargeBinary)]:
            texts += [f"{table.name} {bytes(value or b'')!r}" for value in db.session.scalars(select(column))]
    client = app.extensions["redis"]
    for key in client.keys("*"):
        kind = client.type(key).decode()
        value = {
            "string": client.get, "hash": client.hgetall, "list": lambda k: client.lrange(k, 0, -1), "set": client.smembers,
            "zset": lambda k: client.zrange(k, 0, -1),
        }[kind](key)  # fmt: skip
        texts.append(f"{key!r} {value!r}")
    db.session.rollback()
    return "\n".join(texts)


def test_c47_the_value_stands_in_one_answer_and_nowhere_else(
    app: Any, alice: Any, work_off: Any, outside: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """A grep over the database, Redis with its jobs, every log line and every other answer."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(args)s %(exc_text)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        mailbox = make_mailbox(alice, "orders@acme.test")
        new = {"name": "Shop", "kind": "ops", "scopes": ["*"]}
        made = alice.api.post("/tokens", json=new, headers={"Idempotency-Key": "once"}).json["data"]
        rotated = alice.api.post(f"/tokens/{made['id']}:rotate", headers={"Idempotency-Key": "twice"}).json["data"]
        values = [made["token"], rotated["token"]]
        answers = []
        for value in values:
            api = type(alice.api)(app, value)
            answers += [
                api.get("/me"), api.get("/tokens/current"), api.get("/mailboxes/424242"), api.post("/domains", json={"name": "!"}),
                api.post(f"/mailboxes/{mailbox.id}/mail/send", json={"receivers": ["a@b.test"], "subject": "x", "body": "y"}),
                api.get("/nowhere"), api.delete("/tokens/424242"), api.get("/audit-events"), api.get("/tokens"),
                alice.api.get(f"/tokens/{made['id']}/log"), alice.page.get(f"/tokens/{made['id']}"), alice.page.get("/audit"),
                api.get("/me", headers={"Authorization": f"Bearer {value}x"}), api.get(f"/domains?search={'x' * 20}"),
                alice.api.post("/tokens", json=new, headers={"Idempotency-Key": "once"}),
                alice.api.post(f"/tokens/{made['id']}:rotate", headers={"Idempotency-Key": "twice"}),
            ]  # fmt: skip
            assert logins.log_in("api", value, "127.0.0.1") is not None
            db.session.rollback()
        alice.api.delete(f"/tokens/{rotated['id']}")
        door.forget_all()
        answers.append(type(alice.api)(app, values[1]).get("/me"))
        assert answers[-1].status_code == 401
        queue.ring_now("sending.drain")
        stored = everything_stored(app)
        work_off()
        stored += everything_stored(app)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    out, err = capfd.readouterr()
    places = {"stored": stored, "logged": stream.getvalue(), "printed": out + err}
    places.update({f"answer {number}": f"{answer.headers}{answer.get_data(as_text=True)}" for number, answer in enumerate(answers)})
    assert form.digest(values[0]) in stored, "else the grep looks at the wrong place"
    for value in values:
        secret = value[len("tm_live_") + form.ID_LENGTH : -6]
        assert len(secret) == 24
        for place, text in places.items():
            assert value not in text and secret not in text, place
