"""The sample workspace of `app.py demo` as the pages' tests see it: an owner, a viewer, and one of everything that an address can name."""

import re
import sqlite3
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.flows.installation import Installation, wait_for
from webapp.demo import cast

OWNER, VIEWER, VIEWER_PASSWORD = cast.OWNER, "lou@juniper.test", "a long walk by the river"
MAILS_PER_MINUTE = "4"


class Sample:
    """A running demo, furnished with what a fresh one has not: trash, a caught request, an invitation, an entry, a change of many."""

    def __init__(self, folder: Path) -> None:
        self.house = Installation(folder, MAILROOM_TRANSPORT="capture", MAILROOM_HOSTNAME="mail.juniper.test")
        self.password = ""

    @property
    def url(self) -> str:
        return self.house.url

    def start(self) -> None:
        house = self.house
        house.begin("demo", "--mails-per-minute", MAILS_PER_MINUTE)
        try:
            wait_for(lambda: "mails have arrived" in house.text(), "the first mails of the sample", 90)
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{house.text()[-3000:]}") from None
        found = re.search(r"sign in as (\S+) with the password (\S+)", house.text())
        assert found, house.text()
        self.password = found[2]
        self._furnish()

    def stop(self) -> None:
        self.house.stop()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Read from the database beside the running installation; never written to."""
        connection = sqlite3.connect(f"file:{self.house.folder / 'instance' / 'mailroom.sqlite'}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def one(self, query: str) -> Any:
        found = self.rows(query)
        assert found, f"the sample has nothing for: {query}"
        return found[0][0]

    def reset_key(self, email: str) -> str:
        """The key of a fresh link for a new password."""
        return self.house.run("user", "reset", email).stdout.strip().rpartition("key=")[2]

    def _furnish(self) -> None:
        token = self.house.run("token", "create", "--kind", "ops", "--name", "Nightly import").stdout.strip()
        api = self.house.client(token)
        orders = self.one(f"SELECT id FROM mailboxes WHERE email = 'orders@{cast.DOMAIN}'")
        domain = self.one(f"SELECT id FROM domains WHERE name = '{cast.DOMAIN}'")
        workspace = self.one("SELECT id FROM workspaces ORDER BY id LIMIT 1")
        self.catcher_url = _made(api, "/catcher", {})["url"]
        httpx.post(self.catcher_url, json={"event": "mail.received", "subject": "Order 12345"}, timeout=10).raise_for_status()
        _made(api, f"/workspaces/{workspace}/invitations", {"email": "nils@juniper.test", "role": "agent"})
        _made(api, f"/mailboxes/{orders}/data", {"emails": ["ines@lindgren.example"], "data": {"city": "Malmö", "orders": 4}})
        reader = {"name": "Packing desk", "scopes": ["messages:read"], "expires_in": 90 * 86400}
        _made(api, f"/mailboxes/{orders}/message-tokens", reader)
        gone = {"address": "lars@lindgren.example", "reason": "unsubscription", "scope": "bulk", "note": "asked by phone"}
        _made(api, "/suppressions", gone)
        _made(api, "/delivery-holds", {"domain": "lindgren.example", "reason": "their server moves"})
        old = _made(api, "/mailboxes", {"domain_id": domain, "local_part": "spring-sale", "display_name": "Spring sale"})
        assert api.delete(f"/mailboxes/{old['id']}").status_code == 200
        _people(api)
        self._viewer()
        self._pick()

    def _viewer(self) -> None:
        key = self.reset_key(VIEWER)
        with self.browserless() as client:
            asked = client.get("/reset", params={"key": key})
            done = _sent(client, f"/reset?key={key}", asked.text, {"key": key, "password": VIEWER_PASSWORD})
            assert done.status_code in (200, 303), done.text

    def _pick(self) -> None:
        """An order over two mailboxes, so that there is a change to look at."""
        press = self.one(f"SELECT id FROM mailboxes WHERE email = 'press@{cast.DOMAIN}'")
        with self.browserless() as client:
            _sent(client, "/login", client.get("/login").text, {"email": OWNER, "password": self.password})
            page = client.get("/mailboxes").text
            done = _sent(client, "/picks/mailbox", page, {"action": "resume", "ids": str(press), "confirmed": "1", "next": "/mailboxes"})
            assert done.status_code in (200, 303), done.text

    def browserless(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=20, headers={"Origin": self.url})

    @cached_property
    def things(self) -> dict[str, list[Any]]:
        """Parameter name of the route table -> one value, or several where each has a face of its own."""
        mail = "SELECT m.id FROM messages m JOIN mailboxes b ON b.id = m.mailbox_id WHERE m.deleted_at IS NULL"
        with_file = f"{mail} AND m.subject LIKE 'Invoice%' ORDER BY m.id LIMIT 1"
        run = "SELECT id FROM runs WHERE status = '{}' ORDER BY id LIMIT 1"
        runs = [row[0] for status in ("success", "unmatched", "failed", "retrying") for row in self.rows(run.format(status))]
        entries = [self.one("SELECT id FROM audit_entries WHERE action = 'mailbox.update' OR action LIKE 'mailbox.%' ORDER BY id LIMIT 1")]
        data_id, data_mailbox = self.rows("SELECT id, mailbox_id FROM mailbox_data ORDER BY id DESC LIMIT 1")[0]
        return {
            "domain_id": [row[0] for row in self.rows("SELECT id FROM domains ORDER BY id LIMIT 2")],
            "key_id": [self.one("SELECT id FROM dkim_keys ORDER BY id LIMIT 1")],
            "mailbox_id": [data_mailbox], "data_id": [data_id],
            "message_id": [self.one(with_file)], "number": [1], "view": ["text", "headers", "raw", "attachments", "timeline"],
            "delivery_id": [self.one("SELECT id FROM deliveries ORDER BY id LIMIT 1")],
            "route_id": [self.one("SELECT id FROM routes ORDER BY id LIMIT 1")], "run_id": runs,
            "token_id": [self.one("SELECT id FROM api_tokens WHERE name = 'Shop backend' AND revoked_at IS NULL")],
            "entry_id": entries, "member_id": [self.one("SELECT id FROM memberships WHERE role = 'agent' LIMIT 1")],
            "invitation_id": [self.one("SELECT id FROM invitations LIMIT 1")], "kind": ["mailbox", "message"],
            "action_id": [self.one("SELECT id FROM actions ORDER BY id LIMIT 1")],
            "rule_id": [self.one("SELECT id FROM rules ORDER BY id LIMIT 1")],
            "suppression_id": [self.one("SELECT id FROM suppressions ORDER BY id LIMIT 1")],
            "hold_id": [self.one("SELECT id FROM delivery_holds LIMIT 1")],
            "contact_id": [self.one("SELECT id FROM contacts WHERE email = 'lars.holm@lindgren.example'")],
            "note_id": [self.one("SELECT id FROM contact_notes ORDER BY id LIMIT 1")],
            "tag_id": [self.one("SELECT id FROM tags ORDER BY id LIMIT 1")],
            "group_id": [row[0] for row in self.rows("SELECT id FROM contact_groups ORDER BY id LIMIT 2")],
            "field_id": [self.one("SELECT id FROM custom_fields ORDER BY id LIMIT 1")],
            "erasure_id": [self.one("SELECT id FROM erasures LIMIT 1")],
            "campaign_id": [self.one("SELECT id FROM campaigns WHERE state = 'draft' LIMIT 1")],
            "import_id": [self.one("SELECT id FROM contact_imports ORDER BY id LIMIT 1")],
            "segment_id": [self.one("SELECT id FROM segments ORDER BY id LIMIT 1")],
            "change_id": [self.one("SELECT id FROM pick_changes LIMIT 1")],
        }  # fmt: skip


def _people(api: httpx.Client) -> None:
    """Somebody of whom everything is known, a twin, and the receipt of somebody who was erased."""
    _made(api, "/custom-fields", {"label": "Frame size", "type": "number"})
    _made(api, "/custom-fields", {"label": "Rides", "type": "multi_select", "options": ["road", "gravel"]})
    lars = {
        "email": "lars.holm@lindgren.example", "name": "Lars Holm", "company": "Holm & Sons",
        "tags": ["press", "dealer", "vip", "spring-fair"], "custom_fields": {"frame_size": 58, "rides": ["road"]},
        "evidence": "Form no. 12 at the spring fair",
    }  # fmt: skip
    known = _made(api, "/contacts", lars)
    _made(api, f"/contacts/{known['id']}/notes", {"text": "Called about the frames.\nWants an offer before June."})
    _made(api, "/contacts", {"email": "l.holm@home.example", "name": "Lars Holm"})
    gone = _made(api, "/contacts", {"email": "forget.me@home.example", "name": "Nobody"})
    _made(api, f"/contacts/{gone['id']}/erase", {})
    file = "email,name,frame size\nimported@home.example,Imported Person,54\nno address,Nobody,\n"
    answer = api.post("/contacts/imports", files={"file": ("fair.csv", file, "text/csv")}, headers={"Idempotency-Key": uuid4().hex})
    assert answer.status_code == 202, answer.text


def _made(api: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    answer = api.post(path, json=body, headers={"Idempotency-Key": uuid4().hex})
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["data"]


def _sent(client: httpx.Client, path: str, page: str, fields: dict[str, str]) -> httpx.Response:
    """A form of this page, sent as a browser does."""
    key = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert key, page
    return client.post(path, data={**fields, "csrf_token": key[1]})
