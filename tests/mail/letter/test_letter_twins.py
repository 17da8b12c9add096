"""The fast way and the slow general way make mail that reads the same, for random letters, persons and switches."""

import email
import email.policy
from email.message import EmailMessage

from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from tests.mail.letter.samples import KEYS, over_smtp, read, signatures_hold
from webapp.mail.address import parse_address_list
from webapp.mail.letter import Letter, Person, compile_letter, reference

#: what people, other systems and attackers put into fields
NASTY = st.sampled_from([
    "", " ", ".", "..", ".\r\n.\r\n", "\r\n.\r\nMAIL FROM:<x@y.test>", "a\r\nBcc: evil@x.test", "From here", "From ", "=", "=3D=\r\n",
    "x" * 2000, "é" * 2000, "a b " * 500, "\ud800", "a\ud800b\udfff", "\x00\x01\x1b[31m", "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>', "' onclick='x", "javascript:alert(1)", "https://evil.test/?a=1&b=<>\"'", "{{contact.email}}",
    "%00%0d%0a", "日本語テスト" * 40, "\u202eabc", "a\u2028b\x85c", "-->", "]]>", "&lt;b&gt;", "&", "tab\there ",
    "😀" * 30, "--=_mailroom_letter--", "\xa0x\xa0", "\t.\t", "a  b",
])  # fmt: skip
VALUE = st.one_of(
    NASTY, st.text(max_size=60), st.text(st.characters(codec=None), max_size=40), st.none(), st.integers(), st.booleans(), st.floats(),
    st.lists(st.text(max_size=10), max_size=3),
)  # fmt: skip
FIELDS = ("first_name", "last_name", "city", "custom.plan", "custom.site")
EMAIL = st.sampled_from(["ann@people.test", "o'neill+x.y@people.test", "a=b@people.test", "x" * 64 + "@" + "y" * 60 + ".test", "1@2.test"])
TOKEN = st.from_regex(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]{0,71}", fullmatch=True)
PERSON = st.builds(
    Person, EMAIL, st.dictionaries(st.sampled_from(FIELDS), VALUE), st.integers(1, 2**40), TOKEN,
    st.one_of(st.just(""), NASTY, st.text(max_size=30)),
)  # fmt: skip
TAG = st.sampled_from([
    "{{contact.first_name}}", "{{ contact.first_name | default: 'there' }}", "{{contact.city|default:\"N\\\"owhere & é\"}}",
    "{{contact.custom.plan}}", "{{contact.email}}", "{{contact.nothing}}", "{{workspace.name}}", "{{campaign.name}}", "{{sender.name}}",
    "{{date}}", "{{unsubscribe_url}}", "{{view_in_browser_url}}", "{{contact.last_name}}{{contact.first_name}}",
])  # fmt: skip
WORDS = st.one_of(
    TAG, st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="{<"), max_size=30),
    st.sampled_from(["\n", " ", ".", "\n.", "\nFrom x", "=", "\n.\n", "x" * 90, "ü" * 40, "\t\n", " \n"]),
)  # fmt: skip
ELEMENT = st.one_of(
    WORDS, TAG.map('<a href="https://shop.test/x?y={}">go</a>'.format), TAG.map('<a href="{}">go</a>'.format),
    TAG.map("<p title='{}'>x".format), TAG.map('<img src="https://shop.test/{}">'.format), TAG.map("<td background={}>".format),
    TAG.map("<!--[if mso]><a href={0}>{0}<![endif]-->".format), st.sampled_from(["<br>", "<b>", "</b>", "<p>", "<ul><li>", "&amp;"]),
)  # fmt: skip
LETTER = st.builds(
    Letter, subject=st.lists(WORDS, max_size=6).map("".join), html=st.lists(ELEMENT, max_size=12).map("".join),
    from_email=st.just("news@acme.test"), from_name=st.one_of(st.just("Acme"), NASTY, st.text(max_size=20)),
    reply_to=st.sampled_from([None, "reply@acme.test"]), text=st.one_of(st.none(), st.lists(WORDS, max_size=8).map("".join)),
    preheader=st.one_of(st.none(), TAG), key=st.just("c1-x"), date=st.just("1 May 2026"),
    base_url=st.sampled_from(["https://mail.acme.test", "http://localhost:8000/mail"]),
    workspace_name=st.sampled_from(["", "Acme <&> Söhne", 'A "b"']), campaign_name=st.sampled_from(["Spring", "Früh & <spät>"]),
    track_opens=st.booleans(), track_clicks=st.booleans(), web_view=st.booleans(),
    unsubscribe_mailto=st.sampled_from([None, "leave@acme.test"]), feedback_id=st.sampled_from([None, "c1:w1:x:mailroom"]),
)  # fmt: skip
SAME = (
    "Subject", "Date", "Message-ID", "Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID", "Precedence", "MIME-Version",
)  # fmt: skip


