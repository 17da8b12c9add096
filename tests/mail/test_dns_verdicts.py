"""What stands in the DNS against what should: right however it is written, wrong only when it is wrong."""

from typing import Any

import pytest

from tests.fakes import FakeDns
from webapp.mail import dns_verdicts
from webapp.mail.dns_records import PublicKey, Record, records_for, zone_file
from webapp.mail.dns_verdicts import Verdict

HOST, DOMAIN, TOKEN = "mail.here.test", "acme.test", "0123abcd"
P = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAplMj3SeV/cQAAZbIZu+NzEWX3+4Wc+kcrPG/2nyNfmhtmhukALWVkPZFjWIXBm2bKMcQ" * 3 + "QIDAQAB"
OWN: dict[tuple[str, str], Any] = {(HOST, "A"): ["192.0.2.10"], (HOST, "AAAA"): ["2001:db8::10"]}


def record(kind: str, domain: str = DOMAIN) -> Record:
    found = records_for(domain, HOST, [PublicKey("s1", P)], TOKEN)
    return next(one for one in found if one.kind == kind)


def look(kind: str, zone: dict[tuple[str, str], Any], domain: str = DOMAIN) -> Verdict:
    return dns_verdicts.judge(record(kind, domain), domain, HOST, FakeDns({**OWN, **zone}).lookup)


def txt(name: str, *values: str) -> dict[tuple[str, str], Any]:
    return {(name, "TXT"): list(values)}


RIGHT: list[tuple[str, dict[tuple[str, str], Any]]] = [
    ("verification", txt("_mailroom.acme.test", "mailroom-verify=0123abcd")),
    ("verification", txt("acme.test", "v=spf1 -all", " MAILROOM-verify=0123ABCD ")),
    ("verification", txt("acme.test", '"mailroom-verify=" "0123abcd"')),
    ("mx", {("acme.test", "MX"): ["10 mail.here.test"]}),
    ("mx", {("acme.test", "MX"): ["0 MAIL.here.test."]}),
    ("mx", {("acme.test", "MX"): ["5 mx.acme.test"], ("mx.acme.test", "A"): ["192.0.2.10"]}),
    ("mx", {("acme.test", "MX"): ["5 mx.acme.test"], ("mx.acme.test", "CNAME"): [HOST]}),
    ("mx", {("acme.test", "MX"): ["5 mail.here.test", "50 b.test"], ("b.test", "AAAA"): ["2001:DB8:0::10"]}),
    ("spf", txt("acme.test", "v=spf1 a:mail.here.test mx ~all")),
    ("spf", txt("acme.test", "google-site-verification=1", "V=SPF1   MX  A:Mail.Here.Test  -ALL")),
    ("spf", txt("acme.test", "v=spf1 +a:mail.here.test/32 -all")),
    ("spf", txt("acme.test", "v=spf1 ip4:192.0.2.0/24 -all")),
    ("spf", txt("acme.test", "v=spf1 ip6:2001:db8::/32 ?all")),
    ("spf", {**txt("acme.test", "v=spf1 mx -all"), ("acme.test", "MX"): ["10 mail.here.test"]}),
    ("spf", {**txt("acme.test", "v=spf1 a -all"), ("acme.test", "A"): ["192.0.2.10"]}),
    ("spf", {**txt("acme.test", "v=spf1 a/24 -all"), ("acme.test", "A"): ["192.0.2.99"]}),
    ("spf", {**txt("acme.test", "v=spf1 include:_spf.b.test -all"), **txt("_spf.b.test", "v=spf1 ip4:192.0.2.10 -all")}),
    ("spf", {**txt("acme.test", "v=spf1 redirect=_spf.b.test"), **txt("_spf.b.test", "v=spf1 include:c.test ~all"),
             **txt("c.test", "v=spf1 a:mail.here.test -all")}),
    ("dkim", txt("s1._domainkey.acme.test", f"v=DKIM1; k=rsa; p={P}")),
    ("dkim", txt("s1._domainkey.acme.test", f"v=DKIM1;k=rsa;t=s;s=email;n=note;h=sha1:sha256; p={P[:90]} {P[90:]};")),
    ("dkim", txt("s1._domainkey.acme.test", f" p={P}")),
    ("dkim", {("s1._domainkey.acme.test", "CNAME"): ["s1.elsewhere.test"], **txt("s1.elsewhere.test", f"k=rsa; p={P}")}),
    ("dkim", txt("s1._domainkey.acme.test", "some other text", f"v=DKIM1; p={P}")),
    ("dmarc", txt("_dmarc.acme.test", "v=DMARC1; p=none")),
    ("dmarc", txt("_dmarc.acme.test", "v=DMARC1;p=Reject;rua=mailto:a@b.test;adkim=s;pct=50")),
    ("return_path", {("bounce.acme.test", "CNAME"): ["mail.here.test."]}),
    ("return_path", {("bounce.acme.test", "CNAME"): ["b.acme.test"], ("b.acme.test", "CNAME"): ["Mail.Here.Test"]}),
    ("return_path", {("bounce.acme.test", "MX"): ["10 mail.here.test"], **txt("bounce.acme.test", "v=spf1 -all")}),
    ("return_path", {("bounce.acme.test", "A"): ["192.0.2.10"]}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "zone"), RIGHT, ids=[f"{kind}{number}" for number, (kind, _) in enumerate(RIGHT)])
