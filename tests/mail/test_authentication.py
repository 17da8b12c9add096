"""The one answer of SPF, DKIM, ARC and DMARC for a mail, and what hostile mail may do to it."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mail.fake_dns import Reply, Zone
from tests.mail.signed_mails import EXPECTED, mail_of
from webapp.mail import dkim
from webapp.mail.authentication import Verdict, authenticate
from webapp.mail.authentication.questions import MOST_QUESTIONS, Lookup

PEM, PUBLIC = dkim.new_key("ed25519")
ZONE = Zone({
    ("acme.test", "TXT"): ["v=spf1 ip4:192.0.2.0/24 -all"], ("_dmarc.acme.test", "TXT"): ["v=DMARC1; p=quarantine"],
    ("k._domainkey.acme.test", "TXT"): [dkim.dns_value(PUBLIC, "ed25519")],
    ("bank.test", "TXT"): ["v=spf1 ip4:198.51.100.1 -all"], ("_dmarc.bank.test", "TXT"): ["v=DMARC1; p=reject"],
    ("plain.test", "TXT"): ["v=spf1 ip4:192.0.2.0/24 ~all"], ("bare.test", "MX"): ["10 mx.bare.test"],
})  # fmt: skip


def mail(sender: str = "Ann <ann@acme.test>", more: str = "") -> bytes:
    return f"From: {sender}\r\n{more}To: bob@example.org\r\nSubject: Hello\r\n\r\nHi Bob\r\n".encode()


def judged(raw: bytes, mail_from: str = "ann@acme.test", ip: str = "192.0.2.5", lookup: Lookup = ZONE.lookup) -> Verdict:
    return authenticate(raw, ip=ip, helo="mx.acme.test", mail_from=mail_from, lookup=lookup, hostname="mail.here.test")


def test_a_mail_that_spf_and_dkim_prove_passes() -> None:
    found = judged(dkim.sign(mail(), "acme.test", "k", PEM))
    assert (found.overall, found.is_unproven, found.dmarc.aligned) == ("pass", False, ("spf", "dkim"))
    assert found.explanation == "SPF and DKIM prove that the mail comes from acme.test."


def test_a_forwarded_mail_passes_by_its_signature_alone() -> None:
    found = judged(dkim.sign(mail(), "acme.test", "k", PEM), mail_from="srs0=x@list.test", ip="203.0.113.9")
    assert (found.overall, found.spf.result, found.explanation) == ("pass", "none", "DKIM proves that the mail comes from acme.test.")


def test_a_mail_in_the_name_of_another_fails_however_well_its_sender_is_proven() -> None:
    found = judged(dkim.sign(mail("Bank <info@bank.test>"), "acme.test", "k", PEM))
    assert (found.overall, found.spf.result, found.dkim[0].result, found.dmarc.disposition) == ("fail", "pass", "pass", "reject")
    assert found.explanation == (
        "Nothing proves that the mail comes from bank.test: SPF passed for another domain, and it is signed by another domain only; "
        "bank.test asks to refuse such mail."
    )


def test_a_domain_without_a_policy_is_proven_by_spf_too() -> None:
    assert judged(mail("p@plain.test"), "p@plain.test").overall == "pass"
    assert judged(mail("p@plain.test"), "p@plain.test", ip="203.0.113.9").overall == "fail"


def test_a_mail_with_nothing_to_go_by_is_not_proven_either() -> None:
    found = judged(mail("a@bare.test"), "a@bare.test")
    assert (found.overall, found.is_unproven) == ("none", True)


def test_a_report_is_judged_by_the_name_that_its_server_said() -> None:
    zone = Zone(ZONE.records | {("mx.acme.test", "TXT"): ["v=spf1 ip4:192.0.2.5 -all"]})
    found = judged(mail("Mail system <mailer-daemon@mx.acme.test>"), "", lookup=zone.lookup)
    assert (found.overall, found.spf.identity) == ("pass", "helo")


@pytest.mark.parametrize("status", ["timeout", "servfail"])
def test_a_resolver_that_does_not_answer_is_nobodys_fault(status: str) -> None:
    found = judged(dkim.sign(mail(), "acme.test", "k", PEM), lookup=lambda name, type: Reply(status=status))
    assert (found.overall, found.is_unproven) == ("temperror", False)


def test_a_domain_without_a_policy_waits_for_a_proof_that_would_count() -> None:
    zone = Zone({("other.test", "TXT"): ["v=spf1 -all"]}, late={("plain.test", "TXT")})
    assert judged(mail("p@plain.test"), "p@plain.test", lookup=zone.lookup).overall == "temperror"


def test_servers_of_the_sender_that_do_not_answer_excuse_no_forgery() -> None:
    silent = Zone(ZONE.records, late={("evil.test", "*"), ("x._domainkey.evil.test", "*")})
    fields = "DKIM-Signature: v=1; a=rsa-sha256; d=evil.test; s=x; h=from; bh=AAAA; b=AAAA\r\n"
    found = judged(mail("Bank <info@bank.test>", fields), "e@evil.test", lookup=silent.lookup)
    assert (found.spf.result, found.dkim[0].result, found.overall) == ("temperror", "temperror", "fail")


def test_many_questions_excuse_no_forgery() -> None:
    asked = []

    def endless(name: str, type: str) -> Reply:
        asked.append(name)
        if name.endswith("evil.test") and type == "MX":
            return Reply([f"{number} h{number}.{name}" for number in range(10)])
        if name == "evil.test":
            return Reply(["v=spf1 " + " ".join(f"mx:m{number}.evil.test" for number in range(10)) + " -all"])
        return ZONE.lookup(name, type)

    seals = "".join(f"ARC-Seal: i={n}; a=rsa-sha256; cv=none; d=d{n}.evil.test; s=x; b=AAAA\r\n" for n in range(1, 50))
    found = judged(mail("Bank <info@bank.test>", seals), "e@evil.test", lookup=endless)
    assert found.overall == "fail"
    assert len(asked) <= MOST_QUESTIONS


@pytest.mark.parametrize("head", [
    "From: a@acme.test\r\nFrom: b@bank.test\r\n", "From: a@acme.test, b@bank.test\r\n", "From: \"b@bank.test\" <b@@bank>, a@acme.test\r\n",
    "From: a@acme.test\r\nfrom : b@bank.test\r\n", "Subject: none\r\n", "From:\r\n", "From: nobody\r\n", "From: <>\r\n",
    "From: a@[192.0.2.5]\r\n", "From: a@localhost\r\n",
])  # fmt: skip
def test_a_from_that_is_not_one_domain_proves_nothing(head: str) -> None:
    found = judged(f"{head}\r\nHi\r\n".encode())
    assert (found.overall, found.dmarc.result) == ("fail", "permerror")


def test_a_name_that_looks_like_an_address_is_not_what_is_judged() -> None:
    found = judged(mail('"info@bank.test" <ann@acme.test>'))
    assert (found.overall, found.dmarc.domain) == ("pass", "acme.test")


def test_the_header_says_each_result_and_who_says_so() -> None:
    lines = judged(dkim.sign(mail(), "acme.test", "k", PEM)).header.split(";\r\n ")
    assert lines[0] == "mail.here.test"
    assert lines[1].startswith("spf=pass (") and lines[1].endswith("\r\n  smtp.mailfrom=ann@acme.test")
    assert lines[2].startswith("dkim=pass (ed25519-sha256)\r\n  header.d=acme.test\r\n  header.s=k\r\n  header.i=@acme.test\r\n  header.b=")
    assert lines[3:] == ["arc=none", "dmarc=pass (p=quarantine dis=none)\r\n  header.from=acme.test"]


def test_nothing_of_the_sender_gets_into_the_header_as_a_line_or_a_result() -> None:
    evil = 'a"; dmarc=pass (x)\r\nX-Evil: yes\r\n@acme.test'
    fields = "DKIM-Signature: v=1; a=rsa-sha256; d=acme.test); s=r; i=@x(\\; h=from; bh=AAAA; b=A)\"A\r\n"
    text = judged(mail(more=fields), mail_from=evil).header
    assert all(line.startswith(" ") for line in text.split("\r\n")[1:])
    assert "X-Evil: yes\r\n" not in text
    assert text.isascii()


def test_the_verdict_is_plain_json() -> None:
    found = json.loads(json.dumps(judged(dkim.sign(mail(), "acme.test", "k", PEM)).as_json()))
    assert (found["overall"], found["dkim"][0]["domain"], found["dmarc"]["aligned"]) == ("pass", "acme.test", ["spf", "dkim"])


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_signed_mail_gets_a_verdict(name: str) -> None:
    found = judged(mail_of(name))
    assert found.overall in ("pass", "fail", "none", "temperror")
    assert found.explanation.endswith(".")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.text(max_size=60), st.text(max_size=40), st.sampled_from(["", "192.0.2.1", "::1", "nonsense", "::1%0"]))
def test_no_bytes_make_it_raise(raw: bytes, mail_from: str, helo: str, ip: str) -> None:
    head = b"DKIM-Signature: v=1; a=rsa-sha256; d=acme.test; s=k; h=from; bh=AAAA; b=" + raw + b"\r\nFrom: " + raw + b"\r\n\r\n" + raw
    for text in (raw, head):
        found = authenticate(text, ip=ip, helo=helo, mail_from=mail_from, lookup=ZONE.lookup, hostname="h")
        assert found.overall in ("pass", "fail", "none", "temperror")


@pytest.mark.parametrize("raw", [
    b"From: a@acme.test\r\n" * 20_000 + b"\r\nx",
    b"DKIM-Signature: " + b"a=b; " * 100_000 + b"\r\n\r\nx", b"ARC-Seal: i=1\r\n" * 50_000 + b"\r\n",
    b"From: " + b"(" * 500_000 + b"\r\n\r\nx", b"\r\n" * 2_000_000, b"a: " + b"\r\n b" * 500_000 + b"\r\n\r\n",
    b"From: a@" + b"b." * 300_000 + b"\r\n\r\n",
    b"From: a@acme.test\r\n\r\n" + b" \t" * 2_000_000,
])  # fmt: skip
def test_mail_made_to_cost_costs_little(raw: bytes) -> None:
    begun = time.process_time()
    judged(raw)
    assert time.process_time() - begun < 3
