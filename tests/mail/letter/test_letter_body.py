"""The body: HTML and MJML, CSS, text part, footer, pixel, links; and what no mail program runs is gone."""

import re

import pytest
from selectolax.lexbor import LexborHTMLParser

from tests.mail.letter.samples import ANN, letter, part, read
from webapp.mail.letter import LetterError, checks, compile_letter, link_fields, link_target, preview
from webapp.mail.letter.plain import text_of_letter

MJML = """<mjml>
  <mj-head><mj-preview>Hi {{contact.first_name}}</mj-preview><mj-style>.red { color: red } @media (max-width:600px) { .red { color: blue } }</mj-style></mj-head>
  <mj-body><mj-section><mj-column>
    <mj-text css-class="red">Hello {{contact.first_name|default:"you"}} & all<br/>bye</mj-text>
    <mj-button href="https://shop.test/?a=1&amp;b={{contact.city}}">Go</mj-button>
    <mj-image src="https://shop.test/i.png" alt="A rake" />
  </mj-column></mj-section></mj-body>
</mjml>"""  # noqa: E501


def hrefs(html: str) -> list[str]:
    return [str(node.attributes["href"]) for node in LexborHTMLParser(html).css("a[href]")]


def test_mjml_becomes_html_with_tags_links_and_text() -> None:
    compiled = compile_letter(letter(html=MJML, body_format="mjml"))
    sent = compiled.fill(ANN)
    html = part(sent, "html")
    assert compiled.links == ["https://shop.test/?a=1&b={{contact.city}}"]
    assert hrefs(html) == ["https://mail.acme.test/t/c/tok-7_a/1", "https://mail.acme.test/u/tok-7_a"]
    assert "Hello Ann &amp; all<br>bye" in html
    assert "<!--[if mso | IE]>" in html
    assert "fonts.googleapis.com" not in html
    assert "Hello Ann & all\nbye" in part(sent, "plain")


@pytest.mark.parametrize(("source", "line", "words"), [
    ("<mjml>\n<mj-body>\n<mj-text>x</mj-body></mjml>", None, "not closed"), ("<p>x</p>", None, "MJML"),
    ('<mjml><mj-body>\n\n<mj-include path="/etc/passwd"/></mj-body></mjml>', 3, "not available"), ("x", None, "MJML"),
])  # fmt: skip
def test_mjml_that_cannot_be_read_is_refused(source: str, line: int | None, words: str) -> None:
    with pytest.raises(LetterError) as refused:
        compile_letter(letter(html=source, body_format="mjml"))
    problem = refused.value.problems[0]
    assert words in problem.sentence
    assert line is None or problem.line == line


@pytest.mark.parametrize(("source", "body_format"), [
    ("<div>" * 100_000, "html"), ("<mjml><mj-body>" + "<mj-wrapper>" * 100_000, "mjml"),
    ("<mjml><mj-body><mj-raw>" + "<div>" * 5_000 + "</mj-raw></mj-body></mjml>", "mjml"), ("x" * 1_000_001, "html"),
])  # fmt: skip
def test_bodies_that_would_break_a_parser_are_refused(source: str, body_format: str) -> None:
    with pytest.raises(LetterError, match="nested|characters"):
        compile_letter(letter(html=source, body_format=body_format))


def test_css_goes_into_style_attributes_once_and_media_rules_stay() -> None:
    source = "<style>p { color: red } a:hover { color: blue } @media print { p { color: black } }</style><p>x <a href='https://x.test/'>y</a>"
    html = preview(letter(html=source), ANN).html
    assert '<p style="color: red;">' in html
    assert "@media print" in html
    assert "a:hover" in html


def test_css_that_cannot_be_read_stays_where_it_is() -> None:
    odd = letter(html="<style>p{</style><p style='x'>y")
    assert "<p style=\"x\">y</p>" in preview(odd, ANN).html
    assert "css_unread" in {finding.code for finding in checks(odd)}


def test_css_that_would_multiply_is_not_inlined() -> None:
    rules = "".join(f"*:not(.a{number}){{--x{number}:red}}" for number in range(500))
    wide = letter(html=f"<style>{rules}</style>" + "<p>x</p>" * 8_000)
    assert len(preview(wide, ANN).html) < 200_000
    assert "css_unread" in {finding.code for finding in checks(wide)}


