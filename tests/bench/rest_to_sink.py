"""One mail by REST to the sink: how long from the request's first byte to the last byte of the mail at the next server.

Run: python -m tests.bench rest_to_sink

50 mails a second for ten seconds on an idle installation; the same while 10,000 bulk mails go out; and how many recipients a second are
accepted (2xx, durable) in requests that name 1,000 each. Goals: p50 under 10 ms, p99 under 40 ms; 5,000 recipients/s.
"""

import threading
import time
from typing import Any

import httpx

from tests.bench.common import installed, median, message, percentile, say, wait_for
from tests.bench.outbound import add_mails, add_rows
from tests.bench.recorder import Recorder
from webapp import create_app
from webapp.core.db import begin_writing, database_now, db
from webapp.messages import store
from webapp.sending.models import Outgoing
from webapp.settings import load_settings

PER_S, SECONDS, BULK = 50, 10, 10_000


def probe(url: str, token: str, mailbox_id: int, recorder: Recorder, first: int) -> list[float]:
    """Send probes at an even pace from four connections; milliseconds of each."""
    number = PER_S * SECONDS
    asked: dict[int, float] = {}
    begin = time.perf_counter() + 0.2

    def one(lane: int) -> None:
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
            for place in range(lane, number, 4):
                time.sleep(max(0.0, begin + place / PER_S - time.perf_counter()))
                asked[first + place] = time.perf_counter()
                mail = {"receivers": [f"p{place}@example.org"], "subject": f"probe {first + place}", "body": "Hello.\n" * 20}
                client.post(f"/mailboxes/{mailbox_id}/mail/send", json=mail).raise_for_status()

    threads = [threading.Thread(target=one, args=(lane,)) for lane in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: all(key in recorder.came for key in asked), "the probes at the sink", 60)
    return [(recorder.came[key] - at) * 1000 for key, at in asked.items()]


def fill_bulk(instance: Any, workspace_id: int) -> None:
    """Rows of bulk mail, due now, put in directly."""
    app = create_app(load_settings({"MAILROOM_INSTANCE": str(instance), "REDIS_URL": "redis://127.0.0.1:1/0"}, dotenv=None))
    with app.app_context():
        begin_writing()
        now, raw = database_now(), store.store_raw(message(2000)).id
        first = (db.session.query(db.func.max(Outgoing.id)).scalar() or 0) + 1
        add_mails(now, [(first, workspace_id, raw, f"{first}@acme.test", BULK)])
        add_rows(now, [(workspace_id, first, f"user{number}@example.test") for number in range(BULK)])
        db.session.commit()
        db.engine.dispose()


def tell(what: str, waits: list[float]) -> None:
    shares = {f"p{share}_ms": percentile(waits, share / 100) for share in (95, 99)}
    say(bench="rest_to_sink", what=what, per_s=PER_S, p50_ms=median(waits), **shares)


def main() -> None:
    recorder = Recorder()
    settings = {"MAILROOM_TRANSPORT": f"smtp://127.0.0.1:{recorder.port}", "MAILROOM_RATE_LIMITS": "off"}
    with installed(**settings) as (installation, api, mailbox):
        token = api.headers["Authorization"].removeprefix("Bearer ")
        url = f"{installation.url}/api/v1"
        probe(url, token, mailbox["id"], recorder, 0)  # warm
        idle = probe(url, token, mailbox["id"], recorder, 100_000)
        tell("idle", idle)
        [workspace] = api.get("/workspaces").json()["data"][:1]
        filler = threading.Timer(1.0, fill_bulk, (installation.folder / "instance", workspace["id"]))
        before = recorder.count
        filler.start()
        beside = probe(url, token, mailbox["id"], recorder, 200_000)
        filler.join()
        wait_for(lambda: recorder.count - before >= BULK + len(beside), "the bulk mail", 60)
        tell(f"while {BULK} bulk mails go out", beside)
        rates = []
        for round_ in range(5):
            mail = {"receivers": [f"m{n}@example.org" for n in range(1000)], "subject": f"many {round_}", "body": "Hello."}
            began = time.perf_counter()
            api.post(f"/mailboxes/{mailbox['id']}/mail/send", json=mail).raise_for_status()
            rates.append(1000 / (time.perf_counter() - began))
        say(bench="rest_to_sink", what="accepted in requests of 1,000", recipients_per_s=median(rates, 0), goal=5000)
    recorder.close()


if __name__ == "__main__":
    main()
