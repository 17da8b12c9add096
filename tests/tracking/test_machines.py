"""Persons and machines: each finding by its fact, and what must never be taken for a machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.tracking import machines

PEOPLE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Thunderbird/128.0",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17726; Pro)",
)
MACHINES = {
    "Mozilla/5.0": "apple_privacy",
    " mozilla/5.0 ": "apple_privacy",
    "": "no_agent",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 "
    "Mozilla/5.0": "gmail_sampling",
    "BarracudaCentral": "security_gateway",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)": "link_preview",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": "crawler",
    "python-requests/2.32.3": "program",
    "curl/8.5.0": "program",
}


@pytest.mark.parametrize("agent", PEOPLE)
def test_programs_of_people_are_no_machines(agent: str) -> None:
    assert machines.by_name(agent) is None


@pytest.mark.parametrize("agent", MACHINES)
def test_machines_are_known_by_their_name(agent: str) -> None:
    assert machines.by_name(agent) == MACHINES[agent]


def test_every_finding_has_words() -> None:
    named = {found for _, found in machines.AGENT_PARTS if found} | set(machines.EXACT_AGENTS.values())
    assert named | {"data_centre", "burst", "security_gateway"} == set(machines.REASONS)


@pytest.mark.parametrize(
    ("ip", "gateway", "centre"),
    [
        ("209.222.80.1", True, False), ("67.231.159.255", True, False), ("67.231.160.0", False, False),
        ("::ffff:64.235.150.9", True, False), ("3.1.2.3", False, True), ("34.64.0.0", False, True), ("192.0.2.1", False, False),
        ("2001:db8::1", False, False), ("66.249.84.1", False, False), (None, False, False), ("nonsense", False, False),
        ("fe80::1%eth0", False, False),
    ],
)  # fmt: skip
def test_networks_are_looked_up_to_their_very_ends(ip: str | None, gateway: bool, centre: bool) -> None:
    assert (machines.by_network(ip) is not None, machines.in_data_centre(ip)) == (gateway, centre)


@given(st.ip_addresses(v=4))
def test_the_sorted_table_says_what_the_blocks_say(address: machines.IPv6Address) -> None:
    blocks = [machines.ip_network(block) for group in machines.DATA_CENTRES.values() for block in group]
    assert machines.in_data_centre(str(address)) == any(address in block for block in blocks)


@pytest.mark.parametrize(
    ("seconds", "centre", "found"), [(1, True, True), (9.9, True, True), (10, True, False), (1, False, False), (None, True, False)]
)
def test_a_data_centre_right_after_delivery_is_no_reader(seconds: float | None, centre: bool, found: bool) -> None:
    assert (machines.too_early(seconds, centre) == "data_centre") is found


def test_many_links_within_a_second_are_a_burst_for_each_of_them() -> None:
    clicks = [(1, 0), (2, 300), (3, 900)]
    assert [machines.in_burst(clicks, at, 9) for _, at in clicks] == ["burst"] * 3


def test_all_links_of_a_short_letter_are_a_burst_and_one_link_is_none() -> None:
    assert machines.in_burst([(1, 0), (2, 500)], 0, 2) == "burst"
    assert machines.in_burst([(1, 0), (2, 500)], 0, 5) is None
    assert machines.in_burst([(1, 0)], 0, 1) is None


def test_a_person_who_clicks_one_link_after_another_or_one_link_often_is_no_burst() -> None:
    assert machines.in_burst([(1, 0), (2, 700), (3, 1400)], 700, 9) is None
    assert machines.in_burst([(1, 0), (1, 100), (1, 200), (1, 300)], 0, 9) is None


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5000)), min_size=1, max_size=12), st.integers(2, 6))
def test_a_burst_never_hangs_on_the_order(clicks: list[tuple[int, int]], links: int) -> None:
    found = {machines.in_burst(clicks, clicks[0][1], links), machines.in_burst(clicks[::-1], clicks[0][1], links)}
    assert len(found) == 1