def test_what_does_its_work_is_right_however_it_is_written(kind: str, zone: dict[tuple[str, str], Any]) -> None:
    verdict = look(kind, zone)
    assert verdict.state == "right", verdict.sentence
    assert verdict.resolver == "fake" and verdict.fix is None and verdict.found


WRONG: list[tuple[str, dict[tuple[str, str], Any], str, str]] = [
    ("verification", {}, "missing", "knows no name _mailroom.acme.test"),
    ("verification", txt("acme.test", "a", "b"), "missing", "2 other TXT records"),
    ("verification", txt("_mailroom.acme.test", "mailroom-verify=old"), "different", "mailroom-verify=old"),
    ("mx", {}, "missing", "knows no name acme.test"),
    ("mx", {("acme.test", "A"): ["192.0.2.1"]}, "missing", "found no MX record"),
    ("mx", {("acme.test", "MX"): ["0 ."]}, "different", "takes no mail"),
    ("mx", {("acme.test", "MX"): ["1 aspmx.test", "5 b.test"]}, "different", "goes to aspmx.test, b.test, not to mail.here.test"),
    ("mx", {("acme.test", "MX"): ["1 aspmx.test", "10 mail.here.test"]}, "different", "gets the mail first"),
    ("mx", {("acme.test", "MX"): ["20 backup.test", "10 mail.here.test"]}, "different", "when we are slow"),
    ("spf", txt("acme.test", "hello"), "missing", "none with SPF"),
    ("spf", txt("acme.test", "v=spf10 a:mail.here.test"), "missing", "none with SPF"),
    ("spf", txt("acme.test", "v=spf1 include:b.test -all"), "different", "does not name mail.here.test"),
    ("spf", txt("acme.test", "v=spf1 -a:mail.here.test ~all"), "different", "says that mail.here.test may not send"),
    ("spf", txt("acme.test", "v=spf1 -all a:mail.here.test"), "different", "does not name"),
    ("spf", txt("acme.test", "v=spf1 a:mail.here.test -all", "v=spf1 mx -all"), "different", "2 SPF records"),
    ("spf", txt("acme.test", '"v=spf1 a:mail.here.test -all"'), "different", "quotation marks"),
    ("dkim", {}, "missing", "knows no name s1._domainkey.acme.test"),
    ("dkim", txt("s1._domainkey.acme.test", "v=DKIM1; p="), "different", "withdrawn"),
    ("dkim", txt("s1._domainkey.acme.test", f"v=DKIM1; p={P[:200]}"), "different", "cut off"),
    ("dkim", txt("s1._domainkey.acme.test", f"v=DKIM1; p=X{P}"), "different", "Another key"),
    ("dkim", txt("s1._domainkey.acme.test", f"v=DKIM2; p={P}"), "different", "v=DKIM1"),
    ("dkim", txt("s1._domainkey.acme.test", f"v=DKIM1; k=ed25519; p={P}"), "different", "ours is rsa"),
    ("dkim", txt("s1._domainkey.acme.test", f"v=DKIM1; h=sha1; p={P}"), "different", "sha256"),
    ("dkim", txt("s1._domainkey.acme.test", f"v=DKIM1; s=tlsrpt; p={P}"), "different", "not for mail"),
    ("dkim", txt("s1._domainkey.acme.test", f"v=DKIM1; p={P}", "v=DKIM1; p=QUJD"), "different", "2 keys"),
    ("dkim", txt("s1._domainkey.acme.test", f'"v=DKIM1; p={P}"'), "different", "quotation marks"),
    ("dmarc", {}, "missing", "knows no name _dmarc.acme.test"),
    ("dmarc", txt("_dmarc.acme.test", "v=DMARC1; p=none", "v=DMARC1; p=reject"), "different", "2 policies"),
    ("dmarc", txt("_dmarc.acme.test", "v=dmarc1; p=none"), "different", "v=DMARC1 in capitals"),
    ("dmarc", txt("_dmarc.acme.test", "v=DMARC1; p=maybe"), "different", "none, quarantine or reject"),
    ("return_path", {}, "missing", "knows no name bounce.acme.test"),
    ("return_path", {("bounce.acme.test", "CNAME"): ["x.test"]}, "different", "leads to x.test"),
    ("return_path", {("bounce.acme.test", "CNAME"): ["b.test"], ("b.test", "CNAME"): ["bounce.acme.test"]}, "different", "circles"),
    ("return_path", {("bounce.acme.test", "MX"): ["10 mx.test"]}, "different", "go to mx.test"),
    ("return_path", {("bounce.acme.test", "A"): ["198.51.100.1"]}, "different", "leads to 198.51.100.1"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "zone", "state", "says"), WRONG, ids=[f"{case[0]}{number}" for number, case in enumerate(WRONG)])
