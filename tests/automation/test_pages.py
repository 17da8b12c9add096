"""The pages, by plain form posts as a browser without script sends them."""

import io
import re
from typing import Any

import pytest
from sqlalchemy import event

from tests.factories.automation import arrive, make_action, make_due, make_route, make_rule, runs_of, steps_of
from tests.factories.mailboxes import make_mailbox
from webapp.automation.models import Action, MailboxData, Route, RouteAction, Rule
from webapp.core.db import db
from webapp.core.outside import Outside


@pytest.fixture
def box(alice: Any) -> Any:
    return make_mailbox(alice, "books@acme.test")


def form_of(html: str) -> dict[str, str]:
    """What a browser would send of the editor's form: inputs, chosen options, texts; no buttons."""
    form = html.partition('id="route-form"')[2].partition("</form>")[0]
    values: dict[str, str] = {}
    for tag in re.findall(r"<input\b[^>]*>", form):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("type") in ("checkbox", "radio") and " checked" not in tag:
            continue
        if "name" in attributes:
            values[attributes["name"]] = attributes.get("value", "")
    for name, options in re.findall(r'<select\b[^>]*\bname="([^"]+)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        values[name] = chosen[1] if chosen else ""
    for name, text in re.findall(r'<textarea\b[^>]*\bname="([^"]+)"[^>]*>\n?(.*?)</textarea>', form, re.S):
        values[name] = text
    return {name: value.replace("&#34;", '"').replace("&amp;", "&").replace("&#39;", "'") for name, value in values.items()}


def test_every_page_opens_for_everybody_who_may(alice: Any, carol: Any, box: Any, outside: Outside, work_off: Any) -> None:
    route = make_route(alice, box, rules=[make_rule(alice)], actions=[make_action(alice, "forward", to=["a@b.test"]), make_action(alice)])
    message = arrive(box, subject="Invoice")
    work_off()
    run = runs_of(message)[0]
    alice.api.post(f"/mailbox/{box.id}/data", json={"emails": ["a@b.test"], "data": {"k": "v"}})
    data, one = f"/mailbox-data/{box.id}", f"/routes/{route.id}"
    paths = ["/routes", one, f"{one}/dry-run", f"{one}/delete", "/routes/new", f"/routes/new?message={message.id}"]
    paths += ["/runs", f"/runs/{run.id}"]
    paths += ["/test-mail", f"/mailbox-data?mailbox={box.id}", f"{data}/new", f"{data}/1", f"{data}/upload", f"{data}/1/delete"]
    for path in paths:
        for htmx in (False, True):
            answer = alice.page.get(path, htmx=htmx)
            assert answer.status_code == 200, (path, answer.text[:2000])
    for path, status in (("/routes", 200), (f"/routes/{route.id}", 200), ("/runs", 200), ("/routes/new", 403), ("/test-mail", 403)):
        assert carol.page.get(path).status_code == status, path
    seen = carol.page.get(f"/routes/{route.id}").text
    assert "needs" in seen and "/dry-run" not in seen, "no request that would be refused"


def test_empty_pages_teach(alice: Any) -> None:
    assert "No routes yet" in alice.page.get("/routes").text and "Nothing ran yet" in alice.page.get("/runs").text
    assert "No mailbox yet" in alice.page.get("/mailbox-data").text


def test_a_route_is_built_without_script_step_by_step(alice: Any, box: Any) -> None:
    page = alice.page.get("/routes/new")
    values = {**form_of(page.text), "name": "Invoices"}
    assert values["mailbox_id"] == str(box.id), "the only mailbox is chosen already"
    answer = alice.page.post("/routes/new", {**values, "do": "add-rule"})
    assert answer.status_code == 200 and db.session.query(Route).count() == 0
    values = form_of(answer.text)
    assert "rules-1-value" in values and "actions-0-p-url" in values, "the editor begins with a condition and a webhook"
    values.update({"rules-0-field": "header", "rules-0-type": "regex", "rules-0-value": r"\d+", "actions-0-p-url": "https://x.test/hook"})
    values = form_of(alice.page.post("/routes/new", {**values, "do": "refresh"}).text)
    assert "rules-0-header_name" in values
    values.update({"rules-0-header_name": "X-Order", "rules-1-value": "Invoice", "actions-0-p-auth.type": "bearer"})
    values = form_of(alice.page.post("/routes/new", {**values, "do": "refresh"}).text)
    values["actions-0-p-auth.token"] = "tok-123456789"
    values = form_of(alice.page.post("/routes/new", {**values, "do": "add-action", "new_type": "drop"}).text)
    values = form_of(alice.page.post("/routes/new", {**values, "do": "up-action-1"}).text)
    saved = alice.page.post("/routes/new", {**values, "do": "save"})
    assert saved.status_code == 303, saved.text
    route = db.session.query(Route).one()
    rules = {rule.field: rule for rule in db.session.query(Rule)}
    assert (rules["header"].header_name, rules["header"].engine) == ("X-Order", "re2")
    assert rules["subject"].name == "Subject includes text “Invoice”"
    steps = db.session.query(Action.type).join(RouteAction, RouteAction.action_id == Action.id).order_by(RouteAction.position).all()
    assert [step.type for step in steps] == ["drop", "webhook"] and saved.headers["Location"].endswith(f"/routes/{route.id}")
    assert "tok-123456789" not in alice.page.get(f"/routes/{route.id}").text


def test_what_is_wrong_is_marked_and_what_was_typed_is_kept(alice: Any, box: Any) -> None:
    values = form_of(alice.page.post("/routes/new", {"name": "R", "mailbox_id": str(box.id), "do": "add-rule"}).text)
    values = form_of(alice.page.post("/routes/new", {**values, "do": "add-action", "new_type": "webhook"}).text)
    values.update({"rules-0-type": "regex", "rules-0-value": "(", "actions-0-p-url": "http://127.0.0.1/x"})
    answer = alice.page.post("/routes/new", {**values, "do": "save"})
    assert answer.status_code == 422 and "2 fields need a change" in answer.text and "not a regular expression" in answer.text
    kept = form_of(answer.text)
    assert kept["rules-0-value"] == "(" and kept["actions-0-p-url"] == "http://127.0.0.1/x"
    assert db.session.query(Rule).count() == 0 and db.session.query(Route).count() == 0


def test_saving_an_open_route_changes_its_own_parts_and_keeps_the_secret(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    action = make_action(alice, auth={"type": "bearer", "token": "tok-123456789"})
    route = make_route(alice, box, name="Old", rules=[make_rule(alice)], actions=[action])
    values = form_of(alice.page.get(f"/routes/{route.id}").text)
    values = form_of(alice.page.post(f"/routes/{route.id}", {**values, "do": "open-action-0"}).text)
    values.update({"name": "New", "rules-0-value": "Receipt", "actions-0-p-method": "PUT"})
    assert alice.page.post(f"/routes/{route.id}", {**values, "do": "save"}).status_code == 303
    arrive(box, subject="Receipt")
    work_off()
    assert outside.http.sent[0].method == "PUT" and outside.http.sent[0].headers["authorization"] == "Bearer tok-123456789"
    assert db.session.query(Rule).count() == 1 and db.session.query(Action).count() == 1
    assert alice.api.get(f"/routes/{route.id}").json["data"]["name"] == "New"


def test_a_shared_action_is_locked_and_a_copy_of_it_keeps_its_secret(alice: Any, box: Any) -> None:
    action = make_action(alice, name="Hook", auth={"type": "bearer", "token": "tok-123456789"})
    first, _ = make_route(alice, box, actions=[action]), make_route(alice, box, actions=[action])
    page = alice.page.get(f"/routes/{first.id}")
    assert "used by 1 other route" in page.text
    values = form_of(alice.page.post(f"/routes/{first.id}", {**form_of(page.text), "do": "copy-action-0"}).text)
    assert alice.page.post(f"/routes/{first.id}", {**values, "do": "save"}).status_code == 303
    copy = db.session.query(Action).order_by(Action.id.desc()).first()
    assert copy.id != action.id and copy.name == "Hook (copy)"
    tried = alice.api.post(f"/actions/{copy.id}/test", json={"subject": "x", "mailbox_id": box.id, "dry_run": True})
    assert tried.status_code == 200 and tried.json["data"]["rendered"]["auth"]["token"]


def test_an_existing_rule_and_action_can_be_used_again(alice: Any, box: Any) -> None:
    rule, action = make_rule(alice), make_action(alice, "drop")
    make_route(alice, box, rules=[rule], actions=[action])
    values = {**form_of(alice.page.get("/routes/new").text), "name": "Second"}
    values = form_of(alice.page.post("/routes/new", {**values, "do": "use-rule", "use_rule": str(rule.id)}).text)
    values = form_of(alice.page.post("/routes/new", {**values, "do": "use-action", "use_action": str(action.id)}).text)
    assert alice.page.post("/routes/new", {**values, "do": "save"}).status_code == 303
    second = db.session.query(Route).order_by(Route.id.desc()).first()
    shown = alice.api.get(f"/routes/{second.id}").json["data"]
    assert shown["rule_ids"] == [rule.id] and [step["action_id"] for step in shown["actions"]] == [action.id]


def test_the_dry_run_shows_the_funnel_and_carries_nothing_out(alice: Any, box: Any, outside: Outside) -> None:
    for subject in ("Invoice 1", "Invoice 2", "Lunch"):
        arrive(box, subject=subject)
    arrive(box, subject="Invoice of a test", columns={"is_test": True})
    values = {**form_of(alice.page.get("/routes/new").text), "name": "R"}
    values["rules-0-value"] = "Invoice"
    answer = alice.page.post("/routes/new", {**values, "do": "dry-run"})
    assert "would catch 2 of 3 mails" in answer.text and "does not hold" in answer.text and "Lunch" in answer.text
    assert db.session.query(Route).count() == 0 and outside.http.sent == []


def test_a_route_from_a_mail_is_filled_in(alice: Any, box: Any) -> None:
    message = arrive(box, subject="Order 7", sender="Ines <ines@x.test>")
    values = form_of(alice.page.get(f"/routes/new?message={message.id}").text)
    assert (values["rules-0-field"], values["rules-0-value"], values["rules-1-value"]) == ("sender", "ines@x.test", "Order 7")
    assert values["mailbox_id"] == str(box.id)


def test_switching_moving_deleting_and_restoring(alice: Any, box: Any) -> None:
    first, second = make_route(alice, box, name="One"), make_route(alice, box, name="Two")
    assert alice.page.post(f"/routes/{first.id}/switch?enabled=0").status_code == 303
    assert alice.page.post(f"/routes/{second.id}/move?to=up").status_code == 303
    shown = alice.api.get("/routes").json["data"]
    assert [(item["name"], item["enabled"]) for item in shown] == [("Two", True), ("One", False)]
    assert alice.page.post(f"/routes/{first.id}/delete").status_code == 303
    assert len(alice.api.get("/routes").json["data"]) == 1
    assert alice.page.post(f"/routes/{first.id}/restore").status_code == 303
    assert len(alice.api.get("/routes").json["data"]) == 2


def test_a_failed_action_is_tried_again_from_the_run_page(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    outside.http.script = [404, 200, 200]
    make_route(alice, box, actions=[make_action(alice), make_action(alice)])
    message = arrive(box)
    work_off()
    run = runs_of(message)[0]
    assert "Try the failed action again" in alice.page.get(f"/runs/{run.id}").text
    assert alice.page.post(f"/runs/{run.id}/retry").status_code == 303
    work_off()
    run = runs_of(message)[0]
    assert run.status == "success" and [step.attempts for step in steps_of(run)] == [2, 1] and len(outside.http.sent) == 3


def test_a_waiting_run_says_when_and_goes_now_when_asked(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    outside.http.script = [503]
    make_route(alice, box, actions=[make_action(alice)])
    message = arrive(box)
    work_off()
    run = runs_of(message)[0]
    text = alice.page.get(f"/runs/{run.id}").text
    assert "Waits for its next attempt" in text and "retrying" in text and "Attempt 1 of 8" in text
    alice.page.post(f"/runs/{run.id}/retry")
    work_off()
    assert runs_of(message)[0].status == "success"
    assert alice.page.post(f"/runs/{run.id}/replay").status_code == 303
    work_off()
    assert len(runs_of(message)) == 2


def test_the_test_mail_page_runs_dry_and_for_real(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    route = make_route(alice, box, name="Orders", rules=[make_rule(alice)], actions=[make_action(alice)])
    base = {"mailbox_id": str(box.id), "source": "typed", "subject": "Invoice", "body": "Hi"}
    dry = alice.page.post("/test-mail", {**base, "do": "dry"})
    assert dry.status_code == 200 and "Orders" in dry.text and "hooks.example.com" in dry.text and outside.http.sent == []
    file = (io.BytesIO(b"From: a@b.test\r\nSubject: Lunch\r\n\r\nx"), "x.eml")
    upload = {"mailbox_id": str(box.id), "source": "file", "do": "dry", "file": file}
    assert "no match" in alice.page.post("/test-mail", upload).text
    assert alice.page.post("/test-mail", {**base, "source": "archive", "do": "dry"}).status_code == 422
    real = alice.page.post("/test-mail", {**base, "route_id": str(route.id), "do": "run"})
    assert real.status_code == 303 and "/runs/" in real.headers["Location"]
    work_off()
    assert len(outside.http.sent) == 1 and "test mail" in alice.page.get(real.headers["Location"]).text


def test_mailbox_data_by_form_and_by_file(alice: Any, box: Any) -> None:
    path = f"/mailbox-data/{box.id}"
    assert alice.page.post(f"{path}/new", {"emails": "a@b.test, c@d.test", "data": "phone: 12\nname: Ines", "note": "n"}).status_code == 303
    entry = db.session.query(MailboxData).one()
    assert entry.data == {"phone": 12, "name": "Ines"} and entry.emails == ["a@b.test", "c@d.test"]
    bad = alice.page.post(f"{path}/{entry.id}", {"emails": "nonsense", "data": "x: y", "note": ""})
    assert bad.status_code == 422 and "nonsense" in bad.text
    loaded = alice.page.post(f"{path}/upload", {"file": (io.BytesIO(b"email,k\nz@b.test,v\n"), "x.csv")})
    assert loaded.status_code == 303 and "z@b.test" in alice.page.get(loaded.headers["Location"]).text
    assert alice.page.post(f"{path}/{entry.id}/delete").status_code == 303 and db.session.query(MailboxData).count() == 1


def test_strangers_get_404_and_viewers_change_nothing(alice: Any, eve: Any, carol: Any, box: Any, work_off: Any) -> None:
    route = make_route(alice, box)
    message = arrive(box)
    work_off()
    run = runs_of(message)[0]
    for path in (f"/routes/{route.id}", f"/runs/{run.id}", f"/routes/new?message={message.id}", f"/mailbox-data/{box.id}/new"):
        assert eve.page.get(path).status_code == 404, path
    assert eve.page.post(f"/runs/{run.id}/replay").status_code == 404
    for path in (f"/routes/{route.id}", f"/routes/{route.id}/switch", f"/routes/{route.id}/delete", f"/runs/{run.id}/retry"):
        assert carol.page.post(path, {"do": "save", "name": "x"}).status_code == 403, path


def test_lists_ask_the_same_number_of_questions_for_two_and_for_twenty_routes(alice: Any, box: Any) -> None:
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))

    def questions() -> int:
        asked.clear()
        assert alice.page.get("/routes").status_code == 200
        return len(asked)

    action, rule = make_action(alice), make_rule(alice)
    for _ in range(2):
        make_route(alice, box, rules=[rule], actions=[action])
    questions()
    few = questions()
    for _ in range(18):
        make_route(alice, box, rules=[rule], actions=[action])
    assert questions() == few


def test_make_due_leaves_finished_runs_alone(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    make_route(alice, box, actions=[make_action(alice)])
    arrive(box)
    work_off()
    make_due()
    assert work_off() == 0


def test_a_choice_in_the_editor_swaps_only_what_depends_on_it(alice: Any) -> None:
    mailbox = make_mailbox(alice, "orders@acme.test")
    route = make_route(alice, mailbox, rules=[make_rule(alice)], actions=[make_action(alice)])
    page = alice.page.get(f"/routes/{route.id}").get_data(as_text=True)
    selects = re.findall(r"<select[^>]*hx-post[^>]*>", page)
    assert selects and all('hx-target="#route"' not in select and 'hx-include="closest form"' in select for select in selects)
    for select in selects:
        part = re.search(r'hx-target="#([^"]+)" hx-select="#([^"]+)"', select)
        assert part and part[1] == part[2] and page.count(f'id="{part[1]}"') == 1, select


def test_a_mail_leads_to_a_rule_and_to_its_replay_for_those_who_may(alice: Any, bob: Any, carol: Any) -> None:
    message = arrive(make_mailbox(alice, "orders@acme.test"), subject="Invoice 7")
    rule, replay = f"/routes/new?message={message.id}", f"/test-mail?message={message.id}&amp;mailbox={message.mailbox_id}"
    owner, agent, viewer = (who.page.get(f"/mail/{message.id}").get_data(as_text=True) for who in (alice, bob, carol))
    assert rule in owner and replay in owner and rule not in agent and replay in agent and rule not in viewer and replay not in viewer
    assert "needs routes:write" in agent and "Invoice 7" in alice.page.get(rule.replace("&amp;", "&")).get_data(as_text=True)


def test_the_editor_fills_in_the_address_of_the_request_catcher(alice: Any) -> None:
    make_mailbox(alice)
    form = {"name": "To the catcher", "actions-0-type": "webhook", "actions-0-open": "1", "do": "catch-action-0"}
    page = alice.page.post("/routes/new", form)
    address = alice.api.get("/catcher").json["data"]["url"]
    assert page.status_code == 200 and f'value="{address}"' in page.text
    assert "Use the request catcher" not in page.text
    assert alice.page.post("/routes/new", {**form, "do": "catch-action-7"}).status_code == 200


def test_rules_and_actions_have_a_page_with_their_routes_activity_and_the_same_over_the_api(alice: Any, carol: Any, eve: Any) -> None:
    mailbox = make_mailbox(alice, "orders@acme.test")
    rule, action = make_rule(alice, name="From abroad"), make_action(alice, name="Call the shop")
    route = make_route(alice, mailbox, name="Orders", rules=[rule], actions=[action])
    for path, name in ((f"/rules/{rule.id}", "From abroad"), (f"/actions/{action.id}", "Call the shop")):
        page = alice.page.get(path).get_data(as_text=True)
        assert name in page and f'href="/routes/{route.id}"' in page and "Activity" in page and f"/api/v1{path}" in page, path
        assert carol.page.get(path).status_code == 200 and eve.page.get(path).status_code == 404
        assert f'href="{path}"' in alice.page.get(f"/search?q={name.split()[0].lower()}", htmx=True).get_data(as_text=True)
