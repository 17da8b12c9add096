"""Hostile values where the header is made of them, and letters in MJML: both ways agree, and no value becomes a header of its own."""

import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.mail.letter.samples import KEYS, over_smtp, read, signatures_hold
from tests.mail.letter.test_letter_twins import SAME, TAG, TOKEN, body, header, people
from webapp.mail import mime
from webapp.mail.address import BadAddress, parse_address
from webapp.mail.letter import Letter, Person, compile_letter, reference
from webapp.mail.letter.prepare import prepare
from webapp.mail.letter.values import as_line, filled

#: what a header must not be broken by
PIECE = st.sampled_from([
    "\r", "\n", "\r\n", "\r\n ", "\r\nBcc: evil@x.test", "\nSubject: other\n\n<b>", "\x00", "\x0b\x0c", "\x1b]0;x\x07", "\x7f", "\x85",
    "\u2028", "\u202e\u2066gnirts\u2069", "\u200f\u200e", "\ufeff", "👩‍👩‍👧‍👦", "🏳️‍🌈", "e\u0301" * 30, "\ud800", "\udfff\ud83d", "x" * 999,
    "ß" * 400, "w " * 700, "=?utf-8?q?=0d=0aBcc:_evil@x.test?=", "=?utf-8?b?", "?=", '"', "\\", '\\"', "<evil@x.test>", ",", ";", ":",
    "(", ")", "@", "  ", "\t", "", "مرحبا بالعالم", "עברית", "ก็็็็็็็็็", "Ann", "Å", "İı", "ﷺ" * 20, "\xad", "\u3000",
])  # fmt: skip
HOSTILE = st.lists(PIECE, min_size=1, max_size=6).map("".join)
UTF8 = st.sampled_from([
    "jörg@people.test", "用户@people.test", "ann@bücher.test", "δοκιμή@παράδειγμα.test", "ann@people.test", "a.b+c@people.test",
])  # fmt: skip
READER = st.builds(
    Person, UTF8, st.dictionaries(st.sampled_from(("first_name", "city", "custom.plan")), HOSTILE), st.integers(1, 2**40), TOKEN, HOSTILE
)
WRITTEN = st.lists(st.one_of(TAG, HOSTILE.map(lambda text: re.sub(r"[{}\ud800-\udfff]", "", text))), max_size=5).map("".join)
LETTER = st.builds(
    Letter, subject=WRITTEN, html=st.just("<p>Hello {{contact.first_name}} {{contact.email}}</p>"), from_email=st.just("news@acme.test"),
    from_name=HOSTILE, workspace_name=HOSTILE, campaign_name=HOSTILE, key=st.just("c1-x"), date=st.just("1 May 2026"),
    text=st.one_of(st.none(), WRITTEN), unsubscribe_mailto=st.sampled_from([None, "news+unsubscribe@acme.test"]),
)  # fmt: skip
NAMES = [
    "From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Precedence", "MIME-Version",
    "Content-Type",
]  # fmt: skip
AT = 1_700_000_000
#: characters of a name that the library folds in time
SLOW = 120


def fields(raw: bytes) -> list[tuple[bytes, bytes]]:
    """Header fields as a server sees them: a line that does not begin with a blank begins one."""
    head = raw.partition(b"\r\n\r\n")[0]
    return [(name, value) for name, _, value in (line.partition(b":") for line in re.split(rb"\r\n(?![ \t])", head))]


@given(LETTER, READER)
@settings(max_examples=30, deadline=None, derandomize=True)
@example(
    Letter("\r\nBcc: evil@x.test", "<p>x {{contact.city}}</p>", "news@acme.test", from_name="\r\n\r\n<b>"),
    Person("jörg@people.test", {}, 1, "t", "\r\nBcc: e@x"),
)
def test_no_value_makes_a_header_or_breaks_a_line(letter: Letter, person: Person) -> None:
    raw = compile_letter(letter).fill(person, AT)
    found = fields(raw)
    assert [name.decode() for name, _ in found][: len(NAMES)] == NAMES
    assert {name.decode() for name, _ in found} <= {*NAMES, "Content-Transfer-Encoding"}
    assert raw.count(b"\n") == raw.count(b"\r") == raw.count(b"\r\n") and b"\0" not in raw
    head = raw.partition(b"\r\n\r\n")[0]
    assert max(len(line) for line in head.split(b"\r\n")) <= 998
    for name, value in found:
        assert value.isascii() or name == b"To", name
        assert not re.search(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]", value), name
    assert len(people(raw, "To")) == 1 and len(people(raw, "From")) == 1, "no name becomes an address"
    words = as_line(filled(prepare(letter).subject, person.email, person.values, person.token))
    seen = mime.parse(raw).header("subject")
    assert seen.replace("\ufeff", "") == words.replace("\ufeff", "").strip(), "what looks like an encoded word stays what it is"


