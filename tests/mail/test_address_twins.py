"""C-11: a second opinion on addresses, from the standard library, and one answer of ours at every door.

Where the other parser reads a header without finding a defect, we read the same addresses in the same order.
"""

import email.policy
from email.errors import HeaderParseError
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from tests.factories.automation import arrive
from tests.factories.mailboxes import make_mailbox
from tests.factories.sending import deliveries, make_outgoing
from webapp.automation.mail_fields import texts_of
from webapp.automation.mail_state import view_of
from webapp.core.db import db
from webapp.intake import recipients
from webapp.mail.address import BadAddress, format_address, normalise, parse_address_list
from webapp.mail.mime_fields import read_block, unfold
from webapp.mail.smtp_path import split_path

MAILS = sorted((Path(__file__).parents[1] / "mails").glob("*/*.eml"))
FIELDS = {"from", "to", "cc", "reply-to", "sender"}


def theirs(value: str) -> list[str] | None:
    """What the standard library finds, in our normal form; None where it finds a defect, raises, or we know it to be wrong."""
    try:
        header: Any = email.policy.default.header_factory("To", value)
        found = [address.addr_spec for address in header.addresses]
    except (HeaderParseError, AttributeError, IndexError, KeyError, TypeError, ValueError, AssertionError):
        return None
    if header.defects or not found:
        return None
    try:
        return [normalise(one) for one in found]
    except BadAddress:
        return None


def ours(value: str) -> list[str]:
    return [address for _, address in parse_address_list(value)]


def test_c11_a_second_parser_reads_the_same_addresses_in_real_mail() -> None:
    compared, different = 0, []
    for path in MAILS:
        raw = path.read_bytes()
        for name, value in read_block(raw, 0, len(raw)).fields:
            text = unfold(value)
            if name.lower() not in FIELDS or (other := theirs(text)) is None:
                continue
            compared += 1
            if other != ours(text):
                different.append((path.name, text[:200], other[:5], ours(text)[:5]))
    assert compared > 500 and different == []


LOCALS = st.sampled_from(
    ["ann", "a.b", "o'brien", "a+tag", '"a b"', '"a@b"', '"a\\"b"', '"<x>"', '"a,b"', "x=y", "a%b.test", "用户", "jürgen"]
)  # fmt: skip
DOMAINS = st.sampled_from(["example.org", "EXAMPLE.org", "mail.internal", "xn--mller-kva.example", "müller.example", "例子.example"])
NAMES = st.sampled_from(
    ["", "Ann", '"Doe, Ann"', '"a \\"b\\" <c@d.test>"', "Ann (the) A", "=?utf-8?q?x=2C_y=40z=2Etest?=", '"=?utf-8?q?=3Cq=40r=3E?="']
)  # fmt: skip
SPEC = st.builds(lambda local, domain: f"{local}@{domain}", LOCALS, DOMAINS)
ONE = st.builds(lambda name, spec, folded: f"{name}{folded}<{spec}>" if name else spec, NAMES, SPEC, st.sampled_from([" ", "\t", "  "]))
MANY = st.lists(ONE, min_size=1, max_size=4)


@given(MANY, st.sampled_from([", ", ",", " ,\t", ",,", ", (x) "]), st.booleans())
@example(['"a@b"@example.org', "Ann <ann@example.org>"], ", ", True)
@settings(max_examples=400, deadline=None)
def test_c11_a_second_parser_agrees_on_everything_that_the_grammar_makes(people: list[str], between: str, grouped: bool) -> None:
    value = between.join(people)
    value = f"Friends: {value};" if grouped else value
    other = theirs(value)
    event("compared" if other else "the other parser gave up")
    assert other is None or other == ours(value), value


@given(st.text(alphabet=st.sampled_from('ab.@<>()"\\,;: é=?-1'), max_size=40))
@settings(max_examples=600, deadline=None)
def test_c11_what_a_second_parser_takes_without_a_defect_we_take_too(value: str) -> None:
    other = theirs(value)
    assert other is None or other == ours(value), value


@given(SPEC, st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_c11_what_we_write_a_second_parser_reads_back(spec: str, name: str) -> None:
    try:
        written = format_address(name, normalise(spec))
    except ValueError:
        return
    other = theirs(written)
    assert ours(written) == [normalise(spec)] and other in (None, [normalise(spec)]), written


SPELLINGS = [
    "ann@müller.example", "Ann@MÜLLER.example", "ANN@xn--mller-kva.EXAMPLE", '"ann"@müller.example', "ann@ＭÜller.example",
    "ann@mu\u0308ller.example",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_c11_every_spelling_is_one_address_at_every_door(alice: Any, work_off: Any, spelling: str) -> None:
    """The envelope, the mailbox, the ledger of what goes out, the columns of a mail, and what rules see."""
    one = "ann@xn--mller-kva.example"
    box = make_mailbox(alice, one)
    path, _ = split_path(f"<{spelling}>")
    assert path is not None and recipients.resolve(path).mailbox == box and normalise(spelling) == one
    message = arrive(box, raw=f"From: X <{spelling}>\r\nReply-To: {spelling}\r\nSubject: x\r\n\r\nhi\r\n".encode())
    assert message.sender == one
    view = view_of(f"From: X <{spelling}>\r\nTo: {spelling}\r\n\r\nhi\r\n".encode())
    assert texts_of(view, "sender")[0] == one and texts_of(view, "receivers")[0] == one
    make_outgoing(alice, spelling, one)
    assert [row.recipient for row in deliveries()] == [one]
    db.session.rollback()


FOREIGN = [
    "a@b@c.test", "ann@[127.0.0.1]", "<@x.test:ann@b.test>", "ann(comment)@b.test", "x.test!ann@b.test", "ann%x.test@b.test", "ann@b.test.",
    "G: ann@b.test;",
]  # fmt: skip


@pytest.mark.parametrize("text", FOREIGN)
def test_c11_forms_that_hide_a_second_address_mean_one_thing_or_are_refused(text: str) -> None:
    """Two @, literals, routes, comments, bang paths, the percent hack, groups: never another domain than the one after the last @."""
    try:
        address = normalise(text)
    except BadAddress:
        address = ""
    assert address in ("", "x.test!ann@b.test", "ann%x.test@b.test")
    for found in ours(text):
        assert found.rpartition("@")[2] in ("b.test", "c.test", "[127.0.0.1]", "b.test.")
