"""Checks of rows: the fast path and the general one are of one mind."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webapp.contacts import values
from webapp.imports.cleaning import Clean, Cleaner, _complete_names, address_of
from webapp.imports.columns import Plan
from webapp.imports.reading import Batch
from webapp.mail.address import BadAddress, normalise

LETTERS = "aZ09_+-.@é xn\u212a\"'\n\t(<"
PIECES = st.sampled_from([
    "a", "Ab", "x.y", "..", "xn--", "-", "com", "c1", "1", "example.org", "müller.de", "a" * 64, "b" * 63, "@", "é", "K", "_", "+t",
])  # fmt: skip
JOINED = st.lists(PIECES, max_size=5).map(".".join)
ADDRESSES = st.one_of(
    st.builds(lambda local, domain: f"{local}@{domain}", JOINED, JOINED),
    st.text(LETTERS, max_size=30), st.emails(),
)  # fmt: skip


def general(text: str) -> str | None:
    try:
        return normalise(text)
    except BadAddress:
        return None


def fast(text: str) -> str | None:
    try:
        return address_of(text)
    except BadAddress:
        return None


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(ADDRESSES)
def test_both_ways_of_reading_an_address_agree(text: str) -> None:
    assert fast(text.strip()) == general(text.strip())


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ADDRESSES, min_size=1, max_size=8))
def test_a_column_of_addresses_is_read_like_each_of_them_by_itself(texts: list[str]) -> None:
    clean = cleaned([[text, "x"] for text in texts])
    wanted = [general(text.strip()) for text in texts]
    assert list(clean.addresses) == [one for one in wanted if one is not None]
    assert len(clean.problems) == sum(one is None for one in wanted)
    assert sorted([*clean.lines, *(one.line for one in clean.problems)]) == list(range(2, len(texts) + 2))


@given(st.lists(st.text("ab \u00a0\u3000\t", max_size=8), min_size=1, max_size=5))
def test_names_are_cut_like_those_of_single_contacts(names: list[str]) -> None:
    clean = cleaned([["a@example.org", name or "x"] for name in names], places={"email": 0, "name": 1})
    for index, name in enumerate(names):
        given_ = values.names({"name": name or "x"})
        assert [clean.texts[key][index] or "" for key in values.NAMES] == [given_[key] for key in values.NAMES]


def test_a_name_is_made_of_its_parts() -> None:
    texts: dict[str, Any] = {"first_name": ["Ada", None, None], "last_name": ["Lovelace", "Hopper", None]}
    _complete_names(texts)
    assert texts["name"] == ["Ada Lovelace", "Hopper", None]


def cleaned(rows: list[list[str]], places: dict[str, int] | None = None) -> Clean:
    batch = Batch(range(2, len(rows) + 2), [list(column) for column in zip(*rows, strict=True)])
    return Cleaner(Plan({}, places or {"email": 0}), 2, {}).clean(batch)
