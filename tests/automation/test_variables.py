"""Placeholders (reference/mailtrigger.md section 7.1)."""

from datetime import UTC, datetime

import pytest

from webapp.automation.mail_view import Attached, MailView, Person
from webapp.automation.variables import Variables, expand, expand_json, has_placeholder, without_placeholders

FILES = tuple(Attached(number, f"f{number}.txt", "text/plain", f"file {number}".encode(), f"file {number}") for number in range(1, 11))
MAIL = MailView(
    sender=Person("Ines", "ines@x.test"), receivers=(Person("", "a@acme.test"), Person("", "b@acme.test")),
    cc=(Person("C", "c@x.test"),),
    subject='Größe & "Preis"', text="line 1\nline 2", html="<p>hi</p>", headers=(("X-Order", "17"),),
    date=datetime(2026, 9, 1, 8, tzinfo=UTC),
    message_id="<m@x.test>", attachments=(*FILES, Attached(11, "p.bin", "application/octet-stream", b"\x00\xff")),
)  # fmt: skip


def values() -> Variables:
    known = {"key": "value"}
    return Variables(MAIL, mailbox="books@acme.test", route="R", receiver="a@acme.test", archive_url="http://h/messages/1", data=known)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("$SUBJECT", 'Größe & "Preis"'),
        ("$BODY", "line 1\nline 2"),
        ("$HTML", "<p>hi</p>"),
        ("$SENDER to $RECEIVERS, $RECEIVER", "ines@x.test to a@acme.test, b@acme.test, a@acme.test"),
        ("$CC $REPLY_TO", "c@x.test ines@x.test"),
        ("$DATE $MESSAGE_ID $MAILBOX $ROUTE", "2026-09-01T08:00:00Z <m@x.test> books@acme.test R"),
        ("$ARCHIVE_URL", "http://h/messages/1"),
        ("$ATTACHMENT1|$ATTACHMENT10|$ATTACHMENT_LAST2", "file 1|file 10|file 10"),
        ("$ATTACHMENT11", "AP8="),
        ("$ATTACHMENT_NAME1 $ATTACHMENT_TYPE11", "f1.txt application/octet-stream"),
        ("$HEADER[x-order]/$HEADER[Missing]/", "17//"),
        ("$DATA[key]", "value"),
        ("$$SUBJECT costs 5$", "$SUBJECT costs 5$"),
        ("$UNKNOWN $subject $SUBJECTS ${SUBJECT}", "$UNKNOWN $subject $SUBJECTS ${SUBJECT}"),
        ("_$SUBJECT_", '_Größe & "Preis"_'),
    ],
)
def test_a_placeholder_is_replaced(template: str, expected: str) -> None:
    assert expand(template, values()) == expected


def test_inserted_text_is_not_expanded_again() -> None:
    mail = MailView(sender=Person("", "a@b.test"), subject="$BODY", text="secret")
    assert expand("$SUBJECT", Variables(mail)) == "$BODY"


def test_a_missing_attachment_or_key_is_empty_and_warned_about() -> None:
    asked = values()
    assert expand("[$ATTACHMENT12][$DATA[nothing]]", asked) == "[][]"
    assert len(asked.warnings) == 2 and "11 attachments" in asked.warnings[0]


def test_each_place_has_its_own_writing() -> None:
    assert expand("https://x.test/?q=$SUBJECT", values(), "url") == "https://x.test/?q=Gr%C3%B6%C3%9Fe%20%26%20%22Preis%22"
    assert expand("<b>$SUBJECT</b>", values(), "html") == "<b>Größe &amp; &quot;Preis&quot;</b>"
    assert expand("$BODY", values(), "line") == "line 1 line 2"


def test_json_is_parsed_before_values_go_in_so_that_quoting_is_right() -> None:
    template = {"subject": "$SUBJECT", "files": "$ATTACHMENT", "n": 1, "$SUBJECT": ["<$BODY>"], "mixed": "all: $ATTACHMENT"}
    found = expand_json(template, values())
    assert found["subject"] == 'Größe & "Preis"' and found["files"][0] == "file 1" and len(found["files"]) == 11
    assert found["n"] == 1 and found["$SUBJECT"] == ["<line 1\nline 2>"] and found["mixed"].startswith('all: ["file 1"')


def test_placeholders_are_recognised_on_save() -> None:
    assert has_placeholder("x $SENDER") and not has_placeholder("5 $ $nothing $UNKNOWN")
    assert without_placeholders("https://$SENDER.x.test/$UNKNOWN") == "https://x.x.test/$UNKNOWN"
