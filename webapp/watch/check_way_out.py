"""The way out and the doors to the public: the platform's transport, the certificate of the SMTP ports, the address in links."""

import smtplib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509

from webapp.core.config import settings
from webapp.settings import Settings
from webapp.watch.findings import Finding, fail, ok, warn

LOOPBACK = ("127.0.0.1", "::1", "localhost")
#: a certificate that ends within so many days should have been renewed
RENEW_DAYS = 14
ANSWER_S = 5


def way_out() -> Iterator[Finding]:
    """The platform's own transport."""
    transport = settings().transport
    if transport == "capture":
        yield ok("transport", "capture: nothing leaves this machine.", "Set MAILROOM_TRANSPORT when mail should.")
    elif transport == "mx":
        yield ok("transport", "mx: mail goes to each recipient's own server.", "It needs port 25 outwards, a reverse name and SPF.")
    else:
        yield _smart_host(transport)


def _smart_host(url: str) -> Finding:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (465 if parts.scheme == "smtps" else 25)
    harm, check = "Mail for the outside waits and is tried again for five days.", "Check that server, and MAILROOM_TRANSPORT."
    try:
        server = smtplib.SMTP_SSL(host, port, timeout=ANSWER_S) if parts.scheme == "smtps" else smtplib.SMTP(host, port, timeout=ANSWER_S)
        with server:
            code, _ = server.ehlo()
            offers_tls = server.has_extn("starttls") or parts.scheme == "smtps"
    except (OSError, smtplib.SMTPException) as error:
        return fail("transport", f"{host}:{port} does not answer ({error}).", harm, check)
    if code != 250:
        return fail("transport", f"{host}:{port} answers EHLO with {code}.", harm, check)
    if not offers_tls and (parts.username or parts.query):
        return fail("transport", f"{host}:{port} offers no TLS.", f"No password is sent in the clear. {harm}", "Use smtps://.")
    return ok("transport", f"{host}:{port} answers{' and offers TLS' if offers_tls else ''}.")


def certificate(known: Settings) -> Iterator[Finding]:
    if known.tls_cert is None or known.tls_key is None:
        if known.smtp_host not in LOOPBACK or not all(network.is_loopback for network in known.auth_without_tls):
            yield warn("tls", "There is no certificate, so SMTP offers no STARTTLS.", "Mail and passwords travel in the clear.",
                       "Set MAILROOM_TLS_CERT and MAILROOM_TLS_KEY.")  # fmt: skip
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(known.tls_cert, known.tls_key)
        ends = x509.load_pem_x509_certificate(known.tls_cert.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        yield fail("tls", f"MAILROOM_TLS_CERT and MAILROOM_TLS_KEY cannot be used together: {error}.", "SMTP offers no STARTTLS.",
                   "Give a PEM chain and its key.")  # fmt: skip
        return
    left = ends - datetime.now(UTC)
    renew = "Renew it; the files are read again when they change."
    if left < timedelta(0):
        yield fail("tls", f"The certificate ended on {ends:%Y-%m-%d}.", "Senders that insist on TLS give up.", renew)
    elif left < timedelta(days=RENEW_DAYS):
        yield warn("tls", f"The certificate ends in {left.days} days ({ends:%Y-%m-%d}).", "Then senders that insist on TLS give up.", renew)
    else:
        yield ok("tls", f"The certificate is valid until {ends:%Y-%m-%d}.")


def public_url(known: Settings) -> Iterator[Finding]:
    url = known.public_url
    is_local = any(f"//{name}" in url for name in ("127.", "localhost", "[::1]"))
    if is_local and known.http_host in LOOPBACK:
        yield ok("public url", f"{url}; only this machine can open it.", "Set MAILROOM_PUBLIC_URL before others use it.")
    elif is_local:
        yield warn("public url", f"{url} is in every link that is sent.", "Others cannot open it.", "Set MAILROOM_PUBLIC_URL.")
    elif url.startswith("http://"):
        yield warn("public url", f"{url} is not https.", "Passwords and sessions travel in the clear.", "Put a proxy with TLS in front.")
    else:
        yield ok("public url", f"{url}.")