def test_what_is_wrong_says_what_differs(kind: str, zone: dict[tuple[str, str], Any], state: str, says: str) -> None:
    verdict = look(kind, zone)
    assert (verdict.state, says in verdict.sentence) == (state, True), verdict.sentence


def asked(kind: str) -> tuple[str, str]:
    type = {"mx": "MX", "return_path": "CNAME"}.get(kind, "TXT")
    return (record(kind).host, type)


@pytest.mark.parametrize("trouble", ["servfail", "timeout"])
@pytest.mark.parametrize("kind", ["verification", "mx", "spf", "dkim", "dmarc", "return_path"])
def test_c36_a_resolver_in_trouble_says_nothing_about_the_name(kind: str, trouble: str) -> None:
    verdict = look(kind, {asked(kind): trouble})
    assert (verdict.state, verdict.status) == ("unknown", trouble)
    assert ("in time" if trouble == "timeout" else "could not answer") in verdict.sentence and verdict.found == ()


@pytest.mark.parametrize(
    ("kind", "zone"),
    [
        ("mx", {("acme.test", "MX"): ["5 mx.acme.test"], ("mx.acme.test", "A"): "servfail"}),
        ("spf", {**txt("acme.test", "v=spf1 include:b.test -all"), ("b.test", "TXT"): "timeout"}),
        ("spf", {**txt("acme.test", "v=spf1 mx -all"), ("acme.test", "MX"): "servfail"}),
        ("return_path", {("bounce.acme.test", "MX"): "timeout"}),
        ("dmarc", {("_dmarc.shop.acme.test", "TXT"): [], ("_dmarc.acme.test", "TXT"): "servfail"}),
    ],
)
def test_c36_trouble_behind_the_first_answer_is_unknown_too(kind: str, zone: dict[tuple[str, str], Any]) -> None:
    assert look(kind, zone, "shop.acme.test" if kind == "dmarc" else DOMAIN).state == "unknown"


def test_a_policy_of_the_parent_covers_a_subdomain_and_its_sp_counts() -> None:
    zone = txt("_dmarc.acme.test", "v=DMARC1; p=reject; sp=none; rua=mailto:x@acme.test")
    verdict = look("dmarc", zone, "shop.eu.acme.test")
    assert verdict.state == "right" and "of acme.test covers shop.eu.acme.test: none" in verdict.sentence


def test_hints_say_what_is_worth_knowing_though_nothing_is_wrong() -> None:
    assert "p=none only watches" in " ".join(look("dmarc", txt("_dmarc.acme.test", "v=DMARC1; p=none")).hints)
    assert "lets everybody send" in " ".join(look("spf", txt("acme.test", "v=spf1 +all")).hints)
    assert "testing" in " ".join(look("dkim", txt("s1._domainkey.acme.test", f"v=DKIM1; t=y; p={P}")).hints)
    alias = look("mx", {("acme.test", "MX"): ["5 mx.acme.test"], ("mx.acme.test", "CNAME"): [HOST], ("mx.acme.test", "A"): ["192.0.2.10"]})
    assert (alias.state, "is an alias" in " ".join(alias.hints)) == ("right", True)
    unborn = dns_verdicts.judge(record("mx"), DOMAIN, HOST, FakeDns({("acme.test", "MX"): [f"10 {HOST}"]}).lookup)
    assert unborn.state == "right" and "has no address yet" in " ".join(unborn.hints)


