"""`app.py demo` as a person starts it: a sample workspace in which mail arrives, routes run and logs fill."""

import re
from pathlib import Path

import httpx

from tests.flows.installation import Installation, wait_for


def start(house: Installation) -> None:
    before = house.text().count("mails have arrived")
    house.begin("demo", "--mails-per-minute", "60")
    try:
        wait_for(lambda: house.text().count("mails have arrived") > before, "the first mails of the sample", 60)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{house.text()[-3000:]}") from None


def test_the_sample_is_lively_and_the_second_start_keeps_it(tmp_path: Path) -> None:
    house = Installation(tmp_path)
    try:
        start(house)
        found = re.search(r"sign in as (\S+) with the password (\S+)", house.text())
        assert found, house.text()
        token = house.run("token", "create", "--kind", "ops", "--name", "test").stdout.strip()
        api = house.client(token)

        def total(path: str, **filters: object) -> int:
            answer = api.get(path, params={"per_page": 1, **filters})
            assert answer.status_code == 200, answer.text
            return int(answer.json()["meta"]["total"])

        boxes = {box["local_part"]: box for box in api.get("/mailboxes").json()["data"]}
        assert set(boxes) == {"orders", "support", "invoices", "press"} and boxes["press"]["status"] == "paused"
        logs = f"/mailboxes/{boxes['orders']['id']}/logs"
        wait_for(lambda: total(logs) > 5, "routes that ran")
        wait_for(lambda: total(f"/mailboxes/{boxes['invoices']['id']}/archives") > 0, "a forwarded invoice")
        wait_for(lambda: total("/audit-events") > 20, "an audit log that tells how it was made")
        page = httpx.Client(base_url=house.url, follow_redirects=True)
        key = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.get("/login").text)
        assert key is not None
        home = page.post("/login", data={"email": found[1], "password": found[2], "csrf_token": key[1]}, headers={"Origin": house.url})
        assert home.status_code == 200 and "Juniper Cycles" in home.text
        assert house.stop() == 0
        start(house)
        assert [box["id"] for box in api.get("/mailboxes").json()["data"]] == [box["id"] for box in boxes.values()]
        assert "Traceback" not in house.text()
    finally:
        house.stop()
