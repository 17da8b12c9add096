"""Log lines of every part: one line, time in UTC, level, logger, text, and the ids that tie it to a request or job."""

import logging
import sys
from datetime import UTC, datetime

IDS = ("request_id", "workspace_id", "message_id", "run_id", "delivery_id", "job")


class OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        ids = "".join(f" {name}={getattr(record, name)}" for name in IDS if getattr(record, name, None) is not None)
        text = f"{moment}Z {record.levelname.lower():7} {record.name.removeprefix('mailroom.')}: {record.getMessage()}{ids}"
        return text + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


def configure(level: int = logging.INFO) -> None:
    """Send everything to stderr; called once by each process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("rq.worker", "httpx", "mail.log", "asyncio", "alembic.runtime.migration", "rq"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
