"""Every setting once: attribute and type, name, default, unit and meaning.

    environment NAME  >  file named by NAME_FILE  >  .env NAME  >  .env NAME_FILE  >  default

`load_settings()` reads them, `describe()` tells what was read and where it came from, `BadSetting` is the sentence that
stops the start. Relative paths count from the current folder when they come from the environment, else from the folder of
`app.py`. An empty value is as good as none.
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from webapp import setting_sources as sources
from webapp import setting_types as types
from webapp.setting_sources import BadSetting as BadSetting
from webapp.setting_types import Network

ROOT = Path(__file__).resolve().parent.parent
DOTENV = ROOT / ".env"

_LOOPBACK = "127.0.0.0/8,::1"


@dataclass(frozen=True)
class Declaration:
    """What is known about one setting before anybody sets it.

    default      the text that is parsed when nothing is set; None: the attribute is None, or made in `_fill`
    default_says the default in words, where it is not a text
    hidden       "all": never shown; "password": shown as a URL without its password; "": shown
    """

    name: str
    parse: Callable[[str], Any]
    default: str | None
    meaning: str
    unit: str = ""
    default_says: str = ""
    hidden: str = ""


def _setting(name: str, parse: Callable[[str], Any], default: str | None, meaning: str, **more: str) -> Any:
    declaration = Declaration(name, parse, default, meaning, **more)
    return field(metadata={"setting": declaration}, repr=not declaration.hidden)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one installation, read once at start. Make one with `load_settings`, vary it with `dataclasses.replace`."""

    instance: Path = _setting("MAILROOM_INSTANCE", types.path, "instance", "folder for all data of the embedded default")
    database_url: str = _setting(
        "DATABASE_URL", types.database_url, None, "SQLAlchemy URL; postgresql+psycopg://… to scale",
        default_says="SQLite in the instance folder", hidden="password",
    )
    redis_url: str | None = _setting(
        "REDIS_URL", types.redis_url, None, "URL of a Redis (redis://…); unset, up starts one of its own",
        default_says="embedded", hidden="password",
    )
    blob_url: str = _setting(
        "MAILROOM_BLOB_URL", types.blob_url, None,
        "where large bodies lie; s3://[key:secret@]bucket/prefix[?endpoint=https://…&region=…] to scale, what is left out comes from"
        " AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL",
        default_says="blobs/ in the instance folder", hidden="password",
    )
    http_host: str = _setting("MAILROOM_HTTP_HOST", types.host, "127.0.0.1", "address that the web server listens on")
    http_port: int = _setting("MAILROOM_HTTP_PORT", types.port, "8000", "port of the web server")
    smtp_host: str = _setting("MAILROOM_SMTP_HOST", types.host, "127.0.0.1", "address that the SMTP ports listen on")
    smtp_port: int = _setting("MAILROOM_SMTP_PORT", types.port, "2525", "port for mail from other servers (no login, no relay)")
    submission_port: int = _setting("MAILROOM_SUBMISSION_PORT", types.port, "2587", "port for mail from those who log in")
    public_url: str = _setting(
        "MAILROOM_PUBLIC_URL", types.web_url, None, "base of every link that leaves the machine; the Host header is never trusted",
        default_says="from host and port",
    )
    hostname: str = _setting(
        "MAILROOM_HOSTNAME", types.host_name, None, "EHLO name, Message-ID domain, MX target", default_says="machine name"
    )
    transport: str = _setting(
        "MAILROOM_TRANSPORT", types.transport, "capture",
        "the platform's own way out: capture (nothing leaves), smtp://[user:pass@]host:port (STARTTLS when offered,"
        " ?tls=require to insist), smtps://…, or mx (direct to the recipients' MX); may be a private or loopback host",
        hidden="password",
    )
    dns: str | None = _setting("MAILROOM_DNS", types.resolver, None, "host:port of a resolver", default_says="system")
    tls_cert: Path | None = _setting(
        "MAILROOM_TLS_CERT", types.path, None,
        "PEM file with the certificate chain for STARTTLS on both SMTP ports; re-read when it changes",
    )
    tls_key: Path | None = _setting(
        "MAILROOM_TLS_KEY", types.path, None, "PEM file with the key of that certificate; re-read when it changes"
    )
    submissions_port: int | None = _setting(
        "MAILROOM_SUBMISSIONS_PORT", types.port, None, "port with TLS from the first byte (465) when set"
    )
    auth_without_tls: tuple[Network, ...] = _setting(
        "MAILROOM_AUTH_WITHOUT_TLS", types.networks, _LOOPBACK, "clients that may log in before TLS"
    )
    max_message_bytes: int = _setting(
        "MAILROOM_MAX_MESSAGE_BYTES", types.number(1024, 2**31 - 1, "bytes"), "26214400",
        "largest mail taken (SMTP SIZE and API); a mailbox may say less", unit="bytes",
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        "MAILROOM_TRUSTED_PROXIES", types.networks, "", "addresses whose X-Forwarded-For and -Proto are believed", default_says="unset"
    )
    web_workers: int = _setting(
        "MAILROOM_WEB_WORKERS", types.number(1, 64, "processes"), "2", "processes of the web server", unit="processes"
    )
    web_threads: int = _setting(
        "MAILROOM_WEB_THREADS", types.number(1, 256, "threads"), "8", "threads of each web process", unit="threads"
    )
    workers: int = _setting("MAILROOM_WORKERS", types.number(1, 64, "processes"), "2", "worker processes started by up", unit="processes")
    secret_keys: tuple[str, ...] = _setting(
        "MAILROOM_SECRET_KEY", types.secret_keys, None,
        "sessions, signed links, encryption of stored secrets; rotation by listing the old one after a comma",
        default_says="made on first start", hidden="all",
    )
    admin_email: str | None = _setting(
        "MAILROOM_ADMIN_EMAIL", types.email, None,
        "create this first owner and the workspace Main without the set-up page; ignored once an owner exists",
    )
    admin_password: str | None = _setting("MAILROOM_ADMIN_PASSWORD", types.text, None, "password of that first owner", hidden="all")
    allow_private_targets: tuple[str, ...] = _setting(
        "MAILROOM_ALLOW_PRIVATE_TARGETS", types.targets, "",
        "hosts or CIDRs, with commas between, that webhooks, actions and SMTP may reach although private or loopback", default_says="unset",
    )
    trusted_networks: tuple[Network, ...] = _setting(
        "MAILROOM_TRUSTED_NETWORKS", types.networks, _LOOPBACK,
        "clients whose mail is not checked by SPF, DKIM and DMARC (they still may not relay)",
    )
    rate_limits: str = _setting(
        "MAILROOM_RATE_LIMITS", types.rate_limits, "on",
        "off, or overrides such as general=600/minute; Mailtrap's own limits are off unless named (mailtrap=on);"
        " the throttle on sign-in and AUTH is not part of it",
    )
    llm_url: str | None = _setting(
        "MAILROOM_LLM_URL", types.web_url, None, "base of any OpenAI-compatible chat endpoint", hidden="password"
    )
    llm_key: str | None = _setting("MAILROOM_LLM_KEY", types.text, None, "key for that endpoint", hidden="all")
    llm_model: str | None = _setting("MAILROOM_LLM_MODEL", types.text, None, "model to ask there")
    #: Setting name -> where its value came from, for `app.py settings`.
    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def secret_key_file(self) -> Path:
        """Where the key lies that the first start makes."""
        return self.instance / "keys" / "secret_key"

    @property
    def is_sqlite(self) -> bool:
        """Is the database the embedded one?"""
        return self.database_url.startswith("sqlite:")


