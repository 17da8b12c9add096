"""Rules on mails: field semantics, engines, time limits, and how rules combine (reference/mailtrigger.md sections 4 and 6.3)."""

import time

import pytest

from webapp.automation import matching, rule_types
from webapp.automation.mail_view import Attached, MailView, Person
from webapp.automation.rule_types import RuleProblem, RuleSpec
from webapp.automation.rule_types.pattern import compiled

MAIL = MailView(
    sender=Person("Ines Lindgren", "ines@lindgren.example"),
    receivers=(Person("Books", "books@acme.test"), Person("", "shop@acme.test")),
    cc=(Person("Oskar", "oskar@lindgren.example"),),
    envelope_recipients=("books+invoices@acme.test",),
    subject="Faktura 88213 über Räder",
    text="Bitte zahlen.\nVielen Dank",
    headers=(("Received", "one"), ("Received", "two"), ("X-Kind", "Invoice")),
    attachments=(Attached(1, "invoice.pdf", "application/pdf", b"%PDF"), Attached(2, "data.xml", "text/xml", b"<a/>", "<a/>")),
    raw=b"Subject: Faktura\r\n\r\nBitte zahlen.",
)
BARE = MailView(sender=Person("", "a@b.test"))


def holds(type: str, field: str, value: str, mail: MailView = MAIL, **more: object) -> bool:
    return bool(matching.judge(RuleSpec(type, field, value, **more), 0, mail).matched)


@pytest.mark.parametrize(
    ("type", "field", "value", "expected"),
    [
        ("includes", "sender", "ines@lindgren.example", True),
        ("includes", "sender", "Ines Lindgren <ines@", True),
        ("regex", "sender", r"^ines@lindgren\.example$", True),
        ("regex", "sender", r"^Ines .*>$", True),
        ("excludes", "sender", "ines", False),
        ("includes", "receivers", "shop@acme.test", True),
        ("includes", "receivers", "books+invoices@acme.test", True),
        ("not_regex", "receivers", "^shop@", False),
        ("excludes", "receivers", "nobody@", True),
        ("includes", "cc", "OSKAR", True),
        ("regex", "subject", r"\d{5}", True),
        ("includes", "subject", "FAKTURA", True),
        ("includes", "subject", "RÄDER", True),
        ("includes", "body", "vielen dank", True),
        ("regex", "body", r"^Vielen", False),
        ("regex", "body", r"(?m)^Vielen", True),
        ("includes", "attachment_name", "data.xml", True),
        ("excludes", "attachment_name", ".pdf", False),
        ("regex", "attachment_type", r"^application/pdf$", True),
        ("includes", "has_attachment", "", True),
        ("includes", "has_attachment", "yes", True),
        ("excludes", "has_attachment", "true", False),
        ("includes", "has_attachment", "false", False),
        ("regex", "raw", r"^Subject: Faktura", True),
    ],
)
def test_a_rule_looks_at_its_field(type: str, field: str, value: str, expected: bool) -> None:
    assert holds(type, field, value) is expected


def test_any_value_is_enough_for_a_positive_rule_and_none_may_hold_for_a_negative_one() -> None:
    assert holds("includes", "header", "two", header_name="received")
    assert not holds("excludes", "header", "two", header_name="Received")
    assert holds("not_regex", "header", "three", header_name="Received")


@pytest.mark.parametrize("field", ["header", "cc", "attachment_name", "body", "subject"])
def test_what_is_missing_counts_as_empty_text(field: str) -> None:
    assert holds("excludes", field, "x", BARE, header_name="X-Missing")
    assert holds("not_regex", field, "x", BARE, header_name="X-Missing")
    assert not holds("includes", field, "x", BARE, header_name="X-Missing")
    assert holds("regex", field, "^$", BARE, header_name="X-Missing")


