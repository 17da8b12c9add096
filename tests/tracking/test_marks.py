"""Marks of campaign mail: short, signed, never valid in a second form, read for ever."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.campaigns import marks
from webapp.core import secrets

CAMPAIGNS = st.integers(0, 2**40 - 1)
CONTACTS = st.integers(0, 2**48 - 1)


@pytest.fixture(autouse=True)
def _keys() -> Iterator[None]:
    before = secrets._keys
    secrets.configure(("new" * 20,))
    yield
    secrets.configure(before)


@given(CAMPAIGNS, CONTACTS)
def test_what_is_written_is_read(campaign_id: int, contact_id: int) -> None:
    token = marks.token(campaign_id, contact_id)
    assert re.fullmatch(r"[A-Za-z0-9_-]+[a-z]", token) and len(token) == marks.LENGTH < 40
    assert marks.read(token) == marks.Mark(campaign_id, contact_id)


@given(CAMPAIGNS, CONTACTS, st.integers(0, 23), st.integers(1, 255))
def test_c70_a_mark_with_any_bits_changed_is_nobodys(campaign_id: int, contact_id: int, place: int, bits: int) -> None:
    token = marks.token(campaign_id, contact_id)
    raw = bytearray(marks.urlsafe_b64decode(token[:-1]))
    raw[place] ^= bits
    other = marks.b2a_base64(bytes(raw), newline=False).translate(marks._URL_SAFE).decode() + "m"
    assert other != token and marks.read(other) is None


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(0, 32), st.characters())
def test_c70_a_mark_with_any_character_changed_is_nobodys(campaign_id: int, contact_id: int, place: int, letter: str) -> None:
    token = marks.token(campaign_id, contact_id)
    other = token[:place] + letter + token[place + 1 :]
    assert other == token or marks.read(other) is None


@given(CAMPAIGNS, CONTACTS, CAMPAIGNS, CONTACTS)
def test_c70_the_check_of_one_mark_fits_no_other(campaign_id: int, contact_id: int, campaign: int, contact: int) -> None:
    body, check = _bytes(marks.token(campaign, contact))[:11], _bytes(marks.token(campaign_id, contact_id))[11:]
    mixed = marks.b2a_base64(body + check, newline=False).translate(marks._URL_SAFE).decode() + "m"
    same = (campaign_id, contact_id) == (campaign, contact)
    assert marks.read(mixed) == (marks.Mark(campaign, contact) if same else None)


def _bytes(token: str) -> bytes:
    return marks.urlsafe_b64decode(token[:-1])


@given(st.text(max_size=60))
def test_c70_no_text_is_a_mark_by_chance(text: str) -> None:
    assert marks.read(text) is None


@pytest.mark.parametrize("change", ["{}=", "{}\n", " {}", "{}m", "{}\x00", "{}/1", "%41{}"])
def test_c70_a_mark_has_one_spelling(change: str) -> None:
    assert marks.read(change.format(marks.token(1, 1))) is None


def test_marks_of_older_keys_are_read_and_those_of_unlisted_keys_are_not() -> None:
    old = marks.token(3, 4)
    secrets.configure(("newer" * 12, "new" * 20))
    assert marks.read(old) == marks.Mark(3, 4) and marks.token(3, 4) != old
    secrets.configure(("newer" * 12,))
    assert marks.read(old) is None


def test_a_batch_gives_the_marks_of_its_contacts_in_their_order() -> None:
    assert marks.tokens(9, range(5, 1, -1)) == [marks.token(9, contact) for contact in (5, 4, 3, 2)]


@pytest.mark.parametrize("ids", [(-1, 1), (1, -1), (2**40, 1), (1, 2**48)])
def test_ids_that_do_not_fit_are_refused_not_cut(ids: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no mark"):
        marks.token(*ids)


def test_addresses_stand_below_the_public_address() -> None:
    made = marks.addresses("https://mail.example.com/")
    assert made.open("T") == "https://mail.example.com/t/o/T.gif"
    assert made.click("T", 3) == "https://mail.example.com/t/c/T/3"
    assert made.unsubscribe("T") == "https://mail.example.com/u/T"
    assert made.view("T") == "https://mail.example.com/v/T"
