"""Foreign HTML (C-53, C-54): whatever comes in, what goes out runs nothing, asks nobody, and changes nothing."""

import re

import pytest
from selectolax.lexbor import LexborHTMLParser

from webapp.mail.sanitize import safe_html, text_of_html

NEVER = {
    "script",
    "style",
    "iframe",
    "object",
    "embed",
    "form",
    "input",
    "button",
    "base",
    "meta",
    "svg",
    "math",
    "template",
    "textarea",
    "noscript",
    "video",
    "audio",
    "frame",
}
PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href='  javascript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='vbscript:x'>x</a>",
    "<form action=//evil.test><input name=a><button formaction=javascript:x>go</button></form>",
    "<base href=//evil.test><meta http-equiv=refresh content='0;url=//evil.test'>",
    "<link rel=stylesheet href=//evil.test/a.css><link rel=dns-prefetch href=//evil.test>",
    "<style>@import url(//evil.test/a.css);</style>",
    "<div style='background:url(//evil.test/a)'>x</div>",
    "<div style='width:expression(alert(1))'>x</div>",
    "<div style='position:fixed;top:0;left:0;width:100%'>x</div>",
    "<div style='background:\\75rl(//evil.test/a)'>x</div>",
    "<div hx-get=/api/v1/me hx-trigger=load hx-on:load=alert(1) data-hx-post=/x>x</div>",
    "<table background=//evil.test/a><td background=//evil.test/b>x</table>",
    "<img src=//evil.test/a srcset='//evil.test/b 2x' lowsrc=//evil.test/c>",
    "<img src='data:image/svg+xml,<svg onload=alert(1)>'>",
    "<video poster=//evil.test/a src=//evil.test/b><audio src=//evil.test/c>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe><object data=x></object><embed src=x>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><img src=x onerror=alert(1)></template>",
    "<!--[if gte IE 4]><script>alert(1)</script><![endif]--><!--><img src=x onerror=alert(1)>-->",
    "<label for=outer id=app class=modal>x</label>",
    "<img src=x:x onerror\x00=alert(1)><a\x0chref\x0c=javascript:x>",
]


def _dangers(shown: str) -> list[str]:
    found = []
    for around in (shown, f"<div>{shown}</div>", f"<table><tr><td>{shown}"):
        tree = LexborHTMLParser(around)
        for node in tree.css("body *"):
            found += [node.tag] if node.tag in NEVER else []
            for name, raw in node.attributes.items():
                value = re.sub(r"[\x00-\x20]", "", raw or "").lower()
                if re.match(r"on|hx-|data-|formaction|srcset|background|poster|ping|id$|class$|for$", name):
                    found.append(f"{node.tag} {name}")
                if name == "href" and not re.match(r"https?:|mailto:|tel:|#", value):
                    found.append(f"href {value}")
                if name == "src" and value and not re.match(r"data:image/(png|gif|jpe?g|webp);base64,|/own/", value):
                    found.append(f"src {value}")
                if name == "style" and re.search(r"url|expression|position|import|\\", value):
                    found.append(f"style {value}")
    return found


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_c53_nothing_that_runs_asks_or_covers_is_left(payload: str) -> None:
    for html in (payload, f"<p>before{payload}after", f"<table><tr><td>{payload}", f"<div title='{payload}", f"<!--{payload}"):
        assert _dangers(safe_html(html).html) == []


def test_the_check_itself_sees_what_is_dangerous() -> None:
    assert len([payload for payload in PAYLOADS if _dangers(payload)]) >= 25


def test_c54_remote_pictures_are_taken_out_and_counted_until_they_are_asked_for() -> None:
    html = "<img src=https://x.test/a.png><img src=//x.test/b.png><img src='data:image/png;base64,AAAA'>"
    hidden, shown = safe_html(html), safe_html(html, remote=True)
    assert hidden.blocked_count == 2 and "x.test" not in hidden.html and "base64,AAAA" in hidden.html
    assert "https://x.test/a.png" in shown.html and shown.blocked_count == 0


def test_inline_pictures_come_from_where_we_say() -> None:
    html = '<img src="cid:p@x"><img src="cid:unknown">'
    shown = safe_html(html, cid_url=lambda content_id: "/own/1" if content_id == "p@x" else None).html
    assert 'src="/own/1"' in shown and "unknown" not in shown


def test_links_open_elsewhere_and_tell_nobody_where_from() -> None:
    [link] = LexborHTMLParser(safe_html("<a href=https://x.test target=_self rel=opener>x</a>").html).css("a")
    assert link.attributes["target"] == "_blank" and set((link.attributes["rel"] or "").split()) == {"noopener", "noreferrer", "nofollow"}


def test_harmless_looks_stay_and_text_reads_as_lines() -> None:
    assert 'style="color: red"' in safe_html("<p style='color:red;position:fixed'>x").html
    assert text_of_html("<h1>A</h1><p>b <b>c</b><br>d<script>x</script>").split() == ["A", "b", "c", "d"]
