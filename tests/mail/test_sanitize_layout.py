"""What a newsletter looks like after it was made safe: tables, colours, spacing and links stay, trackers go (C-54)."""

from selectolax.lexbor import LexborHTMLParser

from tests.mail.test_sanitize import dangers
from webapp.mail.sanitize import BLANK, safe_html

NEWSLETTER = """<!DOCTYPE html><html><head><title>Gone</title>
<style>@import url(https://t.test/f.css);
 .x { background: url(https://t.test/1.png) }</style>
<!--[if mso]><xml><o:OfficeDocumentSettings/></xml><![endif]--></head>
<body bgcolor="#101820" text="#eeeeee" style="margin:0; font-family: Georgia, 'Times New Roman', serif"
 background="https://t.test/bg.png">
<div style="display:none;max-height:0;overflow:hidden">Preheader</div>
<!--[if mso]><table width="600"><tr><td><![endif]-->
<table role="presentation" align="center" width="600" cellpadding="0" cellspacing="0" border="0" bgcolor="#FFFFFF" class="wrap"
 style="border-collapse:collapse; max-width: 600px !important;
 background: #ffffff url('https://t.test/2.png') no-repeat; mso-table-lspace:0pt">
<tr><td colspan="2" valign="top" style="padding:24px 12px;color:rgb(34, 34, 34);border-bottom:1px solid #ccc">
<h1 id="top">Hello <font color="#cc0000">you</font></h1>
<p style="font-size:16px;line-height:1.5;text-align:center">Line&nbsp;one<br>line two</p>
<a href="https://shop.test/?a=1&amp;b=2"
 style="display:inline-block;background:#0a7cff;color:#fff;padding:10px 20px;border-radius:4px">Buy</a>
<img src="cid:logo%40here" width="120" height="40" alt="Logo" style="display:block">
<img src="https://t.test/pixel.gif" width="1" height="1">
</td></tr></table><!--[if mso]></td></tr></table><![endif]-->
<ul><li>one</li><li>two</li></ul><a href="mailto:out@shop.test?subject=unsubscribe">Unsubscribe</a>
<a href="tel:+4930123">Call</a></body></html>"""


def test_a_newsletter_keeps_its_layout_and_loses_its_trackers() -> None:
    shown = safe_html(NEWSLETTER, cid_url=lambda content_id: "/own/1" if content_id == "logo@here" else None)
    tree = LexborHTMLParser(shown.html)
    assert dangers(shown.html) == []
    assert "t.test" not in shown.html
    assert shown.blocked_count == 5
    [table] = tree.css("table")
    assert {name: table.attributes[name] for name in ("align", "width", "cellpadding", "bgcolor")} == {
        "align": "center", "width": "600", "cellpadding": "0", "bgcolor": "#FFFFFF",
    }  # fmt: skip
    assert table.attributes["style"] == "border-collapse: collapse; max-width: 600px !important; background-color: #ffffff"
    assert [node.attributes["style"] for node in tree.css("td, h1 + p, a[style]")] == [
        "padding: 24px 12px; color: rgb(34, 34, 34); border-bottom: 1px solid #ccc",
        "font-size: 16px; line-height: 1.5; text-align: center",
        "display: inline-block; background-color: #0a7cff; color: #fff; padding: 10px 20px; border-radius: 4px",
    ]
    assert [node.attributes["href"] for node in tree.css("a")] == [
        "https://shop.test/?a=1&b=2", "mailto:out@shop.test?subject=unsubscribe", "tel:+4930123",
    ]  # fmt: skip
    assert [node.attributes["src"] for node in tree.css("img")] == ["/own/1", BLANK]
    assert tree.css("img")[0].attributes["alt"] == "Logo"
    assert "Gone" not in shown.html


def test_the_colours_of_the_body_stay_under_its_text() -> None:
    [ground] = LexborHTMLParser(safe_html(NEWSLETTER).html).css("body > div")
    style = "background-color: #101820; color: #eeeeee; margin: 0; font-family: Georgia, 'Times New Roman', serif"
    assert ground.attributes["style"] == style
    assert len(ground.css("table, ul, a")) == 5
