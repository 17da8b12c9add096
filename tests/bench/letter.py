"""Making the mails of a campaign: processor time per mail of `webapp.mail.letter`, beside a bare sender of the same letter in the same run.

    python -m tests.bench letter

The rival, called ceiling here, is what a letter of this one shape costs when everything is written by hand for it: one bytes template with
`%b` gaps for the body, one for the header, one for its canonical form, no checks of addresses, tokens, lengths or line ends. It is the
rendering part of the project's optimised reference sender. Goals: signed at least 85 % and unsigned at least 60 % of the ceiling's speed
(with the SMTP part that both share left out here, so these are the harder numbers), a second signature under 12 %.
"""

import base64
import hashlib
import html
import re
import time
from collections.abc import Callable
from email.utils import formatdate
from operator import itemgetter
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.bench.common import median, say
from webapp.mail import dkim
from webapp.mail.letter import Letter, Person, SigningKey, compile_letter
from webapp.mail.letter.quoted import quoted

ROUNDS, UNSIGNED, SIGNED = 25, 1000, 100
BASE = "https://mail.example.org"
LINKS = [f"https://www.example.com/offers/{number}?ref=newsletter&lang=en" for number in range(5)]
PARAGRAPH = (
    '<p style="margin:0 0 12px 0;font-family:Arial,Helvetica,sans-serif;font-size:15px;line-height:22px;color:#333333">'
    "Our garden tools survive rain, frost and enthusiastic beginners; this month we tested forty of them &amp; kept nine.</p>\n"
)
HTML = (
    '<!doctype html>\n<html><head><meta charset="utf-8"><title>News for {{contact.first_name}}</title></head>\n<body>\n'
    "<h1>Hello {{contact.first_name}} {{contact.last_name}}</h1>\n<p>News for {{contact.city}}:</p>\n"
    + "".join(PARAGRAPH * 7 + f'<p><a href="{html.escape(url)}">Read more {number}</a></p>\n' for number, url in enumerate(LINKS))
    + '<p>Sent to {{contact.email}}. <a href="{{unsubscribe_url}}">Unsubscribe</a></p>\n</body></html>\n'
)
TEXT = (
    "Hello {{contact.first_name}},\n\nNews for {{contact.city}}. Read it at https://www.example.com/offers/\n\n"
    "Unsubscribe: {{unsubscribe_url}}\n"
)
LETTER = Letter(
    subject="{{contact.first_name}}, nine tools for {{contact.city}}", html=HTML, text=TEXT, from_email="news@example.org",
    from_name="Garden News", base_url=BASE, key="bench", workspace_name="Garden",
)  # fmt: skip
FIRST = ["Anna", "José", "Li", "Mehmet", "Zoë", "John", "Fatima", "Olga"]
LAST = ["Müller", "Smith", "Garcia", "O'Neill", "Tan", "Novak"]
CITY = ["Köln", "Austin", "Lyon", "Porto", "Oslo"]


def people(count: int) -> list[Person]:
    """Persons with few names and cities and an address of their own."""
    found = []
    for number in range(count):
        values = {"first_name": FIRST[number % 8], "last_name": LAST[number % 6], "city": CITY[number % 5]}
        token = base64.urlsafe_b64encode(hashlib.sha256(b"%d" % number).digest()[:12]).decode()
        found.append(Person(f"user{number}@example.test", values, number, token))
    return found


