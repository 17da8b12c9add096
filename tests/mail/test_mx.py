"""C-36, the DNS side: where a domain takes its mail, in which order, and what the DNS says for certain."""

import random
from typing import Any

import pytest

from tests.fakes import FakeDns
from webapp.mail.mx import MOST_HOSTS, NoRoute, find_route, host_addresses


def route_of(records: dict[Any, Any], domain: str = "example.org", **options: Any) -> Any:
    return find_route(domain, FakeDns(records).lookup, **options)


def test_hosts_come_by_preference_and_at_random_among_equals() -> None:
    records = {("example.org", "MX"): ["20 c.example.org", "10 a.example.org", "10 b.example.org", "5 first.example.org"]}
    orders = {route_of(records, rng=random.Random(seed)).hosts for seed in range(40)}
    first, last = "first.example.org", "c.example.org"
    assert orders == {(first, "a.example.org", "b.example.org", last), (first, "b.example.org", "a.example.org", last)}


def test_without_mx_the_domain_itself_is_the_host() -> None:
    route = route_of({("example.org", "A"): ["192.0.2.1"]})
    assert route.hosts == ("example.org",) and route.implicit
    assert route_of({("example.org", "AAAA"): ["2001:db8::1"]}).hosts == ("example.org",)


@pytest.mark.parametrize(
    ("records", "outcome", "status"),
    [
        ({("example.org", "MX"): ["0 ."]}, "failed", "5.1.10"),
        ({}, "failed", "5.1.2"),
        ({("example.org", "TXT"): ["hello"]}, "failed", "5.1.2"),
        ({("example.org", "MX"): "servfail"}, "retry", "4.4.3"),
        ({("example.org", "MX"): "timeout"}, "retry", "4.4.3"),
        ({("example.org", "A"): "timeout", ("example.org", "AAAA"): "no_answer"}, "retry", "4.4.3"),
        ({("example.org", "A"): "no_answer", ("example.org", "AAAA"): "servfail"}, "retry", "4.4.3"),
        ({("example.org", "MX"): ["10 mail.acme.test", "20 other.example.org"]}, "retry", "4.4.6"),
    ],
    ids=["null-mx", "nxdomain", "no-records", "servfail", "timeout", "address-timeout", "address-servfail", "ourselves-first"],
)
def test_c36_what_is_certain_ends_a_mail_and_what_is_not_defers_it(records: dict[Any, Any], outcome: str, status: str) -> None:
    with pytest.raises(NoRoute) as nowhere:
        route_of(records, ours="mail.acme.test")
    assert (nowhere.value.outcome, nowhere.value.status) == (outcome, status)
    assert str(nowhere.value).startswith(status) and "example.org" in str(nowhere.value)


def test_hosts_behind_ourselves_are_not_tried() -> None:
    records = {("example.org", "MX"): ["10 better.example.org", "20 Mail.Acme.Test", "30 behind.example.org"]}
    assert route_of(records, ours="mail.acme.test").hosts == ("better.example.org",)


def test_c36_two_hundred_mx_are_bounded() -> None:
    records = {("example.org", "MX"): [f"{number} mx{number}.example.org" for number in range(200)]}
    hosts = route_of(records).hosts
    assert len(hosts) == MOST_HOSTS and hosts[0] == "mx0.example.org"


def test_a_null_mx_beside_others_is_a_mistake_and_the_others_count() -> None:
    assert route_of({("example.org", "MX"): ["0 .", "10 mx.example.org"]}).hosts == ("mx.example.org",)


def test_an_address_literal_needs_no_dns() -> None:
    dns = FakeDns({})
    assert find_route("[192.0.2.7]", dns.lookup).hosts == ("192.0.2.7",)
    assert find_route("[IPv6:2001:db8::7]", dns.lookup).hosts == ("2001:db8::7",)
    assert dns.asked == []
    with pytest.raises(NoRoute):
        find_route("[nonsense]", dns.lookup)


def test_c36_an_mx_that_is_an_alias_and_both_kinds_of_addresses() -> None:
    dns = FakeDns(
        {
            ("mx.example.org", "CNAME"): ["real.example.net"], ("real.example.net", "A"): ["192.0.2.1", "192.0.2.2"],
            ("real.example.net", "AAAA"): ["2001:db8::1"],
        }
    )  # fmt: skip
    assert host_addresses("mx.example.org", dns.lookup) == (["2001:db8::1", "192.0.2.1", "192.0.2.2"], True)
    assert host_addresses("nowhere.example.org", dns.lookup) == ([], True)
    dns.records["slow.example.org", "A"] = "timeout"
    assert host_addresses("slow.example.org", dns.lookup) == ([], False)
