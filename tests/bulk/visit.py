"""Looking at every mail as a person and as a program do: its page in all views, the frame, its files, its forms in the API, search."""

import re
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
from selectolax.lexbor import LexborHTMLParser

from tests.bulk.house import House, listed
from tests.bulk.mails import crlf
from tests.bulk.wire import Handed
from webapp.mail.line_ends import has_bare_line_end
from webapp.messages.words import words_of

LOOKERS = 4
MOST_FILES = 3
VIEWS = ("", "/text", "/headers", "/raw", "/attachments", "/timeline")
FRAME_POLICY = re.compile(r"^sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none';")
_RUNS = re.compile(r"^\s*(?:java|vb)script:", re.I)


@dataclass
class Seen:
    """One mail as it was found: what the API says, its files, what was wrong with any answer, seconds by address."""

    handed: Handed
    told: dict[str, Any] = field(default_factory=dict)
    files: list[bytes] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    answers: int = 0
    slowest: tuple[float, str] = (0.0, "")

    @property
    def name(self) -> str:
        return self.handed.sample.name


def look_at_all(house: House, handed: Iterable[Handed], *, thorough: bool = True) -> list[Seen]:
    """Every mail that was taken, several at once.

    thorough  every view of the page; else the first one, the frame and the source
    """
    taken = [one for one in handed if one.message_id is not None]

    def work(part: list[Handed]) -> list[Seen]:
        with house.person() as person, house.program() as api:
            return [_Looker(house, person, api, one, thorough).look() for one in part]

    with ThreadPoolExecutor(LOOKERS) as pool:
        parts = list(pool.map(work, [taken[start::LOOKERS] for start in range(LOOKERS)]))
    return sorted((one for part in parts for one in part), key=lambda one: one.handed.tag)


class _Looker:
    """One mail, one person, one program."""

    def __init__(self, house: House, person: httpx.Client, api: httpx.Client, handed: Handed, thorough: bool) -> None:
        self.house, self.person, self.api, self.thorough = house, person, api, thorough
        self.seen = Seen(handed)
        self.id = handed.message_id

    def look(self) -> Seen:
        box = f"/mailboxes/{self.house.mailbox_id}/archives/{self.id}"
        answer = self._get(self.api, box)
        if answer.status_code != 200:
            return self.seen
        self.seen.told = answer.json()["data"]
        self._check_source(self._get(self.api, f"{box}/raw").content)
        for number in self._numbers():
            self._take_file(f"{box}/attachments/{number}", number)
        for view in VIEWS if self.thorough else VIEWS[:1]:
            self._page(f"/mail/{self.id}{view}")
        self._frame(f"/mail/{self.id}/html")
        if self.thorough:
            self._get(self.person, f"/mail/{self.id}/source")
        self._search()
        return self.seen

    def _say(self, what: str) -> None:
        self.seen.wrong.append(what)

    def _get(self, client: httpx.Client, path: str, **options: Any) -> httpx.Response:
        began = time.monotonic()
        answer = client.get(path, **options)
        self.seen.slowest = max(self.seen.slowest, (time.monotonic() - began, path))
        self.seen.answers += 1
        if answer.status_code != 200:
            self._say(f"{path} answered {answer.status_code}: {answer.text[:300]}")
        return answer

    def _check_source(self, raw: bytes) -> None:
        if not raw.startswith(b"Received: from ") or not raw.endswith(crlf(self.seen.handed.sample.read())):
            self._say("the source is not what was sent")

    def _numbers(self) -> list[int]:
        """The first files and the last."""
        count = len(self.seen.told["attachments"])
        return sorted({*range(1, min(count, MOST_FILES) + 1), *([count] if count else [])})

    def _take_file(self, path: str, number: int) -> None:
        answer = self._get(self.api, path)
        self.seen.files.append(answer.content)
        listed = self.seen.told["attachments"][number - 1]
        if len(answer.content) != listed["size"]:
            self._say(f"{path} has {len(answer.content)} bytes and not {listed['size']}")
        self._check_download(path, answer, listed["filename"])
        if self.thorough:
            self._check_download(path, self._get(self.person, f"/mail/{self.id}/attachments/{number}"), listed["filename"])

    def _check_download(self, path: str, answer: httpx.Response, name: str) -> None:
        """C-10, C-56: a file to save under its safe name, never one to open."""
        wanted = {
            "content-type": "application/octet-stream", "x-content-type-options": "nosniff",
            "content-security-policy": "sandbox; default-src 'none'",
        }  # fmt: skip
        for header, value in wanted.items():
            if answer.headers.get(header) != value:
                self._say(f"{path} has {header}: {answer.headers.get(header)}")
        how = answer.headers.get("content-disposition", "")
        if not how.startswith("attachment; ") or f"filename*=UTF-8''{quote(name, safe='')}" not in how:
            self._say(f"{path} is offered as {how}")

    def _page(self, path: str) -> None:
        answer = self._get(self.person, path)
        if answer.status_code == 200:
            self.seen.wrong += [f"{path}: {what}" for what in foreign(answer.text)]

    def _frame(self, path: str) -> None:
        answer = self._get(self.person, path)
        if not FRAME_POLICY.match(answer.headers.get("content-security-policy", "")):
            self._say(f"{path} has no policy of its own")
        self.seen.wrong += [f"{path}: {what}" for what in foreign(answer.text)]

    def _search(self) -> None:
        """A word of its subject, together with the address that it alone came in for, finds it and nothing else."""
        tag = self.seen.handed.tag
        word = next((word for word in words_of(self.seen.told["subject"]) if len(word) > 2), "")
        path = f"/mailboxes/{self.house.mailbox_id}/archives"
        query = f"subject:{word} to:{tag}" if word else f"to:{tag}"
        answer = self._get(self.api, path, params={"search": query, "direction": "received"})
        found = [row["id"] for row in answer.json()["data"]] if answer.status_code == 200 else []
        if found != [self.id]:
            self._say(f"search for {query!r} found {found}")


