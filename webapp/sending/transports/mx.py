"""`mx`: directly to the hosts that the recipients' domains name, with what TLS they ask for, and no faster than they like.

    pause? ─> MX hosts (RFC 5321 section 5.1) ─> MTA-STS (RFC 8461) ─> addresses, none private ─> first that greets us ─> lanes
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from webapp.core.config import settings
from webapp.core.db import database_now, db
from webapp.core.dns import DnsAnswer
from webapp.core.net_guard import is_allowed
from webapp.core.outside import SmtpConnector, outside
from webapp.mail.mta_sts import Policy
from webapp.mail.mx import NoRoute, Route, find_route
from webapp.mail.smtp_lanes import Lanes, Supply
from webapp.mail.smtp_out import ConnectFailed, SendResult, connect
from webapp.mail.smtp_pipe import Ear, Letter, Pipe
from webapp.sending import pacing, tls_policies
from webapp.sending.transports import Report, Transport
from webapp.sending.transports.lane_pool import LanePool
from webapp.sending.transports.mx_dial import Dialling, Way
from webapp.sending.transports.smtp import refuse_all

#: what the DNS said is believed for at most so long, in seconds, and of so many domains
LONGEST_TTL_S, MOST_ROUTES = 300, 10_000
#: letters that found every connection to their host taken wait so long
TAKEN_S = 5.0


def mx_transport(hostname: str) -> Transport:
    """A way out to every domain; `hostname` is what we call ourselves there."""
    return Transport(name="mx", first_state="queued", open=lambda: MxCarrier(hostname, outside().smtp or connect))


@dataclass(frozen=True)
class _Known:
    route: Route
    until: float


class MxCarrier:
    """The connections to the hosts of all domains."""

    one_by_one = True

    def __init__(self, hostname: str, connector: SmtpConnector = connect) -> None:
        self.hostname, self.connector = hostname, connector
        self._pool = LanePool()
        self._routes: dict[str, _Known] = {}
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    def destination(self, domain: str) -> str:
        return domain

    def close(self, idle_s: float = 0.0) -> None:
        self._pool.close(idle_s)

    def carry(self, destination: str, letters: Supply, report: Report, stop: Callable[[], bool]) -> None:
        try:
            route = self._route(destination)
        except NoRoute as nowhere:
            refuse_all(letters, report, ConnectFailed(str(nowhere), []), destination, nowhere.outcome)
            return
        name = route.hosts[0]
        leave = pacing.ask_leave(name, len(letters))
        if leave.paused_until is not None and not leave.letters:
            report.later(leave.paused_until, f"{name} asked us to slow down ({leave.reply})")
            return
        granted = self._take(name, leave.connections)
        if not granted:
            report.later(database_now() + timedelta(seconds=TAKEN_S), f"every connection to {name} is in use")
            db.session.rollback()
            return
        paced = _Paced(letters, report, leave.letters)
        try:
            self._carry(destination, route, paced, granted, stop)
        finally:
            self._give(name, granted)
        if paced.complaint is not None:
            until = pacing.slow_down(name, paced.complaint)
            report.later(until, f"{name} asked us to slow down ({paced.complaint})")
        elif leave.paused_until is not None:
            report.later(leave.paused_until, f"{name} takes only so many letters a minute from us ({leave.reply})")

    def _carry(self, destination: str, route: Route, paced: "_Paced", granted: int, stop: Callable[[], bool]) -> None:
        policy = _policy_of(destination)
        way = Way(destination, route.hosts, policy)
        dialling = Dialling(way, self.connector, self.hostname, outside().mx_port, _ask, _is_allowed)

        def open_pipe(ear: Ear) -> Pipe:
            pipe = dialling.open(ear)
            for failure in dialling.take_failures():
                tls_policies.note_failure(destination, failure)
            return pipe

        # lanes of an earlier policy are not used under another one
        lanes = self._pool.take(f"{destination} {policy}", lambda: Lanes(open_pipe, per_connection=pacing.PER_CONNECTION))
        lanes.open, lanes.most = open_pipe, granted
        try:
            lanes.carry(paced, paced, lambda: paced.complaint is not None or stop())
        except ConnectFailed as failed:
            if pacing.asks_to_slow_down(failed.code, failed.text):
                paced.complaint = failed.text
            refuse_all(paced.all, paced, failed, dialling.last or route.hosts[0])
        finally:
            for failure in dialling.take_failures():
                tls_policies.note_failure(destination, failure)
            self._pool.give(f"{destination} {policy}", lanes)

    # --- what is remembered -------------------------------------------------------------------------

    def _route(self, domain: str) -> Route:
        known = self._routes.get(domain)
        if known is not None and known.until > time.monotonic():
            return known.route
        route = find_route(domain, _ask, ours=self.hostname)
        with self._lock:
            if len(self._routes) >= MOST_ROUTES:
                for old in list(islice(self._routes, MOST_ROUTES // 10)):
                    del self._routes[old]
            self._routes[domain] = _Known(route, time.monotonic() + min(route.ttl_s, LONGEST_TTL_S))
        return route

    def _take(self, name: str, most: int) -> int:
        """So many connections to a host for this caller; 0 when others have them all."""
        with self._lock:
            granted = max(0, most - self._open[name])
            self._open[name] += granted
            return granted

    def _give(self, name: str, number: int) -> None:
        with self._lock:
            self._open[name] -= number
            if not self._open[name]:
                del self._open[name]


class _Paced:
    """Letters and report of one visit: so many letters may go, and the first complaint about our speed ends it."""

    def __init__(self, letters: Supply, report: Report, most: int | None) -> None:
        self.all, self._report, self._most = letters, report, most
        self.complaint: str | None = None

    def __len__(self) -> int:
        return len(self.all) if self._most is None else min(len(self.all), self._most)

    def popleft(self) -> Letter:
        letter = self.all.popleft()
        if self._most is not None:
            self._most -= 1
        return letter

    def appendleft(self, letter: Letter) -> None:
        self.all.appendleft(letter)
        if self._most is not None:
            self._most += 1

    def begins(self, letter: Letter, host: str) -> None:
        self._report.begins(letter, host)

    def answered(self, letter: Letter, result: SendResult, host: str) -> None:
        if result.outcome == "retry" and self.complaint is None and pacing.asks_to_slow_down(result.code, result.text):
            self.complaint = result.text
        self._report.answered(letter, result, host)


def _policy_of(domain: str) -> Policy | None:
    return None if domain.startswith("[") else tls_policies.policy_of(domain).policy


def _ask(name: str, type: str) -> DnsAnswer:
    return outside().dns.lookup(name, type)


def _is_allowed(address: str, host: str) -> bool:
    return is_allowed(address, host, settings().allow_private_targets)
