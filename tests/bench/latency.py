"""From `250` to the webhook's first byte, on an idle installation (goal: under 150 ms).

Run: python -m tests.bench latency
"""

import smtplib
import time

from tests.bench.common import installed, median, message, percentile, say, wait_for
from tests.flows.installation import Receiver

ROUNDS = 40


def main() -> None:
    receiver = Receiver(200)
    waits: list[float] = []
    with installed() as (installation, api, mailbox):
        action = api.post("/actions/", json={"name": "hook", "type": "webhook", "parameters": {"url": receiver.url}}).json()["data"]
        parts = {"mailbox_id": mailbox["id"], "match_type": "all", "rule_ids": [], "actions": [{"action_id": action["id"]}]}
        api.post("/routes/", json={"name": "all", **parts}).raise_for_status()
        for number in range(ROUNDS):
            with smtplib.SMTP("127.0.0.1", installation.smtp, timeout=10) as smtp:
                smtp.sendmail("load@example.test", [mailbox["email"]], message(2000, number))
                answered = time.time()
            wait_for(lambda wanted=number + 1: len(receiver.got) >= wanted, "the webhook", 20)
            waits.append((receiver.got[number]["at"] - answered) * 1000)
            time.sleep(0.2)
    receiver.stop()
    say(bench="latency", what="250 to webhook, idle", rounds=ROUNDS, p50_ms=median(waits), p95_ms=percentile(waits, 0.95), goal_ms=150)


if __name__ == "__main__":
    main()