@given(LETTER, READER)
@settings(max_examples=15, deadline=None, derandomize=True)
def test_both_ways_agree_about_hostile_headers(letter: Letter, person: Person) -> None:
    # The library reads encoded words in what it is given to write, and loses what stands behind them.
    subject, name = (text.replace("=?", "= ?") for text in (letter.subject, person.name))
    values = {key: value.replace("=?", "= ?") for key, value in person.values.items()}
    person = person._replace(name=name, values=values)
    sender = letter.from_name.replace("=?", "= ?")[:SLOW]
    compiled, there = compile_letter(replace(letter, subject=subject, from_name=sender, campaign_name="Spring")), person.email
    assert parse_address(there).text.encode() in dict(fields(compiled.fill(person, AT)))[b"To"]
    # The library takes minutes for long names, and cannot write an address that is not ASCII into a header.
    person = person._replace(email=there if there.isascii() else "ann@people.test", name=person.name[:SLOW])
    fast, slow = compiled.fill(person, AT), reference.build(compiled.letter, person, AT)
    ours, theirs = read(fast), read(slow)
    for name in SAME:
        assert header(ours, name) == header(theirs, name), name
    assert people(fast, "To") == people(slow, "To") and people(fast, "From") == people(slow, "From")
    for kind in ("plain", "html"):
        assert body(ours, kind) == body(theirs, kind)


@given(LETTER, READER)
@settings(max_examples=15, deadline=None, derandomize=True)
def test_signatures_over_hostile_headers_hold(letter: Letter, person: Person) -> None:
    assert signatures_hold(over_smtp(compile_letter(letter).fill_signed(person, KEYS)))


@pytest.mark.parametrize(
    "email",
    ["", "@", "ann", "ann@", "@people.test", "a\r\nb@people.test", "ann@people.test\r\nBcc: e@x.test", "a\0b@people.test",
     "a b@people.test", "ann@people.test,evil@x.test", "<ann@people.test>", "\ud800@people.test", "ann@\u202epeople.test",
     "x" * 65 + "@people.test"],
)  # fmt: skip
def test_an_address_that_is_none_stops_its_copy_and_no_other(email: str) -> None:
    compiled = compile_letter(Letter("Hello", "<p>x</p>", "news@acme.test"))
    try:
        raw = compiled.fill(Person(email, {}, 1, "t"))
    except (BadAddress, ValueError):
        raw = b""
    if raw:  # a lenient reading is fine as long as it stays one recipient
        assert len(people(raw, "To")) == 1 and [name for name, _ in fields(raw)].count(b"To") == 1 and b"Bcc" not in raw
    assert compiled.fill(Person("ann@people.test", {}, 2, "t")).count(b"To: ann@people.test\r\n") == 1


# --- MJML ---------------------------------------------------------------------------------------------------------

INSIDE = st.one_of(TAG, st.sampled_from(["Hello ", "&amp; ", "<b>bold</b>", "<br/>", "é ", "😀", '<a href="https://shop.test/x">go</a>']))
PARAGRAPH = st.lists(INSIDE, max_size=4).map(lambda parts: f"<mj-text>{''.join(parts)}</mj-text>")
BLOCK = st.one_of(
    PARAGRAPH, TAG.map(lambda tag: f"<mj-button href='https://shop.test/?who={tag}'>{tag}</mj-button>"),
    TAG.map(lambda tag: f"<mj-image src='https://shop.test/a.png' alt='{tag}' href='{tag}' />"), st.just("<mj-divider />"),
    TAG.map(lambda tag: f"<mj-raw><p title='{tag}'>{tag}</p></mj-raw>"),
)  # fmt: skip
MJML = st.lists(BLOCK, min_size=1, max_size=4).map(
    lambda blocks: f"<mjml><mj-body><mj-section><mj-column>{''.join(blocks)}</mj-column></mj-section></mj-body></mjml>"
)


@given(MJML, READER, st.booleans())
@settings(max_examples=12, deadline=None, derandomize=True)
def test_letters_in_mjml_read_the_same_both_ways(source: str, person: Person, tracked: bool) -> None:
    person = person._replace(email="ann@people.test")
    letter = Letter(
        "Hello {{contact.first_name}}", source, "news@acme.test", body_format="mjml", key="c1-x", date="1 May 2026", track_clicks=tracked,
        track_opens=tracked, preheader="For {{contact.city}}",
    )  # fmt: skip
    raw = compile_letter(letter).fill(person, AT)
    ours, theirs = read(raw), read(reference.build(letter, person, AT))
    for name in SAME:
        assert header(ours, name) == header(theirs, name), name
    for kind in ("plain", "html"):
        assert body(ours, kind) == body(theirs, kind)
    assert over_smtp(raw) == raw and max(len(line) for line in raw.split(b"\r\n")) <= 998
