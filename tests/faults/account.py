"""The account at the end: what the ledgers of the senders and of the receiver say, against what stands in the database.

Nothing of the product's own services is used to judge, only its tables and its reading of raw sources.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, text

from tests.faults.senders import Ledger, Letter
from tests.faults.sink import UNKNOWN, Sink, Stored
from webapp.core.blobs import FolderBlobs, unpack

KEY = re.compile(rb"^x-fault-key: *(\S+)", re.I | re.M)
FINAL_RUNS = ("success", "failed", "skipped", "quarantined")
MOST_SHOWN = 10


@dataclass
class Verdict:
    """What was found; `wrong` is empty when every promise was kept."""

    figures: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def must(self, what: str, cases: Sequence[Any]) -> None:
        """There should be none of these."""
        self.figures[what] = len(cases)
        if cases:
            shown = ", ".join(str(case) for case in cases[:MOST_SHOWN])
            self.wrong.append(f"{len(cases)} {what}: {shown}")


@dataclass
class Books:
    """Everything that the account looks at."""

    connection: Connection
    blobs: FolderBlobs
    ledger: Ledger
    sink: Sink
    #: most rows that may be in doubt: connections open at the kills, and what the sink itself left open
    most_in_doubt: int


def check(books: Books) -> Verdict:
    verdict = Verdict()
    verdict.must("letters without an answer", [letter.key for letter in books.ledger.letters.values() if not letter.answer])
    refused = [(one.key, one.refused[-1]) for one in books.ledger.letters.values() if one.refused]
    verdict.must("letters refused for good", refused)
    rows = _messages(books)
    check_in(books, rows, verdict)
    check_routes(books, rows, verdict)
    check_out(books, verdict)
    return verdict


# --- in ---------------------------------------------------------------------------------------------------


def _messages(books: Books) -> dict[str, list[Row[Any]]]:
    """Received messages by the key in their source; each source is read back whole."""
    query = "SELECT m.id, m.state, m.folder, m.problem, m.repeats_id, b.local_part, r.packed, r.blob_key FROM messages m"
    query += " JOIN raw_messages r ON r.id = m.raw_id JOIN mailboxes b ON b.id = m.mailbox_id"
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in books.connection.execute(text(f"{query} WHERE m.direction = 'received' AND b.local_part <> 'sender' ORDER BY m.id")):
        raw = unpack(bytes(row.packed) if row.packed is not None else books.blobs.get(row.blob_key))
        key = KEY.search(raw)
        name = key[1].decode() if key else ""
        letter = books.ledger.letters.get(name)
        intact = letter is not None and raw.endswith(letter.raw)
        found[name if intact else f"damaged {row.id} {name}"].append(row)
    return found


def check_in(books: Books, rows: dict[str, list[Row[Any]]], verdict: Verdict) -> None:
    """Every 250 is there with its raw bytes and has its place; twice only where its sender sent it twice."""
    letters = books.ledger.of("in")
    taken = [letter for letter in letters if letter.answer.startswith("250")]
    verdict.figures["mails in, answered 250"] = len(taken)
    verdict.must("of them not in the database with their bytes", [one.key for one in taken if one.key not in rows])
    known = {letter.key for letter in letters}
    verdict.must("stored messages that nobody sent", [key for key in rows if key not in known and key])
    twice = [(one.key, len(rows[one.key]), one.lost) for one in taken if len(rows.get(one.key, ())) > 1]
    verdict.figures["repeated by their senders after a lost reply"] = sum(one.lost > 0 for one in letters)
    verdict.figures["of them stored again"] = len(twice)
    repeats = [row for found in rows.values() for row in found if row.repeats_id is not None]
    verdict.figures["of these recognised as repetitions"] = len(repeats)
    verdict.must("stored twice although their sender sent them once", [key for key, number, lost in twice if number > 1 + lost])
    places = Counter(_place(row) for key in known for row in rows.get(key, ()))
    verdict.figures["filed"], verdict.figures["absorbed by a route"] = places["filed"], places["absorbed"]
    verdict.figures["parked"] = places["parked"]
    lost = [(key, row.id, row.state, row.folder) for key in known for row in rows.get(key, ()) if _place(row) == "nowhere"]
    verdict.must("stored messages without a final place", lost)


def _place(row: Row[Any]) -> str:
    """Where a message ended."""
    if row.state == "parked":
        return "parked" if row.problem else "nowhere"
    if row.state != "processed":
        return "nowhere"
    if row.repeats_id is not None:
        return "beside its first" if row.folder is None else "nowhere"
    if row.local_part == "dropped":
        return "absorbed" if row.folder is None else "nowhere"
    return "filed" if row.folder == "INBOX" else "nowhere"


def check_routes(books: Books, rows: dict[str, list[Row[Any]]], verdict: Verdict) -> None:
    """The first copy of each mail to a mailbox with a route went through it once; what was forwarded left once."""
    query = "SELECT message_id, status, id FROM runs"
    runs: dict[int, list[Row[Any]]] = defaultdict(list)
    for run in books.connection.execute(text(query)):
        runs[run.message_id].append(run)
    routed = {key: found for key, found in rows.items() if found[0].local_part in ("routed", "dropped") and found[0].state == "processed"}
    without = [key for key, found in routed.items() if not any(runs[row.id] for row in found)]
    verdict.must("routed mails without a run", without)
    again = [key for key, found in routed.items() if sum(len(runs[row.id]) for row in found) > 1]
    verdict.must("routes that ran again for a repetition", again)
    verdict.must("messages with two runs of a route", [number for number, found in runs.items() if len(found) > 1])
    verdict.must("runs without an end", [run.id for found in runs.values() for run in found if run.status not in FINAL_RUNS])
    verdict.figures["route runs"] = sum(map(len, runs.values()))
    failed = [run for found in runs.values() for run in found if run.status == "failed"]
    stopped = "SELECT DISTINCT run_id FROM run_steps WHERE status = 'failed' AND detail LIKE '%Stopped mail%'"
    verdict.figures["runs whose forwarding the budget against loops stopped"] = len(list(books.connection.execute(text(stopped))))
    verdict.figures["runs that failed or were parked, with these"] = len(failed)


# --- out --------------------------------------------------------------------------------------------------


def check_out(books: Books, verdict: Verdict) -> None:
    """Every recipient of a 2xx has its row; every row was sent once, or more often only after it was in doubt."""
    query = "SELECT d.id, d.recipient, d.state, d.next_attempt_at, d.last_error, o.kind, o.message_id_header AS header FROM deliveries d"
    rows = list(books.connection.execute(text(f"{query} JOIN outgoing o ON o.id = d.outgoing_id")))
    doubts = Counter(books.connection.execute(text("SELECT delivery_id FROM attempts WHERE outcome = 'uncertain'")).scalars())
    by_recipient: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        by_recipient[row.recipient].append(row)
    _check_promised(books.ledger.of("api", "smtp"), by_recipient, verdict)
    verdict.figures["recipients in the ledger"] = len(rows)
    verdict.figures.update({f"of them {state}": number for state, number in sorted(Counter(row.state for row in rows).items())})
    unsettled = [(row.id, row.state, row.last_error) for row in rows if row.state not in ("sent", "bounced", "uncertain", "suppressed")]
    verdict.must("recipients without an end", unsettled)
    _check_copies(rows, doubts, books.sink.stored, verdict)
    verdict.figures["attempts in doubt"], verdict.figures["most that may be in doubt"] = doubts.total(), books.most_in_doubt
    if doubts.total() > books.most_in_doubt:
        verdict.wrong.append(f"{doubts.total()} attempts are in doubt, and {books.most_in_doubt} may be")


def _check_promised(letters: list[Letter], rows: dict[str, list[Row[Any]]], verdict: Verdict) -> None:
    missing, doubled = [], []
    repeats = 0
    for letter in letters:
        for recipient in letter.recipients:
            number = len(rows.get(recipient, ()))
            if number == 0 and letter.answer.startswith("2"):
                missing.append(recipient)
            most = 1 + (letter.lost if letter.kind == "smtp" else 0)
            repeats += min(number, most) - 1 if number else 0
            if number > most:
                doubled.append((recipient, number, letter.lost))
    verdict.figures["letters out, answered 2xx"] = sum(letter.answer.startswith("2") for letter in letters)
    verdict.figures["recipients promised"] = sum(len(letter.recipients) for letter in letters if letter.answer.startswith("2"))
    verdict.figures["letters repeated after a lost reply"] = sum(letter.lost > 0 for letter in letters)
    verdict.figures["recipients twice since their sender repeated over SMTP"] = repeats
    verdict.must("promised recipients without a row", missing)
    verdict.must("recipients twice although their sender sent once or with a key", doubled)


def _check_copies(rows: list[Row[Any]], doubts: Counter[int], stored: list[Stored], verdict: Verdict) -> None:
    """Copies at the sink by recipient and Message-ID against the rows."""
    copies = Counter((one.recipient, one.message_id.strip("<>")) for one in stored)
    verdict.figures["copies at the receiver"] = copies.total()
    wanted: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for row in rows:
        if row.recipient.partition("@")[2] != "acme.test":
            wanted[(row.recipient, (row.header or "").strip("<>"))].append(row)
    lost, doubled, second, settled = [], [], 0, 0
    for who, found in wanted.items():
        number = copies.pop(who, 0)
        sent = sum(row.state == "sent" for row in found)
        unsure = sum(doubts[row.id] for row in found)
        settled += sum(row.state == "uncertain" for row in found)
        if number < sent:
            lost.append(who)
        if number > sent + unsure:
            doubled.append((who, number, sent, unsure))
        second += max(0, number - len(found))
    verdict.must("sent recipients that the receiver has not", lost)
    verdict.must("copies too many, without a doubt that allows them", doubled)
    verdict.must("copies that no row stands for", list(copies))
    verdict.figures["second copies after a doubt, same Message-ID"] = second
    wrong = [row.recipient for row in rows if row.state == "bounced" and not row.recipient.startswith(UNKNOWN)]
    verdict.must("bounced although the receiver would have taken them", wrong)
