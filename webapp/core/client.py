"""Where a request really comes from: proxies are believed only when they are listed in MAILROOM_TRUSTED_PROXIES."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from flask import Request, current_app

Network = IPv4Network | IPv6Network


def is_in(ip: str | None, networks: Sequence[Network]) -> bool:
    """Whether an address lies in one of the networks; IPv4-mapped IPv6 counts as IPv4. False for what is no address."""
    try:
        address = ip_address((ip or "").split("%", 1)[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


def client_ip(request: Request) -> str | None:
    """The peer, or, behind a trusted proxy, the last address in X-Forwarded-For that is not itself a trusted proxy."""
    trusted: Sequence[Network] = current_app.config["SETTINGS"].trusted_proxies
    peer = request.remote_addr
    if not trusted or not is_in(peer, trusted):
        return peer
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    for hop in reversed(hops):
        if not is_in(hop, trusted):
            try:
                return str(ip_address(hop))
            except ValueError:
                return peer
    return peer


def is_secure(request: Request) -> bool:
    trusted: Sequence[Network] = current_app.config["SETTINGS"].trusted_proxies
    if trusted and is_in(request.remote_addr, trusted):
        return request.headers.get("X-Forwarded-Proto", "") == "https"
    return request.is_secure
