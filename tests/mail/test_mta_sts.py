"""MTA-STS: records, policies and which hosts they allow (RFC 8461 sections 3 and 4)."""

import pytest

from webapp.mail.mta_sts import LONGEST_AGE_S, BadPolicy, Policy, allows, policy_url, read_policy, record_id

GOOD = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.Example.net\r\nmax_age: 604800\r\n"


def test_a_policy_is_read_with_either_line_end_and_unknown_fields() -> None:
    wanted = Policy("enforce", ("mail.example.com", "*.example.net"), 604800)
    assert read_policy(GOOD) == wanted
    assert read_policy(GOOD.replace("\r\n", "\n") + "\nnew_field: whatever\n") == wanted


@pytest.mark.parametrize(
    "text",
    [
        "", "<html>not found</html>", GOOD.replace("STSv1", "STSv2"), GOOD.replace("enforce", "strict"), GOOD.replace("604800", "soon"),
        GOOD.replace("604800", "-1"), "version: STSv1\nmode: enforce\nmax_age: 5\n", GOOD.replace("mail.example.com", "mail example com"),
        GOOD.replace("mail.example.com", "*.*.example.com"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(BadPolicy):
        read_policy(text)


def test_an_age_beyond_a_year_is_cut_and_mode_none_needs_no_hosts() -> None:
    assert read_policy(GOOD.replace("604800", "9999999999")).max_age_s == LONGEST_AGE_S
    assert read_policy("version: STSv1\nmode: none\nmax_age: 86400\n") == Policy("none", (), 86400)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        (["v=STSv1;id=a1"], "a1"),
        (["something else", "v=STSv1; id=b2; ext=1;"], "b2"),
        (["v=STSv1; id=a1;", "v=STSv1; id=a2;"], None),
        (["v=STSv1;"], None),
        (["v=STSv1; id=with-dash;"], None),
        (["v=STSv12; id=a1;"], None),
        ([], None),
    ],
)
def test_the_record_announces_one_policy_or_none(values: list[str], found: str | None) -> None:
    assert record_id(values) == found


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("mail.example.com", True), ("MAIL.example.com.", True), ("a.example.net", True), ("a.b.example.net", False),
        ("example.net", False), ("xmail.example.com", False), ("a.mail.example.com", False),
    ],
)  # fmt: skip
def test_a_star_stands_for_one_label(host: str, allowed: bool) -> None:
    assert allows(("mail.example.com", "*.example.net"), host) is allowed


def test_the_policy_lies_at_its_own_host() -> None:
    assert policy_url("example.org") == "https://mta-sts.example.org/.well-known/mta-sts.txt"
