"""Opens and clicks a second against a bare endpoint that answers the same 43 bytes and looks at nothing; then: was every open written?

Both under gunicorn with threads, as many workers and threads, interleaved. Ours checks the mark, asks the limit, knows machines, and has
rows, counters, scores and events written behind the answers, for READERS contacts in turn. Needs wrk. Run: python -m tests.bench opens
"""

import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.common import cpu_s, family, installed, median, say, wait_for, wrk
from tests.bench.http_list import process_of, ratio, start_rival
from tests.flows.installation import free_port
from webapp.campaigns import marks
from webapp.core import secrets

ROUNDS, SECONDS, READERS = 3, 3, 20_000
KEY = "a-key-for-the-benchmark-of-opens-" * 2
PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SCRIPT = """
local tokens = {{}}
for line in io.lines("{file}") do tokens[#tokens + 1] = line end
local place = math.random(#tokens)
wrk.headers["User-Agent"] = "{agent}"
request = function()
  place = place % #tokens + 1
  return wrk.format("GET", string.format("{path}", tokens[place]))
end
"""


def main() -> None:
    settings = {"MAILROOM_SECRET_KEY": KEY, "MAILROOM_RATE_LIMITS": "tracking=100000000/minute"}
    with installed(**settings) as (installation, api, mailbox), tempfile.TemporaryDirectory() as folder:
        file = installation.folder / "instance" / "mailroom.sqlite"
        campaign_id = campaign(api, mailbox, file)
        secrets.configure((KEY,))
        tokens = Path(folder) / "tokens"
        tokens.write_text("\n".join(marks.tokens(campaign_id, contacts(file, api))))
        port = free_port()
        rival = start_rival(port, file)
        try:
            urls = {
                "bare": (f"http://127.0.0.1:{port}", "/pixel/%s"), "open": (installation.url, "/t/o/%s.gif"),
                "click": (installation.url, "/t/c/%s/1"),
            }  # fmt: skip
            seen: dict[str, list[dict[str, float]]] = {name: [] for name in urls}
            scripts = {name: script(Path(folder) / f"{name}.lua", tokens, path) for name, (_, path) in urls.items()}
            rivals = [pid for pid, _ in family(rival.pid)]
            ours = [pid for pid, name in family(process_of(installation)) if name == "mailroom-web"]
            for round_ in range(ROUNDS + 1):
                for name, (url, _) in urls.items():
                    pids = rivals if name == "bare" else ours
                    before = cpu_s(pids)
                    figures = wrk(url, "none", SECONDS if round_ else 1, script=scripts[name])
                    requests = figures["rps"] * (SECONDS if round_ else 1)
                    if round_:
                        seen[name].append({**figures, "requests": requests, "cpu_ms": (cpu_s(pids) - before) * 1000 / requests})
        finally:
            rival.terminate()
            rival.wait(10)
        lag, written = settle(file, campaign_id)
    for name, figures_ in seen.items():
        say(bench="opens", what=name, **{key: median([one[key] for one in figures_]) for key in ("rps", "p50_ms", "p99_ms", "cpu_ms")})
    answered = sum(one["requests"] for name in ("open", "click") for one in seen[name])
    say(
        bench="opens", open_to_bare=ratio(seen, "rps", "open", "bare"), click_to_bare=ratio(seen, "rps", "click", "bare"),
        cpu_bare_to_open=ratio(seen, "cpu_ms", "bare", "open"), answered_in_rounds=round(answered), written=written, written_after_s=lag,
    )  # fmt: skip


def script(file: Path, tokens: Path, path: str) -> str:
    file.write_text(SCRIPT.format(file=tokens, agent=PERSON, path=path))
    return str(file)


def campaign(api: Any, mailbox: dict[str, Any], file: Path) -> int:
    """A campaign with one tracked link."""
    group = api.post("/contact-groups", json={"name": "Readers"}).json()["data"]
    letter = {
        "name": "Autumn", "subject": "Hello", "from_email": mailbox["email"], "from_name": "Shop", "body_html": "<p>Hello</p>",
        "recipient_groups": [group["id"]], "email_account_id": mailbox["id"],
    }  # fmt: skip
    answer = api.post("/campaigns", json=letter)
    answer.raise_for_status()
    campaign_id = int(answer.json()["data"]["id"])
    with sqlite3.connect(file, timeout=30) as connection:
        connection.execute("INSERT INTO campaign_links (campaign_id, number, url) VALUES (?, 1, 'https://shop.test/a')", (campaign_id,))
    return campaign_id


def contacts(file: Path, api: Any) -> list[int]:
    """READERS contacts, copies of one that the API made."""
    first = api.post("/contacts", json={"name": "Ann Lee", "email": "p0@people.test"}).json()["data"]["id"]
    with sqlite3.connect(file, timeout=30) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(contacts)") if row[1] not in ("id", "email", "address")]
        number = "'p' || value || '@people.test'"
        connection.execute(
            f"WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < {READERS}) "
            f"INSERT INTO contacts (email, address, {', '.join(names)}) SELECT {number}, {number}, {', '.join(names)} FROM contacts, n "
            f"WHERE id = {first}"
        )
        return [row[0] for row in connection.execute("SELECT id FROM contacts WHERE id >= ? ORDER BY id", (first,))]


def settle(file: Path, campaign_id: int) -> tuple[float, int]:
    """Seconds until nothing more is written, and how many opens and clicks were."""
    begun, seen = time.monotonic(), [-1, -1, -1]

    def still() -> bool:
        with sqlite3.connect(file, timeout=30) as connection:
            query = "SELECT sum(number) FROM counters WHERE name IN (?, ?, ?, ?)"
            whats = ("opens_total", "clicks_total", "machine_opens", "machine_clicks")
            seen.append(connection.execute(query, [f"campaign:{campaign_id}:{what}" for what in whats]).fetchone()[0] or 0)
        time.sleep(1)
        return len(set(seen[-4:])) == 1

    wait_for(still, "the last opens to be written", 60)
    return round(time.monotonic() - begun - 4, 1), seen[-1]


if __name__ == "__main__":
    main()