def body(message: EmailMessage, kind: str) -> str | None:
    found = message.get_body((kind,))
    return None if found is None else str(found.get_content()).replace("\r\n", "\n")


def header(message: EmailMessage, name: str) -> str | None:
    """The standard library folds before a long first word, which leaves a blank."""
    return None if message[name] is None else str(message[name]).strip()


def people(raw: bytes, name: str) -> list[tuple[str, str]]:
    """Read by our own reader: the library's puts blanks between encoded words of one name."""
    return parse_address_list(str(email.message_from_bytes(raw, policy=email.policy.compat32)[name]))


@given(LETTER, PERSON)
@settings(max_examples=90, deadline=None, derandomize=True)
def test_both_ways_make_mail_that_reads_the_same(letter: Letter, person: Person) -> None:
    fast, slow = compile_letter(letter).fill(person, 1_700_000_000), reference.build(letter, person, 1_700_000_000)
    ours, theirs = read(fast), read(slow)
    for name in SAME:
        assert header(ours, name) == header(theirs, name), name
    assert people(fast, "To") == people(slow, "To")
    assert people(fast, "From") == people(slow, "From")
    assert ours.get_content_type() == theirs.get_content_type()
    for kind in ("plain", "html"):
        assert body(ours, kind) == body(theirs, kind)


@given(LETTER, PERSON)
@settings(max_examples=90, deadline=None, derandomize=True)
def test_every_mail_is_ready_for_the_wire(letter: Letter, person: Person) -> None:
    raw = compile_letter(letter).fill(person)
    assert raw.count(b"\n") == raw.count(b"\r") == raw.count(b"\r\n")
    assert raw.isascii()
    head, _, content = raw.partition(b"\r\n\r\n")
    assert not any(line[:1] == b"." or line[:5] == b"From " for line in content.split(b"\r\n"))
    assert max(len(line) for line in content.split(b"\r\n")) <= 76
    assert max(len(line) for line in head.split(b"\r\n")) <= 998
    assert over_smtp(raw) == raw
    assert "evil@x.test" not in str(read(raw)["Bcc"] or "")


@given(LETTER, PERSON)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_signatures_hold_after_the_journey(letter: Letter, person: Person) -> None:
    assert signatures_hold(over_smtp(compile_letter(letter).fill_signed(person, KEYS)))


@given(LETTER, PERSON)
@settings(max_examples=90, deadline=None, derandomize=True)
def test_values_make_no_markup(letter: Letter, person: Person) -> None:
    """The document has the same elements and attributes whatever the values are, and no link leads out of http, mailto or tel."""
    compiled = compile_letter(letter)
    harmless = person._replace(values=dict.fromkeys(FIELDS, "x"))
    shapes = []
    for one in (person, harmless):
        html = body(read(compiled.fill(one)), "html")
        if html is None:
            return
        nodes = list(LexborHTMLParser(html).root.traverse())  # type: ignore[union-attr]
        shapes.append([(node.tag, sorted(node.attributes)) for node in nodes])
        for node in nodes:
            address = (node.attributes.get("href") or "").lower()
            assert not address or address.startswith(("http://", "https://", "mailto:", "tel:")) or ":" not in address, address
    assert shapes[0] == shapes[1]