@dataclass(frozen=True)
class Row:
    """One line of `app.py settings`; `value` is ready to be shown: secrets are masked, "" means unset."""

    name: str
    value: str
    source: str
    meaning: str


def declarations() -> Iterator[tuple[str, Declaration]]:
    """Attribute and declaration of each setting, in the order of the table."""
    for one in fields(Settings):
        if "setting" in one.metadata:
            yield one.name, one.metadata["setting"]


def load_settings(environ: Mapping[str, str] | None = None, dotenv: Path | None = None, *, make_key: bool = True) -> Settings:
    """Read all settings.

    environ   variables to read; None: those of this process
    dotenv    .env file to read beneath; None: the one beside app.py if `environ` is None as well, else none
    make_key  make the instance's secret key when there is none yet; without it `secret_keys` may be empty
    raises    BadSetting for the first value that cannot be used
    """
    if environ is None:
        environ, dotenv = os.environ, dotenv or DOTENV
    layers = [("environment", dict(environ), Path.cwd())]
    if dotenv is not None and dotenv.is_file():
        layers.append((".env", sources.read_dotenv(dotenv), dotenv.resolve().parent))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for attribute, declaration in declarations():
        raw, source, base = _find(declaration, layers)
        values[attribute] = None if raw is None else _parse(declaration, raw, base)
        origins[declaration.name] = source
    _fill(values)
    _check_together(values)
    settings = Settings(**values, sources=origins)
    if settings.secret_keys:
        return settings
    origins["MAILROOM_SECRET_KEY"] = f"file {settings.secret_key_file}"
    return replace(settings, secret_keys=_key_of_instance(settings.secret_key_file, make_key))


def describe(settings: Settings) -> list[Row]:
    """Each setting with its value as it may be shown, its source and its meaning."""
    rows = []
    for attribute, declaration in declarations():
        value = getattr(settings, attribute)
        source = settings.sources.get(declaration.name, "given")
        rows.append(Row(declaration.name, _shown(value, declaration.hidden), source, declaration.meaning))
    return rows


