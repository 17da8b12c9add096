"""`python -m tests.bulk FOLDER`: every mail below a folder through a real installation; ends with 1 when something was wrong."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.bulk import corpus
from tests.bulk.house import House, memory_folder
from tests.hostile_pages import frames


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bulk", description="Real mail in bulk through a real installation.")
    parser.add_argument("folder", type=Path, help="holds .eml and .mbox files, perhaps expected.json and make_hostile.py")
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help="folders at its top; `made` is what make_hostile.py writes")
    parser.add_argument("--small", action="store_true", help="made mails a hundred times smaller")
    parser.add_argument("--quick", action="store_true", help="one view of each mail instead of all")
    parser.add_argument("--pages", action="store_true", help="only hostile HTML, in a real Chromium")
    parser.add_argument("--database-url", help="PostgreSQL instead of SQLite: an empty database")
    given = parser.parse_args()
    settings = {"DATABASE_URL": given.database_url} if given.database_url else {}
    if given.pages:
        return _pages(given.folder, settings)
    with tempfile.TemporaryDirectory(prefix="mailroom-bulk-") as home:
        report = corpus.run(given.folder, Path(home), only=tuple(given.only), small=given.small, thorough=not given.quick, **settings)
        print("\n".join(corpus.lines(report)))
        bad = [*report.wrong, *report.unasked, *report.tracebacks, *report.not_routed, *report.unserved]
    return 1 if bad or len(report.missed) * 100 > len(report.checks) else 0


def _pages(folder: Path, settings: dict[str, str]) -> int:
    with memory_folder() as home:
        house = House(home, routed=False, **settings)
        began = time.monotonic()
        try:
            house.start()
            looked, wrong = frames.look(house, folder, home / "payloads")
        finally:
            house.stop()
        print(f"{looked} mails looked at in Chromium, each in a frame and on its page, in {time.monotonic() - began:.0f} s")
        print(f"wrong: {len(wrong) or 'none'}", *wrong[:100], f"tracebacks: {len(house.tracebacks()) or 'none'}", sep="\n  ")
        return 1 if wrong or house.tracebacks() else 0


if __name__ == "__main__":
    sys.exit(main())
