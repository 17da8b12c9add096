"""Everything by which HTML can ask for something from elsewhere, each with a name of its own (C-54)."""

from tests.hostile_pages.payloads import Payload

IMAGES = {
    "img": "<img src=https://img.evil.example/a.png width=1 height=1>",
    "img-no-scheme": "<img src=//noscheme.evil.example/a.png>",
    "img-http": "<img src=http://plain.evil.example/a.png>",
}
OTHERS = {
    "srcset": "<img srcset='https://srcset.evil.example/a.png 1x, https://srcset2.evil.example/b.png 2x'>",
    "img-src-and-srcset": "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw=' srcset='https://both.evil.example/a.png 2x'>",
    "lowsrc": "<img lowsrc=https://lowsrc.evil.example/a.png dynsrc=https://dynsrc.evil.example/a.avi>",
    "picture": "<picture><source srcset=https://source.evil.example/a.webp><img alt=x></picture>",
    "image": "<image src=https://image.evil.example/a.png>",
    "css-url": "<p style='background:url(https://style.evil.example/a.png)'>x</p>",
    "css-url-escaped": "<p style='background:\\75rl(https://escaped.evil.example/a.png)'>x</p>",
    "css-url-comment": "<p style='background:u/**/rl(https://comment.evil.example/a.png)'>x</p>",
    "css-image-set": "<p style='background-image:image-set(\"https://set.evil.example/a.png\" 1x)'>x</p>",
    "css-cursor": "<p style='cursor:url(https://cursor.evil.example/a.cur),auto'>x</p>",
    "css-list": "<ul style='list-style-image:url(https://list.evil.example/a.png)'><li>x</ul>",
    "css-border": "<p style='border-image:url(https://border.evil.example/a.png) 1'>x</p>",
    "css-content": "<p style='content:url(https://content.evil.example/a.png)'>x</p>",
    "css-filter": "<p style='filter:url(https://filter.evil.example/a.svg#x);mask:url(https://mask.evil.example/a.svg)'>x</p>",
    "css-variable": "<p style='--x:url(https://variable.evil.example/a.png);background:var(--x)'>x</p>",
    "style-url": "<style>p{background:url(https://sheet.evil.example/a.png)}</style><p>x</p>",
    "import": "<style>@import 'https://import.evil.example/a.css';@import url(//import2.evil.example/b.css);</style>",
    "font": "<style>@font-face{font-family:x;src:url(https://font.evil.example/a.woff)}p{font-family:x}</style><p>x</p>",
    "background": "<body background=https://body.evil.example/a.png><table background=https://table.evil.example/a.png><td"
    " background=https://td.evil.example/a.png>x</table>",
    "video": "<video autoplay src=https://video.evil.example/a.mp4 poster=https://poster.evil.example/a.png></video>",
    "audio": "<audio autoplay src=https://audio.evil.example/a.mp3><source src=https://audio2.evil.example/a.ogg></audio>",
    "track": "<video><track default src=https://track.evil.example/a.vtt></video>",
    "link-sheet": "<link rel=stylesheet href=https://css.evil.example/a.css>",
    "link-prefetch": "<link rel=prefetch href=https://prefetch.evil.example/a><link rel=preload as=image href=https://preload.evil.example/a>",
    "link-dns": "<link rel=dns-prefetch href=//dns.evil.example><link rel=preconnect href=https://connect.evil.example>",
    "link-others": "<link rel=icon href=https://icon.evil.example/a><link rel=manifest href=https://manifest.evil.example/a>"
    "<link rel=modulepreload href=https://module.evil.example/a.js><link rel=prerender href=https://prerender.evil.example/>",
    "svg-image": "<svg><image href=https://svg.evil.example/a.png /><image xlink:href=https://xlink.evil.example/a.png /></svg>",
    "svg-use": "<svg><use href=https://use.evil.example/a.svg#x /><feImage href=https://fe.evil.example/a.png /></svg>",
    "svg-style": "<svg><style>@import url(https://svgstyle.evil.example/a.css)</style></svg>",
    "mathml": "<math><mi xlink:href=https://math.evil.example/ href=https://math2.evil.example/>x</mi></math>",
    "object": "<object data=https://object.evil.example/a></object><embed src=https://embed.evil.example/a>",
    "applet": "<applet code=x codebase=https://applet.evil.example/ archive=https://archive.evil.example/a.jar></applet>",
    "frames": "<iframe src=https://frame.evil.example/></iframe><iframe srcdoc='<img src=https://srcdoc.evil.example/a>'></iframe>",
    "frameset": "<frameset><frame src=https://frameset.evil.example/></frameset>",
    "input": "<form><input type=image src=https://input.evil.example/a.png></form>",
    "refresh": "<meta http-equiv=refresh content='0;url=https://refresh.evil.example/'>",
    "link-header": "<meta http-equiv=Link content='<https://linkheader.evil.example/a.css>;rel=stylesheet'>",
    "base": "<base href=https://base.evil.example/><img src=a.png><a href=b>x</a>",
    "ping": "<a ping=https://ping.evil.example/ href=https://click.evil.example/>x</a>",
    "script": "<script src=https://script.evil.example/a.js></script>",
    "bgsound": "<bgsound src=https://bgsound.evil.example/a.wav><xml src=https://xml.evil.example/a.xml></xml>",
    "conditional": "<!--[if true]><img src=https://conditional.evil.example/a.png><![endif]-->",
    "noscript": "<noscript><img src=https://noscript.evil.example/a.png></noscript>",
    "template": "<template shadowrootmode=open><img src=https://shadow.evil.example/a.png></template>",
    "portal": "<portal src=https://portal.evil.example/></portal><fencedframe></fencedframe>",
    "backslashes": "<img src='\\\\\\\\backslashes.evil.example\\\\a.png'>",
    "slashes": "<img src='https:/one.evil.example/a.png'><img src='https:two.evil.example/a'>",
    "own-server": "<img src=/logout><img src=/api/v1/me><img src=mail/1/source>",
}  # fmt: skip


def payloads() -> list[Payload]:
    return [Payload(f"vector-{name}", html) for name, html in {**IMAGES, **OTHERS}.items()]
