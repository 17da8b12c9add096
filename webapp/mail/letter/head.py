"""The header of a letter, twice: as it is sent, and as DKIM's relaxed form sees it (RFC 6376 section 3.4.2), with the same slots.

Slots in order: To, Subject, Date, the contact's number in Message-ID, the token in List-Unsubscribe (once or twice).
`Precedence: bulk` stands beside List-Id: old vacation programs know nothing else (RFC 3834 section 2 lists both kinds).
"""

import re
from binascii import b2a_base64

from webapp.mail.address import BadAddress, format_address, parse_address
from webapp.mail.dkim import OVERSIGNED, relaxed_value
from webapp.mail.letter.model import Letter
from webapp.mail.letter.values import as_line, words_of
from webapp.mail.mime_header import header_line, structured_line

BOUNDARY = "=_mailroom_letter"
MULTIPART = f'multipart/alternative; boundary="{BOUNDARY}"'
_SLOT = re.compile(rb"\x00")
_KEY = re.compile(r"[A-Za-z0-9-]{1,60}\Z")
_ATOMS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+/=?^_`{|}~.-"
_NAME = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+/=?^_`{|}~ -"
_LIST_ID = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+\Z")
_FEEDBACK = re.compile(r"[A-Za-z0-9_.@-]*(?::[A-Za-z0-9_.@-]*){0,3}\Z")


class Head:
    """Static pieces between the slots: `raw` ends with the empty line, `canonical` with the last header that is signed.

    names   of the headers, as the tag h= of a signature lists them
    domain  of the Message-ID
    """

    def __init__(self, letter: Letter, content: bytes) -> None:
        lines, self.domain = _lines(letter)
        lines.append(content)
        whole = b"".join(lines)
        self.raw = _SLOT.split(whole + b"\r\n")
        fields = [line.partition(b":") for line in re.split(rb"\r\n(?![ \t])", whole) if line]
        relaxed = [name.lower() + b":" + relaxed_value(value) + b"\r\n" for name, _, value in fields]
        self.canonical = _SLOT.split(b"".join(relaxed))
        self.names = [name.lower() for name, _, _ in fields] + list(OVERSIGNED)
        self.tokens = len(self.raw) - 5


def _lines(letter: Letter) -> tuple[list[bytes], str]:
    """Header lines with a NUL in each slot, and the sender's domain."""
    if not _KEY.match(letter.key):
        raise ValueError("The key of a letter is made of letters, digits and hyphens.")
    sender = parse_address(letter.from_email)
    lines = [structured_line("From", format_address(as_line(words_of(letter.from_name)), sender.text)), b"To: \0\r\n"]
    if letter.reply_to:
        lines.append(structured_line("Reply-To", parse_address(letter.reply_to).text))
    lines += [b"Subject: \0\r\n", b"Date: \0\r\n", f"Message-ID: <{letter.key}.\0@{sender.domain}>\r\n".encode()]
    ways = f"<{letter.base_url}/u/\0>"
    if letter.unsubscribe_mailto:
        address = parse_address(letter.unsubscribe_mailto).text
        ways += f",\r\n <mailto:{address}?subject=unsubscribe%20\0>"
    lines += [f"List-Unsubscribe: {ways}\r\n".encode(), b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"]
    lines.append(_list_id(letter, f"{sender.local}.{sender.domain}"))
    if letter.feedback_id:
        if not _FEEDBACK.match(letter.feedback_id):
            raise ValueError("Feedback-ID has up to four parts of letters, digits and ._@- between colons.")
        lines.append(structured_line("Feedback-ID", letter.feedback_id))
    return [*lines, b"Precedence: bulk\r\n", b"MIME-Version: 1.0\r\n"], sender.domain


def _list_id(letter: Letter, own: str) -> bytes:
    """RFC 2919: a phrase and, in angle brackets, a name that stays the same for all mail of this sender."""
    name = letter.list_id or re.sub(r"[^A-Za-z0-9_.-]+", "-", own).strip(".-")
    name = re.sub(r"\.{2,}", ".", name)
    if not _LIST_ID.match(name):
        raise ValueError("The list id is a name with dots, such as news.acme.test.")
    phrase, _, _ = format_address(as_line(words_of(letter.workspace_name)), "a@b").rpartition(" <")
    return structured_line("List-Id", f"{phrase} <{name}>" if phrase else f"<{name}>")


def plain_content(content_type: str) -> bytes:
    """The lines that say what the body is."""
    if content_type == MULTIPART:
        return f"Content-Type: {MULTIPART}\r\n".encode()
    return f"Content-Type: {content_type}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n".encode()


def to(email: str, name: str) -> tuple[bytes, bytes]:
    """The value of To: (as sent, relaxed). raises BadAddress"""
    data = email.encode("utf-8", "replace")
    if data.translate(None, _ATOMS) != b"@" or data[:1] == b"@" or data[-1:] == b"@":
        data = parse_address(email).text.encode()
        if b"\0" in data:
            raise BadAddress("The address holds a control character.")
    if not name:
        return data, data
    if not name.isprintable() or "  " in name or name[0] == " " or name[-1] == " " or "=?" in name:
        return _general_to(name, data)
    phrase = name.encode()
    if not name.isascii():
        words = encoded_words(phrase, 45)
        gap = b" " if len(words) == 1 and len(words[0]) + len(data) < 69 else b"\r\n "
        return b"\r\n ".join(words) + gap + b"<%b>" % data, b"%b <%b>" % (b" ".join(words), data)
    if len(phrase) + len(data) > 66 or b'"' in phrase or b"\\" in phrase:
        return _general_to(name, data)
    both = (b'"%b" <%b>' if phrase.translate(None, _NAME) else b"%b <%b>") % (phrase, data)
    return both, both


def _general_to(name: str, address: bytes) -> tuple[bytes, bytes]:
    """Names that need care: quotation marks, odd blanks, many letters."""
    raw = structured_line("To", format_address(as_line(words_of(name)), address.decode()))[4:-2]
    return raw, relaxed_value(raw)


def subject(text: str) -> tuple[bytes, bytes]:
    """The value of Subject: (as sent, relaxed)."""
    text = as_line(text)
    if text.isascii() and len(text) <= 66 and "=?" not in text:
        data = text.encode()
        return data, data
    if text.isascii() and "=?" not in text:
        raw = header_line("Subject", text)[8:-2].lstrip(b" ")
        return raw, relaxed_value(raw)
    words = encoded_words(text.encode())
    return b"\r\n ".join(words), b" ".join(words)


def encoded_words(data: bytes, room: int = 39) -> list[bytes]:
    """UTF-8 as encoded words (RFC 2047), no character cut. `room`: bytes for the first one, so that its line has at most 76 characters."""
    words, at = [], 0
    while at < len(data):
        end = at + room
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        words.append(b"=?utf-8?b?%b?=" % b2a_base64(data[at:end], newline=False))
        at, room = end, 45
    return words