def test_links_are_numbered_once_and_others_are_left_alone() -> None:
    source = (
        '<a href="https://a.test/">1</a><a href="http://b.test/?x=1&amp;y=2">2</a><a href="https://a.test/">1</a>'
        '<a href="mailto:a@b.test">m</a><a href="tel:+1">t</a><a href="#top">#</a><a href="{{unsubscribe_url}}">u</a><a href="https://{{contact.city}}.test/">h</a>'
        '<a href="{{contact.city}}">w</a><a href="https://c.test/{{campaign.name}}?{{contact.first_name|default:"x"}}">c</a><a>n</a>'
        '<a href="https://d.test/?back={{unsubscribe_url}}">b</a><map><area href="https://e.test/"></map><link href="https://f.test/">'
    )
    compiled = compile_letter(letter(html=source, campaign_name="A & B"))
    assert compiled.links == [
        "https://a.test/", "http://b.test/?x=1&y=2", 'https://c.test/A%20%26%20B?{{contact.first_name|default:"x"}}', "https://e.test/",
    ]  # fmt: skip
    base = "https://mail.acme.test/t/c/tok-7_a/"
    assert hrefs(part(compiled.fill(ANN), "html")) == [
        f"{base}1", f"{base}2", f"{base}1", "mailto:a@b.test", "tel:+1", "#top", "https://mail.acme.test/u/tok-7_a",
        "https://K%C3%B6ln.test/", "", f"{base}3", "https://d.test/?back=https%3A%2F%2Fmail.acme.test%2Fu%2Ftok-7_a",
    ]  # fmt: skip


def test_a_changed_letter_keeps_the_numbers_of_its_links() -> None:
    first = compile_letter(letter(html='<a href="https://a.test/">1</a><a href="https://b.test/">2</a>'))
    second = compile_letter(letter(html='<a href="https://c.test/">1</a><a href="https://b.test/">2</a>', links=tuple(first.links)))
    assert second.links == ["https://a.test/", "https://b.test/", "https://c.test/"]
    assert hrefs(part(second.fill(ANN), "html"))[:2] == ["https://mail.acme.test/t/c/tok-7_a/3", "https://mail.acme.test/t/c/tok-7_a/2"]


def test_tracking_can_be_switched_off() -> None:
    source = '<a href="https://a.test/?q={{contact.city}}">1</a>{{unsubscribe_url}}'
    compiled = compile_letter(letter(html=source, track_clicks=False, track_opens=False))
    html = part(compiled.fill(ANN), "html")
    assert compiled.links == []
    assert hrefs(html) == ["https://a.test/?q=K%C3%B6ln"]
    assert "<img" not in html
    assert part(compile_letter(letter(html=source)).fill(ANN), "html").count("https://mail.acme.test/t/o/tok-7_a.gif") == 1


def test_the_target_of_a_link_is_filled_when_it_is_clicked() -> None:
    url = 'https://a.test/ü?who={{contact.email}}&city={{contact.city|default:"a b"}}&z={{contact.custom.plan}}#x'
    assert link_fields(url) == ("email", "city", "custom.plan")
    filled = "https://a.test/%C3%BC?who=ann%40x.test&city=x%0ALocation%3A%20y&z=#x"
    assert link_target(url, {"email": "ann@x.test", "city": "x\r\nLocation: y"}) == filled
    assert link_target(url, {}) == "https://a.test/%C3%BC?who=&city=a%20b&z=#x"
    assert link_target("https://a.test/%41?a=1&b=[2]", {}) == "https://a.test/%41?a=1&b=[2]"


def test_what_no_mail_program_runs_is_left_out_and_named() -> None:
    source = (
        "<script>if (a<b) x()</script><p onclick='x()' id=a>Hi</p><a href=' java\nscript:x'>y</a><iframe src='https://a.test'>in</iframe>"
        "<svg><style><a title='</style><img src=x onerror=y>'></style></svg><img src='data:image/png;base64,AA==' alt=''>"
        "<img src='data:text/html,x' alt=''><base href='https://evil.test/'><meta http-equiv=refresh content='0;url=https://evil.test'>"
        "<object data='x'><p>inside</p></object>after<!-- a note of the author -->"
    )
    shown = preview(letter(html=source), ANN).html
    assert not re.search(r"script|onclick|onerror|iframe|svg|base href|refresh|inside|note of|text/html", shown)
    assert '<p id="a">Hi</p>' in shown
    assert "data:image/png" in shown
    assert "after" in shown
    [finding] = [finding for finding in checks(letter(html=source)) if finding.code == "removed"]
    assert "script" in finding.sentence
    assert "onclick" in finding.sentence


