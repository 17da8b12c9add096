"""The life of the sample: mails over SMTP, calls of the shop's backend over HTTP, a shop that takes webhooks and is sometimes down.

Runs as one part of `app.py demo` until it is told to stop.
"""

import logging
import smtplib
import threading
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps
from random import Random
from socket import socket

from webapp.core import log
from webapp.demo import cast, letters
from webapp.demo.stage import Stage
from webapp.processes.herald import local_address, wait_until_ready
from webapp.settings import Settings

logger = logging.getLogger("mailroom.demo")
#: mails of the first moments, so that no page is empty
OPENING = 40
#: of this many webhooks one is answered 503 and comes again later
SHOP_FAILS_ONE_IN = 12
#: with what people read, and what loads pictures before anybody does
BROWSERS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.5.0",
)
AHEAD = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


def run(settings: Settings, stage: Stage, listener: socket, mails_per_minute: float, seed: int | None = None) -> None:
    """Until the process is ended.

    listener          listening socket on which the shop takes its webhooks
    mails_per_minute  on average; they come by chance, as mail does
    """
    log.configure()
    chance = Random(seed)  # noqa: S311  # a sample, not a secret
    threading.Thread(target=_open_shop, args=(listener, Random(seed)), daemon=True).start()  # noqa: S311  # the same
    if wait_until_ready(settings):
        return
    for number in range(OPENING):
        _post(settings, letters.write(chance))
        if number % 10 == 0:
            _call(settings, stage, chance)
        _read(settings, stage, chance)
    logger.info("%d mails have arrived; about %g a minute from now on", OPENING, mails_per_minute)
    while True:
        time.sleep(min(120.0, chance.expovariate(mails_per_minute / 60)))
        _post(settings, letters.write(chance))
        if chance.random() < 0.4:
            _call(settings, stage, chance)
        if chance.random() < 0.3:
            _read(settings, stage, chance)


def _post(settings: Settings, letter: letters.Letter) -> None:
    """One mail from another server; a refusal is part of life."""
    with suppress(OSError, smtplib.SMTPException), smtplib.SMTP(local_address(settings.smtp_host), settings.smtp_port, timeout=20) as door:
        door.sendmail(letter.sender, [letter.recipient], letter.raw)


def _call(settings: Settings, stage: Stage, chance: Random) -> None:
    """One call of the shop's backend: a mail to a customer, or a look at a list."""
    customer = chance.choice(cast.CUSTOMERS)
    mail = {
        "receivers": [customer.address], "subject": f"Your parcel {chance.randint(10000, 99999)} is on its way",
        "body": f"Hello {customer.name.split()[0]},\n\nyour parcel leaves today.\n\nJuniper Cycles",
    }  # fmt: skip
    base = f"/api/v1/mailboxes/{stage.orders_id}"
    method, path, body = chance.choice(
        (("POST", f"{base}/mail/send", dumps(mail)), ("GET", f"{base}/archives?per_page=5", None), ("GET", "/api/v1/mailboxes", None))
    )
    with suppress(OSError, HTTPException):
        connection = HTTPConnection(local_address(settings.http_host), settings.http_port, timeout=20)
        headers = {"Authorization": f"Bearer {stage.token}", "Content-Type": "application/json", "User-Agent": "juniper-shop/2.1"}
        connection.request(method, path, body, headers)
        connection.getresponse().read()
        connection.close()


def _read(settings: Settings, stage: Stage, chance: Random) -> None:
    """Somebody opens their copy of the sample's campaign, and now and then follows a link of it; some mail programs load pictures ahead."""
    if not stage.readers:
        return
    mark, ahead = chance.choice(stage.readers), chance.randrange(8) == 0
    path = f"/t/c/{mark}/{chance.choice((1, 1, 2))}" if chance.randrange(4) == 0 and not ahead else f"/t/o/{mark}.gif"
    with suppress(OSError, HTTPException):
        connection = HTTPConnection(local_address(settings.http_host), settings.http_port, timeout=20)
        connection.request("GET", path, headers={"User-Agent": AHEAD if ahead else chance.choice(BROWSERS)})
        connection.getresponse().read()
        connection.close()


def _open_shop(listener: socket, chance: Random) -> None:
    """Takes webhooks for ever."""

    class Shop(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fails = chance.randrange(SHOP_FAILS_ONE_IN) == 0
            body = b"The shop is being swept." if fails else b'{"taken": true}'
            self.send_response(503 if fails else 200)
            self.send_header("Content-Type", "text/plain" if fails else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(listener.getsockname(), Shop, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.serve_forever()