class Ceiling:
    """The hand-written sender of this letter."""

    def __init__(self) -> None:
        self.gaps: list[tuple[str, str]] = []
        tracked = re.compile(r'href="https://www[^"]+"')
        numbers = iter(range(1, 6))
        body = tracked.sub(lambda _: f'href="{BASE}/t/c/{{{{token}}}}/{next(numbers)}"', HTML)
        body = body.replace("</body>", f'<img src="{BASE}/t/o/{{{{token}}}}.gif" width="1" height="1" alt=""></body>')
        unsubscribe = "{{unsubscribe_url}}"
        body, text = (part.replace(unsubscribe, BASE + "/u/{{token}}") for part in (body, TEXT))
        kind = b"; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        mark = b"=_b0ae5c1d2e3f4a5b"
        self.body = b"".join([
            b"--", mark, b"\r\nContent-Type: text/plain", kind, self._part(text, "t"), b"\r\n--", mark, b"\r\nContent-Type: text/html",
            kind, self._part(body, "h"), b"\r\n--", mark, b"--\r\n",
        ])  # fmt: skip
        names = ["t.first_name", "t.city", "h.first_name", "h.last_name", "h.city", "t.email", "token"]
        shared = {"token": "token", "email": "t.email"}
        self.pick = itemgetter(*[names.index(shared.get(name, f"{kind}.{name}")) for kind, name in self.gaps])
        static = b"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"" + mark + b'"\r\n'
        shape = (
            b"From: Garden News <news@example.org>\r\nTo: %b\r\nSubject: %b\r\nDate: %b\r\nMessage-ID: <%b.%d@example.org>\r\n"
            b"List-Unsubscribe: <%b>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        )
        self.head = shape + static
        self.canonical = re.sub(rb"([\w-]+): ?([^\r]*\r\n)", lambda line: line[1].lower() + b":" + line[2], self.head)
        self.signature = (
            b"v=1; a=%b-sha256; c=relaxed/simple; d=example.org; s=s1; h=from:to:subject:date:message-id:list-unsubscribe:"
            b"list-unsubscribe-post:mime-version:content-type; bh=%b; b="
        )
        self.known: dict[str, tuple[bytes, bytes]] = {}

    def _part(self, template: str, kind: str) -> bytes:
        parts = re.split(r"\{\{(?:contact\.)?(\w+)\}\}", template)
        self.gaps += [(kind, name) for name in parts[1::2]]
        pieces = [quoted(part).replace(b"%", b"%%") if index % 2 == 0 else b"=\r\n%b=\r\n" for index, part in enumerate(parts)]
        return b"".join(pieces)

    def _value(self, value: str) -> tuple[bytes, bytes]:
        found = self.known.get(value)
        if found is None:
            found = self.known[value] = (quoted(value), quoted(html.escape(value)))
            if len(self.known) > 20_000:
                self.known.clear()
        return found

    def make(self, person: Person, date: bytes, key: Any = None) -> bytes:
        """One mail; `key` signs it."""
        first, last, city = person.values["first_name"], person.values["last_name"], person.values["city"]
        address, token = person.email.encode(), person.token.encode()
        first_t, first_h = self._value(first)
        _, last_h = self._value(last)
        city_t, city_h = self._value(city)
        body = self.body % self.pick((first_t, city_t, first_h, last_h, city_h, quoted(person.email), token))
        subject = f"{first}, nine tools for {city}"
        line = subject.encode() if subject.isascii() else b"=?utf-8?b?" + base64.b64encode(subject.encode()) + b"?="
        values = (address, line, date, b"bench", person.number, BASE.encode() + b"/u/" + token)
        head = self.head % values
        if key is None:
            return b"".join((head, b"\r\n", body))
        tag = self.signature % (b"rsa", base64.b64encode(hashlib.sha256(body).digest()))
        signed = key.sign(self.canonical % values + b"dkim-signature:" + tag, PADDING, HASH)
        return b"".join((b"DKIM-Signature: ", tag, base64.b64encode(signed), b"\r\n", head, b"\r\n", body))


PADDING, HASH = padding.PKCS1v15(), hashes.SHA256()


def main() -> None:
    rsa, _ = dkim.new_key()
    edwards, _ = dkim.new_key("ed25519")
    key = dkim.load_key(rsa)
    one = (SigningKey("example.org", "s1", rsa),)
    two = (*one, SigningKey("example.org", "s2", edwards))
    began = time.perf_counter()
    compiled, twice, thrice = compile_letter(LETTER), compile_letter(LETTER), compile_letter(LETTER)
    compiling_ms = (time.perf_counter() - began) / 3 * 1000
    ceiling, persons = Ceiling(), people(UNSIGNED)
    date = formatdate(0).encode()
    ways: dict[str, tuple[int, Callable[[Person], bytes]]] = {
        "ceiling": (UNSIGNED, lambda person: ceiling.make(person, date)),
        "fill": (UNSIGNED, compiled.fill),
        "ceiling_rsa": (SIGNED, lambda person: ceiling.make(person, date, key)),
        "fill_rsa": (SIGNED, lambda person: twice.fill_signed(person, one)),
        "fill_rsa_ed25519": (SIGNED, lambda person: thrice.fill_signed(person, two)),
        "key_sign_alone": (SIGNED, lambda person: key.sign(b"x" * 1000, PADDING, HASH)),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (count, make) in ways.items():
            began = time.process_time()
            for person in persons[:count]:
                make(person)
            times[name].append((time.process_time() - began) / count * 1e6)
    figures = {name: median(found) for name, found in times.items()}
    ratio = {
        "unsigned_against_ceiling": median([ours / theirs for ours, theirs in zip(times["fill"], times["ceiling"], strict=True)]),
        "rsa_against_ceiling": median([ours / theirs for ours, theirs in zip(times["fill_rsa"], times["ceiling_rsa"], strict=True)]),
        "second_signature": median([both / first - 1 for both, first in zip(times["fill_rsa_ed25519"], times["fill_rsa"], strict=True)], 3),
    }
    say(
        bench="letter", us_per_mail=figures, least_us={name: round(min(found), 2) for name, found in times.items()}, ratio=ratio,
        goals={"rsa_against_ceiling": 1 / 0.85, "second_signature": 0.12}, compiling_ms=round(compiling_ms, 1),
        bytes={"ceiling": len(ceiling.make(persons[0], date)), "fill": len(compiled.fill(persons[0]))},
    )  # fmt: skip


if __name__ == "__main__":
    main()