def unknown_names(environ: Mapping[str, str]) -> list[str]:
    """Names that begin with MAILROOM_ and mean nothing: most likely a slip of the pen."""
    known = {declaration.name for _, declaration in declarations()} | {"MAILROOM_UNDER_UP"}
    return sorted(name for name in environ if name.startswith("MAILROOM_") and name.removesuffix("_FILE") not in known)


def _find(declaration: Declaration, layers: list[tuple[str, dict[str, str], Path]]) -> tuple[str | None, str, Path]:
    for source, values, base in layers:
        if value := values.get(declaration.name, "").strip():
            return value, source, base
        if file_name := values.get(declaration.name + "_FILE", "").strip():
            file = base / Path(file_name).expanduser()
            return sources.read_secret(declaration.name, file), f"file {file}", base
    return declaration.default, "default", ROOT


def _parse(declaration: Declaration, raw: str, base: Path) -> Any:
    if raw == "":
        return ()  # only lists of networks and hosts have an empty default
    try:
        value = declaration.parse(raw)
    except types.Refused as refused:
        shown = "" if declaration.hidden else f"is {raw!r}, which "
        raise BadSetting(declaration.name, f"{shown}{refused.problem}", refused.remedy) from None
    return (base / value).resolve() if isinstance(value, Path) else value


def _fill(values: dict[str, Any]) -> None:
    """The defaults that depend on other settings or on the machine."""
    instance: Path = values["instance"]
    values["database_url"] = _absolute_sqlite(values["database_url"] or "sqlite:///mailroom.sqlite", instance)
    values["blob_url"] = values["blob_url"] or (instance / "blobs").as_uri()
    if values["hostname"] is None:
        try:
            values["hostname"] = types.host_name(socket.gethostname())
        except types.Refused:
            values["hostname"] = "localhost"
    if values["public_url"] is None:
        host, port = values["http_host"], values["http_port"]
        if host in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
            host = values["hostname"]
        host = f"[{host}]" if ":" in host else host
        values["public_url"] = f"http://{host}" if port == 80 else f"http://{host}:{port}"
    values["secret_keys"] = values["secret_keys"] or ()


def _absolute_sqlite(url: str, instance: Path) -> str:
    # Three slashes and a relative path would otherwise mean a different file for each folder one starts from.
    scheme, _, rest = url.partition("://")
    if scheme != "sqlite" or rest.startswith("//"):
        return url
    return f"sqlite:///{instance}/{rest.removeprefix('/')}"


def _check_together(values: dict[str, Any]) -> None:
    """What no single value shows: pairs that belong together and ports that collide."""
    for one, other in (("tls_cert", "tls_key"), ("admin_email", "admin_password")):
        for here, there in ((one, other), (other, one)):
            if values[here] is None and values[there] is not None:
                raise BadSetting(_name(here), f"is unset although {_name(there)} is set", "Set both or neither.")
    for attribute in ("tls_cert", "tls_key"):
        file = values[attribute]
        if file is not None and not os.access(file, os.R_OK):
            raise BadSetting(_name(attribute), f"names {file}, which is not there or cannot be read", "Name a readable PEM file.")
    if values["submissions_port"] is not None and values["tls_cert"] is None:
        raise BadSetting("MAILROOM_SUBMISSIONS_PORT", "needs a certificate", "Set MAILROOM_TLS_CERT and MAILROOM_TLS_KEY as well.")
    taken: dict[tuple[str, int], str] = {}
    for host, attribute in (
        ("http_host", "http_port"), ("smtp_host", "smtp_port"), ("smtp_host", "submission_port"), ("smtp_host", "submissions_port"),
    ):
        place = (values[host], values[attribute])
        if values[attribute] is not None and place in taken:
            raise BadSetting(_name(attribute), f"is {place[1]}, the same port as {taken[place]}", "Give each its own port.")
        taken[place] = _name(attribute)


def _name(attribute: str) -> str:
    return next(declaration.name for found, declaration in declarations() if found == attribute)


def _key_of_instance(file: Path, make: bool) -> tuple[str, ...]:
    """The key or keys in the instance folder; made when there are none and `make` says so."""
    if make and not file.exists():
        try:
            sources.make_key(file)
        except OSError as error:
            problem = f"names a folder in which no key can be made ({file}: {error.strerror})"
            raise BadSetting("MAILROOM_INSTANCE", problem, "Name a folder that this user may write to.") from None
    if not file.exists():
        return ()
    try:
        return types.secret_keys(sources.read_secret("MAILROOM_SECRET_KEY", file))
    except types.Refused as refused:
        raise BadSetting("MAILROOM_SECRET_KEY", f"as read from {file} {refused.problem}", refused.remedy) from None


def _shown(value: Any, hidden: str) -> str:
    if value is None or value == ():
        return ""
    if hidden == "all":
        return "(set)"
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return types.without_password(str(value)) if hidden == "password" else str(value)
