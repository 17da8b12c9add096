"""What templates may call: filters and globals for times, amounts, states, icons, forms. `install(app)` registers all of it.

Autoescape stays on and nothing here marks foreign text safe. The macros in `templates/parts/` are built on these.
"""

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import NoneType
from typing import Any

from flask import Flask, Response, g, has_request_context, redirect, request
from wtforms import (
    BooleanField,
    Field,
    FieldList,
    FileField,
    FormField,
    HiddenField,
    RadioField,
    SelectFieldBase,
    SelectMultipleField,
    SubmitField,
)
from wtforms.widgets import Select, TextArea

from webapp.core.differences import differences, masked
from webapp.core.states import TONES, state_tone, state_word
from webapp.core.wording import ago, human_bytes, iso, number, span, time_text

THEMES = ("light", "dark")
THEME_COOKIE = "theme"
WHY_ICONS = {
    "ok": "circle-check",
    "busy": "loader",
    "wait": "clock",
    "warn": "triangle-alert",
    "bad": "circle-alert",
    "doubt": "circle-help",
    "off": "circle-pause",
}
LEDGER_WHOLE, LEDGER_GAP, LEDGER_LEAST = 1000, 2, 6


# ---------------------------------------------------------------- amounts


def share(part: float, whole: float) -> float:
    """Percent of the whole between 0 and 100, one decimal; 0 where there is no whole."""
    return round(max(0.0, min(100.0, 100.0 * part / whole)), 1) if whole else 0.0


def ledger_bars(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Where each part of a whole stands in a bar 1000 wide: `x`, `width`, `tone`. Small parts keep a visible width, empty ones none.

    Parts are mappings with `word`, `count` and optionally `tone`.
    """
    shown = [part for part in parts if part["count"] > 0]
    room = LEDGER_WHOLE - LEDGER_GAP * max(0, len(shown) - 1)
    total = sum(part["count"] for part in shown)
    widths = [max(LEDGER_LEAST, round(room * part["count"] / total)) for part in shown]
    if widths:
        widths[widths.index(max(widths))] -= sum(widths) - room
    bars, x = [], 0
    for part, width in zip(shown, widths, strict=True):
        bars.append({"x": x, "width": width, "tone": part.get("tone") or state_tone(part["word"])})
        x += width + LEDGER_GAP
    return bars


# ---------------------------------------------------------------- forms and code


def field_kind(field: Field) -> str:
    """How a WTForms field is painted: hidden, submit, form, list, check, radios, checks, select, textarea, file or input."""
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (HiddenField, "hidden"),
        (SubmitField, "submit"),
        (FormField, "form"),
        (FieldList, "list"),
        (BooleanField, "check"),
        (RadioField, "radios"),
        (SelectMultipleField, "checks"),
        (FileField, "file"),
    )
    for classes, kind in kinds:
        if isinstance(field, classes):
            return kind
    if isinstance(field, SelectFieldBase) or isinstance(field.widget, Select):
        return "select"
    return "textarea" if isinstance(field.widget, TextArea) else "input"


def pretty_json(value: Any) -> str:
    """Indented JSON with secrets masked; text stays as it is."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(masked(value), indent=2, ensure_ascii=False, default=str)


def curl_command(method: str, url: str, body: Any = None) -> str:
    """The call as a curl command that can be pasted into a POSIX shell."""
    lines = [f"curl -X {shlex.quote(method.upper())} {shlex.quote(url)}", '-H "Authorization: Bearer $MAILROOM_TOKEN"']
    if body is not None:
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(pretty_json(body))}"]
    return " \\\n  ".join(lines)


# ---------------------------------------------------------------- theme


def chosen_theme() -> str:
    """`light`, `dark`, or empty for what the system prefers."""
    theme = request.cookies.get(THEME_COOKIE, "") if has_request_context() else ""
    return theme if theme in THEMES else ""


def _here() -> str:
    """Where a small form such as the theme switch comes back to: the page itself, or the start after a POST."""
    return request.full_path.rstrip("?") if has_request_context() and request.method == "GET" else "/"