def foreign(page: str) -> list[str]:
    """What no template of ours writes: inline scripts, handlers, frames and addresses that run (C-55)."""
    tree = LexborHTMLParser(page)
    found = []
    for node in tree.css("*"):
        attributes = node.attributes
        if node.tag == "script" and not (attributes.get("src") or "").startswith("/static/"):
            found.append(f"a script {node.html[:200] if node.html else ''}")
        if node.tag == "iframe" and "sandbox" not in attributes:
            found.append("a frame without sandbox")
        if node.tag in ("object", "embed", "base", "applet"):
            found.append(f"an element {node.tag}")
        for name, value in attributes.items():
            if name.startswith("on") or (name in ("href", "src", "action", "formaction") and _RUNS.match(value or "")):
                found.append(f"{node.tag} {name}={value!r}"[:200])
    return found


def outgoing_problems(house: House, step: int = 1) -> list[str]:
    """C-04, C-68: what the route made of foreign mail is clean, below any library: CRLF alone, one From, and it is ours.

    step  look at every so-manieth
    """
    found = []
    with house.program() as api:
        for row in listed(api, f"/mailboxes/{house.mailbox_id}/archives", direction="sent")[::step]:
            raw = api.get(f"/mailboxes/{house.mailbox_id}/archives/{row['id']}/raw").content
            found += [f"outgoing {row['id']} ({row['subject'][:60]!r}): {what}" for what in unclean(raw)]
    return found


def unclean(raw: bytes) -> list[str]:
    """What must not be in a mail that we send."""
    found = ["it holds a bare CR or LF"] if has_bare_line_end(raw) else []
    head = raw.partition(b"\r\n\r\n")[0]
    fields = re.sub(rb"\r\n[ \t]", b" ", head).split(b"\r\n")
    names = [field.partition(b":")[0].strip().lower() for field in fields]
    once = (b"from", b"sender", b"message-id")
    found += [f"{name.decode()} stands there {names.count(name)} times" for name in once if names.count(name) > 1]
    found += [f"{name!r} is no header name" for name in names if not re.fullmatch(rb"[!-9;-~]+", name)]
    found += ["Bcc is in it"] if b"bcc" in names else []
    senders = [field.partition(b":")[2] for field in fields if field[:5].lower() == b"from:"]
    if len(senders) != 1 or not senders[0].strip().endswith((b"<inbox@example.com>", b"inbox@example.com")):
        found.append(f"its From is {senders}")
    return found
