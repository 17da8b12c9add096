"""The header: who, what, how to leave; two forms of it with the same slots; addresses, tokens and times that cannot break out."""

import re

import dkim as independent
import pytest

from tests.mail.letter.samples import ANN, KEYS, letter, over_smtp, read, signatures_hold
from webapp.mail import dkim
from webapp.mail.address import BadAddress, parse_address_list
from webapp.mail.charsets import decode_words
from webapp.mail.letter import Letter, Person, compile_letter
from webapp.mail.letter.head import encoded_words, subject, to


def test_a_mail_says_who_it_is_from_and_how_to_leave() -> None:
    made = compile_letter(letter(reply_to="reply@acme.test", unsubscribe_mailto="leave@acme.test", feedback_id="12:1:campaign:mailroom"))
    mail = read(made.fill(ANN._replace(name="Ann Lee"), 1_700_000_000))
    assert {name: str(mail[name]) for name in mail if name != "Content-Type"} == {
        "From": "Acme News <news@acme.test>", "To": "Ann Lee <ann@people.test>", "Reply-To": "reply@acme.test",
        "Subject": "Ann, nine tools for Köln", "Date": "Tue, 14 Nov 2023 22:13:20 +0000", "Message-ID": "<c12-ab34.7@acme.test>",
        "List-Unsubscribe": "<https://mail.acme.test/u/tok-7_a>, <mailto:leave@acme.test?subject=unsubscribe%20tok-7_a>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "List-Id": '"Acme, Inc" <news.acme.test>',
        "Feedback-ID": "12:1:campaign:mailroom", "Precedence": "bulk", "MIME-Version": "1.0",
    }  # fmt: skip
    assert made.message_id(7) == mail["Message-ID"]


def test_a_second_copy_has_the_same_message_id_after_a_restart() -> None:
    first, second = compile_letter(letter()), compile_letter(letter(subject="changed"))
    assert read(first.fill(ANN))["Message-ID"] == read(second.fill(ANN))["Message-ID"]
    assert read(first.fill(ANN._replace(number=8)))["Message-ID"] != read(first.fill(ANN))["Message-ID"]


