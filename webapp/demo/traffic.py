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
    logger.info("%d mails have arrived; about %g a minute from now on", OPENING, mails_per_minute)
    while True:
        time.sleep(min(120.0, chance.expovariate(mails_per_minute / 60)))
        _post(settings, letters.write(chance))
        if chance.random() < 0.4:
            _call(settings, stage, chance)


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
