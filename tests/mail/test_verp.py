"""Return paths: each names one delivery, nobody else can make one, and none that was changed counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.mail.address import parse_address
from webapp.mail.verp import make_return_path, read_return_path

KEY = b"0123456789abcdef0123456789abcdef"


@given(st.integers(1, 2**63 - 1))
def test_a_return_path_comes_back_to_its_delivery(number: int) -> None:
    path = make_return_path("bounces.x.test", number, KEY)
    assert read_return_path(path, KEY) == number
    assert read_return_path(f"<{path.upper()}>", KEY) == number
    assert parse_address(path).text == path and len(path.partition("@")[0]) <= 30


def test_one_made_with_another_key_or_for_another_domain_does_not_count() -> None:
    path = make_return_path("bounces.x.test", 77, KEY)
    assert read_return_path(path, KEY[::-1]) is None
    assert read_return_path(path.replace("bounces.x.test", "bounces.y.test"), KEY) is None


def test_no_letter_of_it_can_be_changed() -> None:
    local, _, domain = make_return_path("x.test", 123_456_789, KEY).partition("@")
    for place in range(2, len(local)):
        letter = "b" if local[place] != "b" else "c"
        assert read_return_path(f"{local[:place]}{letter}{local[place + 1 :]}@{domain}", KEY) is None


@pytest.mark.parametrize(
    "text", ["", "@", "b-@x.test", "ann@x.test", "b-aaaaaaaaaaaaaaaaa@x.test", "b-" + "z" * 400 + "@x.test", "b-1é@x.test"]
)
def test_what_is_no_return_path_is_none(text: str) -> None:
    assert read_return_path(text, KEY) is None


def test_a_delivery_without_a_number_and_a_short_key_are_refused() -> None:
    for number in (0, -1, 2**63):
        with pytest.raises(ValueError, match="number"):
            make_return_path("x.test", number, KEY)
    with pytest.raises(ValueError, match="16 bytes"):
        make_return_path("x.test", 1, b"short")
