"""Automatic answers by RFC 3834, from a mail that comes in to what leaves: who gets none, and what the others get."""

from typing import Any

import pytest

from tests.automation.far_side import come_in
from tests.factories.automation import attempts_of, make_action, make_route, runs_of, steps_of
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_raw
from tests.factories.sending import Sink, use_transport
from webapp.mail.mime import parse


@pytest.fixture
def sink(app: Any, alice: Any, outside: Any) -> Any:
    box = make_mailbox(alice, "hello@acme.test")
    make_route(alice, box, actions=[make_action(alice, "send_mail", subject="We got it", body="Thank you, $SENDER_NAME.")])
    with Sink() as found:
        use_transport(app, found.url)
        yield found


def test_what_leaves_is_an_answer_as_the_rfc_wants_it(sink: Sink, work_off: Any) -> None:
    raw = make_raw(sender="Ines <ines@far.test>", subject="Order", headers={"Message-ID": "<m2@far.test>", "References": "<m1@far.test>"})
    come_in("ines@far.test", "hello@acme.test", raw)
    work_off()
    (taken,) = sink.taken
    mail = parse(taken.raw)
    assert (taken.sender, taken.recipients) == ("", ["ines@far.test"])
    assert mail.header("Auto-Submitted") == "auto-replied" and mail.header("X-Loop") == "hello@acme.test"
    assert mail.in_reply_to == "<m2@far.test>" and mail.references == "<m1@far.test> <m2@far.test>"
    assert mail.sender == "hello@acme.test" and mail.subject == "We got it"


NONE: dict[str, dict[str, Any]] = {
    "no return path": {"path": ""},
    "automatic": {"headers": {"Auto-Submitted": "auto-generated (by cron)"}},
    "a list": {"headers": {"List-Id": "<l.far.test>"}},
    "a list by its address for leaving": {"headers": {"List-Unsubscribe": "<mailto:leave@far.test>"}},
    "bulk": {"headers": {"Precedence": "bulk"}},
    "a sender who wants none": {"headers": {"X-Auto-Response-Suppress": "DR, OOF, AutoReply"}},
    "another responder": {"headers": {"X-Loop": "robot@far.test"}},
    "an out of office notice": {"subject": "Out of office: back on Monday"},
    "a blind copy": {"to": "somebody@far.test"},
    "no person": {"sender": "noreply@far.test"},
    "a daemon": {"path": "MAILER-DAEMON@far.test"},
    "the owner of a list": {"path": "owner-list@far.test"},
    "our own address": {"sender": "hello@acme.test", "path": "hello@acme.test"},
}


@pytest.mark.parametrize("form", NONE)
def test_c17_nobody_answers(sink: Sink, work_off: Any, form: str) -> None:
    parts = dict(NONE[form])
    path = parts.pop("path", "ines@far.test")
    come_in(path, "hello@acme.test", make_raw(**{"sender": "ines@far.test", **parts}))
    work_off()
    (run,) = runs_of()
    assert sink.taken == [] and run.status in ("success", "failed")
    assert steps_of(run)[0].status in ("skipped", "failed") and attempts_of(run)[0].detail + (attempts_of(run)[0].error or "")


@pytest.mark.parametrize(
    ("parts", "days"),
    [({"X-Auto-Response-Suppress": "None"}, 0), ({"Auto-Submitted": "no"}, 0), ({}, 8)],
    ids=["suppresses nothing", "says that a person wrote it", "a week after the last answer"],
)
def test_an_answer_goes(sink: Sink, outside: Any, work_off: Any, parts: dict[str, str], days: int) -> None:
    if days:
        come_in("ines@far.test", "hello@acme.test", make_raw(sender="ines@far.test", subject="before"))
        work_off()
        sink.taken.clear()
        outside.clock.pass_time(days * 86_400)
    come_in("ines@far.test", "hello@acme.test", make_raw(sender="ines@far.test", headers=parts))
    work_off()
    assert [taken.recipients for taken in sink.taken] == [["ines@far.test"]]


def test_copies_and_addresses_with_a_tag_are_addressed_to_us(sink: Sink, work_off: Any) -> None:
    come_in("ines@far.test", "hello@acme.test", make_raw(sender="ines@far.test", to="x@far.test", headers={"Cc": "Hello@Acme.test"}))
    come_in("ada@far.test", "hello+shop@acme.test", make_raw(sender="ada@far.test", to="hello+shop@acme.test"))
    work_off()
    assert sorted(taken.recipients[0] for taken in sink.taken) == ["ada@far.test", "ines@far.test"]
