"""Notices that a sending service mails as JSON instead of a report (Amazon SES through SNS)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from webapp.mail.bounce_fields import MAX_RECIPIENTS, clean_address

_LONGEST = 256_000


@dataclass(frozen=True, slots=True)
class Told:
    address: str
    action: Literal["failed", "delayed", "delivered"]
    status: str
    text: str


@dataclass(frozen=True, slots=True)
class Notification:
    recipients: list[Told]
    message_id: str
    sender: str
    subject: str


def notification(text: str) -> Notification | None:
    """The notice in a mail's text; None when it is none. A complaint is none here: `feedback` reads it."""
    data = notice_data(text)
    kind = data.get("notificationType")
    if kind == "Bounce":
        bounce = _object(data, "bounce")
        action: Literal["failed", "delayed"] = "delayed" if bounce.get("bounceType") == "Transient" else "failed"
        told = [
            Told(clean_address(_text(one, "emailAddress")), action, _text(one, "status"), _text(one, "diagnosticCode"))
            for one in _objects(bounce, "bouncedRecipients")
        ]
    elif kind == "Delivery":
        delivery = _object(data, "delivery")
        names = delivery.get("recipients")
        reply = _text(delivery, "smtpResponse").split()
        status = next((word for word in reply[:3] if word.count(".") == 2), "")
        told = [
            Told(clean_address(str(one)), "delivered", status, "") for one in (names if isinstance(names, list) else [])[:MAX_RECIPIENTS]
        ]
    else:
        return None
    mail = _object(data, "mail")
    common = _object(mail, "commonHeaders")
    told = [one for one in told if one.address]
    return Notification(told, _text(mail, "messageId"), clean_address(_text(mail, "source")), _text(common, "subject")) if told else None


def is_complaint(text: str) -> bool:
    """Whether the notice in a mail's text is a complaint of a reader."""
    return notice_data(text).get("notificationType") == "Complaint"


def notice_data(text: str) -> dict[str, Any]:
    """The JSON object that a text begins with; empty when it begins with none."""
    start = text.lstrip()[:_LONGEST]
    if not start.startswith("{") or "notificationType" not in start[:4000]:
        return {}
    try:
        data, _ = json.JSONDecoder(strict=False).raw_decode(start)
    except (ValueError, RecursionError):
        return {}
    if isinstance(data, dict) and isinstance(data.get("Message"), str):
        return notice_data(data["Message"])
    return data if isinstance(data, dict) else {}


def _object(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _objects(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = data.get(name)
    return [one for one in value if isinstance(one, dict)][:MAX_RECIPIENTS] if isinstance(value, list) else []


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    return value[:2000] if isinstance(value, str) else ""
