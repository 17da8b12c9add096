"""Addresses: one normal form everywhere (C-11), nothing that can break a header (C-68)."""

import time
from email.header import decode_header, make_header
from email.utils import getaddresses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.mail.address import (
    BadAddress,
    clean_header,
    display_address,
    first_address,
    format_address,
    is_valid_domain,
    normalise,
    parse_address,
    parse_address_list,
    split_plus,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann@Example.TEST", "ann@example.test"),
        (" ann@host ", "ann@host"),
        ("ann@mail.internal", "ann@mail.internal"),
        ("ann@MÜLLER.example", "ann@xn--mller-kva.example"),
        ("ann@xn--mller-kva.example", "ann@xn--mller-kva.example"),
        ("JU\u0308RGEN@example.org", "j\u00fcrgen@example.org"),
        ("用户@例子.example", "用户@xn--fsqu00a.example"),
        ('"ann"@example.org', "ann@example.org"),
        ('"a b"@example.org', '"a b"@example.org'),
        ('"a\\"b"@example.org', '"a\\"b"@example.org'),
        ('"a@b"@example.org', '"a@b"@example.org'),
        ("user%other.test@example.org", "user%other.test@example.org"),
        ("o'brien+tag/x=y@example.org", "o'brien+tag/x=y@example.org"),
        ("ann@ｅｘａｍｐｌｅ.org", "ann@example.org"),
    ],
)
def test_c11_an_address_has_one_normal_form(text: str, expected: str) -> None:
    address = parse_address(text)
    assert address.text == expected == f"{address.local}@{address.domain}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "a@b@example.org",
        "ann@exa mple.org",
        "a b@example.org",
        ".ann@example.org",
        "ann.@example.org",
        "a..b@example.org",
        "ann@-x.org",
        "ann@x-.org",
        "ann@a..b",
        "ann@127.0.0.1",
        "ann@[127.0.0.1]",
        "<ann@example.org>",
        "Ann <a@b.test>",
        "ann(c)@example.org",
        "ann@example.org\r\nBcc: x@y.test",
        "ann\x00@example.org",
        "ann\u2028@example.org",
        "an\u202en@example.org",
        "an\u200bn@example.org",
        '"ann@example.org',
        '"a"b@example.org',
        "@a.test:ann@example.org",
        "x" * 65 + "@example.org",
        "ann@" + "x" * 64 + ".org",
        "ann@" + "x." * 126 + "org",
        "a" * 5000,
        "ann@exam_ple.org",
        "ann@example.org.",
    ],
)
def test_c11_what_is_no_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(BadAddress) as refused:
        parse_address(text)
    assert str(refused.value).endswith(".") and "\r" not in str(refused.value) and "\x00" not in str(refused.value)


@given(st.text(max_size=40), st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_c11_normalising_twice_changes_nothing(local: str, domain: str) -> None:
    try:
        once = normalise(f"{local}@{domain}")
    except BadAddress:
        return
    assert normalise(once) == once


def test_a_plus_tag_is_split_once_and_never_from_quotes() -> None:
    assert split_plus("ann+news+x") == ("ann", "news+x")
    assert split_plus("ann+") == ("ann", "")
    assert split_plus("ann") == ("ann", None)
    assert split_plus("+ann") == ("+ann", None)
    assert split_plus('"a+b c"') == ('"a+b c"', None)


def test_domains_are_taken_in_any_script_and_reserved_names_are_fine() -> None:
    assert is_valid_domain("Bücher.Example") == "xn--bcher-kva.example"
    assert [is_valid_domain(name) for name in ("x.test", "a.local", "HOST", "b.internal")] == ["x.test", "a.local", "host", "b.internal"]
    with pytest.raises(BadAddress):
        is_valid_domain("not a domain")
    assert display_address("a@xn--bcher-kva.example") == "a@bücher.example"
    assert display_address("a@xn--\u00e9.example") == "a@xn--\u00e9.example"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("ann@a.test", [("", "ann@a.test")]),
        ("Ann <ann@a.test>, bob@b.test", [("Ann", "ann@a.test"), ("", "bob@b.test")]),
        ('"Doe, John" <john@a.test>', [("Doe, John", "john@a.test")]),
        ('"a \\"b\\" c" <j@a.test>', [('a "b" c', "j@a.test")]),
        ("ann@a.test (Ann (the) A)", [("Ann (the) A", "ann@a.test")]),
        ("Friends: ann@a.test, Bob <bob@b.test>;, c@c.test", [("", "ann@a.test"), ("Bob", "bob@b.test"), ("", "c@c.test")]),
        ("undisclosed-recipients:;", []),
        ("=?utf-8?q?J=C3=BCrgen?= <j@a.test>", [("Jürgen", "j@a.test")]),
        ("=?utf-8?q?x=2C_a=40evil=2Etest=2C_y?= <j@a.test>", [("x, a@evil.test, y", "j@a.test")]),
        ('"=?utf-8?b?SsO8cmdlbg==?=" <j@a.test>', [("Jürgen", "j@a.test")]),
        ("ann@evil.test <ann@a.test>", [("ann@evil.test", "ann@a.test")]),
        ('"ann@evil.test" <ann@a.test>', [("ann@evil.test", "ann@a.test")]),
        ("<@r1.test,@r2.test:ann@a.test>", [("", "ann@a.test")]),
        ("Ann <ann@a.test", [("Ann", "ann@a.test")]),
        ("Ann\r\n\t<ann@a.test>", [("Ann", "ann@a.test")]),
        ("MAILER-DAEMON <>", [("MAILER-DAEMON", "")]),
        ('"Unclosed <ann@a.test>', [("", "ann@a.test")]),
        ("jürgen@müller.example", [("", "jürgen@xn--mller-kva.example")]),
        ('<"a>b"@a.test>', [("", '"a>b"@a.test')]),
        ("", []),
        ("a@b@c.test", [("", "a@b@c.test")]),
        ("x@a.test; y@b.test", [("", "x@a.test"), ("", "y@b.test")]),
    ],
)
def test_c11_address_headers_are_read_as_a_person_would(header: str, expected: list[tuple[str, str]]) -> None:
    assert parse_address_list(header) == expected


