"""The runner itself: what it takes for a mail, and that it notices what is wrong."""

import hashlib
import json
from pathlib import Path

from tests.bulk import refusals
from tests.bulk.mails import Sample, collect, crlf
from tests.bulk.visit import foreign, unclean
from tests.bulk.wire import Handed
from webapp.mail import status

FOLDER = Path(__file__).parents[1] / "mails"


def test_an_mbox_is_cut_at_its_separators_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    text = b"From x@y.test Mon\nSubject: 1\n\nFrom here on it is text\n\nFrom x@y.test Tue\nSubject: 2\n\nbody\n"
    (tmp_path / "a" / "two.mbox").write_bytes(text)
    (tmp_path / "a" / "one.eml").write_bytes(b"Subject: 3\r\n\r\nx")
    found = collect(tmp_path)
    assert [one.name for one in found] == ["a/one.eml", "a/two.mbox#1", "a/two.mbox#2"]
    assert [one.read()[:10] for one in found[1:]] == [b"Subject: 1", b"Subject: 2"]
    assert collect(tmp_path, ("b",)) == []


def test_line_ends_become_crlf_as_a_sending_server_makes_them() -> None:
    assert crlf(b"a\nb\rc\r\nd") == b"a\r\nb\r\nc\r\nd\r\n"


def test_a_page_with_something_foreign_in_it_is_noticed() -> None:
    assert foreign('<script src="/static/a.js"></script><iframe sandbox=""></iframe><a href="/mail">x</a>') == []
    hostile = ("<script>x()</script>", "<img src=x onerror=y>", "<iframe src=x></iframe>", "<a href=' javascript:x'>x</a>", "<base href=x>")
    for bad in hostile:
        assert foreign(f"<p>{bad}</p>"), bad


def test_a_mail_that_is_not_clean_is_noticed() -> None:
    good = b"From: Ann <inbox@example.com>\r\nTo: x@y.test\r\n\r\nhi\r\n"
    assert unclean(good) == []
    for bad in (
        good.replace(b"hi\r\n", b"hi\n"), b"Bcc: x@y.test\r\n" + good, b"From: evil@x.test\r\n" + good, b"no field\r\n" + good,
        good.replace(b"inbox@example.com", b"other@example.com"),
    ):  # fmt: skip
        assert unclean(bad), bad


def test_a_refusal_that_nothing_asks_for_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "x.eml").write_bytes(b"Subject: x\r\n\r\nsmall\r\n")
    sample = Sample("a/x.eml", tmp_path / "x.eml")
    for reply in (status.MESSAGE_TOO_BIG, status.HEADER_TOO_BIG, status.BARE_LINE_END):
        assert refusals.reason(Handed(sample, "s1", int(reply[:3]), reply[4:])) is None


#: beside the mails: their licences, and what Python keeps of modules
LEFT_OUT = {"LICENSES", "__pycache__"}


def test_every_carried_file_is_as_its_source_has_it_and_its_licence_is_there() -> None:
    index = json.loads((FOLDER / "index.json").read_text("utf-8"))
    carried = {path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*") if path.parent.name not in LEFT_OUT}
    assert carried == set(index) and len(index) > 400
    for name, facts in index.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == facts["sha256"], name
        assert (FOLDER / "LICENSES" / f"{facts['source']}.txt").stat().st_size > 20, name
    assert set(json.loads((FOLDER / "expected.json").read_text("utf-8"))) <= set(index)
