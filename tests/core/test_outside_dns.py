"""Questions to a real resolver on loopback: its facts and its troubles are told apart. And how the outside is put together."""

import time
from collections.abc import Iterator
from datetime import UTC
from types import SimpleNamespace

import pytest
from flask import Flask

from tests.fakes import FakeClock, FakeDns, FakeHttp, fake_outside
from tests.name_server import NameServer
from webapp.core import outside as module
from webapp.core.dns import Dns
from webapp.core.net_guard import Refused, Unresolved, resolve_allowed

LONG = "v=DKIM1; k=rsa; p=" + "A" * 400
ZONE = {
    ("example.com.", "A"): ["192.0.2.10", "192.0.2.11"],
    ("example.com.", "MX"): ["10 MX.Example.com.", "20 mx2.example.com."],
    ("null.example.com.", "MX"): ["0 ."],
    ("example.com.", "TXT"): ['"v=spf1 " "-all"', f'"{LONG[:200]}" "{LONG[200:]}"'],
    ("alias.example.com.", "CNAME"): ["Target.example.com."],
    ("xn--bcher-kva.example.", "A"): ["192.0.2.12"],
    ("trick.example.", "A"): ["8.8.8.8"],
    ("trick.example.", "AAAA"): ["::ffff:10.0.0.1"],
    ("halfway.example.", "A"): ["8.8.8.8"],
}


@pytest.fixture
def server() -> Iterator[NameServer]:
    resolver = NameServer(ZONE)
    resolver.start()
    yield resolver
    resolver.close()


@pytest.mark.parametrize(("name", "type", "values"), [
    ("example.com", "A", ["192.0.2.10", "192.0.2.11"]), ("Example.COM.", "A", ["192.0.2.10", "192.0.2.11"]),
    ("example.com", "MX", ["10 mx.example.com", "20 mx2.example.com"]), ("null.example.com", "MX", ["0 ."]),
    ("example.com", "TXT", ["v=spf1 -all", LONG]), ("alias.example.com", "CNAME", ["target.example.com"]),
    ("bücher.example", "A", ["192.0.2.12"]),
])
def test_records_come_back_as_text(server: NameServer, name: str, type: str, values: list[str]) -> None:
    answer = Dns(server.place).lookup(name, type)
    assert (answer.status, sorted(answer.values), answer.resolver, answer.ttl_s) == ("ok", sorted(values), server.place, 300)


@pytest.mark.parametrize(("name", "type", "status", "is_certain"), [
    ("gone.example.com", "A", "nxdomain", True), ("example.com", "AAAA", "no_answer", True), ("broken.example", "A", "servfail", False),
    ("refused.example", "A", "servfail", False), ("a..b", "A", "nxdomain", True),
    ("x" * 64 + ".example", "A", "nxdomain", True), ("", "A", "nxdomain", True),
])
def test_c36_facts_about_a_name_and_troubles_of_a_resolver_are_told_apart(
    server: NameServer, name: str, type: str, status: str, is_certain: bool
) -> None:
    answer = Dns(server.place, try_s=0.3, lifetime_s=0.8).lookup(name, type)
    assert (answer.status, answer.values, answer.is_certain) == (status, [], is_certain)


def test_c36_a_silent_resolver_times_out_soon(server: NameServer) -> None:
    started = time.monotonic()
    answer = Dns(server.place, try_s=0.2, lifetime_s=0.5).lookup("silent.example", "A")
    assert (answer.status, answer.resolver, answer.is_certain) == ("timeout", server.place, False)
    assert time.monotonic() - started < 2


def test_search_domains_are_never_tried(server: NameServer) -> None:
    Dns(server.place).lookup("mail", "A")
    assert [name for name, _ in server.asked] == ["mail."]


def test_c66_the_guard_sees_the_addresses_of_both_families(server: NameServer) -> None:
    lookup = Dns(server.place).addresses
    assert lookup("trick.example", 5) == ["8.8.8.8", "::ffff:10.0.0.1"]
    with pytest.raises(Refused):
        resolve_allowed("trick.example", 443, (), lookup=lookup)
    assert [str(address) for address in resolve_allowed("halfway.example", 443, (), lookup=lookup)] == ["8.8.8.8"]


def test_names_that_only_the_system_knows_are_asked_there(server: NameServer) -> None:
    assert "127.0.0.1" in Dns(server.place).addresses("localhost", 5)
    assert server.asked == []


def test_c36_a_resolver_in_trouble_is_not_taken_for_an_unknown_name(server: NameServer) -> None:
    with pytest.raises(Unresolved, match="no usable answer"):
        Dns(server.place, try_s=0.2, lifetime_s=0.5).addresses("broken.example", 1)


def test_the_application_gets_one_outside_made_from_its_settings() -> None:
    app = Flask("test")
    module.init_app(app, SimpleNamespace(dns="192.0.2.53:53", allow_private_targets=("hooks.internal",)))  # type: ignore[arg-type]
    with app.app_context():
        here = module.outside()
        assert here.dns.server == "192.0.2.53:53"
        assert here.http.allow == ("hooks.internal",)
        assert here.smtp is None
        assert here.clock.now().tzinfo is UTC
        here.clock.sleep(-1)


def test_an_outside_of_fakes_stays_when_the_application_is_made() -> None:
    app = Flask("test")
    names = FakeDns({("example.com", "A"): ["192.0.2.1"], ("slow.example", "A"): "timeout"})
    fake = fake_outside(http=FakeHttp(503), dns=names, clock=FakeClock())
    app.extensions["outside"] = fake
    module.init_app(app, SimpleNamespace(dns=None, allow_private_targets=()))  # type: ignore[arg-type]
    with app.app_context():
        here = module.outside()
        assert here is fake
        assert [here.http.send("GET", "https://example.com/").status for _ in range(2)] == [503, 200]
        questions = (("example.com", "A"), ("example.com", "MX"), ("no.example", "A"), ("slow.example", "A"))
        assert [here.dns.lookup(*question).status for question in questions] == ["ok", "no_answer", "nxdomain", "timeout"]
        before = here.clock.now()
        here.clock.sleep(90)
        assert (here.clock.now() - before).total_seconds() == 90
