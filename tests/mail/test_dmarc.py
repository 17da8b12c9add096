"""DMARC: whose policy, what counts for From, and what is asked of a mail that fails."""

import pytest

from tests.mail.fake_dns import Zone
from webapp.mail.authentication import dmarc
from webapp.mail.authentication.dkim_verify import SignatureResult
from webapp.mail.authentication.dmarc import DmarcResult, Policy
from webapp.mail.authentication.questions import Questions
from webapp.mail.authentication.spf import SpfResult

NO_SPF = SpfResult("none")


def policy(domain: str, late: set[tuple[str, str]] | None = None, **records: str) -> Policy:
    """Of a domain, given records by the domain that they are about, `__` for a dot."""
    zone = Zone({(f"_dmarc.{name.replace('__', '.')}", "TXT"): [text] for name, text in records.items()}, late)
    return dmarc.policy_of(domain, Questions(zone.lookup))


def judged(found: Policy, spf: SpfResult = NO_SPF, *signatures: SignatureResult, sample: bytes = b"") -> DmarcResult:
    return dmarc.judge(found, spf, signatures, sample)


@pytest.mark.parametrize(("domain", "top"), [
    ("acme.test", "acme.test"), ("mail.acme.com", "acme.com"), ("a.b.acme.co.uk", "acme.co.uk"), ("ACME.COM.", "acme.com"),
    ("co.uk", "co.uk"), ("me.github.io", "me.github.io"), ("x.me.github.io", "me.github.io"), ("www.city.kawasaki.jp", "city.kawasaki.jp"),
    ("com", "com"), ("a.xn--p1ai", "a.xn--p1ai"), ("b.a.xn--p1ai", "a.xn--p1ai"),
])  # fmt: skip
def test_the_organisation_is_the_name_below_a_public_suffix(domain: str, top: str) -> None:
    assert dmarc.organisation(domain) == top


@pytest.mark.parametrize(("proven", "domain", "relaxed", "strict"), [
    ("acme.com", "acme.com", True, True), ("mail.acme.com", "acme.com", True, False), ("acme.com", "mail.acme.com", True, False),
    ("a.acme.com", "b.acme.com", True, False), ("acme.com.evil.net", "acme.com", False, False), ("evilacme.com", "acme.com", False, False),
    ("other.co.uk", "acme.co.uk", False, False), ("co.uk", "acme.co.uk", False, False), ("", "acme.com", False, False),
    ("ACME.com.", "acme.COM", True, True),
])  # fmt: skip
def test_alignment(proven: str, domain: str, relaxed: bool, strict: bool) -> None:
    assert dmarc.is_aligned(proven, domain, strict=False) is relaxed
    assert dmarc.is_aligned(proven, domain, strict=True) is strict


def test_the_record_of_the_domain_comes_before_that_of_its_organisation() -> None:
    found = policy("news.acme.com", news__acme__com="v=DMARC1; p=none", acme__com="v=DMARC1; p=reject")
    assert (found.at, found.policy) == ("news.acme.com", "none")


@pytest.mark.parametrize(("record", "asked"), [
    ("v=DMARC1; p=reject", "reject"), ("v=DMARC1; p=reject; sp=none", "none"), ("v=DMARC1; p=none; sp=quarantine", "quarantine"),
    ("v=DMARC1; p=none; np=reject", "reject"), ("v=DMARC1; p=none; sp=quarantine; np=bogus", "quarantine"),
    ("v = DMARC1 ;p = Quarantine ; sp=bogus", "quarantine"),
])  # fmt: skip
def test_a_name_below_takes_the_policy_for_names_below(record: str, asked: str) -> None:
    assert policy("ghost.acme.com", acme__com=record).policy == asked


def test_np_is_for_names_that_do_not_exist() -> None:
    zone = Zone({("_dmarc.acme.com", "TXT"): ["v=DMARC1; p=none; np=reject"], ("real.acme.com", "MX"): ["10 mx.acme.com"]})
    assert dmarc.policy_of("real.acme.com", Questions(zone.lookup)).policy == "none"
    assert dmarc.policy_of("ghost.acme.com", Questions(zone.lookup)).policy == "reject"


