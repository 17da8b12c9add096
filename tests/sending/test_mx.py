"""The transport `mx`: hosts and addresses in turn, what the DNS and TLS policies say, and pace (C-24, C-36, C-37)."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.factories.sending import Script, Sink, deliveries, make_due, make_outgoing, run_drain, use_transport
from tests.fakes import FakeDns, FakeHttp, fake_outside
from tests.mail.smtp_door import self_signed
from tests.mail.smtp_peer import Peer, say_and_hang_up
from webapp.core.db import database_now, db
from webapp.core.http_guard import HttpAnswer
from webapp.core.outside import Clock
from webapp.mail import smtp_line
from webapp.sending import pacing, service
from webapp.sending.destinations import Destination, TlsPolicy
from webapp.sending.models import Attempt

POLICY = "version: STSv1\nmode: {mode}\nmx: mx.example.org\nmax_age: 86400\n"
STARTTLS = b"250-peer.test\r\n250-PIPELINING\r\n250 STARTTLS\r\n"


class World:
    """The DNS and the web of a test, and the port that all its mail hosts listen on."""

    def __init__(self, app: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.dns, self.http = FakeDns(), FakeHttp()
        app.extensions["outside"] = replace(fake_outside(self.http, self.dns, clock=Clock()), mx_port=self.port)
        use_transport(app, "mx")
        self.app = app
        self.allow("127.0.0.0/8", "::1")

    def allow(self, *blocks: str) -> None:
        self.app.config["SETTINGS"] = replace(self.app.config["SETTINGS"], allow_private_targets=blocks)

    def names(self, **hosts: str | list[str]) -> None:
        """Mail hosts of example.org with their addresses, in order of preference."""
        self.dns.records["example.org", "MX"] = [f"{10 * (n + 1)} {name}.example.org" for n, name in enumerate(hosts)]
        for name, address in hosts.items():
            for one in [address] if isinstance(address, str) else address:
                self.dns.records.setdefault((f"{name}.example.org", "AAAA" if ":" in one else "A"), []).append(one)  # type: ignore[union-attr]

    def policy(self, mode: str, *, number: str = "1", status: int = 200) -> None:
        """example.org announces a policy, and its web server gives it out."""
        self.dns.records["_mta-sts.example.org", "TXT"] = [f"v=STSv1; id={number};"]
        self.http.script = [HttpAnswer(status=status, body=POLICY.format(mode=mode).encode())] * 20

    def sink(self, host: str = "127.0.0.1", script: Script | None = None) -> Sink:
        return Sink(script, host=host, port=self.port)


@pytest.fixture
def world(app: Any) -> World:
    return World(app)


def only(outgoing: Any) -> Any:
    [row] = deliveries(outgoing)
    return row


def attempt() -> Attempt:
    return db.session.query(Attempt).order_by(Attempt.id.desc()).first()  # type: ignore[return-value]


def test_mail_goes_to_the_best_host_and_the_attempt_says_which(world: World, alice: Any) -> None:
    world.names(mx="127.0.0.1", backup="127.0.0.2")
    with world.sink() as best, world.sink("127.0.0.2") as backup:
        outgoing = make_outgoing(alice, "ada@example.org", "bob@example.org")
        assert run_drain() is True
        assert sorted(best.recipients) == ["ada@example.org", "bob@example.org"] and backup.recipients == []
        assert best.listener.accepted == 1
    assert {(row.state, row.host) for row in deliveries(outgoing)} == {("sent", "mx.example.org")}
    assert attempt().tls == "in the clear"


@pytest.mark.parametrize("banner", [b"421 4.3.2 not now\r\n", b"554 5.7.1 no\r\n", None], ids=["421", "554", "nobody-listens"])
def test_c36_a_host_that_does_not_serve_us_is_followed_by_the_next(world: World, alice: Any, banner: bytes | None) -> None:
    world.names(mx=["127.0.0.1", "127.0.0.2"], backup="127.0.0.3")
    with contextlib.ExitStack() as stack:
        if banner is not None:
            for host in ("127.0.0.1", "127.0.0.2"):
                stack.enter_context(world.sink(host, Script(banner=banner)))
        backup = stack.enter_context(world.sink("127.0.0.3"))
        outgoing = make_outgoing(alice)
        run_drain()
        assert backup.recipients == ["ada@example.org"]
    assert only(outgoing).host == "backup.example.org"
    assert any("mx.example.org [127.0.0.2]" in line for line in attempt().dialogue), "the way there stands in the dialogue"


def test_c36_null_mx_is_a_hard_bounce_without_a_connection(world: World, alice: Any) -> None:
    world.dns.records["example.org", "MX"] = ["0 ."]
    with world.sink() as sink:
        outgoing = make_outgoing(alice)
        run_drain()
        assert sink.listener.accepted == 0
    row = only(outgoing)
    assert (row.state, row.bounce) == ("bounced", "hard") and "5.1.10" in row.last_error
    assert "takes no mail" in service.why(row)


def test_c36_a_domain_that_does_not_exist_bounces_and_one_that_may_exist_waits(world: World, alice: Any) -> None:
    world.dns.records["slow.test", "MX"] = "timeout"
    world.dns.records["broken.test", "MX"] = "servfail"
    outgoing = make_outgoing(alice, "a@nowhere.test", "b@slow.test", "c@broken.test")
    run_drain()
    found = {row.recipient: (row.state, (row.last_error or "")[:5]) for row in deliveries(outgoing)}
    assert found == {
        "a@nowhere.test": ("bounced", "5.1.2"), "b@slow.test": ("deferred", "4.4.3"), "c@broken.test": ("deferred", "4.4.3"),
    }  # fmt: skip


def test_c36_private_addresses_are_refused_unless_the_operator_allows_them(world: World, alice: Any) -> None:
    world.names(mx="127.0.0.1", inner="10.1.2.3")
    world.allow()
    with world.sink() as sink:
        outgoing = make_outgoing(alice)
        run_drain()
        assert sink.listener.accepted == 0
        row = only(outgoing)
        assert row.state == "deferred" and "MAILROOM_ALLOW_PRIVATE_TARGETS" in row.last_error
        world.allow("127.0.0.1")
        make_due()
        run_drain()
        assert sink.recipients == ["ada@example.org"]


def test_c36_a_host_with_ipv6_alone_is_reached(world: World, alice: Any) -> None:
    world.names(mx="::1")
    with world.sink("::1") as sink:
        outgoing = make_outgoing(alice)
        run_drain()
        assert sink.recipients == ["ada@example.org"]
    assert only(outgoing).state == "sent"


def test_c36_an_alias_and_a_domain_without_mx_are_reached(world: World, alice: Any) -> None:
    world.dns.records["example.org", "MX"] = ["10 mx.example.org"]
    world.dns.records["mx.example.org", "CNAME"] = ["real.example.net"]
    world.dns.records["real.example.net", "A"] = ["127.0.0.1"]
    world.dns.records["plain.test", "A"] = ["127.0.0.1"]
    with world.sink() as sink:
        make_outgoing(alice, "ada@example.org", "bob@plain.test")
        run_drain()
        assert sorted(sink.recipients) == ["ada@example.org", "bob@plain.test"]


def test_c36_two_hundred_dead_hosts_end_after_a_few_dials(world: World, alice: Any) -> None:
    world.names(**{f"mx{number}": f"127.0.1.{number}" for number in range(200)})
    outgoing = make_outgoing(alice)
    run_drain()
    assert only(outgoing).state == "deferred"
    dials = sum("refused" in line for line in attempt().dialogue)
    assert dials > 1 and dials <= 12


def test_a_dead_and_a_hanging_destination_do_not_delay_the_others(world: World, alice: Any) -> None:
    """Nobody listens at one; another one takes the connection and says nothing until everybody else has been served."""
    world.dns.records |= {("dead.test", "A"): ["127.0.0.9"], ("hang.test", "A"): ["127.0.0.8"], ("good.test", "A"): ["127.0.0.1"]}
    with world.sink() as good:

        def wait(connection: socket.socket) -> bool:
            good.listener.stopping.wait(0.01)
            while len(good.taken) < 20:
                good.listener.stopping.wait(0.01)
            connection.sendall(b"220 at last\r\n")
            return True

        with world.sink("127.0.0.8", Script(banner=wait)) as hanging:
            outgoing = make_outgoing(alice, "a@hang.test", "b@dead.test", *[f"p{n}@good.test" for n in range(20)])
            run_drain()
            assert len(good.taken) == 20 and hanging.recipients == ["a@hang.test"]
    states = {row.recipient: row.state for row in deliveries(outgoing)}
    assert states.pop("b@dead.test") == "deferred" and set(states.values()) == {"sent"}


# --- TLS ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def trusting(pem: bytes | None) -> Iterator[None]:
    """Checked connections trust this certificate; none when it is None."""
    original = smtp_line.tls_context

    def context(checked: bool) -> ssl.SSLContext:
        if not checked:
            return original(False)
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if pem is not None:
            made.load_verify_locations(cadata=pem.decode())
        return made

    smtp_line.tls_context = context  # type: ignore[assignment]
    try:
        yield
    finally:
        smtp_line.tls_context = original


def peer(world: World, name: str = "mx.example.org", **steps: Any) -> tuple[Peer, bytes]:
    context, pem = self_signed(name)
    return Peer(tls=context, port=world.port, **{"ehlo": STARTTLS, **steps}), pem


def test_tls_is_used_where_it_is_offered_whatever_the_certificate(world: World, alice: Any) -> None:
    world.names(mx="127.0.0.1")
    server, _ = peer(world, "somebody.else.test")
    with trusting(None), server:
        outgoing = make_outgoing(alice)
        run_drain()
    assert only(outgoing).state == "sent"
    assert attempt().tls is not None and attempt().tls.startswith("TLSv1") and "not checked" in attempt().tls


def test_a_broken_handshake_falls_back_to_the_clear_where_no_policy_asks_for_tls(world: World, alice: Any) -> None:
    world.names(mx="127.0.0.1")
    with Peer(port=world.port, ehlo=STARTTLS, starttls=say_and_hang_up(b"220 go\r\n")) as server:
        outgoing = make_outgoing(alice)
        run_drain()
        assert len(server.bodies) == 1
    assert only(outgoing).state == "sent" and attempt().tls == "in the clear"


def test_c37_enforce_with_a_good_certificate_delivers_checked(world: World, alice: Any) -> None:
    world.names(mx="127.0.0.1")
    world.policy("enforce")
    server, pem = peer(world)
    with trusting(pem), server:
        outgoing = make_outgoing(alice)
        run_drain()
    assert only(outgoing).state == "sent"
    assert "certificate checked" in (attempt().tls or "") and "MTA-STS enforce" in (attempt().tls or "")
    assert world.http.sent[0].url == "https://mta-sts.example.org/.well-known/mta-sts.txt"


@pytest.mark.parametrize("name", ["somebody.else.test", None], ids=["other-name", "no-tls"])
def test_c37_enforce_with_a_bad_certificate_or_without_tls_defers(world: World, alice: Any, name: str | None) -> None:
    world.names(mx="127.0.0.1")
    world.policy("enforce")
    server, pem = peer(world, name or "mx.example.org", **({} if name else {"ehlo": b"250-peer.test\r\n250 PIPELINING\r\n"}))
    with trusting(pem), server:
        outgoing = make_outgoing(alice)
        run_drain()
        assert server.bodies == []
    assert only(outgoing).state == "deferred"
    assert db.session.query(TlsPolicy).one().failures == 1


def test_c37_a_host_outside_the_policy_is_not_used(world: World, alice: Any) -> None:
    world.names(evil="127.0.0.1")
    world.policy("enforce")
    server, pem = peer(world, "evil.example.org")
    with trusting(pem), server:
        outgoing = make_outgoing(alice)
        run_drain()
        assert server.commands == []
    assert only(outgoing).state == "deferred" and "policy" in only(outgoing).last_error


def test_c37_testing_mode_delivers_and_counts(world: World, alice: Any) -> None:
    world.names(mx="127.0.0.1")
    world.policy("testing")
    server, pem = peer(world, "somebody.else.test")
    with trusting(pem), server:
        outgoing = make_outgoing(alice)
        run_drain()
        assert len(server.bodies) == 1
    assert only(outgoing).state == "sent" and "MTA-STS testing: mx.example.org" in (attempt().tls or "")
    policy = db.session.query(TlsPolicy).one()
    assert policy.failures == 1 and "certificate" in (policy.last_failure or "")


def test_c37_a_policy_outlives_its_record_and_its_web_server_until_it_expires(world: World, alice: Any) -> None:
    """Who takes away the DNS record or the web server does not get mail in the clear."""
    world.names(mx="127.0.0.1")
    world.policy("enforce")
    server, pem = peer(world)
    with trusting(pem), server:
        make_outgoing(alice)
        run_drain()
    del world.dns.records["_mta-sts.example.org", "TXT"]
    with world.sink() as sink:
        outgoing = make_outgoing(alice)
        run_drain()
        assert sink.taken == [] and only(outgoing).state == "deferred"
        world.policy("enforce", number="2", status=404)
        make_due()
        run_drain()
        assert sink.taken == [], "a new record whose policy cannot be had does not end the old one"
        db.session.query(TlsPolicy).update({"expires_at": database_now() - timedelta(seconds=1)})
        make_due()
        run_drain()
        assert sink.recipients == ["ada@example.org"], "an expired policy counts no more"
    assert "404" in (db.session.query(TlsPolicy).one().problem or "")


def test_c37_a_policy_that_cannot_be_fetched_the_first_time_is_none(world: World, alice: Any) -> None:
    world.names(mx="127.0.0.1")
    world.policy("enforce", status=500)
    with world.sink() as sink:
        make_outgoing(alice)
        run_drain()
        assert sink.recipients == ["ada@example.org"]
    make_outgoing(alice)
    run_drain()
    assert len(world.http.sent) == 1, "it is not asked for at each mail"


# --- pace --------------------------------------------------------------------------------------------------


def test_c24_a_host_that_asks_to_slow_down_is_left_alone_for_a_while_and_nobody_s_attempt_is_wasted(world: World, alice: Any) -> None:
    world.names(mx="127.0.0.1")
    world.dns.records["other.test", "A"] = ["127.0.0.2"]
    with world.sink(script=Script(mail=b"421 4.7.0 too many connections from you\r\n")) as throttled, world.sink("127.0.0.2") as other:
        outgoing = make_outgoing(alice, *[f"p{n}@example.org" for n in range(30)], "o@other.test")
        run_drain()
        assert other.recipients == ["o@other.test"] and throttled.listener.accepted == 1
        rows = [row for row in deliveries(outgoing) if row.domain == "example.org"]
        assert sorted(row.attempts for row in rows) == [0] * 29 + [1]
        waiting = [row for row in rows if row.attempts == 0]
        assert {row.state for row in waiting} == {"queued"} and "slow down" in service.why(waiting[0])
        assert all(row.next_attempt_at > database_now() for row in waiting)
        make_due()
        run_drain()
        assert throttled.listener.accepted == 1, "nothing goes there during the pause"
    row = db.session.query(Destination).one()
    assert (row.name, row.level) == ("mx.example.org", 1) and "too many" in row.reply


def test_pace_is_so_many_a_minute_after_the_pause_and_full_again_after_calm(world: World, alice: Any) -> None:
    pacing.slow_down("mx.example.org", "421 slow down")
    row = db.session.query(Destination).one()
    assert pacing.ask_leave("mx.example.org", 5).letters == 0
    row.level, row.paused_until = 3, None
    db.session.commit()
    first, second = pacing.ask_leave("mx.example.org", 10), pacing.ask_leave("mx.example.org", 10)
    assert first.letters is not None and second.letters is not None and first.connections == 1
    assert first.letters + second.letters in (15, 20), "15 a minute, or a new minute began between the two"
    for _ in range(3):
        db.session.query(Destination).update({"changed_at": database_now() - timedelta(hours=1)})
        db.session.commit()
        leave = pacing.ask_leave("mx.example.org", 1000)
    assert leave == pacing.FULL


@pytest.mark.parametrize(
    ("code", "text", "slow"),
    [
        (421, "421 4.3.2 closing", True), (450, "450 4.7.1 rate limited", True), (451, "451 4.7.500 Server busy", True),
        (450, "450 4.2.0 greylisted, try again", False), (452, "452 4.2.2 mailbox full", False), (550, "550 5.7.1 too many", False),
        (None, "the server did not answer", False),
    ],
)  # fmt: skip
def test_which_replies_are_about_our_speed(code: int | None, text: str, slow: bool) -> None:
    assert pacing.asks_to_slow_down(code, text) is slow
