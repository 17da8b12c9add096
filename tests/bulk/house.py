"""The installation that the mails go to: one domain, one mailbox, one route that looks at every field and acts on every mail.

Nothing leaves: the platform's transport is the built-in capture, the webhook's receiver is in this process, the resolver is nobody.
"""

import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from tests.flows.installation import OWNER, PASSWORD, Installation

DOMAIN, LOCAL = "example.com", "inbox"
ANSWER = {
    "to": ["audit@elsewhere.example"], "subject": "Re: $SUBJECT", "body": "$SENDER wrote:\n$BODY", "html": "<p>$SENDER</p><div>$BODY</div>",
    "attach_original": True,
}  # fmt: skip
MEMORY = "/dev/shm"
NEVER = "never-in-any-mail-7f3a"
TRACEBACK = re.compile(r"^.*Traceback \(most recent call last\)", re.M)


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder that goes away, on a memory disk where there is one: what these tests look at is not the disk."""
    with tempfile.TemporaryDirectory(prefix="mailroom-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as home:
        yield Path(home)


class Hook:
    """Receives the webhook of each mail and keeps the ids alone; `broken` are bodies that are no JSON."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.broken = 0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                try:
                    hook.seen.add(json.loads(raw)["message_id"])
                except (ValueError, KeyError):
                    hook.broken += 1
                self.send_response(204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class House:
    """An installation that is ready for mail to inbox@example.com, and the two who look at it: a person and a program."""

    def __init__(self, folder: Path, *, routed: bool = True, light: bool = False, **settings: str) -> None:
        safe = {
            "MAILROOM_ADMIN_EMAIL": OWNER, "MAILROOM_ADMIN_PASSWORD": PASSWORD, "MAILROOM_TRANSPORT": "capture",
            "MAILROOM_DNS": "127.0.0.1:9", "MAILROOM_TRUSTED_NETWORKS": "192.0.2.1",
        }  # fmt: skip
        self.installation = Installation(folder, **{**safe, **settings})
        self.hook = Hook()
        self.routed, self.light, self.mailbox_id = routed, light, 0
        self.token = ""
        self.cookies = httpx.Cookies()

    def start(self) -> None:
        self.installation.start(60)
        self.token = self.installation.run("token", "create", "--kind", "workspace", "--name", "bulk", "--expires", "1d").stdout.strip()
        with self.program() as api:
            domain = _data(api.post("/domains", json={"name": DOMAIN}))
            _data(api.post(f"/domains/{domain['id']}/verify", json={"by_hand": True}))
            box = {"domain_id": domain["id"], "local_part": LOCAL, "max_message_bytes": 26_214_400, "allow_unauthenticated": True}
            self.mailbox_id = _data(api.post("/mailbox/", json=box))["id"]
            if self.routed:
                self._make_route(api)
        self._sign_in()

    def stop(self) -> None:
        self.installation.stop()
        self.hook.stop()

    def program(self) -> httpx.Client:
        """A client of the API."""
        return self.installation.client(self.token)

    def person(self) -> httpx.Client:
        """A client that is signed in to the pages."""
        return httpx.Client(base_url=self.installation.url, cookies=self.cookies, timeout=60)

    def address(self, tag: str) -> str:
        return f"{LOCAL}+{tag}@{DOMAIN}"

    def tracebacks(self) -> list[str]:
        """What the processes wrote when something broke."""
        text = self.installation.text()
        return [text[found.start() : found.start() + 3000] for found in TRACEBACK.finditer(text)]

    def _make_route(self, api: httpx.Client) -> None:
        """Rules that look at every field and do not match, a last one that always does; then four actions (light: three)."""
        fields = ("sender", "receivers", "cc", "subject", "body", "header", "attachment_name", "attachment_type", "raw")
        rules = []
        for number, field in enumerate(fields):
            kind = "regex" if number % 2 else "includes"
            more = {"header_name": "X-Anything"} if field == "header" else {}
            new = {"name": f"look at {field}", "type": kind, "field": field, "value": NEVER, **more}
            rules.append(_data(api.post("/rules/", json=new)))
        rules.append(_data(api.post("/rules/", json={"name": "every mail", "type": "excludes", "field": "subject", "value": NEVER})))
        actions = []
        deeds: list[tuple[str, dict[str, Any]]] = [
            ("change_mail", {"subject_prefix": "[bulk]", "headers": {"X-Bulk": "$SUBJECT"}}),
            ("webhook", {"url": self.hook.url}),
            ("forward", {"to": ["archive@elsewhere.example"], "subject_prefix": "[forwarded]"}),
            ("send_mail", ANSWER),
        ]
        for kind, parameters in deeds[1 if self.light else 0 :]:
            new = {"name": f"do {kind}", "type": kind, "parameters": parameters, "max_attempts": 2}
            actions.append({"action_id": _data(api.post("/actions/", json=new))["id"]})
        parts = {"mailbox_id": self.mailbox_id, "match_type": "any", "rule_ids": [rule["id"] for rule in rules], "actions": actions}
        _data(api.post("/routes/", json={"name": "Everything", **parts}))

    def _sign_in(self) -> None:
        with httpx.Client(base_url=self.installation.url, timeout=30) as client:
            found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/login").text)
            assert found, "the sign-in page has a CSRF token"
            answer = client.post("/login", data={"email": OWNER, "password": PASSWORD, "csrf_token": found[1]})
            assert answer.status_code == 303, answer.text[:500]
            self.cookies = client.cookies

    def wait_until_worked_off(self, timeout_s: float = 900) -> dict[str, int]:
        """Until every mail is read and its route's run has ended, or nothing moves for half a minute.

        returns how many received mails are in each state, and runs by status (`run:…`)
        """
        ends, last, moved = time.monotonic() + timeout_s, None, time.monotonic()
        with self.program() as api:
            while time.monotonic() < ends and time.monotonic() - moved < 30:
                rows = api.get(f"/mailboxes/{self.mailbox_id}/archives", params={"per_page": 100, "direction": "received"}).json()["data"]
                busy = [self._first_log(api, status) for status in ("queued", "running")]
                state = (sum(row["state"] == "received" for row in rows), *busy, len(self.hook.seen))
                if not any(state[:3]):
                    found = self.counts(api)
                    runs = sum(number for name, number in found.items() if name.startswith("run:"))
                    if not found.get("received") and (runs >= found.get("processed", 0) or not self.routed):
                        return found
                if state != last:
                    last, moved = state, time.monotonic()
                time.sleep(0.5)
            return self.counts(api)

    def _first_log(self, api: httpx.Client, status: str) -> int:
        rows = api.get(f"/mailboxes/{self.mailbox_id}/logs", params={"per_page": 1, "status": status}).json()["data"]
        return rows[0]["id"] if rows else 0

    def counts(self, api: httpx.Client) -> dict[str, int]:
        found: dict[str, int] = {}
        for row in listed(api, f"/mailboxes/{self.mailbox_id}/archives", direction="received"):
            found[row["state"]] = found.get(row["state"], 0) + 1
        for row in listed(api, f"/mailboxes/{self.mailbox_id}/logs"):
            found[f"run:{row['status']}"] = found.get(f"run:{row['status']}", 0) + 1
        return found


def listed(api: httpx.Client, path: str, **query: Any) -> list[dict[str, Any]]:
    """All rows of a list, page by page along its cursor."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = api.get(path, params={**query, "per_page": 100, **({"cursor": cursor} if cursor else {})})
        answer.raise_for_status()
        found = answer.json()
        rows += found["data"]
        cursor = (found.get("meta") or found.get("pagination") or {}).get("next_cursor") or ""
        if not cursor:
            return rows


def _data(answer: httpx.Response) -> Any:
    assert answer.status_code < 300, answer.text
    return answer.json()["data"]
