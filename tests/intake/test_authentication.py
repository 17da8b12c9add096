"""Mail of strangers: checked in the job, quarantined when nothing proves it, and let out again."""

import time
from typing import Any

import pytest

from tests.factories.automation import make_action, make_route, make_rule, runs_of
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail, make_raw
from tests.fakes import FakeDns
from webapp.core.db import db
from webapp.core.dns import DnsAnswer
from webapp.core.outside import Outside
from webapp.intake import checking, jobs, quarantine, resolver
from webapp.mail import dkim
from webapp.messages.models import Message

PEM, PUBLIC = dkim.new_key("ed25519")
RECORDS = {
    ("elsewhere.test", "TXT"): ["v=spf1 ip4:192.0.2.0/24 -all"], ("_dmarc.elsewhere.test", "TXT"): ["v=DMARC1; p=reject"],
    ("k._domainkey.elsewhere.test", "TXT"): [dkim.dns_value(PUBLIC, "ed25519")],
    ("quiet.test", "MX"): ["10 mx.quiet.test"], ("_dmarc.quiet.test", "TXT"): ["v=DMARC1; p=none"],
}  # fmt: skip
FROM_STRANGER: dict[str, Any] = {"ip": "203.0.113.9", "helo": "mx.stranger.test"}
FROM_ITSELF: dict[str, Any] = {"ip": "192.0.2.5", "helo": "mx.elsewhere.test"}


@pytest.fixture
def dns(outside: Outside) -> FakeDns:
    outside.dns.records.update(RECORDS)  # type: ignore[attr-defined]
    return outside.dns  # type: ignore[return-value]


@pytest.fixture
def box(alice: Any) -> Any:
    return make_mailbox(alice, "orders@acme.test")


def arrive(box: Any, columns: dict[str, Any] = FROM_STRANGER, **parts: Any) -> Message:
    return make_mail(box, read=False, columns=columns, **parts)


def fresh(message: Message) -> Message:
    db.session.rollback()
    db.session.expire_all()
    return db.session.get_one(Message, message.id)


def test_a_proven_mail_is_filed_and_runs_its_routes(alice: Any, box: Any, dns: FakeDns, work_off: Any) -> None:
    make_route(alice, box, rules=[], actions=[make_action(alice)])
    message = arrive(box, FROM_ITSELF)
    work_off()
    found = fresh(message)
    assert (found.quarantined, found.folder, found.auth_verdict["overall"]) == (False, "INBOX", "pass")
    assert [run.status for run in runs_of(message)] == ["success"]


def test_a_signature_proves_a_mail_that_came_another_way(box: Any, dns: FakeDns, work_off: Any) -> None:
    signed = dkim.sign(make_raw(to="orders@acme.test"), "elsewhere.test", "k", PEM)
    message = arrive(box, raw=signed)
    work_off()
    assert (fresh(message).quarantined, fresh(message).auth_verdict["dmarc"]["aligned"]) == (False, ["dkim"])


@pytest.mark.parametrize("sender", ["ines@elsewhere.test", "q@quiet.test", "n@nothing.test"])
def test_what_nothing_proves_is_quarantined_and_runs_no_route(alice: Any, box: Any, dns: FakeDns, work_off: Any, sender: str) -> None:
    make_route(alice, box, rules=[], actions=[make_action(alice)])
    message = arrive(box, sender=sender)
    work_off()
    found = fresh(message)
    assert (found.quarantined, found.folder, found.state) == (True, None, "processed")
    assert [run.status for run in runs_of(message)] == ["quarantined"]
    assert [row["id"] for row in alice.api.get(f"/mailboxes/{box.id}/archives?quarantined=true").json["data"]] == [message.id]
    assert "1 route held back." in alice.api.get(f"/mailboxes/{box.id}/archives/{message.id}").json["data"]["why"]


def test_a_mailbox_may_take_unproven_mail_too(alice: Any, box: Any, dns: FakeDns, work_off: Any) -> None:
    make_route(alice, box, rules=[], actions=[make_action(alice)])
    box.allow_unauthenticated = True
    message = arrive(box)
    work_off()
    found = fresh(message)
    assert (found.quarantined, found.folder, found.auth_verdict["overall"]) == (False, "INBOX", "fail")
    assert [run.status for run in runs_of(message)] == ["success"]


