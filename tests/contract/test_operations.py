"""Every operation of the OpenAPI document, called on a running server with made-up and with real values, by tokens of each kind.

Whatever comes, the server answers, and with what the document says: a status that it names, the content type and the shape.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from tests.flows.installation import OWNER, PASSWORD, Installation, wait_for

CHECKS = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
#: requests of each operation: by a token that may do everything, and by those that may not
EXAMPLES = {"ops": 8, "workspace": 3, "message": 2, "none": 1}
#: headers that frame the request itself: made-up ones are refused by the web server before any operation is known
OF_THE_WIRE = {"content-length", "transfer-encoding", "connection", "host", "expect", "upgrade", "te", "trailer"}
#: operations that would take the ground from under the others, and why
LEFT_ALONE = {
    "DELETE /api/v1/workspaces/{workspace_id}": "deletes everything",
}


class World:
    """A running installation with one of everything, and the ids of what is in it."""

    def __init__(self, folder: Path) -> None:
        self.house = Installation(folder, MAILROOM_ADMIN_EMAIL=OWNER, MAILROOM_ADMIN_PASSWORD=PASSWORD)
        self.house.start()
        self.tokens = {"none": "", **{kind: self._token(kind) for kind in ("ops", "workspace")}}
        self.api = self.house.client(self.tokens["ops"])
        self.ids: dict[str, list[int]] = {}
        self._furnish()
        self.tokens["message"] = self._token("message", "--mailbox", "orders@acme.test")
        self.document = httpx.get(f"{self.house.url}/api/openapi.json").json()

    def _token(self, kind: str, *more: str) -> str:
        made = self.house.run("token", "create", "--kind", kind, "--name", f"contract {kind}", *more)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    def _post(self, path: str, **body: Any) -> Any:
        answer = self.api.post(path, json=body, headers={"Idempotency-Key": f"{path}{random.random()}"})
        assert answer.status_code in (200, 201, 202), (path, answer.text)
        return answer.json()["data"]

    def _furnish(self) -> None:
        domain = self._post("/domains", name="acme.test")
        self._post(f"/domains/{domain['id']}/verify", by_hand=True)
        box = self._post("/mailboxes", domain_id=domain["id"], local_part="orders")
        rule = self._post("/rules", name="invoices", type="includes", field="subject", value="Invoice")
        action = self._post("/actions", name="note", type="set_data", parameters={"emails": ["$SENDER"], "data": {"seen": "yes"}})
        self._post("/routes", mailbox_id=box["id"], name="notes", rule_ids=[rule["id"]], actions=[{"action_id": action["id"]}])
        self._post(f"/mailboxes/{box['id']}/mail/send", receivers=["ines@elsewhere.test"], subject="Invoice 1", body="hello")
        self._post(f"/mailboxes/{box['id']}/testmail", sender="ines@elsewhere.test", subject="Invoice 2", body="hello")
        self._post("/catcher")
        group = self._post("/contact-groups", name="Newsletter")
        people = [self._post("/contacts", name=f"Person {n}", email=f"p{n}@people.test", tags=["lead"]) for n in range(6)]
        self._post(f"/contact-groups/{group['id']}/members", contact_ids=[row["id"] for row in people])
        self._post("/custom-fields", label="Shoe size", type="number")
        self._post("/segments", name="Leads", conditions=[{"field": "tag", "operator": "equals", "value": "lead"}])
        wait_for(lambda: self.api.get(f"/mailboxes/{box['id']}/logs").json()["data"], "a run of the route")

    def refresh(self) -> None:
        """The ids of what there is now, by the first segment of their address."""
        for family in ("domains", "mailboxes", "rules", "actions", "routes", "tokens", "audit-events", "deliveries", "messages",
                       "contacts", "tags", "contact-groups", "custom-fields", "segments"):
            answer = self.api.get(f"/{family}?per_page=20")
            if answer.status_code == 200:
                self.ids[family] = [row["id"] for row in answer.json()["data"]]

    def real_id(self, path: str, name: str, chance: random.Random) -> int | None:
        """An id that fits a parameter of this path: its family is the segment before it."""
        segments = path.split("/")
        place = next((number for number, part in enumerate(segments) if part.startswith("{" + name + "}")), 0)
        family = {"mailbox": "mailboxes"}.get(segments[place - 1], segments[place - 1])
        known = self.ids.get(family, [])
        return chance.choice(known) if known else None


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("contract"))
    try:
        yield made
    finally:
        made.house.stop()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["none", "message", "workspace", "ops"])
def test_every_operation_answers_as_the_document_says(world: World, kind: str) -> None:
    schema = schemathesis.openapi.from_dict(world.document)
    schema.config.update(base_url=world.house.url)
    chance = random.Random(kind)
    failures: dict[str, str] = {}
    called, before = 0, len(world.house.text())
    for number, result in enumerate(schema.get_all_operations()):
        operation = result.ok()
        if operation.label in LEFT_ALONE:
            continue
        if number % 12 == 0 and kind != "none":
            world.refresh()
        problem, calls = explore(world, operation, kind, chance)
        called += calls
        if problem:
            failures[operation.label] = problem
    assert called > len(world.document["paths"])
    assert not failures, "\n\n".join(f"{label}\n{text}" for label, text in failures.items())
    log = world.house.text()[before:]
    assert "Traceback" not in log, log[: log.index("Traceback") + 4000][-4500:]


def explore(world: World, operation: Any, kind: str, chance: random.Random) -> tuple[str, int]:
    """Call one operation several times. Returns what went wrong ("" for nothing) and how many calls were made."""
    mode = GenerationMode.NEGATIVE if kind == "none" else None
    plans = [operation.as_strategy(generation_mode=one) for one in ([mode] if mode else (GenerationMode.POSITIVE, GenerationMode.NEGATIVE))]
    called = 0

    @settings(
        max_examples=EXAMPLES[kind], deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(plans))
    def run(case: Any) -> None:
        nonlocal called
        for name in case.path_parameters or {}:
            real = world.real_id(operation.path, name, chance)
            if real is not None and chance.random() < 0.7:
                case.path_parameters[name] = real
        for name in [name for name in case.headers or {} if name.lower() in OF_THE_WIRE]:
            del case.headers[name]
        headers = {"Authorization": f"Bearer {world.tokens[kind]}"} if world.tokens[kind] else {}
        answer = case.call(headers=headers, timeout=30)
        called += 1
        if answer.status_code == 414:  # the address itself is longer than the web server reads
            return
        assert answer.status_code < 500 or answer.status_code == 503, f"{answer.status_code}: {answer.text[:2000]}"
        if kind == "none":
            assert answer.status_code in (401, 404, 405, 400, 415, 413), f"{answer.status_code} without a token"
        case.validate_response(answer, checks=CHECKS)

    try:
        run()
    except Exception as error:  # noqa: BLE001  # whatever it was, it is told with the others
        return f"{type(error).__name__}: {error}"[:1500], called
    return "", called


def test_the_operations_left_alone_exist(world: World) -> None:
    known = {f"{method.upper()} {path}" for path, item in world.document["paths"].items() for method in item}
    assert set(LEFT_ALONE) <= known
