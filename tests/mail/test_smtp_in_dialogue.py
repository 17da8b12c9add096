"""The dialogue: order of commands, parameters, pipelining, the forms of an address (C-11, C-12), replies with enhanced codes."""

import re
import smtplib

import pytest

from tests.mail.smtp_door import Door
from webapp.mail import status

ENHANCED = re.compile(r"([245])\d\d ([245])\.\d{1,3}\.\d{1,3} \S")


def test_the_greeting_offers_what_we_keep(door: Door) -> None:
    with door.raw(hello=False) as client:
        assert client.reply() == "220 mail.here.test Mailroom ESMTP"
        offered = client.say(b"EHLO client.test").splitlines()
    assert offered == [
        "250-mail.here.test", "250-SIZE 100000", "250-8BITMIME", "250-SMTPUTF8", "250-PIPELINING", "250-ENHANCEDSTATUSCODES", "250 HELP",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("commands", "reply"),
    [
        (["MAIL FROM:<a@x.test>"], status.HELLO_FIRST),
        (["RCPT TO:<b@here.test>"], status.HELLO_FIRST),
        (["DATA"], status.HELLO_FIRST),
        (["EHLO"], status.HELLO_NEEDS_NAME),
        (["HELO"], status.HELLO_NEEDS_NAME),
        (["EHLO x", "RCPT TO:<b@here.test>"], status.MAIL_FIRST),
        (["EHLO x", "DATA"], status.MAIL_FIRST),
        (["EHLO x", "MAIL FROM:<a@x.test>", "DATA"], status.NO_RECIPIENTS),
        (["EHLO x", "MAIL FROM:<a@x.test>", "RCPT TO:<b@elsewhere.test>", "DATA"], status.NO_RECIPIENTS),
        (["EHLO x", "MAIL FROM:<a@x.test>", "MAIL FROM:<a@x.test>"], status.NESTED_MAIL),
        (["EHLO x", "MAIL FROM:<a@x.test>", "RCPT TO:<b@here.test>", "DATA now"], status.NO_ARGUMENT),
        (["EHLO x", "MAIL FROM:<a@x.test>", "RCPT TO:<b@here.test>", "RSET", "DATA"], status.MAIL_FIRST),
        (["EHLO x", "MAIL FROM:<a@x.test>", "RCPT TO:<b@here.test>", "EHLO x", "DATA"], status.MAIL_FIRST),
        (["EHLO x", "MAIL FROM:<a@x.test>", "RCPT TO:<b@here.test>", "HELO x", "RCPT TO:<b@here.test>"], status.MAIL_FIRST),
        (["EHLO x", "MAIL FROM:<refused@x.test>", "RCPT TO:<b@here.test>"], status.MAIL_FIRST),
        (["EHLO x", "MAIL a@x.test"], status.MAIL_SYNTAX),
        (["EHLO x", "MAIL"], status.MAIL_SYNTAX),
        (["EHLO x", "MAIL FROM:"], status.MAIL_SYNTAX),
        (["EHLO x", "MAIL FROM:<a@x.test>", "RCPT <b@here.test>"], status.RCPT_SYNTAX),
        (["EHLO x", "MAIL FROM:<a@x.test>", "RCPT TO:<>"], status.BAD_ADDRESS),
        (["EHLO x", "MAIL FROM:<a@x.test>", "RCPT TO:<b@here.test> NOTIFY=NEVER"], status.UNKNOWN_PARAMETER),
        (["EHLO x", "MAIL FROM:<a@x.test> RET=FULL"], status.UNKNOWN_PARAMETER),
        (["EHLO x", "MAIL FROM:<a@x.test> SIZE"], status.UNKNOWN_PARAMETER),
        (["EHLO x", "MAIL FROM:<a@x.test> SIZE=²"], status.UNKNOWN_PARAMETER),
        (["EHLO x", "MAIL FROM:<a@x.test> SIZE=1 SIZE=2"], status.UNKNOWN_PARAMETER),
        (["EHLO x", "MAIL FROM:<a@x.test> SIZE=" + "9" * 400], status.UNKNOWN_PARAMETER),
        (["EHLO x", "MAIL FROM:<a@x.test> BODY=BINARYMIME"], status.UNKNOWN_PARAMETER),
        (["EHLO x", "MAIL FROM:<a@x.test> SMTPUTF8=1"], status.UNKNOWN_PARAMETER),
        (["EHLO x", "MAIL FROM:<a@x.test> SIZE=100001"], status.MESSAGE_TOO_BIG),
        (["EHLO x", "MAIL FROM:<a@x.test> SIZE=99 BODY=8bitmime SMTPUTF8 AUTH=<>"], status.SENDER_OK),
        (["EHLO x", "mail from: <a@x.test> size=99"], status.SENDER_OK),
        (["EHLO x", "STARTTLS"], status.TLS_NOT_OFFERED),
        (["EHLO x", "STARTTLS now"], status.NO_ARGUMENT),
        (["EHLO x", "AUTH PLAIN AGFubgBzZWNyZXQ="], status.NO_LOGINS_HERE),
        (["EHLO x", "VRFY b"], status.NOT_VERIFIED),
        (["EHLO x", "EXPN list"], status.NOT_OFFERED),
        (["EHLO x", "HELP me"], status.HELP),
        (["EHLO x", "NOOP ok"], status.OK),
        (["EHLO x", "RSET ok"], status.NO_ARGUMENT),
        (["EHLO x", "QUIT ok"], status.NO_ARGUMENT),
        (["EHLO x", "QUIT"], status.BYE),
        (["EHLO x", "BDAT 100 LAST"], status.UNKNOWN_COMMAND),
        (["EHLO x", "ÄHLO x"], status.UNKNOWN_COMMAND),
        (["EHLO x", ""], status.UNKNOWN_COMMAND),
        (["GET / HTTP/1.1"], status.NOT_A_MAIL_CLIENT),
        (["Host: mail.here.test"], status.NOT_A_MAIL_CLIENT),
    ],
)
def test_each_wrong_step_has_its_reply(door: Door, commands: list[str], reply: str) -> None:
    with door.raw(hello=False) as client:
        client.reply()
        answers = [client.say(command.encode()) for command in commands]
        assert answers[-1] == reply
        assert all(ENHANCED.match(answer) for answer in answers if not answer.startswith(("250-", "250 mail")))
        if reply.startswith(("221", "421")):
            assert client.reply() == ""
    assert door.intake.arrivals == []


