"""Return paths of forwarded mail: there and back, in any case of letters, and nothing that somebody else made."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.mail import srs

KEY, OTHER = b"k" * 32, b"o" * 32
TODAY = date(2026, 11, 21)
LOCALS = st.text("abcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=25)


def there(sender: str = "ines@elsewhere.test", domain: str = "acme.test", day: date = TODAY) -> str:
    return srs.forward(sender, domain, KEY, day)


def test_a_sender_comes_back_from_its_return_path() -> None:
    path = there()
    assert path.startswith("SRS0=") and path.endswith("=elsewhere.test=ines@acme.test")
    assert srs.reverse(path, [KEY], TODAY) == "ines@elsewhere.test" and srs.is_rewritten(path)
    assert not srs.is_rewritten("ines@elsewhere.test") and not srs.is_rewritten("srs0@acme.test")


@given(LOCALS, st.sampled_from(["e.test", "sub.elsewhere.test", "xn--bcher-kva.test"]))
def test_every_local_part_comes_back_in_lower_and_in_upper_case(local: str, name: str) -> None:
    if srs.is_rewritten(f"{local}@{name}"):
        return
    path = srs.forward(f"{local}@{name}", "acme.test", KEY, TODAY)
    assert srs.reverse(path, [KEY], TODAY) == f"{local}@{name}"
    assert srs.reverse(path.lower(), [KEY], TODAY) == f"{local}@{name}"
    assert srs.reverse(path.upper(), [KEY], TODAY).lower() == f"{local}@{name}"


@pytest.mark.parametrize("separator", ["=", "+", "-"])
def test_the_address_of_another_forwarder_becomes_srs1_and_a_third_one_keeps_the_first(separator: str) -> None:
    first = f"SRS0{separator}a8f3=Xy=elsewhere.test=ines@first.test"
    ours = there(first)
    assert ours.startswith("SRS1=") and f"=first.test={separator}a8f3=Xy=elsewhere.test=ines@acme.test" in ours
    assert srs.reverse(ours, [KEY], TODAY) == f"SRS0{separator}a8f3=Xy=elsewhere.test=ines@first.test"
    third = srs.forward(ours, "third.test", OTHER, TODAY)
    assert len(third) < len(ours) + 3 and srs.reverse(third, [OTHER], TODAY) == srs.reverse(ours, [KEY], TODAY)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.replace("ines", "inez"), lambda path: path.replace("elsewhere", "evil"),
        lambda path: path.replace("acme", "acne"), lambda path: path.replace("SRS0=", "SRS1="), lambda path: "x" + path,
        lambda path: path[:5] + "aaaaaa" + path[11:], lambda path: path.replace("=", ""), lambda path: "SRS0=@acme.test",
        lambda path: "SRS0@acme.test", lambda path: "SRS0====@acme.test",
    ],
)  # fmt: skip
def test_what_was_changed_or_invented_is_refused(change: object) -> None:
    with pytest.raises(srs.BadReturnPath):
        srs.reverse(change(there()), [KEY], TODAY)  # type: ignore[operator]


def test_a_return_path_of_another_key_counts_only_while_that_key_is_listed() -> None:
    path = srs.forward("ines@elsewhere.test", "acme.test", OTHER, TODAY)
    assert srs.reverse(path, [KEY, OTHER], TODAY) == "ines@elsewhere.test"
    with pytest.raises(srs.BadReturnPath, match="signature"):
        srs.reverse(path, [KEY], TODAY)


@pytest.mark.parametrize(("age", "good"), [(-1, True), (0, True), (1, True), (21, True), (22, False), (400, False), (1022, False)])
def test_a_return_path_is_good_for_three_weeks(age: int, good: bool) -> None:
    path = there(day=TODAY - timedelta(days=age))
    if good:
        assert srs.reverse(path, [KEY], TODAY) == "ines@elsewhere.test"
    else:
        with pytest.raises(srs.BadReturnPath, match="21 days"):
            srs.reverse(path, [KEY], TODAY)


def test_an_address_too_long_to_be_rewritten_says_so() -> None:
    with pytest.raises(srs.TooLong):
        there("bounces+1234567-0a1b-ada=example.org@em1234.mail.elsewhere.test")
    for bad in ("ines", "@elsewhere.test", "ines@", "", "SRS1=abc@first.test"):
        with pytest.raises(ValueError):
            there(bad)
