"""Merge tags: what is one, what is none, and what stands for it in each place."""

import pytest

from tests.mail.letter.samples import ANN, letter, part, read
from webapp.mail.letter import Letter, LetterError, Person, compile_letter, preview


def text_of(source: str, person: Person = ANN, **changes: object) -> str:
    """What a text part with this source says above the footer."""
    return preview(letter(text=source, html="", **changes), person).text.partition("\n\n----------")[0]


def html_of(source: str, person: Person = ANN, **changes: object) -> str:
    """The body of this HTML without the footer."""
    return preview(letter(html=source, **changes), person).html.partition("<body>")[2].partition("<div")[0]


@pytest.mark.parametrize("source", [
    "{{contact.first_name}}", "{{ contact.first_name }}", "{{Contact.First_Name}}", '{{contact.first_name|default:"there"}}',
    "{{contact.first_name | default : 'there'}}", "{{\ncontact.first_name\n}}",
])  # fmt: skip
def test_a_tag_may_be_written_in_several_ways(source: str) -> None:
    assert text_of(f"Hello {source}.") == "Hello Ann."


@pytest.mark.parametrize(("source", "shown"), [
    ('{{contact.last_name|default:"there"}}', "there"), ("{{contact.last_name|default:'it is \"so\"'}}", 'it is "so"'),
    (r'{{contact.last_name|default:"a \"b\" \\ c"}}', r'a "b" \ c'), ('{{contact.last_name|default:"}} {{"}}', "}} {{"),
    ('{{contact.last_name|default:""}}', ""), ("{{contact.last_name}}", ""),
])  # fmt: skip
def test_a_fallback_stands_where_the_value_is_missing(source: str, shown: str) -> None:
    assert text_of(f"[{source}]") == f"[{shown}]"
    assert text_of(f"[{source}]", ANN._replace(values={"last_name": " \r\n "})) == f"[{shown}]"


def test_editors_that_escape_quotation_marks_do_no_harm() -> None:
    assert html_of("<p>{{contact.last_name|default:&quot;you &amp; me&quot;}}{{&nbsp;contact.city&nbsp;}}") == "<p>you &amp; meKöln</p>"
    inside = '<p title="{{contact.last_name|default:"a > b"}}">x'
    assert html_of(inside) == '<p title="a &gt; b">x</p>'


@pytest.mark.parametrize(("value", "shown"), [
    (None, ""), ("", ""), (0, "0"), (3.0, "3"), (2.5, "2.5"), (True, "yes"), (False, "no"), (["a", "", "b"], "a, b"), ("a\r\nb", "a\nb"),
    ("\x00a\x1b\ud800", "a?"), ("  x ", "x"),
])  # fmt: skip
def test_values_are_put_into_words(value: object, shown: str) -> None:
    person = ANN._replace(values={"custom.plan": value})
    assert text_of("[{{contact.custom.plan}}]", person) == f"[{shown}]"
    assert part(compile_letter(letter(text="[{{contact.custom.plan}}]")).fill(person), "plain").startswith(f"[{shown}]\n")


def test_tags_of_the_campaign_are_the_same_for_everybody() -> None:
    source = "{{workspace.name}}/{{sender.name}}/{{campaign.name}}/{{date}}"
    assert text_of(source) == "Acme, Inc/Acme News/Spring/21 November 2026"
    assert compile_letter(letter(text=source, html="", subject="x")).fields == ()


def test_addresses_hold_the_token() -> None:
    assert text_of("{{unsubscribe_url}} {{view_in_browser_url}}").split() == ["https://mail.acme.test/u/tok-7_a", "https://mail.acme.test/v/tok-7_a"]
    assert text_of("[{{view_in_browser_url}}] {{unsubscribe_url}}", web_view=False).startswith("[] ")


@pytest.mark.parametrize(("name", "keys"), [("contact.shoe_size", None), ("foo", None), ("contact.custom.plan", frozenset({"other"})),
                                            ("contact.custom.plan.x", None), ("workspace", None)])  # fmt: skip
def test_unknown_tags_are_empty_and_named(name: str, keys: frozenset[str] | None) -> None:
    shown = preview(letter(text=f"[{{{{{name}|default:'x'}}}}]", custom_keys=keys), ANN) if name.count(".") < 3 else None
    if shown is None:
        with pytest.raises(LetterError):
            preview(letter(text=f"{{{{{name}}}}}"), ANN)
    else:
        assert shown.text.startswith("[]")
        assert shown.unknown == [name]


def test_what_is_missing_is_named_once_and_only_without_a_fallback() -> None:
    source = "{{contact.city}} {{contact.city}} {{contact.last_name}} {{contact.company|default:'you'}} {{contact.custom.plan}}"
    shown = preview(letter(subject="x", html=source), Person("b@people.test", {"last_name": "Lee"}))
    assert shown.missing == ["contact.city", "contact.custom.plan"]