def test_a_footer_is_added_only_where_no_unsubscribe_link_is() -> None:
    bare = compile_letter(letter(html="<p>x</p>", text="y", postal_address="1 Main St\nTown & <Co>")).fill(ANN)
    assert part(bare, "html").count("https://mail.acme.test/u/tok-7_a") == 1
    assert "Town &amp; &lt;Co&gt;" in part(bare, "html")
    assert part(bare, "plain").endswith("Unsubscribe: https://mail.acme.test/u/tok-7_a\n1 Main St\nTown & <Co>\n")
    own = compile_letter(letter(html='<a href="{{unsubscribe_url}}">leave</a>', text="{{unsubscribe_url}}")).fill(ANN)
    assert "You get this mail" not in part(own, "html") + part(own, "plain")
    hidden = compile_letter(letter(html="<!-- {{unsubscribe_url}} --><p>x<!--[if mso]>{{unsubscribe_url}}<![endif]-->")).fill(ANN)
    assert "You get this mail" in part(hidden, "html")


def test_the_preheader_comes_first_and_is_hidden() -> None:
    html = preview(letter(html="<p>x</p>", preheader="For {{contact.first_name}} <3"), ANN).html
    assert re.search(r'<body><div style="display:none[^"]*">For Ann &lt;3&#847;', html)
    assert "For Ann" not in preview(letter(html="<p>x</p>", preheader="For {{contact.first_name}}"), ANN).text


@pytest.mark.parametrize(("html", "text"), [
    ("<h1>A</h1><p>b\n c</p><p>d<br>e</p>", "A\n\nb c\n\nd\ne\n"), ("<ul><li>a</li><li>b</li></ul>", "- a\n- b\n"),
    ('<p>Go <a href="https://x.test/a">here</a> now', "Go here <https://x.test/a> now\n"),
    ('<a href="https://x.test/">x.test</a> <a href="https://x.test/y">https://x.test/y</a>', "x.test https://x.test/y\n"),
    ('<a href="mailto:a@b.test">a@b.test</a> <a href="#x">top</a>', "a@b.test top\n"),
    ('<a href="https://x.test/"><img src="b.png" alt="Shop"></a>', "Shop <https://x.test/>\n"),
    ('<a href="https://x.test/"><img src="b.png"></a>', "<https://x.test/>\n"),
    ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc\n"), ("<p>a</p><hr><p>b</p>", "a\n\n----------\n\nb\n"),
    ('<div style="display: none">no</div><div>yes</div>', "yes\n"),
    ("<p>&lt;b&gt; &amp;\u200b c&nbsp;&nbsp;d</p>", "<b> & c d\n"), ("", ""),
    ("<div><div><div>a</div></div></div><div>b</div>", "a\nb\n"), ("<script>x</script><style>y</style>z", "z\n"),
])  # fmt: skip
def test_text_is_made_from_html_as_it_is_read(html: str, text: str) -> None:
    assert text_of_letter(html) == text


def test_the_text_part_of_html_holds_values_unescaped_and_links_untracked() -> None:
    source = (
        '<p>Hi {{contact.first_name}}: <a href="https://a.test/{{contact.city}}?x=1&amp;y=2">see</a> '
        '<img src="x.png" alt="for {{contact.city}}">'
    )
    text = part(compile_letter(letter(html=source)).fill(ANN._replace(values={"first_name": "<Ann & Co>", "city": "Köln"})), "plain")
    assert text.startswith("Hi <Ann & Co>: see <https://a.test/K%C3%B6ln?x=1&y=2> for Köln\n")


def test_a_letter_without_html_is_one_part() -> None:
    mail = read(compile_letter(letter(html="", text="Hello {{contact.first_name}}")).fill(ANN))
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().startswith("Hello Ann\r\n")
