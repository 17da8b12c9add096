"""Where the text of a setting comes from besides the environment: files with one value, `.env`, the instance's own key."""

import os
import secrets
from pathlib import Path


class BadSetting(ValueError):
    """A value that stops the start; its text is one sentence for the operator, and one telling what to write."""

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        super().__init__(f"{name} {problem}. {remedy}")
        self.name = name


def read_secret(name: str, file: Path) -> str:
    """The text of a file that holds one value, without blanks around it; BadSetting when there is none."""
    try:
        value = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise BadSetting(f"{name}_FILE", f"names {file}, which cannot be read: {reason}", "Name a readable text file.") from None
    if not value:
        raise BadSetting(f"{name}_FILE", f"names {file}, which is empty", f"Put the value of {name} in it.")
    return value


def make_key(file: Path) -> None:
    """Write a fresh secret key that only this user can read; a key that another process wrote meanwhile stays."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = file.with_name(f".secret_key.{os.getpid()}.{secrets.token_hex(4)}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
        out.write(secrets.token_urlsafe(48) + "\n")
        out.flush()
        os.fsync(out.fileno())
    try:
        # A link appears complete or not at all, and fails when another process was first: then its key is the key.
        os.link(fresh, file)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def read_dotenv(file: Path) -> dict[str, str]:
    """NAME=value lines; `export` in front, quotes around and comments after a blank are taken away."""
    found: dict[str, str] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        line = line.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name.replace("_", "").isalnum():
            raise BadSetting(f"{file} line {number}", "is not NAME=value", "Correct the line or put # in front of it.")
        if value[:1] in ("'", '"') and value[:1] in value[1:]:
            value = value[1 : value.index(value[0], 1)]
        else:
            value = value.split(" #")[0].strip()
        found[name] = value
    return found
