"""Makes the application and runs the commands: `python app.py up`, `python app.py --help`."""

import os
import sys
import time
from pathlib import Path

_BEGUN = time.monotonic()
_VENV = Path(__file__).resolve().parent / ".venv"


def _with_packages() -> None:
    """Go on with the Python of .venv when this one lacks the packages; `make run` makes it."""
    own = _VENV / "bin" / "python"
    if Path(sys.prefix).resolve() == _VENV.resolve():
        sys.exit("The packages in .venv are incomplete. Run: make run")
    if not own.exists():
        sys.exit("The packages that Mailroom needs are not installed. Run: make run")
    os.execv(own, [str(own), *sys.argv])  # noqa: S606  # our own interpreter and arguments


if sys.platform == "darwin" and "OBJC_DISABLE_INITIALIZE_FORK_SAFETY" not in os.environ:
    # macOS ends forked children that use its frameworks (name look-ups do) unless it was told this before the process began.
    os.environ["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"
    os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606  # our own interpreter and arguments

if sys.version_info < (3, 11):  # noqa: UP036  # an older Python reads this file before anybody checked
    sys.exit("Mailroom needs Python 3.11 or newer.")

try:
    from webapp.cli import main
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] == "webapp":
        raise
    _with_packages()

if __name__ == "__main__":
    main(_BEGUN)
