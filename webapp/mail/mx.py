"""Where a domain takes its mail: MX hosts in their order, or the reason why there is none (RFC 5321 section 5.1, RFC 7505). Pure.

    route = find_route("example.org", ask, ours="mail.acme.test")
    for host in route.hosts: addresses(host, ask)

What the DNS says for certain (no such domain, no mail wanted) ends a mail at once; a resolver in trouble never does.
"""

import ipaddress
import random
from dataclasses import dataclass
from itertools import groupby

from webapp.mail.dns_text import Answer, Ask, mx_hosts

#: a domain may list hundreds of hosts; nobody is helped by trying them all
MOST_HOSTS = 10


class NoRoute(Exception):
    """There is nowhere to go.

    outcome  failed (the DNS is certain) or retry
    status   enhanced status code (RFC 3463)
    """

    def __init__(self, outcome: str, status: str, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.outcome, self.status = outcome, status


@dataclass(frozen=True)
class Route:
    """The hosts that take a domain's mail, the one to be tried first in front.

    ttl_s     how long this holds
    implicit  whether they come from address records, because there is no MX
    """

    hosts: tuple[str, ...]
    ttl_s: int = 0
    implicit: bool = False


def find_route(domain: str, ask: Ask, *, ours: str = "", rng: random.Random | None = None) -> Route:
    """The way to a domain, or to an address literal.

    ours    our own host name: hosts that the domain lists behind us are not tried, else mail would go in circles
    raises  NoRoute
    """
    if domain.startswith("["):
        return _literal(domain)
    answer = ask(domain, "MX")
    if not answer.is_certain:
        raise NoRoute("retry", "4.4.3", f"The DNS gave no usable answer about the mail servers of {domain} ({answer.status}).")
    found = mx_hosts(answer)
    if not found:
        return _implicit(domain, answer, ask)
    if any(name == "." for _, name in found):
        if len(found) > 1:
            found = [(preference, name) for preference, name in found if name != "."]
        else:
            raise NoRoute("failed", "5.1.10", f"{domain} takes no mail: its DNS says so (null MX).")
    hosts = _ordered(found, ours, rng or random.Random())  # noqa: S311
    if not hosts:
        raise NoRoute("retry", "4.4.6", f"{domain} names this server ({ours}) as its mail server, but the domain is not set up here.")
    return Route(tuple(hosts[:MOST_HOSTS]), answer.ttl_s)


def _ordered(found: list[tuple[int, str]], ours: str, rng: random.Random) -> list[str]:
    """By preference, in random order among equals; none that is listed behind ourselves or beside us."""
    limit = min((preference for preference, name in found if ours and name == ours.lower().rstrip(".")), default=None)
    hosts: list[str] = []
    for preference, group in groupby(sorted(found), key=lambda one: one[0]):
        if limit is not None and preference >= limit:
            break
        names = [name for _, name in group]
        rng.shuffle(names)
        hosts += [name for name in names if name not in hosts]
    return hosts


def _implicit(domain: str, answer: Answer, ask: Ask) -> Route:
    """Without MX the domain itself is the host, when it has an address (RFC 5321 section 5.1)."""
    answers = [ask(domain, type) for type in ("A", "AAAA")]
    if any(one.values for one in answers):
        return Route((domain,), min(one.ttl_s for one in answers if one.values), implicit=True)
    if not all(one.is_certain for one in answers):
        raise NoRoute("retry", "4.4.3", f"The DNS gave no usable answer about the addresses of {domain}.")
    if answer.status == "nxdomain" and all(one.status == "nxdomain" for one in answers):
        raise NoRoute("failed", "5.1.2", f"The domain {domain} does not exist.")
    raise NoRoute("failed", "5.1.2", f"The domain {domain} has no mail server and no address.")


def _literal(domain: str) -> Route:
    text = domain.strip("[]")
    text = text[5:] if text.lower().startswith("ipv6:") else text
    try:
        return Route((str(ipaddress.ip_address(text)),), implicit=True)
    except ValueError:
        raise NoRoute("failed", "5.1.2", f"{domain} is not an address.") from None


def host_addresses(host: str, ask: Ask) -> tuple[list[str], bool]:
    """The addresses of one host, IPv6 and IPv4 in turn so that neither alone decides; and whether the DNS was certain."""
    try:
        return [str(ipaddress.ip_address(host))], True
    except ValueError:
        pass
    answers = [ask(host, type) for type in ("AAAA", "A")]
    lists = [[value.strip() for value in answer.values if _is_address(value.strip())] for answer in answers]
    longest = max(map(len, lists))
    mixed = [one[place] for place in range(longest) for one in lists if place < len(one)]
    return mixed, all(answer.is_certain for answer in answers)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
