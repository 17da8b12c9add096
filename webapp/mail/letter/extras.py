"""What a letter gets beside the author's words: preheader, footer with the unsubscribe link, open pixel."""

import html

from webapp.mail.letter.model import Letter
from webapp.mail.letter.values import as_line, words_of

_HIDDEN = "display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden;mso-hide:all"
#: keeps the list of a mail program from showing the body's first words behind a short preheader
_PADDING = "&#847;&zwnj;&nbsp;" * 30
_FOOTER = "font-family:Arial,Helvetica,sans-serif;font-size:12px;line-height:18px;color:#555555;text-align:center;padding:24px 16px"


def preheader(text: str) -> str:
    """The line that lists show behind the subject. `text` is HTML already; "" gives nothing."""
    return f'<div style="{_HIDDEN}">{text}{_PADDING}</div>' if text.strip() else ""


def pixel(address: str) -> str:
    return f'<img src="{address}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">'


def html_footer(letter: Letter, address: str) -> str:
    """For bodies without an unsubscribe link. `address` is HTML already."""
    postal = html.escape(words_of(letter.postal_address)).replace("\n", "<br>")
    end = f"<br>{postal}" if postal else ""
    words = html.escape(_reason(letter))
    return f'<div style="{_FOOTER}">{words} <a href="{address}" style="color:#555555">Unsubscribe</a>{end}</div>'


def text_footer(letter: Letter, address: str) -> str:
    address_lines = words_of(letter.postal_address)
    postal = f"{address_lines}\n" if address_lines else ""
    return f"\n\n----------\n{_reason(letter)}\nUnsubscribe: {address}\n{postal}"


def _reason(letter: Letter) -> str:
    sender = as_line(words_of(letter.workspace_name) or words_of(letter.from_name) or letter.from_email)
    return f"You get this mail because you are subscribed to mail from {sender}."