def test_every_reply_constant_has_an_enhanced_code_of_its_class() -> None:
    replies = {name: text for name, text in vars(status).items() if name.isupper() and not text.startswith(("354", "214"))}
    assert len(replies) > 50
    for name, text in replies.items():
        match = ENHANCED.match(text)
        assert match is not None, name
        assert match[1] == match[2], name


def test_after_a_refused_message_the_next_one_is_taken(door: Door) -> None:
    with door.raw() as client:
        client.envelope()
        assert client.say(b"a\nb\r\n.") == status.BARE_LINE_END
        client.envelope()
        assert client.say(b"fine\r\n.") == status.stored_as(1)


def test_a_failure_of_the_intake_is_451_and_forgets_the_message(door: Door) -> None:
    async def fail() -> None:
        door.intake.before_storing = None
        raise ConnectionRefusedError("the database is away")

    door.intake.before_storing = fail
    with door.raw() as client:
        client.envelope()
        assert client.say(b"x\r\n.") == status.FAILED_HERE
        client.envelope()
        assert client.say(b"y\r\n.") == status.stored_as(1)


def test_the_reply_of_the_intake_stays_one_line(door: Door) -> None:
    async def answer(session: object, address: str) -> str:
        return "550 5.1.1 no\r\n250 2.0.0 yes \ud800"

    door.intake.check_sender = answer  # type: ignore[method-assign]
    with door.raw() as client:
        assert client.say(b"MAIL FROM:<a@x.test>") == "550 5.1.1 no 250 2.0.0 yes ?"
        assert client.say(b"NOOP") == status.OK


def test_five_unknown_commands_are_forgiven(door: Door) -> None:
    with door.raw() as client:
        assert [client.say(b"WHAT") for _ in range(5)] == [status.UNKNOWN_COMMAND] * 5
        assert client.say(b"WHAT") == status.TOO_MANY_ERRORS
        assert client.reply() == ""


