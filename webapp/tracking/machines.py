"""Was it a person? Mail programs, providers and security gateways load pictures and follow links on their own; those are counted apart.

    by_name(agent)                      what the User-Agent says
    by_network(ip)                      gateways that publish the networks they look from
    in_data_centre(ip)                  where people rarely sit
    too_early(seconds, data_centre)     such a request right after the mail was handed over
    in_burst(clicks, at_ms, links)      more links within a second than anybody clicks

Everything is pure, and the tables below are all that is known. Each finding is a word of REASONS, which an event carries as
`details.machine`. When in doubt it was a person: Gmail's and Yahoo's picture proxies fetch when somebody opens the mail, so they are none
of these.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

#: every finding, in words
REASONS: dict[str, str] = {
    "apple_privacy": "Apple Mail loads pictures ahead of reading (Mail Privacy Protection)",
    "gmail_sampling": "Gmail looked into the mail",
    "security_gateway": "a security gateway looked at the mail",
    "link_preview": "a chat or social network made a preview of the link",
    "crawler": "a robot that says so",
    "program": "a program that is no browser",
    "no_agent": "no program name was given",
    "data_centre": "a data centre, within seconds of delivery",
    "burst": "many links within one second",
}
#: the whole User-Agent. Source: Apple's proxies send nothing more (documented by Mailgun, "bot detection")
EXACT_AGENTS = {"mozilla/5.0": "apple_privacy", "": "no_agent", "-": "no_agent"}
#: parts of a User-Agent in lower case, the first that fits counts
AGENT_PARTS: tuple[tuple[str, str], ...] = (
    # proxies that fetch when a person opens: nothing below may name them
    ("googleimageproxy", ""), ("via ggpht.com", ""), ("yahoomailproxy", ""), ("seznamemailproxy", ""),
    ("gmail-content-sampling", "gmail_sampling"), ("edge/12.246 mozilla/5.0", "gmail_sampling"),
    ("barracuda", "security_gateway"), ("proofpoint", "security_gateway"), ("mimecast", "security_gateway"),
    ("safelinks", "security_gateway"), ("messagelabs", "security_gateway"), ("symantec", "security_gateway"),
    ("trendmicro", "security_gateway"), ("trend micro", "security_gateway"), ("forcepoint", "security_gateway"),
    ("fireeye", "security_gateway"), ("cloudmark", "security_gateway"), ("sophos", "security_gateway"),
    ("zscaler", "security_gateway"), ("ironport", "security_gateway"), ("urlscan", "security_gateway"),
    ("virustotal", "security_gateway"), ("google-safety", "security_gateway"), ("bitdefender", "security_gateway"),
    ("microsoft-urlanalyzer", "security_gateway"), ("vaderetro", "security_gateway"),
    ("facebookexternalhit", "link_preview"), ("slackbot", "link_preview"), ("slack-imgproxy", "link_preview"),
    ("whatsapp", "link_preview"), ("telegrambot", "link_preview"), ("twitterbot", "link_preview"), ("linkedinbot", "link_preview"),
    ("discordbot", "link_preview"), ("skypeuripreview", "link_preview"), ("google web preview", "link_preview"),
    ("googlebot", "crawler"), ("bingbot", "crawler"), ("crawler", "crawler"), ("spider", "crawler"), ("robot", "crawler"),
    ("bot/", "crawler"), ("bot;", "crawler"), ("headlesschrome", "crawler"), ("phantomjs", "crawler"), ("link checker", "crawler"),
    ("python-requests", "program"), ("python-urllib", "program"), ("python-httpx", "program"), ("aiohttp", "program"),
    ("curl/", "program"), ("wget/", "program"), ("go-http-client", "program"), ("libwww-perl", "program"), ("java/", "program"),
    ("apache-httpclient", "program"), ("axios/", "program"), ("node-fetch", "program"), ("guzzlehttp", "program"),
)  # fmt: skip
#: gateways by the networks that their makers publish for customers' allow lists
GATEWAYS: dict[str, tuple[str, ...]] = {
    "Barracuda": ("64.235.144.0/20", "209.222.80.0/21"),
    "Mimecast": (
        "91.220.42.0/24", "146.101.78.0/24", "170.10.128.0/21", "185.58.84.0/22", "195.130.217.0/24", "205.139.110.0/23", "207.82.80.0/24",
        "207.211.30.0/23", "216.205.24.0/24", "63.128.21.0/24", "41.74.192.0/20",
    ),
    "Proofpoint": ("66.159.224.0/19", "67.231.144.0/20", "148.163.128.0/19", "205.220.160.0/19", "185.132.180.0/22", "185.183.28.0/22"),
    "Microsoft (Exchange Online Protection)": ("40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/14", "104.47.0.0/17"),
}  # fmt: skip
#: large blocks of providers of computers; only beside a second sign, since some people browse from there
DATA_CENTRES: dict[str, tuple[str, ...]] = {
    "Amazon": (
        "3.0.0.0/9", "3.128.0.0/9", "18.128.0.0/9", "34.192.0.0/10", "35.152.0.0/13", "35.160.0.0/13", "44.192.0.0/10", "50.16.0.0/14",
        "52.0.0.0/11", "52.32.0.0/11", "52.64.0.0/12", "54.64.0.0/11", "54.144.0.0/12", "54.160.0.0/11", "54.192.0.0/12", "54.208.0.0/13",
    ),
    "Microsoft": (
        "4.144.0.0/12", "13.64.0.0/11", "20.32.0.0/11", "20.64.0.0/10", "20.160.0.0/12", "20.184.0.0/13", "40.64.0.0/10", "51.104.0.0/15",
        "52.96.0.0/12", "52.112.0.0/14", "52.136.0.0/13", "52.145.0.0/16", "52.146.0.0/15", "52.148.0.0/14", "52.152.0.0/13",
        "52.160.0.0/11", "52.224.0.0/11", "104.40.0.0/13",
    ),
    "Google": ("34.64.0.0/10", "35.184.0.0/13", "104.196.0.0/14", "146.148.0.0/17"),
    "Hetzner, OVH, DigitalOcean": (
        "65.108.0.0/15", "88.99.0.0/16", "95.216.0.0/15", "135.181.0.0/16", "51.68.0.0/16", "51.75.0.0/16", "51.77.0.0/16", "54.36.0.0/15",
        "104.131.0.0/16", "138.68.0.0/16", "159.65.0.0/16", "165.227.0.0/16", "167.99.0.0/16", "206.189.0.0/16",
    ),
}  # fmt: skip
#: seconds after delivery in which a data centre is no reader
EARLY_S = 10.0
#: a burst: this many links, or all of a letter that has at least two, within this many milliseconds
BURST_LINKS, BURST_MS = 3, 1000


class Networks:
    """Whether an IPv4 address lies in any of these blocks, by one look into a sorted table."""

    def __init__(self, blocks: Iterable[str]) -> None:
        spans: list[list[int]] = []
        for begins, ends in sorted((int(one[0]), int(one[-1])) for one in map(ip_network, blocks)):
            if spans and begins <= spans[-1][1] + 1:
                spans[-1][1] = max(spans[-1][1], ends)
            else:
                spans.append([begins, ends])
        self.begins, self.ends = [one[0] for one in spans], [one[1] for one in spans]

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self.begins, number) - 1
        return place >= 0 and number <= self.ends[place]


_gateways = Networks(block for blocks in GATEWAYS.values() for block in blocks)
_data_centres = Networks(block for blocks in DATA_CENTRES.values() for block in blocks)


@lru_cache(maxsize=4096)
def by_name(agent: str) -> str | None:
    """What the User-Agent says.

    >>> by_name("Mozilla/5.0")
    'apple_privacy'
    """
    plain = agent.strip().lower()
    if plain in EXACT_AGENTS:
        return EXACT_AGENTS[plain]
    for part, found in AGENT_PARTS:
        if part in plain:
            return found or None
    return None


@lru_cache(maxsize=16384)
def by_network(ip: str | None) -> str | None:
    """`security_gateway` for the networks of one."""
    number = _number(ip)
    return "security_gateway" if number is not None and number in _gateways else None


@lru_cache(maxsize=16384)
def in_data_centre(ip: str | None) -> bool:
    """Whether a provider of computers owns the address."""
    number = _number(ip)
    return number is not None and number in _data_centres


def too_early(seconds: float | None, data_centre: bool) -> str | None:
    """seconds  since the mail was handed over; None where that is not known"""
    return "data_centre" if data_centre and seconds is not None and seconds < EARLY_S else None


def in_burst(clicks: Sequence[tuple[int, int]], at_ms: int, links: int) -> str | None:
    """Whether a click at `at_ms` was one of a burst.

    clicks  (number of the link, milliseconds) of one copy, this one among them, in any order
    links   how many links the letter has
    """
    enough = min(BURST_LINKS, max(links, 2))
    near = sorted((at, link) for link, at in clicks if abs(at - at_ms) <= BURST_MS)
    for first, _ in near:
        if len({link for at, link in near if first <= at <= first + BURST_MS}) >= enough and first <= at_ms <= first + BURST_MS:
            return "burst"
    return None


def _number(ip: str | None) -> int | None:
    """An IPv4 address as a number, also where IPv6 wraps it; None for everything else."""
    try:
        address = ip_address((ip or "").split("%", 1)[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return None if mapped is None else int(mapped)
    return int(address)
