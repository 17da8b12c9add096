"""Where a client is, for counting: one IPv4 address, or the /64 of an IPv6 address, which is what one customer usually has."""

from functools import lru_cache
from ipaddress import ip_address, ip_network


@lru_cache(4096)
def place_of(ip: str) -> str:
    """`192.0.2.7` as it is, `2001:db8::7` as `2001:db8::/64`, an IPv4 address written as IPv6 as the IPv4 address."""
    if ":" not in ip:
        return ip
    try:
        address = ip_address(ip.partition("%")[0])
    except ValueError:
        return ip
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped) if mapped else str(ip_network(f"{address}/64", strict=False))