def test_a_hundred_refusals_end_the_session_but_not_over_many_messages(door: Door) -> None:
    with door.raw() as client:
        for number in range(3):
            client.say(b"MAIL FROM:<a@x.test>")
            assert {client.say(b"RCPT TO:<nobody@here.test>") for _ in range(60)} == {status.MAILBOX_UNKNOWN}
            client.say(b"RCPT TO:<b@here.test>")
            client.say(b"DATA")
            assert client.say(b"x\r\n.") == status.stored_as(number + 1)
        client.say(b"MAIL FROM:<a@x.test>")
        client.send(b"RCPT TO:<nobody@here.test>\r\n" * 101)
        assert set(client.replies(101)) == {status.MAILBOX_UNKNOWN}
        assert client.reply() == status.TOO_MANY_ERRORS


def test_whole_transactions_in_one_packet_are_answered_in_order(door: Door) -> None:
    with door.raw() as client:
        client.send(b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@here.test>\r\nRCPT TO:<b@away.test>\r\nDATA\r\none\r\n.\r\n" * 2 + b"QUIT\r\n")
        replies = client.replies(11)
        assert client.reply() == ""
    once = [status.SENDER_OK, status.RECIPIENT_OK, status.RELAY_DENIED, status.GO_AHEAD]
    assert replies == [*once, status.stored_as(1), *once, status.stored_as(2), status.BYE]
    assert [arrival.recipients for arrival in door.intake.arrivals] == [["b@here.test"]] * 2


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...\r\n.\r\n", b"..\r\n"),
        (b"..a\r\n..b\r\n\r\n..\r\n.\r\n", b".a\r\n.b\r\n\r\n.\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),
        (b"a.\r\n.b.\r\nc..\r\n.\r\n", b"a.\r\nb.\r\nc..\r\n"),
        (b"gr\xc3\xbc\xdf \0\r\n.\r\n", b"gr\xc3\xbc\xdf \0\r\n"),
    ],
)
def test_dots_are_unstuffed_and_nothing_else_changes(door: Door, wire: bytes, body: bytes) -> None:
    with door.raw() as client:
        client.envelope()
        client.send(wire)
        assert client.reply() == status.stored_as(1)
        assert client.say(b"NOOP") == status.OK
    assert door.intake.bodies() == [body]


def test_what_smtplib_sends_arrives_as_it_was(door: Door) -> None:
    text = b"Subject: hello\r\n\r\n.one\r\n..two\r\n" + bytes(range(32, 127)) * 20 + b"\r\n"
    with smtplib.SMTP("127.0.0.1", door.port, "client.test") as client:
        assert client.sendmail("a@there.test", ["b@here.test", "c@here.test", "d@away.test"], text) == {
            "d@away.test": (550, status.RELAY_DENIED[4:].encode())
        }
    (arrival,) = door.intake.arrivals
    assert door.intake.bodies() == [text]
    assert (arrival.sender, arrival.recipients) == ("a@there.test", ["b@here.test", "c@here.test"])
    assert (arrival.ip, arrival.helo, arrival.login, arrival.tls, arrival.kind) == ("127.0.0.1", "client.test", None, False, "mx")


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("<b@here.test>", "b@here.test"),
        ("b@here.test", "b@here.test"),
        ("<@relay.test:b@here.test>", "b@here.test"),
        ("<@one.test,@two.test:b@here.test>", "b@here.test"),
        ('<"b c"@here.test>', '"b c"@here.test'),
        ('<"b>c"@here.test>', '"b>c"@here.test'),
        ('<"b\\"c"@here.test>', '"b\\"c"@here.test'),
        ('<"b@away.test"@here.test>', '"b@away.test"@here.test'),
        ("<b%away.test@here.test>", "b%away.test@here.test"),
        ("<away.test!b@here.test>", "away.test!b@here.test"),
        ("<grüße@here.test>", "grüße@here.test"),
        ("<b+tag@HERE.test>", "b+tag@HERE.test"),
    ],
)
def test_c11_the_forms_of_a_recipient_reach_the_intake(door: Door, path: str, address: str) -> None:
    with door.raw() as client:
        client.say(b"MAIL FROM:<a@x.test> SMTPUTF8")
        assert client.say(f"RCPT TO:{path}".encode()) == status.RECIPIENT_OK
        client.say(b"DATA")
        client.say(b"x\r\n.")
    assert [arrival.recipients for arrival in door.intake.arrivals] == [[address]]
    assert door.intake.arrivals[0].smtputf8