@pytest.mark.parametrize(
    ("values", "fix"),
    [
        (["v=spf1 include:b.test -all"], "v=spf1 a:mail.here.test include:b.test -all"),
        (["v=spf1 mx -all", "v=spf1 include:b.test mx ~all"], "v=spf1 a:mail.here.test mx include:b.test ~all"),
        (["v=spf1 a:mail.here.test", "v=spf1 redirect=x.test"], "v=spf1 a:mail.here.test redirect=x.test"),
        (['"v=spf1 mx -all"'], "v=spf1 a:mail.here.test mx -all"),
    ],
)
def test_a_record_that_must_change_comes_with_the_one_to_publish_instead(values: list[str], fix: str) -> None:
    verdict = look("spf", txt("acme.test", *values))
    assert verdict.fix == fix
    assert look("spf", txt("acme.test", fix)).state == "right", "what we propose is right by our own reading"


def test_an_spf_record_that_asks_too_much_is_told_with_its_number() -> None:
    names = [f"i{number}.test" for number in range(11)]
    zone = txt("acme.test", "v=spf1 a:mail.here.test " + " ".join(f"include:{name}" for name in names) + " -all")
    for name in names:
        zone.update(txt(name, "v=spf1 ip4:198.51.100.1 -all"))
    verdict = look("spf", zone)
    assert verdict.state == "different" and "ask 12 questions; they stop after 10" in verdict.sentence
    del zone[("i0.test", "TXT")]
    ten = txt("acme.test", "v=spf1 " + " ".join(f"include:{name}" for name in names[1:10]) + " a:mail.here.test -all")
    assert look("spf", {**zone, **ten}).state == "right", "ten are allowed"


def test_includes_that_go_in_circles_or_never_end_are_walked_once() -> None:
    zone = {**txt("acme.test", "v=spf1 include:b.test -all"), **txt("b.test", "v=spf1 include:acme.test -all")}
    verdict = look("spf", zone)
    assert verdict.state == "different" and "goes in circles" in " ".join(verdict.hints)
    dns = FakeDns({**OWN, **txt("acme.test", "v=spf1 include:n0.test -all")})
    for number in range(200):
        dns.records[(f"n{number}.test", "TXT")] = [f"v=spf1 include:n{number + 1}.test include:m{number}.test -all"]
    assert dns_verdicts.judge(record("spf"), DOMAIN, HOST, dns.lookup).state == "different"
    assert len(dns.asked) < 100


JUNK = "v=spf1 a:/// ip4:x ip6::::: %{i} exists:%{i}.x = :: include: include:%{d} \u2028"


@pytest.mark.parametrize("junk", [JUNK, "v=spf1", "v=spf1 " + "a " * 5000, "v=spf1 " + "include:acme.test " * 500])
def test_hostile_spf_is_read_without_a_crash(junk: str) -> None:
    assert look("spf", txt("acme.test", junk)).state in ("different", "right", "unknown")


def test_a_zone_file_holds_every_record_with_long_texts_cut() -> None:
    text = zone_file(records_for(DOMAIN, HOST, [PublicKey("s1", P), PublicKey("s2", "QUJD", "ed25519")], TOKEN), "a note")
    lines = text.splitlines()
    assert lines[0] == "; a note" and "acme.test. 3600 IN MX 10 mail.here.test." in lines
    key = next(line for line in lines if line.startswith("s1._domainkey"))
    strings = key.partition(" TXT ")[2].strip('"').split('" "')
    assert "".join(strings) == f"v=DKIM1; k=rsa; p={P}" and max(map(len, strings)) == 255
    assert 's2._domainkey.acme.test. 3600 IN TXT "v=DKIM1; k=ed25519; p=QUJD"' in lines


def test_a_domain_that_only_sends_needs_no_mx() -> None:
    found = {one.kind: one for one in records_for(DOMAIN, HOST, [PublicKey("s1", P)], TOKEN, hosted=False)}
    assert "mx" not in found and found["spf"].value == "v=spf1 a:mail.here.test ~all"