@pytest.mark.parametrize("columns", [
    FROM_STRANGER | {"trusted": True}, FROM_STRANGER | {"is_test": True}, FROM_STRANGER | {"is_system": True}, {"ip": None},
])  # fmt: skip
def test_mail_that_is_trusted_is_not_checked(box: Any, dns: FakeDns, work_off: Any, columns: dict[str, Any]) -> None:
    message = arrive(box, columns)
    work_off()
    assert (fresh(message).quarantined, fresh(message).auth_verdict, dns.asked) == (False, None, [])


@pytest.mark.parametrize("trouble", ["timeout", "servfail"])
def test_a_resolver_that_does_not_answer_quarantines_nothing(box: Any, dns: FakeDns, work_off: Any, trouble: Any) -> None:
    dns.records[("_dmarc.elsewhere.test", "TXT")] = trouble
    message = arrive(box)
    work_off()
    found = fresh(message)
    assert (found.quarantined, found.folder, found.auth_verdict["overall"]) == (False, "INBOX", "temperror")
    assert [name for name, _ in dns.asked if name] == ["_dmarc.elsewhere.test"]


def test_no_transaction_is_open_while_the_dns_is_asked(box: Any, dns: FakeDns, work_off: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(box)
    session, real, seen = db.session(), dns.lookup, []

    def watching(name: str, type: str, *, timeout_s: float | None = None) -> DnsAnswer:
        seen.append(session.in_transaction())
        return real(name, type)

    monkeypatch.setattr(dns, "lookup", watching)
    work_off()
    assert seen and not any(seen)


def test_mails_for_which_no_time_is_left_go_again_without_a_death(
    box: Any, dns: FakeDns, work_off: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "AT_ONCE", 2)
    monkeypatch.setattr(checking, "BATCH_S", 0.0)
    made = [arrive(box, subject=f"mail {number}") for number in range(5)]
    jobs.process(jobs._claim())
    states = [(fresh(message).state, message.deaths) for message in made]
    assert states == [("processed", 0)] * 2 + [("received", 0)] * 3
    work_off()
    assert {fresh(message).state for message in made} == {"processed"}


def test_a_slow_resolver_costs_one_mail_no_more_than_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(FakeDns):
        def lookup(self, name: str, type: str, *, timeout_s: float | None = None) -> DnsAnswer:
            self.asked.append((name, type))
            time.sleep(0.05)
            return DnsAnswer(["v=spf1 " + " ".join(f"include:i{number}.{name}" for number in range(3))] if type == "TXT" else [], "ok")

    monkeypatch.setattr(resolver, "MAIL_S", 0.2)
    row = Message(ip="203.0.113.9", helo="h.test", envelope_sender="a@elsewhere.test")
    dns, begun = Slow(), time.monotonic()
    assert checking._one(row, make_raw(), dns, "mail.acme.test").overall in ("fail", "temperror")
    assert time.monotonic() - begun < 1 and len(dns.asked) <= 5


def test_a_dead_resolver_is_left_alone_for_a_while_and_a_dead_domain_is_not_enough() -> None:
    dns = FakeDns({("late.test", "TXT"): "timeout", ("good.test", "TXT"): ["here"]})
    assert resolver.Resolver(dns).lookup("late.test", "TXT").status == "timeout"
    assert resolver.Resolver(dns).lookup("good.test", "TXT").values == ["here"]
    dns.records[("", "NS")] = "timeout"
    assert resolver.Resolver(dns).lookup("late.test", "TXT").status == "timeout"
    asked = len(dns.asked)
    assert resolver.Resolver(dns).lookup("good.test", "TXT").status == "timeout"
    assert len(dns.asked) == asked


def test_a_released_mail_goes_to_its_folder_and_its_routes_run(alice: Any, box: Any, dns: FakeDns, work_off: Any) -> None:
    make_route(alice, box, rules=[], actions=[make_action(alice)])
    message = arrive(box)
    work_off()
    answer = alice.api.post(f"/mailboxes/{box.id}/archives/{message.id}:release")
    assert answer.status_code == 200, answer.json
    assert answer.json["data"]["quarantined"] is False
    work_off()
    found = fresh(message)
    assert (found.folder, found.released_at is not None) == ("INBOX", True)
    assert sorted(run.status for run in runs_of(message)) == ["quarantined", "success"]
    entry = alice.api.get("/audit-events").json["data"][0]
    assert (entry["action"], entry["after"]["reason"]) == ("message.release", found.auth_verdict["explanation"])


def test_a_released_mail_that_a_route_absorbs_stays_in_the_archive(alice: Any, box: Any, dns: FakeDns, work_off: Any) -> None:
    make_route(alice, box, rules=[], actions=[])
    message = arrive(box)
    work_off()
    quarantine.release(alice.actor, message.id)
    work_off()
    assert fresh(message).folder is None
    assert sorted(run.status for run in runs_of(message)) == ["quarantined", "success"]


def test_only_mail_in_quarantine_can_be_released_and_only_by_who_may(
    alice: Any, carol: Any, eve: Any, box: Any, dns: FakeDns, work_off: Any
) -> None:
    message = arrive(box)
    work_off()
    path = f"/mailbox/{box.id}/archives/{message.id}:release"
    assert carol.api.post(path).status_code == 403
    assert eve.api.post(path).status_code == 404
    assert alice.api.post(path).status_code == 200
    again = alice.api.post(path)
    assert (again.status_code, again.json["error"]["code"]) == (409, "invalid_state")


def test_the_page_of_a_mail_shows_each_verdict_and_lets_it_out(alice: Any, box: Any, dns: FakeDns, work_off: Any) -> None:
    message = arrive(box, raw=dkim.sign(make_raw(to="orders@acme.test"), "quiet.test", "k", PEM))
    work_off()
    text = alice.page.get(f"/mail/{message.id}").text
    release = f"/mail/{message.id}/release"
    for words in ("quarantined", "SPF says fail", "quiet.test, selector k", "policy reject", "Sender not proven", release):
        assert words in text, words
    assert alice.page.post(release).status_code in (200, 204, 302, 303)
    after = alice.page.get(f"/mail/{message.id}").text
    assert "Released from quarantine" in after and release not in after


def test_a_rule_can_ask_what_we_found_and_not_what_the_sender_claims(alice: Any, box: Any, dns: FakeDns, work_off: Any) -> None:
    rule = make_rule(alice, type="includes", field="header", header_name="Authentication-Results", value="dmarc=pass")
    make_route(alice, box, rules=[rule], actions=[make_action(alice)])
    box.allow_unauthenticated = True
    claim = {"Authentication-Results": "mail.acme.test; dmarc=pass header.from=elsewhere.test"}
    forged, proven = arrive(box, headers=claim), arrive(box, FROM_ITSELF)
    work_off()
    assert runs_of(forged) == []
    assert [run.status for run in runs_of(proven)] == ["success"]


@pytest.mark.parametrize(
    ("field", "type", "value", "holds"),
    [
        ("spf", "includes", "fail", True), ("spf", "includes", "fail elsewhere.test", True), ("dkim", "includes", "none", True),
        ("dmarc", "includes", "fail reject", True), ("dmarc", "regex", "^pass", False), ("arc", "includes", "none", True),
        ("origin", "includes", "fail", True), ("origin", "excludes", "fail", False),
    ],
)  # fmt: skip
def test_a_rule_asks_for_each_verdict_by_its_own_field(
    alice: Any, box: Any, dns: FakeDns, work_off: Any, field: str, type: str, value: str, holds: bool
) -> None:
    box.allow_unauthenticated = True
    make_route(alice, box, rules=[make_rule(alice, type=type, field=field, value=value)], actions=[make_action(alice)])
    message = arrive(box)
    work_off()
    assert len(runs_of(message)) == holds


def test_mail_that_is_not_checked_has_no_verdict_for_rules(alice: Any, box: Any, dns: FakeDns, work_off: Any) -> None:
    for type in ("includes", "excludes"):
        make_route(alice, box, name=type, rules=[make_rule(alice, type=type, field="dmarc", value="pass")], actions=[make_action(alice)])
    message = arrive(box, FROM_STRANGER | {"trusted": True})
    work_off()
    assert [run.route_name for run in runs_of(message)] == ["excludes"]


def test_the_form_of_a_route_offers_the_verdicts(alice: Any, box: Any) -> None:
    route = make_route(alice, box, rules=[make_rule(alice, type="includes", field="dmarc", value="fail")], actions=[make_action(alice)])
    text = alice.page.get(f"/routes/{route.id}").text
    assert "DMARC result" in text and "<option selected>fail</option>" in text