def test_c11_a_second_parser_sees_the_same_addresses_in_ordinary_headers() -> None:
    headers = [
        "Ann <ann@a.test>, bob@b.test",
        '"Doe, J." <j@a.test>',
        "ann@a.test (Ann)",
        "G: a@a.test, b@b.test;",
        "A <a@a.test>,\n\tB <b@b.test>",
        '"a@x.test" <b@y.test>',
        "<c@z.test>",
        "=?utf-8?q?x=2C?= <d@z.test>",
    ]
    for header in headers:
        theirs = [address for _, address in getaddresses([header]) if address]
        assert [address for _, address in parse_address_list(header)] == theirs, header


@pytest.mark.parametrize(
    "unit", ['"', '"\\', "<", "(", ")", "a@", "=?", "=?a?q?", '<"', ",", ":", ";", "(\\", "a@b.test,", "<>", "((a)", "=?utf-8?b?"]
)
def test_c11_hostile_address_headers_take_linear_time(unit: str) -> None:
    began = time.process_time()
    found = parse_address_list(unit * (600_000 // len(unit)))
    assert time.process_time() - began < 2 and len(found) <= 5000


@given(st.text(alphabet=st.sampled_from('ab@<>()"\\,;: .=?\r\n\x00é\u2028'), max_size=60))
@settings(max_examples=300, deadline=None)
def test_c68_nothing_read_from_a_header_holds_a_line_end(header: str) -> None:
    for name, address in [*parse_address_list(header), first_address(header)]:
        assert not set(name + address) & set("\r\n\x00\u2028")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\x00", "\u2028", "\u2029", "\x85", "\x0b", "\x0c"])
def test_c68_a_line_end_of_any_kind_is_refused_in_headers(end: str) -> None:
    for attempt in (
        lambda: clean_header(f"a{end}Bcc: x@y.test", "The subject"),
        lambda: format_address(f"Ann{end}", "a@b.test"),
        lambda: format_address("Ann", f"a@b.test{end}"),
    ):
        with pytest.raises(ValueError, match="control character"):
            attempt()


@pytest.mark.parametrize(
    "name", ["Ann", "Doe, John", 'a "b" c\\', "Jürgen", "用户" * 60, "=?utf-8?q?x?=", "a\tb", "x (y) @z", "a; b: <c>", ""]
)
def test_a_formatted_address_is_read_back_by_us_and_by_the_standard_library(name: str) -> None:
    text = format_address(name, "ann@a.test")
    assert text.isascii()
    assert parse_address_list(text) == [(name.replace("\t", " "), "ann@a.test")]
    [(theirs, address)] = getaddresses([text])
    assert address == "ann@a.test" and str(make_header(decode_header(theirs))) == name


def test_formatting_refuses_an_address_that_would_break_out_of_its_brackets() -> None:
    with pytest.raises(BadAddress):
        format_address("Ann", "a@b.test>, <evil@c.test")
