"""Pipes and lanes: every reply finds its letter, whatever the server does; a lost connection leaves one letter in doubt at most."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from tests.mail.smtp_peer import EHLO, RAW, Peer, Step, hang_up, say_and_hang_up
from tests.mail.test_smtp_out_replies import ZOO
from webapp.mail.line_ends import with_crlf
from webapp.mail.smtp_lanes import Lanes
from webapp.mail.smtp_out import ConnectFailed, SendResult
from webapp.mail.smtp_pipe import Letter, Mail, Pipe


class Book:
    """Writes down what becomes of letters, and whether more than one was ever on the wire of a pipe."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.results: dict[int, SendResult] = {}
        self.order: list[str] = []

    def begins(self, letter: Letter, host: str) -> None:
        self.begun.append(letter.key)
        self.order.append(f"begins {letter.key}")

    def answered(self, letter: Letter, result: SendResult, host: str) -> None:
        assert letter.key not in self.results, "a letter was answered twice"
        self.results[letter.key] = result
        self.order.append(f"answered {letter.key}")

    @property
    def outcomes(self) -> list[str]:
        return [self.results[key].outcome for key in sorted(self.results)]


def letters_of(number: int, raw: bytes = RAW) -> deque[Letter]:
    mail = Mail(raw)
    return deque(Letter(key, "a@x.test", f"p{key}@y.test", mail) for key in range(number))


def never() -> bool:
    return False


def carry(
    peer: Peer, letters: deque[Letter], most: int = 1, per_connection: int = 1000, stop: Callable[[], bool] = never, **options: Any
) -> Book:
    book = Book()
    options.setdefault("timeout_s", 5.0)
    lanes = Lanes(lambda ear: Pipe(peer.connect(**options), "peer", ear), most=most, per_connection=per_connection)
    try:
        lanes.carry(letters, book, stop)
    finally:
        lanes.close()
    return book


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(("name", "steps", "outcome", "code"), ZOO, ids=[row[0] for row in ZOO])
def test_c24_each_reply_has_its_class_in_a_pipe(name: str, steps: dict[str, Any], outcome: str, code: int | None, pipelining: bool) -> None:
    ehlo: dict[str, Any] = {} if pipelining else {"ehlo": b"250 peer.test\r\n"}
    with Peer(**ehlo, **steps) as peer:
        book = carry(peer, letters_of(1))
    assert (book.results[0].outcome, book.results[0].code) == (outcome, code)
    assert book.results[0].text.isprintable() and book.results[0].dialogue
    if outcome in ("sent", "uncertain"):
        assert RAW + b".\r\n" in peer.bodies and book.begun == [0]


@pytest.mark.parametrize("lanes", [1, 4])
def test_the_next_envelope_travels_with_the_body_and_each_letter_is_sent_once(lanes: int) -> None:
    with Peer() as peer:
        book = carry(peer, letters_of(100), most=lanes)
        accepted = peer.listener.accepted
    assert book.outcomes == ["sent"] * 100 and accepted == lanes
    named = [command for command in peer.commands if command.startswith("RCPT")]
    assert sorted(named) == sorted(f"RCPT TO:<p{n}@y.test>" for n in range(100))
    assert peer.bodies == [RAW + b".\r\n"] * 100


def test_at_most_one_letter_of_a_pipe_is_on_the_wire_unanswered() -> None:
    with Peer() as peer:
        book = carry(peer, letters_of(30), most=1)
    under_way: set[str] = set()
    for step in book.order:
        what, key = step.split()
        if what == "begins":
            assert not under_way, "a body began while another one was unanswered"
            under_way.add(key)
        else:
            under_way.discard(key)
    assert len(book.order) == 60


def test_c25_refused_neighbours_change_nothing_for_the_others() -> None:
    refused: list[Step] = [b"250 ok\r\n", b"550 5.1.1 who\r\n", b"250 ok\r\n", b"450 4.2.0 later\r\n", b"550 5.1.1 who\r\n"]
    with Peer(rcpt=refused) as peer:
        book = carry(peer, letters_of(8))
    assert book.outcomes == ["sent", "failed", "sent", "retry", "failed", "sent", "sent", "sent"]
    assert len([body for body in peer.bodies if body == RAW + b".\r\n"]) == 5
    assert set(peer.bodies) <= {RAW + b".\r\n", b".\r\n"}, "a refused letter's body went out"


def test_a_server_that_refuses_data_after_a_refused_recipient_is_reset_and_used_on() -> None:
    rcpt: list[Step] = [b"550 5.1.1 who\r\n", b"250 ok\r\n"]
    data: list[Step] = [b"503 5.5.1 no valid recipients\r\n", b"354 go\r\n"]
    with Peer(rcpt=rcpt, data=data) as peer:
        book = Book()
        line = Pipe(peer.connect(), "peer", book)
        letters = letters_of(2)
        for _ in range(2):
            line.turn(lambda: letters.popleft() if letters else None, letters.appendleft)
        assert book.outcomes == ["failed"]
        assert "RSET" in peer.verbs() or line.at_rest is False
        line.close()


