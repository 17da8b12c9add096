"""The mails that the project carries (tests/mails): through a real installation, and the parser against what a correct reader finds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bulk import compare, corpus, mails
from tests.bulk.corpus import Report
from tests.bulk.house import memory_folder

FOLDER = Path(__file__).parents[1] / "mails"
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def report() -> Iterator[Report]:
    with memory_folder() as home:
        yield corpus.run(FOLDER, home, thorough=False)


def test_every_carried_mail_is_taken_read_routed_and_shown(report: Report) -> None:
    assert len(report.handed) > 400 and report.unasked == []
    assert report.counts == {"processed": len(report.seen), "run:success": len(report.seen)}
    assert report.not_routed == []


def test_no_page_no_api_answer_and_no_log_of_a_carried_mail_tells_of_a_failure(report: Report) -> None:
    """C-55, C-56 and C-68 besides: nothing foreign in a page, files only to save, what routes send is clean."""
    assert report.wrong == []
    assert report.tracebacks == []
    assert all(one.answers >= 5 for one in report.seen)


def test_what_the_api_tells_is_what_a_correct_reader_finds(report: Report) -> None:
    assert len(report.checks) > 500
    assert [one for one in report.missed if (one.name, one.what) not in compare.EXPLAINED] == []


def test_the_parser_finds_what_a_correct_reader_finds() -> None:
    wanted = mails.expectations(FOLDER)
    samples = [one for one in mails.collect(FOLDER, compare.FOLDERS) if one.name in wanted]
    checks = [check for one in samples for check in compare.checks(compare.parsed_as_seen(one), wanted[one.name])]
    missed = {(one.name, one.what): (one.wanted, one.found) for one in checks if not one.right}
    assert len(checks) > 500 and missed.keys() <= compare.EXPLAINED.keys(), missed


def test_c07_no_carried_mail_costs_more_than_a_second_of_the_processor(report: Report) -> None:
    assert report.slowest[0][0] < 1, report.slowest[:3]
