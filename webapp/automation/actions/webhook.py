"""`webhook`: calls a URL with the mail (DESIGN "Webhook action"). 2xx is success."""

import hashlib
import hmac
import json
import time
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from webapp.automation.actions.answers import answer_file, as_logged, judge
from webapp.automation.actions.base import ActionType, Context, Result, bad
from webapp.automation.mail_state import attach
from webapp.automation.parameters import Parameter
from webapp.automation.variables import without_placeholders
from webapp.core.http_guard import HttpClient, check_headers

METHODS = ("POST", "PUT", "PATCH", "GET", "DELETE")
FORMATS = (("json", "JSON"), ("form", "Form fields"), ("eml", "The raw mail"), ("raw", "Text of my own"))
AUTH = (("none", "None"), ("basic", "User and password"), ("bearer", "Bearer token"), ("hmac", "Signature (HMAC)"))


class Webhook(ActionType):
    name = "webhook"
    label = "Call webhook"
    icon = "webhook"
    summary = "Calls a URL with the mail; the answer can become an attachment for the actions behind it."
    attaches = True
    outside = True
    parameters = (
        Parameter("url", "URL", "url", required=True, variables=True, description="Values of variables are percent-encoded."),
        Parameter("method", "Method", "choice", default="POST", choices=tuple((word, word) for word in METHODS)),
        Parameter("headers", "Headers", "map", variables=True, description="One “Name: value” on each line."),
        Parameter("body_format", "Body", "choice", default="json", choices=FORMATS),
        Parameter(
            "body", "Body of my own", "body", variables=True, when=("body_format", ("json", "form", "raw")),
            description="Empty: Mailroom's own shape with all of the mail. For JSON, variables stand inside string values.",
        ),
        Parameter("auth", "Authentication", "group", parameters=(
            Parameter("type", "Authentication", "choice", default="none", choices=AUTH),
            Parameter("username", "User name", when=("type", ("basic",))),
            Parameter("password", "Password", "secret", when=("type", ("basic",))),
            Parameter("token", "Token", "secret", when=("type", ("bearer",))),
            Parameter("secret", "Signing secret", "secret", when=("type", ("hmac",)), description="Signs X-Mailroom-Signature."),
        )),
        Parameter("verify_tls", "Check the certificate", "boolean", default=True),
    )  # fmt: skip

    def check(self, values: Mapping[str, Any], http: HttpClient) -> None:
        url = without_placeholders(values["url"])
        if problem := http.check(url):
            raise bad("url", problem)
        if problem := check_headers({name: without_placeholders(value) for name, value in (values.get("headers") or {}).items()}):
            raise bad("headers", problem)
        _check_body(values.get("body_format") or "json", values.get("body"))
        auth = values.get("auth") or {}
        for kind, needed in (("basic", "username"), ("bearer", "token"), ("hmac", "secret")):
            if auth.get("type") == kind and not auth.get(needed):
                raise bad(f"auth.{needed}", f"Authentication of the kind {kind} needs it.")

    def describe(self, values: Mapping[str, Any]) -> str:
        return str(values.get("url") or "").partition("://")[2]

    def perform(self, context: Context) -> Result:
        body, content_type = build_body(context)
        method, url = str(context.values.get("method") or "POST"), context.url("url")
        headers = self._headers(context, body, content_type if method != "GET" else "")
        if method == "GET":
            body = b""
        verify_tls = bool(context.values.get("verify_tls", True))
        answer = context.http.send(method, url, headers=headers, body=body, timeout_s=context.run.timeout_s, verify_tls=verify_tls)
        result = judge(answer)
        result.request = {"method": method, "url": url, "headers": dict(headers), "body": as_logged(body, content_type)}
        if result.outcome == "success" and context.run.attach_to_mail:
            return self._attach(context, result, answer.body, answer.header("content-type") or "", answer.truncated)
        return result

    def _headers(self, context: Context, body: bytes, content_type: str) -> list[tuple[str, str]]:
        own = context.mapping("headers")
        given = {name.lower() for name in own}
        headers = [("User-Agent", f"Mailroom/{context.run.version}")] if "user-agent" not in given else []
        if content_type and "content-type" not in given:
            headers.append(("Content-Type", content_type))
        headers += [(name, value) for name, value in own.items() if not name.lower().startswith("x-mailroom-")]
        headers += [("X-Mailroom-Delivery", context.run.delivery), ("X-Mailroom-Attempt", str(context.run.attempt))]
        auth = context.values.get("auth") or {}
        if auth.get("type") == "basic":
            pair = f"{auth.get('username') or ''}:{auth.get('password') or ''}"
            headers.append(("Authorization", f"Basic {b64encode(pair.encode()).decode()}"))
        elif auth.get("type") == "bearer":
            headers.append(("Authorization", f"Bearer {auth['token']}"))
        elif auth.get("type") == "hmac":
            headers.append(("X-Mailroom-Signature", sign(str(auth["secret"]), body)))
        return headers

    def _attach(self, context: Context, result: Result, body: bytes, content_type: str, truncated: bool) -> Result:
        if truncated:
            result.outcome, result.error = "failed", "The answer is larger than 64 KB, so it was not attached; nothing of it was kept."
            return result
        filename, kind = answer_file(content_type)
        result.new_raw = attach(context.mail.raw, filename, kind, body)
        result.changed = ["attachments"]
        result.detail += f" The answer is attached as {filename}."
        return result


