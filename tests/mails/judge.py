"""Reports read by this project against the expected results of a folder of mails:

    python -m tests.mails.judge FOLDER [--all]

Prints how many are right per kind, strictly and with the other readings that `readings` allows, and each miss. `--all` prints the
readings too. Ends with 1 when fewer than 97 of 100 are right.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.mails.readings import CLASSES, EXPLAINED, ONE_WORD, PERMANENT_ONLY
from webapp.mail.address import BadAddress, normalise
from webapp.mail.bounce import Recipient, read_bounce
from webapp.mail.dmarc_report import DmarcReport, read_dmarc_report
from webapp.mail.feedback import read_feedback, read_receipt
from webapp.mail.mail_kind import kind_of
from webapp.mail.mime_parse import ParsedMail, parse
from webapp.mail.tls_report import TlsReport, read_tls_report
from webapp.mail.unpack import ReportRefused

FOLDERS = ("bounces", "autoreplies", "reports")
_MADE_UP = re.compile(r"[45]\.0\.9\d\d\Z")
ONE_OPINION = "the expected word is the opinion of one other reader, and a guide"
_OF_REPORTS = (
    "org", "report_id", "domain", "policy", "messages", "begin", "end", "sessions_ok", "sessions_failed", "records", "policies",
)  # fmt: skip
_NOT_JUDGED = ("delay", "temporary-failure", "bounce")


@dataclass(slots=True)
class Verdict:
    """misses: what is wrong; readings: what differs and is right all the same; both as sentences."""

    name: str
    kind: str
    misses: list[str] = field(default_factory=list)
    readings: list[str] = field(default_factory=list)


def judge(name: str, raw: bytes, wanted: dict[str, Any]) -> Verdict:
    """What a mail is read as, against what it is."""
    verdict = Verdict(name, str(wanted["kind"]))
    mail = parse(raw.lstrip())
    kind = kind_of(mail)
    if kind != wanted["kind"]:
        why = ONE_WORD.get((str(wanted["kind"]), kind))
        why = None if kind in _NOT_JUDGED and wanted.get("hard") else why
        _note(verdict, f"kind {wanted['kind']}, read {kind}", why)
    if kind in ("dmarc-aggregate", "tls-report"):
        _compare_report(verdict, mail, wanted)
    elif kind in ("feedback-report", "dmarc-failure"):
        _compare_feedback(verdict, mail, wanted)
    elif kind == "read-receipt":
        _compare_receipt(verdict, mail, wanted)
    elif kind not in ("human", "autoreply"):
        _compare_bounce(verdict, mail, raw, wanted)
    return verdict


def run(folder: Path) -> list[Verdict]:
    """The verdicts on all mails about mail in a folder that have an expected result."""
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    names = [name for name in expected if name.partition("/")[0] in FOLDERS and (folder / name).exists()]
    return [judge(name, (folder / name).read_bytes(), expected[name]) for name in names]


def _note(verdict: Verdict, what: str, why: str | None) -> None:
    if why:
        verdict.readings.append(f"{what}: {why}")
    else:
        verdict.misses.append(what)


def _plain(address: str) -> str:
    try:
        return normalise(address)
    except BadAddress:
        return address.lower()


def _compare_bounce(verdict: Verdict, mail: ParsedMail, raw: bytes, wanted: dict[str, Any]) -> None:
    report = read_bounce(mail)
    recipients = report.recipients if report else []
    addresses, named = {_plain(one) for one in wanted["recipients"]}, {one.address for one in recipients}
    if named != addresses:
        either = all({one.address, one.original} & addresses for one in recipients) and len(named) == len(addresses)
        why = "the report names a final and an original recipient" if either else None
        _note(verdict, f"recipients {sorted(addresses)}, read {sorted(named)[:5]}", why)
        if not why:
            return
    if not recipients or verdict.kind not in _NOT_JUDGED:
        return
    results = wanted.get("results") or [wanted]
    for number, result in enumerate(results):
        address = _plain(result.get("recipient", ""))
        one = next((one for one in recipients if one.address == address), recipients[min(number, len(recipients) - 1)])
        whole = {**wanted, **result} if number == 0 else result
        _compare_recipient(verdict, one, raw, whole)


def _compare_recipient(verdict: Verdict, one: Recipient, raw: bytes, wanted: dict[str, Any]) -> None:
    status, code = str(wanted.get("status") or ""), str(wanted.get("reply_code") or "")
    if status and not _MADE_UP.match(status) and one.status != status:
        also = "the mail names both codes" if one.status and one.status.encode() in raw else None
        _note(verdict, f"status {status}, read {one.status or 'none'}", also)
    if code and one.reply_code != code:
        also = "the mail names both codes" if one.reply_code and one.reply_code.encode() in raw else None
        _note(verdict, f"code {code}, read {one.reply_code or 'none'}", also)
    reason, other = str(wanted.get("reason") or ""), None
    if wanted.get("class") and one.kind != wanted["class"]:
        guess = ONE_OPINION if wanted.get("basis") in ("parser", "upstream-parser") else None
        other = CLASSES.get((reason, one.kind or "")) or guess
        _note(verdict, f"class {wanted['class']} ({reason}), read {one.kind}", other)
    if "hard" in wanted and one.hard != wanted["hard"]:
        file = verdict.name.rpartition("/")[2]
        why = other
        if file.startswith(PERMANENT_ONLY) and one.permanent == wanted["hard"]:
            why = "its source calls every permanent failure hard"
        elif file.startswith("flufl-") and one.status.startswith("4"):
            why = "its source calls every report that gave up permanent"
        elif file.startswith("crisp-") and one.kind == "unknown-host":
            why = "its source counts a missing host as passing"
        elif one.kind == "recipient-disabled":
            why = "its source counts a closed account as passing"
        elif not wanted.get("class") and (reason, one.kind or "") in CLASSES:
            why = CLASSES[reason, one.kind or ""]
        elif any("still being tried" in reading for reading in verdict.readings):
            why = "a delay is not the end"
        _note(verdict, f"hard {wanted['hard']}, read {one.hard} ({one.kind})", why)


def _compare_feedback(verdict: Verdict, mail: ParsedMail, wanted: dict[str, Any]) -> None:
    feedback = read_feedback(mail)
    assert feedback
    named, file_only = [_plain(one) for one in wanted["recipients"]], wanted.get("basis") in ("file-name", "upstream-folder")
    if feedback.recipients != named and not file_only:
        verdict.misses.append(f"recipients {named}, read {feedback.recipients}")
    if (number := wanted.get("original_message_id")) and feedback.original_message_id.strip("<>") != number.strip("<>"):
        verdict.misses.append(f"original {number}, read {feedback.original_message_id}")
    for result in wanted.get("results", []):
        if result.get("feedback_type") and result["feedback_type"] != feedback.feedback_type:
            verdict.misses.append(f"type {result['feedback_type']}, read {feedback.feedback_type}")


def _compare_receipt(verdict: Verdict, mail: ParsedMail, wanted: dict[str, Any]) -> None:
    receipt = read_receipt(mail)
    assert receipt
    read = ([receipt.recipient], receipt.disposition, receipt.original_message_id)
    if read != (wanted["recipients"], wanted["disposition"], wanted["original_message_id"]):
        verdict.misses.append(f"read {read}")


def _compare_report(verdict: Verdict, mail: ParsedMail, wanted: dict[str, Any]) -> None:
    report: DmarcReport | TlsReport | None
    try:
        report = read_tls_report(mail) if verdict.kind == "tls-report" else read_dmarc_report(mail)
    except ReportRefused as error:
        if wanted.get("valid", True):
            verdict.misses.append(f"refused: {error}")
        return
    if not wanted.get("valid", True):
        verdict.misses.append("read, though it is broken")
    for name in _OF_REPORTS:
        if name in wanted:
            value = getattr(report, name)
            value = len(value) if isinstance(value, list) else value
            if str(value) != str(wanted[name]):
                verdict.misses.append(f"{name} {wanted[name]}, read {value}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", help="print the other readings too")
    arguments = parser.parse_args()
    verdicts = run(arguments.folder)
    worst = 100.0
    for folder in FOLDERS:
        part = [one for one in verdicts if one.name.startswith(folder + "/")]
        if not part:
            continue
        print(f"\n{folder:<30} mails  strictly     right")
        kinds = Counter(one.kind for one in part)
        for kind in [*kinds, "all"]:
            these = [one for one in part if kind in (one.kind, "all")]
            right = [one for one in these if not one.misses]
            strict = sum(not one.readings for one in right)
            print(f"  {kind:<28} {len(these):5} {strict:9} {len(right):9}  {100 * len(right) / len(these):5.1f} %")
            if kind == "all":
                firm = sum(not any(what.startswith(("kind", "recipients")) for what in one.misses + one.readings) for one in these)
                print(f"  kind and recipients strictly {len(these):5} {firm:9}            {100 * firm / len(these):5.1f} %")
            worst = min(worst, 100 * len(right) / len(these)) if kind == "all" else worst
        for one in part:
            if one.misses:
                print(f"  missed {one.name}: {'; '.join(one.misses)}. {EXPLAINED.get(one.name.rpartition('/')[2], '')}")
            elif one.readings and arguments.all:
                print(f"  reads otherwise {one.name}: {'; '.join(one.readings)}")
    return 0 if worst >= 97 else 1


if __name__ == "__main__":
    sys.exit(main())
