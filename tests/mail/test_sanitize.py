"""Foreign HTML (C-53, C-54): whatever comes in, what goes out runs nothing, asks nobody, and changes nothing."""

import re
from html.parser import HTMLParser

import pytest
from selectolax.lexbor import LexborHTMLParser

from webapp.mail.safe_css import color_of, safe_style
from webapp.mail.sanitize import safe_html, text_of_html

SHOWN_TAGS = set(
    re.findall(
        r"\w+",
        """a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del details dfn div dl dt em
        figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q rp rt ruby s samp section small
        span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr""",
    )
)
SHOWN_ATTRIBUTES = set(
    re.findall(
        r"\w+",
        """align valign width height bgcolor dir lang title style href name rel target src alt border hspace vspace cellpadding cellspacing
        summary colspan rowspan nowrap scope color face size span start type value datetime""",
    )
)
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
    # mutation: what one parser writes, the next one reads otherwise
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
    "<math><annotation-xml encoding='text/html'><img src=x onerror=alert(1)></annotation-xml></math>",
    "<svg><foreignObject><iframe src=javascript:alert(1)></iframe></foreignObject></svg>",
    "<noembed><img title='</noembed><img src onerror=alert(1)>'></noembed>",
    "<xmp><p title='</xmp><svg/onload=alert(1)>'>",
    "<plaintext><img src=x onerror=alert(1)>",
    "<listing>&lt;img onerror=alert(1) src=x&gt;</listing>",
    "<select><template shadowrootmode=open><img src=x onerror=alert(1)></template></select>",
    "<table><td><table><a/href=javascript:alert(1)><style><!--</table></style><img src=x onerror=alert(1)>",
    "<img src=\"x` `<script>alert(1)</script>\"` `>",
    "<p title=\"--><script>alert(1)</script>\"><!-- a --!><img src=x onerror=alert(1)> -->",
    "<![CDATA[<img src=x onerror=alert(1)>]]><?xml version='1.0'?><img src=x onerror=alert(1)>",
    # addresses
    "<a href='&#xfeff;javascript:alert(1)'>x</a><a href='\u200bjavascript:alert(1)'>x</a><a href='jAvAsCrIpT&colon;alert(1)'>x</a>",
    "<a href='javascript&Tab;:alert(1)'>x</a><a href='blob:https://x.test/1'>x</a><a href='file:///etc/passwd'>x</a>",
    "<a href='//evil.test'>x</a><a href='/logout'>x</a><a href='?delete=1'>x</a><a href='intent://x'>x</a>",
    "<a xlink:href='javascript:alert(1)' ping='//evil.test' download>x</a><area href=javascript:alert(1)>",
    "<img src='http:evil.test'><img src='cid:x' usemap=#m><img src='/api/v1/me'><img src='\\\\evil.test\\a'>",
    "<img src='data:text/html;base64,PHNjcmlwdD4='><img src='data:image/png;base64,AA\" onerror=alert(1) x=\"'>",
    # styles
    "<p style='background:URL (//evil.test/a)'>x</p><p style='background-image:image-set(\"//evil.test/a\" 1x)'>x</p>",
    "<p style='list-style:url(//evil.test/a);cursor:url(//evil.test/b);content:url(//evil.test/c)'>x</p>",
    "<p style='font-family:x;src:url(//evil.test/f.woff);behavior:url(#x);-moz-binding:url(//evil.test/x#y)'>x</p>",
    "<p style='color:red;background:u/**/rl(//evil.test/a);color:src(\"//evil.test\")'>x</p>",
    "<p style='width:attr(x);color:var(--x, url(//evil.test/a));height:env(x);border:element(#x)'>x</p>",
    "<p style='color:\"red; position:fixed; z-index:99999; inset:0'>x</p>",
    "<p style=\"font-family:'x\\27 ;position:fixed'\">x</p><p style='}</style><script>alert(1)</script>'>x</p>",
    "<body background=//evil.test/a bgcolor='red;position:fixed' text='url(//evil.test)' style='position:fixed' onload=alert(1)>x",
    # what acts on our own page
    "<a href='https://x.test' hx-boost=true _='on load call alert(1)' x-data x-init=alert(1) @click=alert(1) :href=x>x</a>",
    "<div id=csrf_token name=csrf_token class='modal open' slot=x is=my-thing contenteditable tabindex=1 accesskey=x popover>x</div>",
    "<button popovertarget=app formaction=//evil.test>x</button><dialog open>x</dialog><marquee onstart=alert(1)>x</marquee>",
    "<meta name=referrer content=unsafe-url><meta http-equiv=x-dns-prefetch-control content=on><link rel=preconnect href=//evil.test>",
    "<input type=image src=//evil.test/a><keygen autofocus onfocus=alert(1)><isindex action=javascript:alert(1) type=image>",
    "<picture><source srcset=//evil.test/a><img src=x></picture><svg><image href=//evil.test/a></svg><track src=//evil.test/b>",
    "<frameset onload=alert(1)><frame src=javascript:alert(1)></frameset><applet code=x></applet><bgsound src=//evil.test/a>",
]

