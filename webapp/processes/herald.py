"""Waits until a started installation answers, and says where it is. Runs in a short child of `up`."""

import http.client
import json
import sys
import time
from collections.abc import Iterable, Iterator

import webapp
from webapp.settings import Settings

#: seconds until the herald gives up waiting and says what is missing
READY_S = 60.0


def announce(settings: Settings, setup_url: str | None, migrated: bool, begun: float, more: Iterable[tuple[str, str]] = ()) -> None:
    """Wait for /readyz, then write the banner.

    begun  monotonic time of the start
    more   further lines: label and text
    """
    missing = wait_until_ready(settings)
    took_s = time.monotonic() - begun
    print(f"Not ready after {took_s:.0f} s: {missing}." if missing else f"Mailroom {webapp.__version__} is ready after {took_s:.1f} s.")
    for label, text in (*more, *banner(settings, setup_url, migrated)):
        print(f"  {label:<10}  {text}")
    sys.stdout.flush()


def banner(settings: Settings, setup_url: str | None, migrated: bool) -> Iterator[tuple[str, str]]:
    """Label and text of each line."""
    smtp = settings.smtp_host
    yield "Dashboard", settings.public_url
    if setup_url:
        yield "Set up", f"{setup_url}  (works once, makes the first owner)"
    yield "SMTP", f"{smtp}:{settings.smtp_port} from other servers, {smtp}:{settings.submission_port} with login"
    if settings.submissions_port is not None:
        yield "", f"{smtp}:{settings.submissions_port} with TLS from the first byte"
    yield "Data", str(settings.instance) if settings.is_sqlite else f"the database of DATABASE_URL, and {settings.instance}"
    if settings.transport == "capture":
        yield "Mail out", "is captured: nothing leaves this machine until MAILROOM_TRANSPORT is set"
    if migrated:
        yield "Database", "was brought to the schema of this version"
    yield "Stop", "Ctrl-C"


def local_address(host: str) -> str:
    """Where this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound


def wait_until_ready(settings: Settings, patience_s: float = READY_S) -> str:
    """Ask /readyz until it says 200: then "", else the last thing that it or the connection said."""
    ends = time.monotonic() + patience_s
    said = "the web server does not answer"
    while time.monotonic() < ends:
        try:
            connection = http.client.HTTPConnection(local_address(settings.http_host), settings.http_port, timeout=5)
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            body = response.read()
            connection.close()
            if response.status == 200:
                return ""
            said = "; ".join(json.loads(body).get("problems", [])) or f"/readyz says {response.status}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            said = f"the web server does not answer ({error})"
        time.sleep(0.05)
    return said
