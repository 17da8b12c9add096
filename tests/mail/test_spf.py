"""SPF against the published suite of RFC 7208, and what the suite does not ask."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.mail.fake_dns import Reply, Zone
from webapp.mail.authentication import spf

SUITE = Path(__file__).parent / "signed/spf-rfc7208-tests.yml"


def the_suite() -> Iterator[Any]:
    for scenario in yaml.safe_load_all(SUITE.read_text()):
        zone = suite_zone(scenario["zonedata"])
        for name, case in scenario["tests"].items():
            yield pytest.param(zone, case, id=f"{scenario['description']}-{name}".replace(" ", "-"))


def suite_zone(zonedata: dict[str, list[Any]]) -> Zone:
    """The suite's way of writing zones: TIMEOUT answers what is not listed, SPF stands for TXT unless a TXT is there too."""
    records: dict[tuple[str, str], list[str]] = {}
    late: set[tuple[str, str]] = set()
    for name, entries in zonedata.items():
        own = any(isinstance(entry, dict) and "TXT" in entry for entry in entries)
        for entry in entries:
            if entry == "TIMEOUT":
                late.add((name.lower(), "*"))
                continue
            ((kind, value),) = entry.items()
            if value == "TIMEOUT":
                late.add((name.lower(), "TXT" if kind == "SPF" else kind))
            elif value != "NONE" and not (kind == "SPF" and own):
                kind = "TXT" if kind == "SPF" else kind
                records.setdefault((name.lower(), kind), []).append(suite_value(kind, value))
    return Zone(records, late)


def suite_value(kind: str, value: Any) -> str:
    if kind == "MX":
        return f"{value[0]} {value[1] or '.'}"
    if kind == "TXT" and isinstance(value, list):
        return "".join(value)
    return str(value)


@pytest.mark.parametrize(("zone", "case"), list(the_suite()))
def test_each_case_of_the_published_suite_has_an_accepted_result(zone: Zone, case: dict[str, Any]) -> None:
    found = spf.check_host(case["host"], case["mailfrom"], case["helo"], zone.lookup, receiver="receiver.test")
    accepted = case["result"] if isinstance(case["result"], list) else [case["result"]]
    assert found.result in accepted, found
    if case.get("explanation") not in (None, "DEFAULT"):
        assert found.explanation == case["explanation"]
    elif case.get("explanation") == "DEFAULT":
        assert found.explanation == ""


def test_the_suite_is_there_in_full() -> None:
    assert len(list(the_suite())) == 200


def test_a_record_that_includes_itself_ends_as_an_error() -> None:
    zone = Zone({("loop.example.com", "TXT"): ["v=spf1 include:loop.example.com -all"]})
    assert spf.check_host("192.0.2.1", "a@loop.example.com", "h.example.com", zone.lookup).result == "permerror"


@pytest.mark.parametrize("status", ["timeout", "servfail"])
def test_a_resolver_in_trouble_is_a_passing_error(status: str) -> None:
    found = spf.check_host("192.0.2.1", "a@example.com", "h.example.com", lambda name, type: Reply([], status))
    assert found.result == "temperror"


def test_a_resolver_that_raises_is_a_passing_error() -> None:
    def broken(name: str, type: str) -> Reply:
        raise OSError("no network")

    assert spf.check_host("192.0.2.1", "a@example.com", "h.example.com", broken).result == "temperror"


def test_an_ipv4_client_written_as_ipv6_is_judged_as_ipv4() -> None:
    zone = Zone({("example.com", "TXT"): ["v=spf1 ip4:192.0.2.0/24 -all"]})
    assert spf.check_host("::ffff:192.0.2.7", "a@example.com", "h.example.com", zone.lookup).result == "pass"


@pytest.mark.parametrize("ip", ["", "unix", "999.1.1.1"])
def test_a_client_without_an_address_has_no_result(ip: str) -> None:
    assert spf.check_host(ip, "a@example.com", "h.example.com", Zone({}).lookup).result == "none"


def test_the_null_sender_is_judged_by_the_name_in_helo() -> None:
    zone = Zone({("mx.example.com", "TXT"): ["v=spf1 a -all"], ("mx.example.com", "A"): ["192.0.2.9"]})
    found = spf.check_host("192.0.2.9", "", "mx.example.com", zone.lookup)
    assert (found.result, found.identity, found.domain) == ("pass", "helo", "mx.example.com")


def test_macro_bombs_cost_little() -> None:
    bomb = "%{l1r-+,/_=.}" * 500
    zone = Zone({("example.com", "TXT"): [f"v=spf1 exists:{bomb}.example.com -all"]})
    found = spf.check_host("192.0.2.9", f"{'a.' * 2000}b@example.com", "mx.example.com", zone.lookup)
    assert found.result in ("fail", "permerror")
    assert sum(1 for _ in itertools.chain(zone.asked)) <= 12
