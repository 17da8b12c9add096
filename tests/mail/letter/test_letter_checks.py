"""What an author is told before a letter goes out."""

import pytest

from tests.mail.letter.samples import letter
from webapp.mail.letter import checks

GOOD = "<p>" + "word " * 40 + '<a href="https://a.test/">a</a> <a href="{{unsubscribe_url}}">leave</a> <img src="x.png" alt="">'


def test_a_good_letter_has_no_findings() -> None:
    assert checks(letter(subject="x", html=GOOD)) == []


@pytest.mark.parametrize(("changes", "code", "level"), [
    ({"html": "<p>x"}, "footer_added", "note"), ({"html": GOOD + '<img src="y.png">'}, "no_alt", "warning"),
    ({"html": GOOD + "<p>" + "long " * 25_000}, "large", "warning"), ({"html": '<img src="y.png" alt="z">'}, "pictures_only", "warning"),
    ({"html": GOOD + '<a href="http://b.test/">b</a>'}, "no_https", "warning"),
    ({"html": GOOD + "{{contact.foo}}"}, "unknown_tag", "warning"),
    ({"html": GOOD + "{{contact.city}}"}, "no_fallback", "note"), ({"html": GOOD + "{{"}, "problem_html", "error"),
    ({"subject": "{{1}}"}, "problem_subject", "error"), ({"subject": " "}, "no_subject", "warning"),
    ({"subject": "x" * 200}, "long_subject", "note"),
    ({"text": "no link"}, "text_footer_added", "note"), ({"html": ""}, "no_html", "warning"),
    ({"html": GOOD + "<script>"}, "removed", "warning"),
    ({"html": GOOD + "{{view_in_browser_url}}", "web_view": False}, "no_web_view", "warning"),
    ({"html": "<mjml><mj-body><mj-section><mj-column><mj-foo>x</mj-foo></mj-column></mj-section></mj-body></mjml>", "body_format": "mjml"},
     "mjml_unknown", "warning"),
])  # fmt: skip
def test_each_finding_has_its_occasion(changes: dict[str, object], code: str, level: str) -> None:
    found = checks(letter(**{"subject": "x", "html": GOOD, **changes}))
    assert (code, level) in [(finding.code, finding.level) for finding in found]
    assert all(finding.sentence.endswith((".", "”.")) for finding in found)
    order = [("error", "warning", "note").index(finding.level) for finding in found]
    assert order == sorted(order)


def test_an_error_names_field_line_and_column() -> None:
    [finding] = checks(letter(html="<p>\n  {{contact.first_name|upper}}"))
    assert finding.sentence.startswith("Html, line 2, column 3: ")