def test_case_counts_only_when_asked_for() -> None:
    assert holds("includes", "subject", "faktura") and holds("regex", "subject", "faktura")
    assert not holds("includes", "subject", "faktura", case_sensitive=True)
    assert not holds("regex", "subject", "faktura", case_sensitive=True)
    assert holds("regex", "subject", "Faktura", case_sensitive=True)


def test_re2_takes_ordinary_patterns_and_regex_what_it_refuses() -> None:
    assert compiled(r"\b(faktura|invoice)\b", False).engine == "re2"
    assert compiled(r"(?<=Faktura )\d+", False).engine == "regex"
    assert compiled(r"(a)\1", False).engine == "regex"
    assert holds("regex", "subject", r"(?<=faktura )88213")


@pytest.mark.parametrize("pattern", ["(", "[", "a**", "((((a{100}){100}){100}){100}){100}", "(?=x)(a{1000}){1000}", "x" * 5000])
def test_a_pattern_that_cannot_work_is_refused_on_save(pattern: str) -> None:
    with pytest.raises(RuleProblem) as refused:
        rule_types.get("regex").check(RuleSpec("regex", "subject", pattern))
    assert refused.value.field == "value"


def test_c18_a_catastrophic_pattern_ends_in_time_and_is_an_error() -> None:
    rule = RuleSpec("regex", "subject", r"^(?=a)(?:a|aa)+[bc]")
    started = time.process_time()
    verdict = matching.judge(rule, 0, MailView(sender=Person("", "a@b.test"), subject="a" * 200_000 + "!c"))
    assert time.process_time() - started < 3
    assert verdict.timed_out and not verdict.matched and "longer than 1 s" in (verdict.error or "")


def test_c18_ten_megabytes_of_subject_are_no_trouble_for_re2() -> None:
    started = time.process_time()
    assert not holds("regex", "subject", r"(x+x+)+y", MailView(sender=Person("", "a@b.test"), subject="x" * 10_000_000))
    assert time.process_time() - started < 3


def test_half_a_surrogate_pair_in_a_mail_breaks_no_engine() -> None:
    mail = MailView(sender=Person("", "a@b.test"), subject="a\ud800b")
    assert holds("regex", "subject", "^a.+b$", mail) and holds("regex", "subject", "(?=a)a.b", mail)


YES, NO = RuleSpec("includes", "subject", "Faktura"), RuleSpec("includes", "subject", "nothing")
BROKEN = RuleSpec("includes_not_there", "subject", "x", name="Odd")


@pytest.mark.parametrize(
    ("match_type", "rules", "fires"),
    [
        ("all", [], True),
        ("any", [], True),
        ("all", [YES], True),
        ("all", [YES, NO], False),
        ("any", [NO, YES], True),
        ("any", [NO, NO], False),
    ],
)
def test_rules_combine(match_type: str, rules: list[RuleSpec], fires: bool) -> None:
    assert matching.evaluate(rules, match_type, MAIL).matched is fires


def test_the_walk_stops_when_the_outcome_is_known_and_says_who_decided() -> None:
    outcome = matching.evaluate([YES, NO, YES], "all", MAIL)
    assert [verdict.matched for verdict in outcome.verdicts] == [True, False, None]
    assert outcome.decided_by == 1
    either = matching.evaluate([NO, YES, NO], "any", MAIL)
    assert [verdict.matched for verdict in either.verdicts] == [False, True, None] and either.decided_by == 1


def test_cheap_rules_run_before_patterns() -> None:
    pattern = RuleSpec("regex", "subject", "Faktura")
    outcome = matching.evaluate([pattern, NO], "all", MAIL)
    assert [verdict.matched for verdict in outcome.verdicts] == [None, False]


@pytest.mark.parametrize("match_type", ["all", "any"])
def test_a_rule_that_fails_means_no_match_and_an_error(match_type: str) -> None:
    outcome = matching.evaluate([BROKEN, BROKEN], match_type, MAIL)
    assert not outcome.matched and "Odd" in (outcome.error or "") and outcome.verdicts[1].matched is None