class _Tokens(HTMLParser):
    """A second opinion: no tree, just what looks like a tag, a comment or a declaration."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += _dangers_of(tag, dict(attrs))

    def handle_comment(self, data: str) -> None:
        self.found.append(f"comment {data}")

    handle_decl = handle_pi = unknown_decl = handle_comment


def _bad_style(value: str) -> bool:
    if re.search(r"url\(|expression|position|z-index|@|\\|/\*|[<>{}]|script|inset", value) or value.count('"') % 2 or value.count("'") % 2:
        return True
    return any(function not in ("rgb", "rgba", "calc") for function in re.findall(r"([\w-]*)\(", value))


def _dangers_of(tag: str, attributes: dict[str, str | None]) -> list[str]:
    """What is not on the short list of harmless things; the list is written here once more, on purpose."""
    found = [] if tag in SHOWN_TAGS else [f"tag {tag}"]
    for name, raw in attributes.items():
        value = re.sub(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028\u2029\ufeff]", "", raw or "").lower()
        if name not in SHOWN_ATTRIBUTES:
            found.append(f"{tag} {name}")
        elif name == "href" and not re.match(r"(https?:|mailto:|tel:)", value):
            found.append(f"href {raw}")
        elif name == "src" and not re.fullmatch(r"data:image/(png|gif|jpe?g|webp);base64,[a-z0-9+/=]*|/own/1", value):
            found.append(f"src {raw}")
        elif name == "style" and _bad_style(value):
            found.append(f"style {raw}")
    return found


def dangers(shown: str) -> list[str]:
    """What a browser could find in it at several places, also after it was read and written once more."""
    found: list[str] = []
    for around in ("{}", "<div>{}</div>", "<table><tr><td>{}</td></tr></table>", "<!doctype html><body><p>{}"):
        document = around.replace("{}", shown)
        for _ in range(2):
            tree = LexborHTMLParser(document)
            for node in tree.css("body *"):
                found += _dangers_of(node.tag or "", dict(node.attributes))
            document = tree.html or ""
    tokens = _Tokens()
    tokens.feed(shown)
    return found + tokens.found


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_c53_nothing_that_runs_asks_or_covers_is_left(payload: str) -> None:
    forms = ["{}", "<p>a{}b", "<table><tr><td>{}", "<div title='{}", '<div title="{}']
    forms += ["<!--{}", "<style>{}", "<svg><style>{}", "<a href='{}'>"]
    for form in forms:
        for variant in (payload, payload.upper(), payload.replace("<", "<\0")):
            assert dangers(safe_html(form.replace("{}", variant)).html) == []


def test_the_check_itself_sees_what_is_dangerous() -> None:
    assert len([payload for payload in PAYLOADS if dangers(payload)]) >= len(PAYLOADS) - 6


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


@pytest.mark.parametrize(
    ("background", "colour"),
    [
        ("#fff", "#fff"), ("red", "red"), ("url(//x.test/a) no-repeat #00FF00", "#00FF00"),
        ("rgba(0, 0, 0, .5) center", "rgba(0, 0, 0, .5)"),
        ("#fff !important", "#fff"), ("none", ""), ("url(//x.test/#abc)", ""),
        ("no-repeat center", ""), ("linear-gradient(red, blue)", ""),
    ],
)  # fmt: skip
def test_of_a_background_the_colour_stays(background: str, colour: str) -> None:
    assert color_of(background) == colour


def test_broken_characters_and_long_styles_are_no_failure() -> None:
    assert "a?b" in safe_html("<p>a\ud800b").html
    assert text_of_html("a\udfffb") == "a?b"
    assert safe_style("color:red;" * 100_000) is not None
