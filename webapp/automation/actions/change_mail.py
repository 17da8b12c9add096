"""`change_mail`: another subject, or further X- headers, for the actions behind it."""

import re
from collections.abc import Mapping
from typing import Any

from webapp.automation import mail_state
from webapp.automation.actions.base import ActionType, Context, Result, bad
from webapp.automation.parameters import Parameter
from webapp.core.http_guard import HttpClient

_OWN_HEADER = re.compile(r"[Xx]-[A-Za-z0-9-]{1,70}")


class ChangeMail(ActionType):
    name = "change_mail"
    label = "Change mail"
    icon = "pencil"
    summary = "Changes the mail that the actions behind it see: subject, text in front of it, X- headers. The archive keeps the original."
    on_error = "stop"
    parameters = (
        Parameter("subject", "New subject", variables=True, description="Empty keeps the subject."),
        Parameter("subject_prefix", "Text before the subject", variables=True, description="As in [Invoice]; a space follows."),
        Parameter("headers", "X- headers", "map", variables=True, description="One “X-Name: value” on each line."),
    )

    def check(self, values: Mapping[str, Any], http: HttpClient) -> None:
        for name in values.get("headers") or {}:
            if not _OWN_HEADER.fullmatch(name) or name.lower().startswith("x-mailroom-"):
                raise bad("headers", f"{name[:60]!r} cannot be set; headers of your own begin with X-, but not with X-Mailroom-.")
        if not any(values.get(name) for name in ("subject", "subject_prefix", "headers")):
            raise bad("subject", "Name a subject, a text before it, or a header; this action would change nothing.")

    def describe(self, values: Mapping[str, Any]) -> str:
        if values.get("subject"):
            return f"subject to “{values['subject']}”"
        if values.get("subject_prefix"):
            return f"“{values['subject_prefix']}” before the subject"
        return ", ".join(values.get("headers") or {})

    def perform(self, context: Context) -> Result:
        raw, changed = context.mail.raw, []
        subject = context.line("subject") or context.mail.subject
        if prefix := context.line("subject_prefix"):
            subject = f"{prefix} {subject}".strip()
        if subject != context.mail.subject:
            raw, changed = mail_state.with_subject(raw, subject), ["subject"]
        if headers := context.mapping("headers"):
            raw = mail_state.with_headers(raw, list(headers.items()), without=list(headers))
            changed += sorted(headers)
        if not changed:
            return Result("success", "Nothing to change: the subject is that already.")
        return Result("success", f"Changed {', '.join(changed)}.", new_raw=raw, changed=changed)