@pytest.mark.parametrize("changes", [
    {"key": "a b"}, {"key": ""}, {"base_url": "https://x.test/"}, {"base_url": "javascript:x"}, {"base_url": 'https://x.test"'},
    {"from_email": "no address"}, {"from_email": "a@b.test\r\nBcc: c@d.test"}, {"reply_to": "x"}, {"list_id": "a b"},
    {"feedback_id": "a\r\nb"}, {"unsubscribe_mailto": "x"},
])  # fmt: skip
def test_what_the_caller_fills_in_is_checked(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        compile_letter(letter(**changes))


@pytest.mark.parametrize("email", [
    "", "@", "a", "a@", "@b", "a@b@c.test", "a b@c.test", "a@b.test\r\nBcc: x@y.test", "a@b.test,c@d.test", "<a@b.test>",
])  # fmt: skip
def test_an_address_that_is_none_is_refused(email: str) -> None:
    made = compile_letter(letter())
    for fill in (made.fill, lambda person: made.fill_signed(person, KEYS)):
        with pytest.raises(BadAddress):
            fill(ANN._replace(email=email))


@pytest.mark.parametrize("email", [
    "ann@people.test", "o'neill+x@people.test", '"a b"@people.test', "jörg@people.test", "a!#$%&*/=?^_`{|}~@b.test",
])  # fmt: skip
def test_addresses_arrive_as_they_are(email: str) -> None:
    sent = compile_letter(letter()).fill_signed(Person(email, {}, 1, "t"), KEYS)
    head = sent.partition(b"\r\n\r\n")[0].decode()
    assert [line for line in head.split("\r\n") if line.startswith("To:")] == [f"To: {email}"]
    assert sent.isascii() == email.isascii()


@pytest.mark.parametrize("token", ["a b", "a\r\nb", "ä", "x" * 73, ".a", "a=b", 'a"', "\ud800"])
def test_a_token_that_could_break_out_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        compile_letter(letter()).fill(ANN._replace(token=token))


@pytest.mark.parametrize("name", [
    "Ann", "Lee, Ann", "Ännchen " * 20, 'A "B" C', "a\\b", "日本" * 60, "x" * 300, " Ann  Lee ", "a\r\nb", "Ann <evil@x.test>",
])  # fmt: skip
def test_names_of_recipients_are_encoded(name: str) -> None:
    sent = compile_letter(letter()).fill_signed(ANN._replace(name=name), KEYS)
    [line] = re.findall(rb"(?m)^To: (.*(?:\r\n .*)*)\r$", sent)
    assert parse_address_list(line.decode()) == [(" ".join(name.split()), "ann@people.test")]
    assert signatures_hold(sent)


@pytest.mark.parametrize("text", [
    "", "x", "x" * 2000, "ä" * 500, "word " * 400, "😀" * 200, "=?x?=", "a=?utf-8?q?b?= c", "x" * 66, "x" * 67, "日" * 13, "日" * 14,
])  # fmt: skip
def test_subjects_are_folded_and_read_back(text: str) -> None:
    raw, relaxed = subject(text)
    assert decode_words(raw.decode().replace("\r\n ", " ")) == " ".join(text.split())
    assert max(len(line) for line in (b"Subject: " + raw).split(b"\r\n")) <= 998
    assert relaxed == dkim.relaxed_value(raw)


@pytest.mark.parametrize("text", ["ä", "aä" * 50, "日本語" * 33, "😀a" * 40])
def test_encoded_words_cut_no_character_and_are_short(text: str) -> None:
    words = encoded_words(text.encode())
    assert "".join(decode_words(word.decode()) for word in words) == text
    assert max(map(len, words)) <= 75
    assert len(b"Subject: " + words[0]) <= 76


def test_both_forms_of_an_address_agree() -> None:
    for name in ("", "Ann", "Lee, Ann", "Ä" * 80, "x y " * 60):
        raw, relaxed = to("ann@people.test", name)
        assert relaxed == dkim.relaxed_value(raw)


def test_each_key_signs_and_every_header_is_covered() -> None:
    made = compile_letter(letter(reply_to="reply@acme.test", feedback_id="a:b"))
    sent = over_smtp(made.fill_signed(ANN, KEYS))
    assert signatures_hold(sent)
    assert signatures_hold(over_smtp(made.fill_signed(ANN, KEYS[:1])), 1)
    assert made.fill_signed(ANN, (), 5) == made.fill(ANN, 5)
    head, _, _ = sent.partition(b"\r\n\r\n")
    for line in re.findall(rb"(?m)^([A-Za-z-]+):", head):
        if line != b"DKIM-Signature":
            changed = sent.replace(b"\r\n" + line + b": ", b"\r\n" + line + b": x", 1)
            assert changed != sent
            with pytest.raises(AssertionError):
                assert signatures_hold(changed), line


def _holds(raw: bytes) -> bool:
    try:
        return signatures_hold(raw)
    except independent.ValidationError:
        return False


@pytest.mark.parametrize("added", [b"From: evil@x.test", b"Subject: other", b"To: x@y.test", b"Reply-To: evil@x.test"])
def test_a_header_that_is_put_on_top_breaks_the_signature(added: bytes) -> None:
    sent = compile_letter(letter()).fill_signed(ANN, KEYS)
    assert _holds(sent)
    assert not _holds(added + b"\r\n" + sent)


def test_a_changed_body_breaks_the_signature() -> None:
    sent = compile_letter(letter()).fill_signed(ANN, KEYS)
    assert not _holds(sent.replace(b"Offers", b"0ffers"))


def test_a_single_part_that_ends_with_a_gap_is_signed_as_it_is_read() -> None:
    only_text = Letter(subject="x", html="", text="{{unsubscribe_url}} {{contact.city}}", from_email="news@acme.test")
    for city in ("", "x", "x\n\n", "."):
        assert signatures_hold(over_smtp(compile_letter(only_text).fill_signed(ANN._replace(values={"city": city}), KEYS)))


def test_keys_may_change_between_mails() -> None:
    made = compile_letter(letter())
    assert made.fill_signed(ANN, KEYS[:1], 5) != made.fill_signed(ANN, KEYS[1:], 5)
    assert made.fill_signed(ANN, KEYS[1:], 5).count(b"a=ed25519-sha256") == 1
    assert b"t=6;" in made.fill_signed(ANN, KEYS[1:], 6)
