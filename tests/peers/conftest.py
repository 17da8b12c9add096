"""One Postfix for all tests of a process, with a test authority's certificate; it hands mail for our domains to a port of ours.

    example.test       maildirs ada@ and bert@; later@ is told to come back, everybody else refused at RCPT
    gone.test          an alias: ada@ is taken at first, then bounced by Postfix itself
    slow.test          an alias: ada@ is taken, never delivered: a delay notice, then a bounce that says it expired
    back.test          an alias at another provider: me@back.test goes to hello@acme.test
    acme.test          ours, over STARTTLS when we offer it; secure.test: ours, only with a certificate of the authority
"""

import shutil
import ssl
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.factories.sending import use_transport
from tests.flows.installation import free_port
from tests.intake.conftest import SmtpThread
from tests.peers.authority import Authority
from tests.postfix import PostfixServer
from tests.servers import wait_until
from webapp.core.db import begin_writing, db, reading
from webapp.intake import service
from webapp.intake.refusals import Refusals
from webapp.mail import smtp_line
from webapp.messages import store
from webapp.messages.models import Message

MAIL_HOST, PEER_HOST = "mail.acme.test", "localhost"
MAILDIRS = ("ada@example.test", "bert@example.test")
#: further lines of Postfix's main.cf
OPTIONS = {
    "smtputf8_enable": "yes", "message_size_limit": "30000000", "queue_run_delay": "1s", "minimal_backoff_time": "1s",
    "maximal_backoff_time": "1s", "delay_warning_time": "1s", "maximal_queue_lifetime": "3s", "bounce_queue_lifetime": "60s",
    "relay_domains": "acme.test secure.test", "smtp_connect_timeout": "5s", "smtpd_tls_security_level": "may",
    "virtual_alias_domains": "back.test gone.test slow.test",
    "virtual_alias_maps": "inline:{{me@back.test=hello@acme.test}, {ada@gone.test=ada@void.test}, {ada@slow.test=ada@full.test}}",
    "smtp_tls_security_level": "may", "smtp_host_lookup": "native", "smtp_tls_loglevel": "1", "smtpd_tls_loglevel": "1",
    "smtpd_recipient_restrictions": (
        "check_recipient_access inline:{{later@example.test=450 4.7.1 come back in an hour}}, "
        "check_sender_access inline:{{blocked@acme.test=554 5.7.1 this sender is not welcome}}"
    ),
    "tls_random_source": "dev:/dev/urandom",
}  # fmt: skip
SERVICES = """\
strict unix - - n - - smtp -o smtp_tls_security_level=secure -o smtp_tls_secure_cert_match=mail.acme.test
{encrypting} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt
{wrapped} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
"""


@dataclass
class Peer:
    """The running Postfix and where things are.

    ours        the port of ours to which it hands mail
    encrypting  its port that takes mail after STARTTLS alone; `wrapped` the one with TLS from the first byte
    """

    postfix: PostfixServer
    authority: Authority
    ours: int
    encrypting: int
    wrapped: int

    def url(self, *, port: int | None = None, scheme: str = "smtp", query: str = "") -> str:
        return f"{scheme}://{PEER_HOST}:{port or self.postfix.port}{query}"

    def mails(self, address: str, number: int = 1) -> list[bytes]:
        """What one of its maildirs holds, once so many are there."""
        wait_until(lambda: self.postfix.delivered(address) >= number, f"{number} mails for {address}:\n{self.postfix.words()[-3000:]}", 30)
        return self.postfix.mails(address)

    def empty(self) -> None:
        """Throw away what a test before this one left: queue and maildirs."""
        self.postfix.drop_all()


@pytest.fixture(scope="session")
def running() -> Iterator[Peer]:
    folder = Path(tempfile.mkdtemp(prefix="mr-peer-"))  # outside of pytest's own folders, which other runs close to Postfix's users
    authority = Authority(folder)
    pair = authority.certify(PEER_HOST)
    ours, encrypting, wrapped = free_port(), free_port(), free_port()
    routes = f"acme.test=smtp:[127.0.0.1]:{ours}", f"secure.test=strict:[127.0.0.1]:{ours}"
    ways = "}, {".join((*routes, "void.test=error:5.1.1 mailbox gone for good", "full.test=retry:4.2.2 mailbox is full"))
    options = OPTIONS | {
        "transport_maps": f"inline:{{{{{ways}}}}}", "smtpd_tls_cert_file": str(pair.cert), "smtpd_tls_key_file": str(pair.key),
        "smtp_tls_CAfile": str(authority.file),
    }  # fmt: skip
    services = SERVICES.format(encrypting=f"127.0.0.1:{encrypting}", wrapped=f"127.0.0.1:{wrapped}")
    with PostfixServer(folder / "postfix", maildirs=MAILDIRS, services=services, options=options) as postfix:
        yield Peer(postfix, authority, ours, encrypting, wrapped)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def peer(running: Peer) -> Iterator[Peer]:
    """The Postfix, with nothing in its queue and maildirs."""
    running.empty()
    yield running


@pytest.fixture
def trusting_authority(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Our client believes certificates of the test authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(peer.authority.file))
    smtp_line.tls_context.cache_clear()
    yield
    smtp_line.tls_context.cache_clear()


@pytest.fixture
def ours(app: Any, peer: Peer) -> Iterator[Callable[..., SmtpThread]]:
    """Our own SMTP ports, the mx one where Postfix hands mail to: `ours(trusted_networks=(), …)`."""
    started: list[SmtpThread] = []
    service.refusals = Refusals()

    def start(**settings: Any) -> SmtpThread:
        db.session.commit()
        started.append(SmtpThread(app, **{"trusted_networks": (), "smtp_port": peer.ours, **settings}))
        return started[-1]

    yield start
    db.session.commit()
    for server in started:
        server.stop()
    begin_writing()


@pytest.fixture
def certified(peer: Peer) -> dict[str, Path]:
    """Settings with a certificate of the authority for our mail server."""
    pair = peer.authority.certify(MAIL_HOST)
    return {"tls_cert": pair.cert, "tls_key": pair.key}


@pytest.fixture
def send_to(app: Any, peer: Peer, work_off: Callable[[], int]) -> Callable[[str], None]:
    """Send what waits through this transport; until then the way out is Postfix's plain port."""
    use_transport(app, peer.url())

    def send(url: str) -> None:
        use_transport(app, url)
        work_off()

    return send


@dataclass(frozen=True)
class Got:
    """A mail in one of our mailboxes, read without keeping a transaction open."""

    id: int
    recipient: str
    envelope_sender: str
    raw: bytes


def received(number: int = 1) -> list[Got]:
    """What our mailboxes got, once there are so many."""

    def look() -> list[Got]:
        db.session.rollback()
        with reading():
            rows = db.session.query(Message).filter_by(direction="received").order_by(Message.id).all()
            found = [Got(row.id, row.recipient or "", row.envelope_sender, store.raw_of(row)) for row in rows if len(rows) >= number]
            db.session.rollback()
        return found

    found: list[Got] = wait_until(look, f"{number} received mails", 30)
    return found


def no_checks() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def use_settings(app: Any, **changed: Any) -> None:
    """Change settings for the rest of the test."""
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], **changed)
