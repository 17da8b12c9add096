"""ARC chains against the published suite, and chains made to cost."""

import time

import pytest

from tests.mail.fake_dns import Reply
from tests.mail.signed_mails import EXPECTED, mail_of, named, the_dns
from webapp.mail.authentication import arc
from webapp.mail.authentication.arc import ArcResult
from webapp.mail.authentication.questions import Lookup, Questions
from webapp.mail.authentication.signed_mail import SignedMail


def judged(raw: bytes, lookup: Lookup | None = None) -> ArcResult:
    return arc.verify(SignedMail(raw), Questions(lookup or the_dns().lookup))


@pytest.mark.parametrize("name", named("arc"))
def test_each_chain_of_the_published_suite_comes_to_the_expected_result(name: str) -> None:
    expected, found = EXPECTED[name]["arc"], judged(mail_of(name))
    assert found.result == expected or (expected == "unspecified" and found.result in ("pass", "fail")), found


def test_the_suite_is_there_in_full() -> None:
    assert len(named("arc")) == 114


def test_a_whole_chain_names_its_sealers() -> None:
    found = judged(mail_of("arc-suite-arc-cv-pass-i2-1.eml"))
    assert (found.result, found.sealers, found.reason) == ("pass", ["example.org", "example.org"], "2 seals")


def test_a_resolver_that_does_not_answer_breaks_no_chain() -> None:
    found = judged(mail_of("arc-suite-arc-cv-pass-i2-1.eml"), lambda name, type: Reply(status="timeout"))
    assert found.result == "temperror"


def test_more_than_fifty_seals_are_not_worked_through() -> None:
    seal = b"ARC-Seal: i=%d; a=rsa-sha256; cv=pass; d=example.org; s=dummy; b=AA==\r\n"
    raw = b"".join(seal % (number % 99 + 1) for number in range(2000)) + b"From: a@example.org\r\n\r\nhi\r\n"
    begun = time.monotonic()
    assert judged(raw).result == "fail"
    assert time.monotonic() - begun < 1