def test_a_server_that_ends_the_session_after_each_mail_costs_no_attempt() -> None:
    with Peer(dot=say_and_hang_up(b"250 2.0.0 ok\r\n")) as peer:
        book = carry(peer, letters_of(5))
        accepted = peer.listener.accepted
    assert book.outcomes == ["sent"] * 5 and accepted == 5


def test_421_after_some_mails_goes_on_over_a_new_connection() -> None:
    mail: list[Step] = [b"250 ok\r\n", b"250 ok\r\n", say_and_hang_up(b"421 4.7.0 enough for one session\r\n")]
    with Peer(mail=mail) as peer:
        book = carry(peer, letters_of(5))
    assert book.outcomes == ["sent"] * 5 and peer.listener.accepted == 2


def test_c23_a_cut_leaves_the_one_letter_in_doubt_whose_body_was_out_and_the_rest_go() -> None:
    with Peer(dot=[b"250 ok\r\n", b"250 ok\r\n", hang_up]) as peer:
        book = carry(peer, letters_of(6))
    assert book.outcomes == ["sent", "sent", "uncertain", "sent", "sent", "sent"]


def test_c23_a_silent_server_holds_one_letter_of_each_pipe() -> None:
    stopped = threading.Event()

    def wait(connection: object) -> bool:
        stopped.wait(5)
        return False

    with Peer(dot=wait) as peer:
        letters = letters_of(40)
        book = carry(peer, letters, most=2, timeout_s=0.1, stop=lambda: len(peer.bodies) >= 1)
        stopped.set()
    assert book.outcomes == ["uncertain"] and len(letters) == 39, "only what was on the wire is in doubt"


def test_stop_brings_what_was_begun_to_its_answer_and_leaves_the_rest() -> None:
    with Peer() as peer:
        letters = letters_of(50)
        book = Book()
        lanes = Lanes(lambda ear: Pipe(peer.connect(), "peer", ear), most=2)
        lanes.carry(letters, book, lambda: len(book.results) >= 10)
        lanes.close()
    assert set(book.outcomes) == {"sent"} and set(book.begun) == set(book.results)
    assert len(letters) + len(book.results) == 50 and len(book.results) < 16


def test_a_pipe_is_closed_after_so_many_letters() -> None:
    with Peer() as peer:
        book = carry(peer, letters_of(10), per_connection=3)
        assert peer.listener.accepted >= 3
    assert book.outcomes == ["sent"] * 10 and peer.verbs().count("QUIT") == peer.listener.accepted


def test_no_connection_at_all_leaves_every_letter_untried() -> None:
    with Peer(banner=b"421 4.3.2 full\r\n") as peer:
        letters = letters_of(3)
        with pytest.raises(ConnectFailed):
            carry(peer, letters)
    assert [letter.key for letter in letters] == [0, 1, 2]


def test_what_the_note_raises_ends_the_pipe_before_the_body() -> None:
    class Deaf(Book):
        def begins(self, letter: Letter, host: str) -> None:
            raise KeyError("the ledger is away")

    with Peer() as peer:
        letters, book = letters_of(3), Deaf()
        lanes = Lanes(lambda ear: Pipe(peer.connect(), "peer", ear), most=1)
        with pytest.raises(KeyError):
            lanes.carry(letters, book, lambda: False)
        assert lanes.pipes[0].broken and book.results == {} and len(letters) == 3
    assert not any(RAW in body for body in peer.bodies)


def test_a_large_body_and_small_ones_share_a_pipe() -> None:
    large = b"Subject: big\r\n\r\n" + b"0123456789abcdef\r\n" * 60_000
    with Peer(ehlo=EHLO) as peer:
        letters = deque(Letter(key, "a@x.test", f"p{key}@y.test", Mail(large if key == 1 else RAW)) for key in range(3))
        book = carry(peer, letters)
    assert book.outcomes == ["sent"] * 3 and peer.bodies[1] == large + b".\r\n"


@pytest.mark.parametrize("raw", [b"", b"a", b".", b"..\r\n.", b".a\r\n..b\r\n", b"a\n.b\r.c\0", b"\r\n.\r\n", RAW])
def test_a_body_can_be_had_back_from_its_form_on_the_wire(raw: bytes) -> None:
    mail = Mail(raw)
    assert Mail(mail.raw).wire == mail.wire and mail.raw.rstrip(b"\r\n") == with_crlf(raw.replace(b"\0", b"")).rstrip(b"\r\n")