def safe_path(target: str | None) -> str:
    """A path on this host to go back to; anything that could lead elsewhere becomes `/`."""
    target = target or "/"
    inside = target.startswith("/") and not target.startswith(("//", "/\\")) and not any(ord(sign) < 33 or sign == "\\" for sign in target)
    return target if inside else "/"


def choose_theme() -> Response:
    """POST /theme: theme=light|dark|(empty), next=path. For browsers without script; with it, the script sets the cookie."""
    response: Response = redirect(safe_path(request.form.get("next")), 303)  # type: ignore[assignment]
    theme = request.form.get("theme", "")
    if theme in THEMES:
        response.set_cookie(THEME_COOKIE, theme, max_age=365 * 86400, samesite="Lax", secure=request.is_secure, path="/")
    else:
        response.delete_cookie(THEME_COOKIE, path="/", samesite="Lax")
    return response


# ---------------------------------------------------------------- installing


class Assets:
    """Addresses of static files with a stamp of their content, so that browsers may keep them for ever."""

    #: seconds that an address is kept before the file is looked at again; a page asks for one per icon
    KEPT_S = 1.0

    def __init__(self, folder: Path, url_path: str) -> None:
        self.folder, self.url_path = folder, url_path.rstrip("/")
        self.stamps: dict[str, tuple[int, str]] = {}
        self.kept: dict[str, tuple[float, str]] = {}

    def __call__(self, name: str) -> str:
        kept = self.kept.get(name)
        now = time.monotonic()
        if kept is None or now - kept[0] > self.KEPT_S:
            kept = self.kept[name] = (now, self._address(name))
        return kept[1]

    def _address(self, name: str) -> str:
        path = self.folder / name
        try:
            changed = path.stat().st_mtime_ns
        except OSError:
            return f"{self.url_path}/{name}"
        known = self.stamps.get(name)
        if known is None or known[0] != changed:
            known = self.stamps[name] = (changed, sha256(path.read_bytes()).hexdigest()[:10])
        return f"{self.url_path}/{name}?v={known[1]}"


class Addresses:
    """`url_for` of templates. A page names the same few addresses again and again; the router makes each once."""

    MOST = 5000

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.known: dict[tuple[Any, ...], str] = {}

    def __call__(self, endpoint: str, **values: Any) -> str:
        simple = all(type(value) in (int, str, NoneType) for value in values.values())
        if not simple or endpoint.startswith(".") or not has_request_context():
            return self.app.url_for(endpoint, **values)
        key = (request.host_url, request.root_path, endpoint, *values.items())
        found = self.known.get(key)
        if found is None:
            if len(self.known) >= self.MOST:
                self.known.clear()
            found = self.known[key] = self.app.url_for(endpoint, **values)
        return found


def install(app: Flask, public_url: str = "") -> None:
    """Register filters, globals, `theme` in every template, and POST /theme.

    `public_url` is the base shown in API snippets, by default that of the settings.
    """
    public_url = public_url or getattr(app.config.get("SETTINGS"), "public_url", "") or ""
    env = app.jinja_env
    env.trim_blocks = env.lstrip_blocks = True
    env.filters.update(
        iso=iso,
        time_text=time_text,
        ago=ago,
        span=span,
        number=number,
        human_bytes=human_bytes,
        pretty_json=pretty_json,
        state_tone=state_tone,
        state_word=state_word,
    )
    env.globals.update(
        url_for=Addresses(app),
        asset=Assets(Path(app.static_folder or "static"), app.static_url_path or "/static"),
        state_tone=state_tone,
        state_word=state_word,
        why_icons=WHY_ICONS,
        tones=TONES,
        share=share,
        ledger_bars=ledger_bars,
        differences=differences,
        field_kind=field_kind,
        curl_command=curl_command,
        public_url=public_url.rstrip("/"),
        request_id=lambda: g.get("request_id", "") if has_request_context() else "",
    )
    app.context_processor(lambda: {"theme": chosen_theme(), "here": _here()})
    app.add_url_rule("/theme", "theme", choose_theme, methods=["POST"])