@pytest.mark.parametrize(("source", "line", "column", "words"), [
    ("a\nb {{contact.first_name", 2, 3, "does not end"), ("{{contact.first_name\n{{contact.city}}", 1, 1, "does not end"),
    ("x {{ }}", 1, 3, "empty"), ("{{1 + 1}}", 1, 1, "cannot compute"), ("{{#if contact.city}}", 1, 1, "cannot compute"),
    ("{{contact.first_name|upper}}", 1, 1, "fallback"), ("{{contact.first_name|default:there}}", 1, 1, "fallback"),
    ("\n\n  {{contact.__class__.__mro__.x}}", 3, 3, "no merge tag"), ("{{{contact.city}}}", 1, 1, "no merge tag"),
])  # fmt: skip
def test_what_is_no_tag_is_refused_with_its_place(source: str, line: int, column: int, words: str) -> None:
    for place in ("subject", "text", "html", "preheader"):
        with pytest.raises(LetterError) as refused:
            compile_letter(letter(**{place: source}))
        problem = refused.value.problems[0]
        assert (problem.place, problem.line, problem.column) == (place, line, column)
        assert words in problem.sentence


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(LetterError) as refused:
        compile_letter(letter(subject="{{a b}}", html="{{}}\n{{1}}"))
    assert [(problem.place, problem.line) for problem in refused.value.problems] == [("html", 1), ("html", 2), ("subject", 1)]


def test_a_value_that_looks_like_a_tag_stays_a_value() -> None:
    person = ANN._replace(values={"first_name": "{{contact.email}}", "city": "{{unsubscribe_url}}"})
    sent = compile_letter(letter(text="{{contact.first_name}} {{contact.city}}")).fill(person)
    assert part(sent, "plain").startswith("{{contact.email}} {{unsubscribe_url}}\n")
    assert read(sent)["Subject"] == "{{contact.email}}, nine tools for {{unsubscribe_url}}"


@pytest.mark.parametrize(("source", "value", "shown"), [
    ("<p>{{contact.city}}</p>", "<b>&\"'", "<p>&lt;b&gt;&amp;&quot;&#x27;</p>"),
    ('<p title="{{contact.city}}">', '" onclick="x', '<p title="&quot; onclick=&quot;x"></p>'),
    ("<p title={{contact.city}}>", "a onclick=x", '<p title="a onclick=x"></p>'),
    ('<a href="https://x.test/{{contact.city}}?q=1">', "a/b?c&d #", '<a href="https://x.test/a%2Fb%3Fc%26d%20%23?q=1"></a>'),
    ('<a href="{{contact.city}}">', "javascript:alert(1)", '<a href=""></a>'),
    ('<a href="{{contact.city}}">', " JaVaScRiPt:alert(1)", '<a href=""></a>'),
    ('<a href="{{contact.city}}">', "https://y.test/?a=1&b=\"", '<a href="https://y.test/?a=1&amp;b=%22"></a>'),
    ('<a href="{{contact.city}}/x">', "https://y.test", '<a href="https://y.test/x"></a>'),
    ('<a href="java{{contact.city}}">', "script:alert(1)", '<a href="javascript%3Aalert%281%29"></a>'),
    ('<a href="mailto:{{contact.city}}">', "a@b.test?bcc=c", '<a href="mailto:a%40b.test%3Fbcc%3Dc"></a>'),
    ('<img src="{{contact.city}}">', "data:text/html,x", '<img src="">'),
    ("x<!--[if mso]><b>{{contact.city}}</b><![endif]-->", "--><script>", "x<!--[if mso]><b>--&gt;&lt;script&gt;</b><![endif]-->"),
    ("x<!--[if mso]><a href={{contact.city}}>{{contact.city}}<![endif]-->", "x y", "x<!--[if mso]><a href=>x y<![endif]-->"),
    ("<title>{{contact.city}}</title>x", "</title><script>", "x"),
])  # fmt: skip
def test_a_value_is_escaped_for_its_place(source: str, value: str, shown: str) -> None:
    assert html_of(source, ANN._replace(values={"city": value}), track_clicks=False) == shown


@pytest.mark.parametrize("source", [
    "<p>x</p>\n <p style='color:{{contact.city}}'>", "<p>x</p>\n <style>p { color: {{contact.city}} }</style>",
])  # fmt: skip
def test_a_tag_in_css_is_refused_with_its_place(source: str) -> None:
    with pytest.raises(LetterError) as refused:
        compile_letter(letter(html=source))
    assert [(problem.line, "CSS" in problem.sentence) for problem in refused.value.problems] == [(2, True)]


def test_the_subject_is_one_line_whatever_the_values_are() -> None:
    made = compile_letter(letter(subject=" {{contact.city}}  for\t{{contact.first_name}} "))
    sent = made.fill(ANN._replace(values={"city": "a\r\nBcc: evil@x.test", "first_name": "b\u2028c\x00"}))
    assert read(sent)["Subject"] == "a Bcc: evil@x.test for b c"
    assert read(sent)["Bcc"] is None


def test_literal_encoded_words_stay_literal() -> None:
    sent = compile_letter(letter(subject="=?utf-8?q?x?= {{contact.city}}")).fill(ANN._replace(name="=?utf-8?q?y?="))
    assert read(sent)["Subject"] == "=?utf-8?q?x?= Köln"
    assert read(sent)["To"].addresses[0].display_name == "=?utf-8?q?y?="


def test_thousands_of_tags_are_refused() -> None:
    with pytest.raises(LetterError, match="more than"):
        compile_letter(Letter(subject="x", html="{{date}}" * 2001, from_email="a@b.test"))