def sign(secret: str, body: bytes, now: int | None = None) -> str:
    """`t=<unix>,v1=<hex HMAC-SHA256(secret, t + "." + body)>`."""
    moment = str(int(time.time()) if now is None else now)
    digest = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def _check_body(form: str, body: Any) -> None:
    if form == "raw" and not body:
        raise bad("body", "The format raw needs a body.")
    if form == "eml" and body:
        raise bad("body", "The format eml sends the mail itself and takes no body.")
    if form == "json" and isinstance(body, str):
        try:
            json.loads(body)
        except ValueError as error:
            raise bad("body", f"This is not JSON: {error}. Put variables inside quotes, as in \"$SUBJECT\".") from None
    if (form in ("form", "raw") and isinstance(body, list)) or (form == "raw" and isinstance(body, dict)):
        raise bad("body", "Send text.")


def build_body(context: Context) -> tuple[bytes, str]:
    """The request body and its content type."""
    form, body = str(context.values.get("body_format") or "json"), context.values.get("body")
    if form == "eml":
        return context.mail.raw, "message/rfc822"
    if form == "raw":
        return context.text("body").encode("utf-8", "replace"), "text/plain; charset=utf-8"
    if form == "form":
        return urlencode(_form_pairs(context, body), errors="replace").encode(), "application/x-www-form-urlencoded"
    if body:
        value = context.json(json.loads(body) if isinstance(body, str) else body)
    else:
        value = default_shape(context)
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"), "application/json"


def _form_pairs(context: Context, body: Any) -> list[tuple[str, str]]:
    if isinstance(body, dict):
        return [(name, inner if isinstance(inner, str) else json.dumps(inner)) for name, inner in context.json(body).items()]
    if body:
        return [(name, context.json(value)) for name, value in parse_qsl(body, keep_blank_values=True)]
    return list(_flat({key: value for key, value in default_shape(context).items() if key != "headers"}))


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested values as form fields: `mailbox[email]`, `receivers[0]`, `attachments[0][url]`."""
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        return [pair for key, item in inner for pair in _flat(item, f"{prefix}[{key}]" if prefix else str(key))]
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return [(prefix, text)]


def default_shape(context: Context) -> dict[str, Any]:
    """What is sent when the action has no body of its own."""
    mail, run = context.mail, context.run
    return {
        "event": "mail.sent" if run.direction == "sent" else "mail.received",
        "id": run.id,
        "message_id": run.message_id,
        "mailbox": {"id": run.mailbox_id, "email": run.mailbox_email},
        "route": {"id": run.route_id, "name": run.route_name},
        "sender": mail.sender.email,
        "receivers": list(mail.all_receivers()),
        "cc": [person.email for person in mail.cc],
        "subject": mail.subject,
        "date": mail.date.isoformat().replace("+00:00", "Z") if mail.date else None,
        "text": mail.text,
        "html": mail.html,
        "headers": [[name, value] for name, value in mail.headers],
        "attachments": [
            {"filename": item.filename, "content_type": item.content_type, "size": item.size, "url": context.attachment_url(item.number)}
            for item in mail.attachments
        ],
        "is_test": run.is_test,
    }
