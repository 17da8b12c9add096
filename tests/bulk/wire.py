"""Handing mails over: SMTP as another server speaks it, and raw dialogues outside of any grammar."""

import smtplib
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.bulk.house import House
from tests.bulk.mails import Sample, crlf

SENDER = "sender@bulk.example"
SESSIONS = 4


@dataclass
class Handed:
    """What became of one mail at the door: the reply, and the id that it names."""

    sample: Sample
    tag: str
    code: int
    reply: str

    @property
    def message_id(self) -> int | None:
        return int(self.reply.rsplit(" ", 1)[1]) if self.code == 250 else None


@dataclass
class Talk:
    """What a raw dialogue was answered, and how many mails it left behind."""

    sample: Sample
    replies: list[str] = field(default_factory=list)
    closed: bool = False

    @property
    def taken(self) -> int:
        return sum(reply.startswith("250 2.0.0 Stored as") for reply in self.replies)


def deliver(house: House, samples: Iterable[Sample]) -> list[Handed]:
    """Every mail over SMTP to an address of its own, several sessions at once; in the order of the samples."""
    numbered = [(sample, f"s{number:05d}") for number, sample in enumerate(samples, 1)]
    with ThreadPoolExecutor(SESSIONS) as pool:
        parts = list(pool.map(lambda part: _session(house, part), [numbered[start::SESSIONS] for start in range(SESSIONS)]))
    return sorted((one for part in parts for one in part), key=lambda one: one.tag)


def _session(house: House, numbered: list[tuple[Sample, str]]) -> list[Handed]:
    found = []
    client = _connect(house)
    for sample, tag in numbered:
        try:
            found.append(_hand_over(client, house, sample, tag))
        except smtplib.SMTPServerDisconnected as error:
            found.append(Handed(sample, tag, 0, f"the connection was closed: {error}"))
            client = _connect(house)
        except smtplib.SMTPResponseException as error:
            found.append(Handed(sample, tag, error.smtp_code, str(error.smtp_error)))
            client.rset()
    client.quit()
    return found


def _connect(house: House) -> smtplib.SMTP:
    client = smtplib.SMTP("127.0.0.1", house.installation.smtp, local_hostname="bulk.example", timeout=120)
    client.ehlo()
    return client


def _hand_over(client: smtplib.SMTP, house: House, sample: Sample, tag: str) -> Handed:
    for code, text in (client.mail(SENDER), client.rcpt(house.address(tag))):
        if code != 250:
            raise smtplib.SMTPResponseException(code, text)
    code, text = client.data(crlf(sample.read()))
    return Handed(sample, tag, code, text.decode("utf-8", "replace"))


def talk(house: House, sample: Sample, patience_s: float = 1.5) -> Talk:
    """Send the pieces exactly as they are, reading what comes back; ends when the server hangs up or says nothing more."""
    answered = bytearray()
    closed = False
    with socket.create_connection(("127.0.0.1", house.installation.smtp), timeout=20) as line:
        try:
            for piece in sample.writes():
                line.settimeout(20)
                line.sendall(piece)
                closed = closed or not _hear(line, answered, 0.05)
        except (ConnectionError, TimeoutError):
            closed = True
        closed = not _hear(line, answered, patience_s) or closed
    return Talk(sample, answered.decode("utf-8", "replace").splitlines(), closed)


def _hear(line: socket.socket, into: bytearray, quiet_s: float) -> bool:
    """Take what comes until the server is quiet for so long; whether the line is still open."""
    line.settimeout(quiet_s)
    while True:
        try:
            piece = line.recv(65536)
        except TimeoutError:
            return True
        except ConnectionError:
            return False
        if not piece:
            return False
        into += piece


def is_served(house: House) -> bool:
    """Whether the next client is greeted."""
    with _connect(house) as client:
        return client.noop()[0] == 250