@pytest.mark.parametrize(
    "path",
    [
        b"<b@here.test", b"b@here.test>", b"<b@here.test>x", b"<b@here.test>,<c@here.test>", b"<<b@here.test>>", b"<b @here.test>",
        b"<@relay.test>", b"<@relay.test:>", b'<"b@here.test>', b"<b@here.test\0>", b"<b\x07@here.test>", b"<b@here.test\r>",
        b"<gr\xfc\xdfe@here.test>", b"<b\xe2\x80\xa8@here.test>", b"Ann <b@here.test>", b"<b@here.test\x7f>", b"<b@here.test\xc2\x85>",
    ],
)  # fmt: skip
def test_c11_what_is_no_path_is_refused_before_the_intake(door: Door, path: bytes) -> None:
    with door.raw() as client:
        client.say(b"MAIL FROM:<a@x.test>")
        assert client.say(b"RCPT TO:" + path) in (status.BAD_ADDRESS, status.UNKNOWN_PARAMETER)
        client.say(b"RSET")
        assert client.say(b"MAIL FROM:" + path) in (status.BAD_SENDER, status.UNKNOWN_PARAMETER)
    assert door.intake.asked == [("sender", "a@x.test")]


def test_c11_the_null_sender_is_an_empty_one(door: Door) -> None:
    with door.raw() as client:
        assert client.say(b"MAIL FROM:<>") == status.SENDER_OK
        client.say(b"RCPT TO:<b@here.test>")
        client.say(b"DATA")
        assert client.say(b"x\r\n.") == status.stored_as(1)
    assert door.intake.arrivals[0].sender == ""
    assert door.intake.asked[0] == ("sender", "")


@pytest.mark.parametrize(
    "address",
    [
        "b@away.test", "<@here.test:b@away.test>", "<b%here.test@away.test>", "<here.test!b@away.test>", '<"b@here.test"@away.test>',
        "<b@here.test@away.test>", "<@here.test,@here.test:b@away.test>", "<b@[127.0.0.1]>", "<b@here.test.away.test>", "<b>",
    ],
)  # fmt: skip
def test_c12_nobody_relays_through_the_mx_port(door: Door, address: str) -> None:
    with door.raw() as client:
        client.say(b"MAIL FROM:<b@here.test>")
        assert client.say(f"RCPT TO:{address}".encode()) == status.RELAY_DENIED
        assert client.say(b"DATA") == status.NO_RECIPIENTS


def test_the_received_line_tells_the_way_and_holds_nothing_of_the_client_that_breaks_it(door: Door) -> None:
    with door.raw() as client:
        client.say('EHLO evil"(x)\t<y>; grüße'.encode())
        client.envelope()
        client.say(b"Subject: x\r\n\r\nx\r\n.")
        client.say(b"HELO plain")
        client.say(b"MAIL FROM:<>")
        client.say(b"RCPT TO:<b@here.test>")
        client.say(b"RCPT TO:<c@here.test>")
        client.say(b"DATA")
        client.say(b"x\r\n.")
    first, second = (arrival.raw.decode() for arrival in door.intake.arrivals)
    assert re.match(
        r"Received: from evil\?\?x\?\?\?y\?\? gr\?\?e \(\[127\.0\.0\.1\]\)\r\n\tby mail\.here\.test with ESMTP id [0-9a-f]{16}"
        r"\r\n\tfor <b@here\.test>;\r\n\t\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000\r\nSubject: x\r\n\r\nx\r\n",
        first,
    )
    assert re.match(r"Received: from plain \(\[127\.0\.0\.1\]\)\r\n\tby mail\.here\.test with SMTP id [0-9a-f]{16};\r\n\t", second)