@pytest.mark.parametrize("record", [
    "v=DMARC2; p=reject", "p=reject; v=DMARC1", "v=DMARC1", "v=DMARC1; p=maybe", "hello", "v=dmarc1; p=reject",
])  # fmt: skip
def test_a_text_that_is_no_record_asks_for_nothing(record: str) -> None:
    assert policy("acme.com", acme__com=record).status == "none"


def test_a_record_with_reports_and_a_broken_policy_only_watches() -> None:
    found = policy("acme.com", acme__com="v=DMARC1; p=maybe; rua=mailto:d@acme.com")
    assert (found.status, found.policy) == ("found", "none")


def test_two_records_are_none() -> None:
    zone = Zone({("_dmarc.acme.com", "TXT"): ["v=DMARC1; p=reject", "v=DMARC1; p=none"]})
    assert dmarc.policy_of("acme.com", Questions(zone.lookup)).status == "none"


def test_other_texts_beside_the_record_do_not_matter() -> None:
    zone = Zone({("_dmarc.acme.com", "TXT"): ["google-site=1", "v=DMARC1; p=reject"]})
    assert dmarc.policy_of("acme.com", Questions(zone.lookup)).policy == "reject"


def test_a_resolver_that_does_not_answer_leaves_it_open() -> None:
    found = policy("acme.com", {("_dmarc.acme.com", "TXT")})
    assert judged(found).result == "temperror"


def test_one_proof_for_from_is_enough() -> None:
    found = policy("acme.com", acme__com="v=DMARC1; p=reject")
    assert judged(found, SpfResult("pass", "bounce.acme.com")).aligned == ("spf",)
    assert judged(found, NO_SPF, SignatureResult("pass", "acme.com")).result == "pass"
    both = judged(found, SpfResult("pass", "acme.com"), SignatureResult("pass", "acme.com"))
    assert (both.result, both.aligned, both.disposition) == ("pass", ("spf", "dkim"), "none")


def test_proofs_of_other_domains_do_not_count() -> None:
    found = judged(policy("acme.com", acme__com="v=DMARC1; p=reject"), SpfResult("pass", "esp.net"), SignatureResult("pass", "esp.net"))
    assert (found.result, found.disposition) == ("fail", "reject")


@pytest.mark.parametrize(("record", "spf", "result"), [
    ("v=DMARC1; p=reject; aspf=s", "mail.acme.com", "fail"), ("v=DMARC1; p=reject; aspf=s", "acme.com", "pass"),
    ("v=DMARC1; p=reject; adkim=s", "mail.acme.com", "pass"),
])  # fmt: skip
def test_strict_alignment_is_asked_for_each_proof_by_itself(record: str, spf: str, result: str) -> None:
    assert judged(policy("acme.com", acme__com=record), SpfResult("pass", spf)).result == result


def test_a_proof_kept_back_by_the_dns_matters_only_if_it_would_count() -> None:
    found = policy("acme.com", acme__com="v=DMARC1; p=reject")
    assert judged(found, SpfResult("temperror", "acme.com")).result == "temperror"
    assert judged(found, SpfResult("temperror", "evil.net"), SignatureResult("temperror", "evil.net")).result == "fail"


def test_outside_the_percentage_the_next_milder_policy_is_asked_for() -> None:
    found = policy("acme.com", acme__com="v=DMARC1; p=reject; pct=40")
    asked = [judged(found, sample=str(number).encode()).disposition for number in range(500)]
    assert 120 < asked.count("reject") < 280
    assert asked.count("reject") + asked.count("quarantine") == 500
    assert judged(policy("acme.com", acme__com="v=DMARC1; p=quarantine; pct=0")).disposition == "none"
    assert judged(policy("acme.com", acme__com="v=DMARC1; p=reject; pct=lots")).disposition == "reject"
