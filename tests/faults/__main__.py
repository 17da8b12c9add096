"""`make faults`: the kill test in its long form, unattended, with a verdict and an exit code.

    make faults                                    SQLite, 20,000 mails in and 50,000 recipients out
    make faults SEED=7 DATABASE=postgres
    make faults LENGTH=short                       what `make test` runs
    make faults MAILS_IN=3000 RECIPIENTS_OUT=6000 LASTS=240
    make faults KEEP=1                             also writes the report into docs/reliability.md
    make faults CAMPAIGN=1                         campaigns instead: 50,000 recipients, 200 kills, 500 pauses and resumptions
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import campaign
from tests.faults.report import keep, text_of
from tests.faults.run import Play, play
from tests.servers import PostgresServer

NAMES = ("SEED", "DATABASE", "LENGTH", "MAILS_IN", "RECIPIENTS_OUT", "LASTS", "PAUSE")
#: length -> (mails in, recipients out, seconds, longest pause between deeds, longest deed)
LENGTHS = {"short": (300, 500, 12.0, 1.0, 1.5), "middle": (3_000, 6_000, 150.0, 4.0, 6.0), "long": (20_000, 50_000, 600.0, 6.0, 12.0)}


def asked() -> Play:
    """The play that the environment names. raises SystemExit with a sentence"""
    length = os.environ.get("LENGTH") or "long"
    if length not in LENGTHS:
        raise SystemExit(f"LENGTH={length}: choose one of {', '.join(LENGTHS)}.")
    database = os.environ.get("DATABASE") or "sqlite"
    if database not in ("sqlite", "postgres"):
        raise SystemExit(f"DATABASE={database}: choose sqlite or postgres.")
    mails, recipients, lasts_s, pause_s, longest_s = LENGTHS[length]
    seed = int(os.environ.get("SEED") or time.time() % 100_000)
    return Play(
        seed=seed, mails_in=int(os.environ.get("MAILS_IN") or mails), recipients_out=int(os.environ.get("RECIPIENTS_OUT") or recipients),
        lasts_s=float(os.environ.get("LASTS") or lasts_s), database=database, pause_s=float(os.environ.get("PAUSE") or pause_s),
        longest_s=longest_s, patience_s=400.0,
    )  # fmt: skip


def campaigns() -> int:
    """The campaign form: CAMPAIGN=1, with RECIPIENTS, KILLS, STEPS, LASTS."""
    wanted = campaign.asked_for()
    given = " ".join(f"{name}={os.environ[name]}" for name in (*NAMES[1:], *campaign.NAMES) if os.environ.get(name))
    command = f"make faults CAMPAIGN=1 SEED={wanted.seed} {given}".strip()
    print(f"{command}\n", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="mailroom-faults-"))
    server = PostgresServer(folder) if wanted.database == "postgres" else None
    try:
        outcome = campaign.play(wanted, folder, server)
    finally:
        if server is not None:
            server.stop()
    said = campaign.text_of(outcome, command)
    print(said)
    if os.environ.get("KEEP"):
        keep(f"campaign {wanted.database}", said)
    if outcome.verdict.wrong:
        print(f"The ledgers and the log of the installation are in {folder}.")
    return 1 if outcome.verdict.wrong else 0


def main() -> int:
    if os.environ.get("CAMPAIGN"):
        return campaigns()
    wanted = asked()
    given = " ".join(f"{name}={os.environ[name]}" for name in NAMES if os.environ.get(name) and name != "SEED")
    command = " ".join(f"make faults SEED={wanted.seed} {given}".split())
    print(f"{command}\n", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="mailroom-faults-"))
    server = PostgresServer(folder) if wanted.database == "postgres" else None
    try:
        report = play(wanted, folder, server)
    finally:
        if server is not None:
            server.stop()
    text = text_of(report, command)
    print(text)
    if os.environ.get("KEEP"):
        keep(wanted.database, text)
    if report.verdict.wrong:
        print(f"The ledgers and the log of the installation are in {folder}.")
        for at, what in report.log:
            print(f"  {at:7.1f} s  {what}")
    return 1 if report.verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
