"""Questions to the DNS, asked of MAILROOM_DNS or of the system's resolvers, with short time-outs and an answer that never raises.

A name that does not exist, a name without such a record and a resolver in trouble are three things: the first two are facts
about the name, the third says nothing about it and is asked again later.
"""

import ipaddress
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import dns.exception
import dns.name
import dns.resolver

from webapp.core.net_guard import Unresolved, is_private_name, system_lookup

Status = Literal["ok", "nxdomain", "no_answer", "servfail", "timeout"]

TRY_S = 2.0
LIFETIME_S = 5.0


@dataclass(frozen=True)
class DnsAnswer:
    """What one question brought.

    values    the records as text: addresses; host names in lower case without final dot; "10 mx.example.com" for MX ("0 ." is the null
              MX of RFC 7505); the joined strings of each TXT; anything else in zone file form
    status    ok, nxdomain (no such name), no_answer (no such record), servfail (refused and broken answers too), timeout
    resolver  host:port that answered, or those that were asked
    ttl_s     seconds for which the answer holds; 0 without records
    """

    values: list[str] = field(default_factory=list)
    status: Status = "ok"
    resolver: str = ""
    ttl_s: int = 0

    @property
    def is_certain(self) -> bool:
        """Whether this says something about the name; if not, ask again later."""
        return self.status in ("ok", "nxdomain", "no_answer")


class Dns:
    """A way to ask; threads may share it.

    server  `host:port` of a resolver, IPv6 in brackets; None: the system's, read afresh for each question
    """

    def __init__(self, server: str | None = None, *, try_s: float = TRY_S, lifetime_s: float = LIFETIME_S) -> None:
        self.server = server
        self.try_s = try_s
        self.lifetime_s = lifetime_s

    def lookup(self, name: str, type: str, *, timeout_s: float | None = None) -> DnsAnswer:
        """All records of one type under a name; aliases are followed, search domains are not tried.

        timeout_s  the most that the question may take, in all; None: 5 s
        """
        deadline = time.monotonic() + (self.lifetime_s if timeout_s is None else timeout_s)
        try:
            asked = dns.name.from_text(name, idna_codec=dns.name.IDNA_2008_Practical)
        except (dns.exception.DNSException, UnicodeError):
            return DnsAnswer(status="nxdomain", resolver="none: not a domain name")
        try:
            resolver = self._resolver()
        except (dns.exception.DNSException, Unresolved, OSError) as error:
            return DnsAnswer(status="servfail", resolver=f"none: {error}")
        where = self.server or ", ".join(f"{server}:{resolver.port}" for server in resolver.nameservers)
        try:
            found = resolver.resolve(asked, type, search=False, lifetime=max(0.01, deadline - time.monotonic()))
        except dns.resolver.NXDOMAIN:
            return DnsAnswer(status="nxdomain", resolver=where)
        except dns.resolver.NoAnswer:
            return DnsAnswer(status="no_answer", resolver=where)
        except dns.exception.Timeout:
            return DnsAnswer(status="timeout", resolver=where)
        except (dns.exception.DNSException, OSError, EOFError):
            return DnsAnswer(status="servfail", resolver=where)
        assert found.rrset is not None  # NoAnswer otherwise
        return DnsAnswer([_as_text(record) for record in found.rrset], "ok", f"{found.nameserver}:{found.port}", found.rrset.ttl)

    def addresses(self, host: str, timeout_s: float) -> list[str]:
        """Every address of a name, for the guard (`net_guard.Lookup`): MAILROOM_DNS when it is set and knows the name, else the system.

        The system is asked after it, because the hosts file and the names of a container network are known to nobody else.
        raises  Unresolved
        """
        if self.server is None or "." not in host or is_private_name(host):
            return system_lookup(host, timeout_s)
        deadline = time.monotonic() + timeout_s
        answers = [self.lookup(host, type, timeout_s=max(0.01, deadline - time.monotonic())) for type in ("A", "AAAA")]
        if found := [value for answer in answers for value in answer.values]:
            return found
        if all(answer.is_certain for answer in answers):
            return system_lookup(host, max(0.1, deadline - time.monotonic()))
        raise Unresolved(f"{host} could not be resolved: {self.server} gave no usable answer.")

    def _resolver(self) -> dns.resolver.Resolver:
        if self.server is None:
            resolver = dns.resolver.Resolver()
        else:
            resolver = dns.resolver.Resolver(configure=False)
            resolver.nameservers, resolver.port = self._place
        resolver.timeout = self.try_s
        return resolver

    @cached_property
    def _place(self) -> tuple[list[str], int]:
        host, _, port = (self.server or "").rpartition(":")
        host = host.strip("[]")
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return system_lookup(host, self.lifetime_s), int(port)
        return [host], int(port)


def _as_text(record: Any) -> str:
    kind = record.rdtype.name
    if kind == "TXT":
        return b"".join(record.strings).decode("utf-8", "replace")
    if kind == "MX":
        return f"{record.preference} {_name(record.exchange)}"
    if kind in ("CNAME", "NS", "PTR"):
        return _name(record.target)
    return str(record.to_text())


def _name(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else "."
