"""Every setting is read from where it should be, and a bad value stops the start with a sentence that names it."""

import ipaddress
import re
import stat
from pathlib import Path

import pytest

from webapp.settings import ROOT, BadSetting, Settings, declarations, describe, load_settings, unknown_names

KEY = "k" * 40


def load(tmp_path: Path, dotenv: Path | None = None, **environ: str) -> Settings:
    return load_settings({"MAILROOM_INSTANCE": str(tmp_path), "MAILROOM_SECRET_KEY": KEY, **environ}, dotenv)


def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert (settings.http_host, settings.http_port, settings.smtp_port, settings.submission_port) == ("127.0.0.1", 8000, 2525, 2587)
    assert settings.database_url == f"sqlite:///{tmp_path}/mailroom.sqlite"
    assert settings.blob_url == (tmp_path / "blobs").as_uri()
    assert settings.redis_url is None
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.transport == "capture"
    assert (settings.web_workers, settings.web_threads, settings.workers) == (2, 8, 2)
    assert settings.max_message_bytes == 26214400
    assert settings.trusted_networks == (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
    assert settings.trusted_proxies == () and settings.allow_private_targets == ()


def test_the_default_instance_lies_beside_app_py() -> None:
    assert load_settings({}, make_key=False).instance == ROOT / "instance"


@pytest.mark.parametrize(
    ("name", "value", "attribute", "expected"),
    [
        ("MAILROOM_HTTP_PORT", " 9000 ", "http_port", 9000),
        ("MAILROOM_HTTP_HOST", "[::1]", "http_host", "::1"),
        ("MAILROOM_HOSTNAME", "Mail.Example.COM.", "hostname", "mail.example.com"),
        ("DATABASE_URL", "postgres://u:p@db/mail", "database_url", "postgresql+psycopg://u:p@db/mail"),
        ("DATABASE_URL", "sqlite:////var/lib/m.sqlite", "database_url", "sqlite:////var/lib/m.sqlite"),
        ("REDIS_URL", "unix:///run/redis.sock?db=1", "redis_url", "unix:///run/redis.sock?db=1"),
        ("MAILROOM_DNS", "9.9.9.9", "dns", "9.9.9.9:53"),
        ("MAILROOM_DNS", "127.0.0.1:5353", "dns", "127.0.0.1:5353"),
        ("MAILROOM_DNS", "::1", "dns", "[::1]:53"),
        ("MAILROOM_TRANSPORT", "smtp://u:p%40s@relay:587?tls=require", "transport", "smtp://u:p%40s@relay:587?tls=require"),
        ("MAILROOM_PUBLIC_URL", "https://mail.example.com/", "public_url", "https://mail.example.com"),
        ("MAILROOM_ALLOW_PRIVATE_TARGETS", "Hooks.Internal, 10.1.2.3/16", "allow_private_targets", ("hooks.internal", "10.1.0.0/16")),
        ("MAILROOM_RATE_LIMITS", "general=600/minute, mailtrap=on", "rate_limits", "general=600/minute,mailtrap=on"),
        ("MAILROOM_SECRET_KEY", f"{KEY}, {'o' * 32}", "secret_keys", (KEY, "o" * 32)),
        ("MAILROOM_SUBMISSIONS_PORT", "", "submissions_port", None),
    ],
)
def test_good_values_are_taken(tmp_path: Path, name: str, value: str, attribute: str, expected: object) -> None:
    assert getattr(load(tmp_path, **{name: value}), attribute) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAILROOM_HTTP_PORT", "0"), ("MAILROOM_HTTP_PORT", "65536"), ("MAILROOM_SMTP_PORT", "smtp"), ("MAILROOM_HTTP_PORT", "٣"),
        ("MAILROOM_HTTP_HOST", "two words"), ("MAILROOM_HOSTNAME", "192.0.2.1"), ("MAILROOM_HOSTNAME", "a..b"),
        ("DATABASE_URL", "mysql://h/d"), ("DATABASE_URL", "sqlite://"), ("DATABASE_URL", "sqlite:///:memory:"), ("DATABASE_URL", "mail.db"),
        ("DATABASE_URL", "postgresql://host"), ("REDIS_URL", "http://redis"), ("REDIS_URL", "redis://h:port"),
        ("MAILROOM_BLOB_URL", "s3://"), ("MAILROOM_BLOB_URL", "ftp://x/y"), ("MAILROOM_PUBLIC_URL", "mail.example.com"),
        ("MAILROOM_TRANSPORT", "smtp://"), ("MAILROOM_TRANSPORT", "smtp://u@h"), ("MAILROOM_TRANSPORT", "smtp://h?tls=maybe"),
        ("MAILROOM_TRANSPORT", "sendmail"), ("MAILROOM_DNS", "9.9.9.9:dns"), ("MAILROOM_AUTH_WITHOUT_TLS", "10.0.0.0/33"),
        ("MAILROOM_TRUSTED_PROXIES", "proxy.internal"), ("MAILROOM_MAX_MESSAGE_BYTES", "25MB"), ("MAILROOM_MAX_MESSAGE_BYTES", "1"),
        ("MAILROOM_WEB_WORKERS", "0"), ("MAILROOM_WEB_THREADS", "-1"), ("MAILROOM_WORKERS", "1e3"), ("MAILROOM_SECRET_KEY", "short"),
        ("MAILROOM_RATE_LIMITS", "general=fast"), ("MAILROOM_RATE_LIMITS", "600/minute"), ("MAILROOM_ALLOW_PRIVATE_TARGETS", "a b"),
        ("MAILROOM_LLM_URL", "localhost:1234"), ("MAILROOM_TLS_CERT", "/nowhere/cert.pem"), ("MAILROOM_ADMIN_EMAIL", "ada"),
        ("MAILROOM_SUBMISSIONS_PORT", "465"), ("MAILROOM_SMTP_PORT", "8000"), ("MAILROOM_SUBMISSION_PORT", "2525"),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_by_name_with_what_to_do(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(BadSetting) as refused:
        load(tmp_path, **{name: value})
    text = str(refused.value)
    assert name in text or "MAILROOM_TLS_KEY" in text or "MAILROOM_ADMIN_PASSWORD" in text
    assert len(re.findall(r"[.] [A-Z]", text)) >= 1, "no second sentence that tells what to write"
    assert "\n" not in text


@pytest.mark.parametrize(("name", "value"), [("MAILROOM_SECRET_KEY", "hunter2"), ("MAILROOM_TRANSPORT", "smtp://ada:hunter2@")])
def test_a_refused_secret_is_not_repeated(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(BadSetting) as refused:
        load(tmp_path, **{name: value})
    assert "hunter2" not in str(refused.value)


def test_environment_wins_over_file_over_dotenv(tmp_path: Path) -> None:
    secret = tmp_path / "port"
    secret.write_text("8002\n")
    dotenv = tmp_path / ".env"
    dotenv.write_text("MAILROOM_HTTP_PORT=8003\n")
    assert load(tmp_path, dotenv).http_port == 8003
    from_file = load(tmp_path, dotenv, MAILROOM_HTTP_PORT_FILE=str(secret))
    assert (from_file.http_port, from_file.sources["MAILROOM_HTTP_PORT"]) == (8002, f"file {secret}")
    assert load(tmp_path, dotenv, MAILROOM_HTTP_PORT_FILE=str(secret), MAILROOM_HTTP_PORT="8001").http_port == 8001


def test_dotenv_knows_quotes_comments_and_export(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("# a comment\n\nexport MAILROOM_LLM_MODEL='big # one'\nMAILROOM_HTTP_PORT=8005 # ours\nMAILROOM_TLS_CERT=\n")
    settings = load(tmp_path, dotenv)
    assert (settings.llm_model, settings.http_port, settings.tls_cert) == ("big # one", 8005, None)


def test_a_broken_line_of_dotenv_is_named(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("MAILROOM_HTTP_PORT=8005\nsome words\n")
    with pytest.raises(BadSetting, match=r"line 2 is not NAME=value"):
        load(tmp_path, dotenv)


@pytest.mark.parametrize("content", [None, "", b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: str | bytes | None) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadSetting, match="MAILROOM_LLM_KEY_FILE names .*secret"):
        load(tmp_path, MAILROOM_LLM_KEY_FILE=str(file))


def test_relative_paths_count_from_the_folder_of_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MAILROOM_INSTANCE=data\n")
    settings = load_settings({"MAILROOM_SECRET_KEY": KEY}, tmp_path / ".env")
    assert settings.instance == tmp_path / "data"


def test_the_secret_key_is_made_once_and_for_this_user_only(tmp_path: Path) -> None:
    environ = {"MAILROOM_INSTANCE": str(tmp_path / "new")}
    assert load_settings(environ, make_key=False).secret_keys == ()
    first = load_settings(environ)
    assert stat.S_IMODE(first.secret_key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.secret_key_file.parent.stat().st_mode) == 0o700
    assert len(first.secret_keys) == 1 and len(first.secret_keys[0]) >= 48
    assert load_settings(environ).secret_keys == first.secret_keys
    assert [file.name for file in first.secret_key_file.parent.iterdir()] == ["secret_key"]


def test_describe_hides_secrets_and_tells_sources(tmp_path: Path) -> None:
    settings = load(
        tmp_path, DATABASE_URL="postgresql://ada:hunter2@db/m", REDIS_URL="redis://:hunter2@r/0", MAILROOM_TRANSPORT="smtp://a:hunter2@h",
        MAILROOM_LLM_KEY="hunter2", MAILROOM_ADMIN_EMAIL="ada@example.com", MAILROOM_ADMIN_PASSWORD="hunter2",
    )  # fmt: skip
    rows = {row.name: row for row in describe(settings)}
    assert len(rows) == len(list(declarations()))
    assert all("hunter2" not in row.value and KEY not in row.value for row in rows.values())
    assert rows["DATABASE_URL"].value == "postgresql+psycopg://ada:***@db/m"
    assert (rows["MAILROOM_LLM_KEY"].value, rows["MAILROOM_LLM_KEY"].source) == ("(set)", "environment")
    assert rows["MAILROOM_HTTP_PORT"].source == "default"
    assert "hunter2" not in repr(settings)


def test_a_slip_of_the_pen_is_noticed() -> None:
    environ = {"MAILROOM_HTTPPORT": "1", "MAILROOM_HTTP_PORT": "1", "MAILROOM_LLM_KEY_FILE": "x", "PATH": ""}
    assert unknown_names(environ) == ["MAILROOM_HTTPPORT"]


@pytest.mark.parametrize("file", [".env.example", "docs/settings.md"])
def test_every_setting_is_documented_with_its_default(file: str) -> None:
    text = (ROOT / file).read_text()
    for _, declaration in declarations():
        line = next((line for line in text.splitlines() if re.match(rf"(#|\| `){declaration.name}(=|`)", line)), None)
        assert line is not None, f"{declaration.name} is missing in {file}"
        assert (declaration.default or "") in line
        assert declaration.meaning.split()[-1] in text
