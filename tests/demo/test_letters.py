"""The mails of the sample: well formed, and the same ones for the same chance."""

from datetime import UTC, datetime
from random import Random

from webapp.demo import letters
from webapp.demo.cast import DOMAIN, MAILBOXES
from webapp.mail import mime

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_every_letter_is_read_without_a_complaint_and_goes_to_a_mailbox_of_the_sample() -> None:
    chance = Random(1)
    subjects = set()
    for _ in range(200):
        letter = letters.write(chance, NOON)
        parsed = mime.parse(letter.raw)
        assert parsed.problem is None and not parsed.parse_limited
        assert parsed.sender == letter.sender
        assert letter.recipient in {f"{name}@{DOMAIN}" for name in MAILBOXES}
        assert parsed.text and parsed.html
        subjects.add(parsed.subject.split()[0])
    assert {"Order", "Invoice", "URGENT:", "Newsletter:"} <= subjects


def test_the_same_chance_writes_the_same_letters() -> None:
    def subjects(seed: int) -> list[str]:
        chance = Random(seed)
        return [mime.parse(letters.write(chance, NOON).raw).subject for _ in range(20)]

    assert subjects(3) == subjects(3) != subjects(4)
