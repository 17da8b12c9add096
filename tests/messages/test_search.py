"""The search language, the same answers on both databases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.core.paging import PageRequest
from webapp.messages import index, listing, scan, service
from webapp.messages.language import Term, parse
from webapp.messages.words import tsvector, words_of


@pytest.fixture
def mails(alice: Any) -> dict[str, Any]:
    """Six mails in one mailbox, by a short name."""
    box = make_mailbox(alice, "books@acme.test")
    return {
        "invoice": make_mail(
            box, sender="Kedja AB <faktura@kedja.test>", subject="Faktura 88213", text="Drive kit, twelve pieces.",
            files={"faktura-88213.pdf": b"%PDF"},
        ),
        "reply": make_mail(box, sender="Ines Duarte <ines@shop.test>", subject="Re: drive kit", text="When does the kit come? Café open."),
        "news": make_mail(box, sender="news@list.test", subject="Kit drive", text="Not the phrase: kit drive"),
        "unicode": make_mail(box, sender="Åsa Öberg <asa@shop.test>", subject="Möte på fredag", text="Vi ses kl 10"),
        "read": make_mail(box, sender="ines@shop.test", subject="Old one", text="something", columns={"seen": True}),
        "other": make_mail(make_mailbox(alice, "other@acme.test"), subject="Drive kit elsewhere", text="drive kit"),
    }


def found(alice: Any, mails: dict[str, Any], search: str, mailbox: bool = True, **filters: Any) -> set[str]:
    page = service.list_archive(alice.actor, mails["invoice"].mailbox_id if mailbox else None, {"search": search, **filters}, PageRequest())
    names = {message.id: name for name, message in mails.items()}
    return {names[row.id] for row in page.items}


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("kit", {"invoice", "reply", "news"}),
        ("KIT", {"invoice", "reply", "news"}),
        ('"drive kit"', {"invoice", "reply"}),
        ("kit café", {"reply"}),
        ("cafe", {"reply"}),
        ("mote", {"unicode"}),
        ("from:kedja", {"invoice"}),
        ("from:faktura@kedja.test", {"invoice"}),
        ("from:ines subject:drive", {"reply"}),
        ("from:asa", {"unicode"}),
        ("subject:kit", {"reply", "news"}),
        ("subject:twelve", set()),
        ("to:books", {"invoice", "reply", "news", "unicode", "read"}),
        ("file:88213", {"invoice"}),
        ("file:twelve", set()),
        ("has:attachment", {"invoice"}),
        ("88213.pdf", {"invoice"}),
        ("faktu*", {"invoice"}),
        ("faktu", set()),
        ("is:read", {"read"}),
        ("is:unread from:ines", {"reply"}),
        ("is:sent", set()),
        ("kit after:2000-01-01", {"invoice", "reply", "news"}),
        ("kit before:2000-01-01", set()),
        ("user@x.test", set()),
        ('kit AND drive OR "', set()),
        ("NEAR(kit drive)", set()),
        ("subject:", {"invoice", "reply", "news", "unicode", "read"}),
        ("***", set()),
        ("kit -drive", {"invoice", "reply", "news"}),
        ("re: kit", {"reply"}),
        ("w1", set()),
        ("m1", set()),
    ],
)
def test_the_search_language_finds_what_it_says(alice: Any, mails: dict[str, Any], search: str, expected: set[str]) -> None:
    assert found(alice, mails, search) == expected


def test_search_over_the_workspace_and_within_a_folder(alice: Any, mails: dict[str, Any]) -> None:
    assert found(alice, mails, '"drive kit"', mailbox=False) == {"invoice", "reply", "other"}
    assert found(alice, mails, "kit", folder="INBOX", has_attachments=True) == {"invoice"}


def test_another_workspace_finds_nothing_of_it(alice: Any, eve: Any, mails: dict[str, Any]) -> None:
    assert service.list_archive(eve.actor, None, {"search": "kit"}, PageRequest()).items == []


def test_a_changed_or_deleted_message_is_found_by_its_new_words_alone(alice: Any, mails: dict[str, Any]) -> None:
    message = mails["invoice"]
    index.put(message, subject="Renamed", sender="", receivers="", files="", body="")
    db.session.commit()
    assert found(alice, mails, "renamed") == {"invoice"}
    assert found(alice, mails, "twelve") == set()
    db.session.delete(message)
    db.session.commit()
    assert service.list_archive(alice.actor, mails["reply"].mailbox_id, {"search": "renamed"}, PageRequest()).items == []


def test_pages_by_cursor_hold_every_hit_once_in_both_directions(alice: Any) -> None:
    box = make_mailbox(alice, "many@acme.test")
    ids = [make_mail(box, subject=f"needle {number}").id for number in range(23)]
    for descending in (True, False):
        seen, cursor = [], None
        while True:
            asked = PageRequest(per_page=5, cursor=cursor, descending=None if cursor else descending)
            page = listing.page_of(alice.actor, box.id, {"search": "needle"}, asked)
            seen += [row.id for row in page.items]
            assert page.total == 23 and not page.total_is_capped
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == sorted(ids, reverse=descending)
    second = listing.page_of(alice.actor, box.id, {"search": "needle"}, PageRequest(page=2, per_page=5))
    assert [row.id for row in second.items] == sorted(ids, reverse=True)[5:10]


def test_a_walk_that_gives_up_answers_with_a_cursor_that_goes_on(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box = make_mailbox(alice, "many@acme.test")
    oldest = make_mail(box, subject="the only one").id
    for number in range(12):
        make_mail(box, subject=f"other {number}")
    monkeypatch.setattr(scan, "FIRST_WINDOW", 3)
    monkeypatch.setattr(scan, "WINDOW", 3)
    monkeypatch.setattr(scan.Scan.ids, "__defaults__", (4,))
    seen, cursor, rounds = [], None, 0
    while rounds < 20:
        page = listing.page_of(alice.actor, box.id, {"subject": "ONLY"}, PageRequest(cursor=cursor))
        seen += [row.id for row in page.items]
        cursor, rounds = page.next_cursor, rounds + 1
        if cursor is None:
            break
    assert seen == [oldest] and rounds > 1


def test_partial_filters_take_everything_literally_and_fold_case(alice: Any, mails: dict[str, Any]) -> None:
    for filters, expected in (
        ({"sender": "KEDJA"}, {"invoice"}),
        ({"sender": "åsa"}, {"unicode"}),
        ({"receivers": "BOOKS@"}, {"invoice", "reply", "news", "unicode", "read"}),
        ({"subject": "MÖTE"}, {"unicode"}),
        ({"subject": "%"}, set()),
        ({"body": "twelve PIECES"}, {"invoice"}),
        ({"has_attachments": True}, {"invoice"}),
        ({"created_after": datetime.now(UTC) + timedelta(hours=1)}, set()),
        ({"date_after": datetime.now(UTC) - timedelta(hours=1), "subject": "old"}, {"read"}),
        ({"direction": "received", "quarantined": False, "is_test": False, "subject": "old"}, {"read"}),
    ):
        assert found(alice, mails, "", **filters) == expected, filters


def test_totals_without_filters_are_exact_and_deleted_mail_is_not_listed(alice: Any, mails: dict[str, Any]) -> None:
    box = mails["invoice"].mailbox_id
    service.delete_message(alice.actor, mails["news"].id)
    db.session.commit()
    page = service.list_archive(alice.actor, box, {}, PageRequest(per_page=2))
    assert (page.total, page.has_more, len(page.items)) == (4, True, 2)
    assert service.list_archive(alice.actor, None, {}, PageRequest()).total == 5
    assert found(alice, mails, "kit") == {"invoice", "reply"}


def test_a_date_that_is_none_is_refused_with_what_to_write() -> None:
    with pytest.raises(Invalid, match="after:2026-09-01"):
        parse("after:yesterday")


def test_words_are_cut_like_the_index_does_it() -> None:
    assert words_of("Émile_O'Neil <a.b@x.test> 12,5") == ["emile", "o", "neil", "a", "b", "x", "test", "12", "5"]
    assert parse('to:"Ines Duarte" inv*').terms == [Term(("ines", "duarte"), "receivers"), Term(("inv",), None, True)]
    assert tsvector(["m1"], {"subject": "it's", "body": "it"}) == "'@m1' 'it':1A,43D 's':2A"


SCRIPTS = {
    "Korean": "안녕하세요 메일", "Japanese": "これはテストです", "kana with marks": "が ぱ デ", "Russian": "свежий номер",
    "Greek": "ΟΔΟΣ Ύδρα", "Turkish": "İstanbul IĞDIR", "Vietnamese": "tiếng Việt", "decomposed": "cafe\u0301 ko\u0308ln",
    "wide": "ＡＢＣ１２３", "ligature": "ﬁnal", "long": "a" * 300,
    "Arabic": "مرحبا بالعالم", "Hindi": "हिन्दी भाषा", "Thai": "ภาษาไทย", "emoji between": "post📮box",
}  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_word_of_any_script_finds_the_mail_that_holds_it(alice: Any, name: str) -> None:
    box = make_mailbox(alice, "all@acme.test")
    mail = make_mail(box, subject=SCRIPTS[name], text="nothing")
    make_mail(box, subject="another", text="else")
    for word in [*words_of(SCRIPTS[name]), *SCRIPTS[name].split(), SCRIPTS[name].split()[0].upper()]:
        page = service.list_archive(alice.actor, box.id, {"search": word}, PageRequest())
        assert [row.id for row in page.items] == [mail.id], word
