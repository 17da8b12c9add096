"""Delivery reports: what became of a mail that was sent, recipient by recipient.

RFC 3464 is read first; a report that does not follow it is read by its words. A report says what somebody wrote: who believes it checks
the return path that it came to (`verp`) or the Message-ID that it names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from webapp.mail.address import is_address
from webapp.mail.bounce_class import BounceClass, class_of, is_hard, is_permanent, reply_in, status_in
from webapp.mail.bounce_fields import address_in, clean_address, recipient_blocks, status_field, typed
from webapp.mail.bounce_notices import is_complaint, notification
from webapp.mail.bounce_parts import Fields, Pieces, cut, inner_mail
from webapp.mail.bounce_text import about, recipients_in
from webapp.mail.charsets import decode_words
from webapp.mail.mime_parse import ParsedMail, parse

BounceKind = Literal[
    "bounce", "temporary-failure", "delay", "delivery-receipt", "relay-receipt", "expansion-receipt", "bounce-without-recipient",
]  # fmt: skip
Action = Literal["failed", "delayed", "delivered", "relayed", "expanded"]


@dataclass(frozen=True, slots=True)
class Recipient:
    """What became of the mail for one recipient.

    address       normal form; the final one, `original` the one that was written to where the report tells both
    status        enhanced code (RFC 3463), empty when the report names none
    reply_code    of the refusing server, empty when unknown
    diagnostic    its words on one line, at most 1,000 characters
    remote_host   who refused, empty when unknown
    kind          None unless it failed or is delayed
    permanent     the report calls the failure permanent, whatever the reason
    hard          the address should not be mailed again
    """

    address: str
    original: str = ""
    action: Action = "failed"
    status: str = ""
    reply_code: str = ""
    diagnostic: str = ""
    remote_host: str = ""
    kind: BounceClass | None = None
    permanent: bool = False
    hard: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """A delivery report; `original_message_id` with its angle brackets as the mail had them."""

    kind: BounceKind
    recipients: list[Recipient]
    original_message_id: str = ""
    original_from: str = ""
    original_subject: str = ""


_RECEIPTS: dict[Action, BounceKind] = {"delivered": "delivery-receipt", "relayed": "relay-receipt", "expanded": "expansion-receipt"}
_ACTIONS: dict[str, Action] = {
    "failed": "failed", "failure": "failed", "fail": "failed", "delayed": "delayed", "delivered": "delivered", "relayed": "relayed",
    "relay": "relayed", "expanded": "expanded", "expired": "failed",
}  # fmt: skip
_DAEMON = re.compile(
    r"mailer-?daemon|post_?master|mail[ ._-]?deliver|delivery (?:sub)?system|mail administrator|system administrator|\bmmsc\b|"
    r"symantec|imss@|^mdaemon@",
    re.I,
)
_SUBJECT = re.compile(
    r"undeliver|non-?deliver|not be delivered|returned (?:mail|to sender)|delivery (?:status|fail|report|notif|error|warning|"
    r"problem)|failure notice|"
    r"(?:mail|message) (?:delivery )?(?:fail|system error|delayed)|delayed mail|mail failed|delivery has failed|returning message|"
    r"not delivered|"
    r"bounce notif|error sending|loop alert|smtp server: errors|notification message|邮件传输失败|mail delivery|message delayed|"
    r"email bounce|メールエラー|不能送达|не доставлено|ausgeliefert|unzustellbar",
    re.I,
)
_WORDS = re.compile(
    r"(?:could|can|was|were|did|has|have|been|is|be) ?(?:not|n't)(?: yet)? (?:be(?:en)? )?(?:delivered|deliver|reach|accepted|"
    r"able to deliver|received?)|unable to deliver|"
    r"undeliverable|delivery (?:to|has|of|failed|error|failure)|failed permanently|permanent(?: fatal)?(?: delivery)? error|"
    r"unknown (?:user|address|recipient)|user unknown|"
    r"wasn't able to deliver|n't be delivered|following address(?:es)?|delayed|postponed|returned message|rejected|failed|mailbox|"
    r"recipient|duplicated message-id|transcript of session|无法发送|无法送达|invalid user address",
    re.I,
)
_WAITING = re.compile(
    r"has(?: not yet been delivered| been (?:delayed|postponed))|not yet (?:been )?delivered|warning (?:message )?only|"
    r"will be retried|delivery attempts will continue|"
    r"will continue to (?:try|attempt)|still being retried|no action is required on your part|will retry for|"
    r"temporary problem delivering|will keep trying|continue trying|noch nicht zugestellt|delayed \d+ hours",
    re.I,
)
_GIVEN_UP = re.compile(
    r"(?:a|fatal) permanent|permanent(?:ly)? (?:fatal|error|failure|delivery)|giv(?:en|ing) up|queue too long|"
    r"attempts?(?:\(s\))? to deliver|not going to try again|failed permanently|returned to sender after|will be deleted",
    re.I,
)


def read_bounce(mail: bytes | ParsedMail) -> Report | None:
    """The delivery report that a mail is; None for a mail of any other kind.

    source  RFC 3464 and RFC 6522; for the other forms the reports of about 70 mail systems
    """
    return _read(parse(mail.lstrip()) if isinstance(mail, bytes) else mail, 2)


def _read(mail: ParsedMail, depth: int) -> Report | None:
    pieces = cut(mail)
    if is_complaint(mail.text):
        return None
    if told := notification(mail.text):
        recipients = [
            _recipient(one.address, one.action, one.status, one.text)
            if one.action in ("failed", "delayed")
            else Recipient(one.address, "", "delivered", one.status)
            for one in told.recipients
        ]
        return Report(_kind_of(recipients, mail, pieces, True), recipients, told.message_id, told.sender, told.subject)
    blocks = recipient_blocks(pieces.statuses)
    recipients = _by_fields(blocks, pieces) if blocks else []
    if not recipients:
        if not _may_be_report(mail, pieces):
            return None
        recipients = _by_words(mail, pieces)
        if not recipients and depth and (inner := inner_mail(pieces)) and (wrapped := _read(inner, depth - 1)):
            return wrapped
        if not recipients:
            recipients = _by_original(mail, pieces)
        if not recipients and not (_DAEMON.search(mail.sender_text) and _SUBJECT.search(mail.subject)):
            return None
    return _report(_kind_of(recipients, mail, pieces, bool(blocks)), recipients, pieces.original)


def _report(kind: BounceKind, recipients: list[Recipient], original: Fields) -> Report:
    subject = " ".join(decode_words(original.get("subject")).split())[:1000]
    return Report(kind, recipients, original.get("message-id")[:500], clean_address(decode_words(original.get("from"))), subject)


def _kind_of(recipients: list[Recipient], mail: ParsedMail, pieces: Pieces, told: bool) -> BounceKind:
    """The worst that happened to anybody; `told`: the actions were named by the report rather than guessed."""
    if not recipients:
        return "bounce-without-recipient"
    actions = {one.action for one in recipients}
    if "failed" in actions:
        worst = [one for one in recipients if one.action == "failed"]
        passing = all((one.status or one.reply_code or "5")[0] == "4" for one in worst)
        return "temporary-failure" if passing and not told and not _GIVEN_UP.search(pieces.notice) else "bounce"
    if "delayed" in actions:
        return "delay"
    return next(kind for action, kind in _RECEIPTS.items() if action in actions)


def _may_be_report(mail: ParsedMail, pieces: Pieces) -> bool:
    """Two of three: the sender is a mail system or nobody, the subject is one of a report, the words are. A person's answer never is."""
    if mail.header("x-failed-recipients"):
        return True
    nobody = (
        mail.header("return-path").strip() == "<>" or "report-type=delivery-status" in mail.header("content-type").replace('"', "").lower()
    )
    machine = nobody or bool(_DAEMON.search(mail.sender_text))
    if not machine and (mail.in_reply_to or re.match(r"\W*(?:re|aw|fwd?|wg|sv|tr)\W*:", mail.subject, re.I)):
        return False
    signs = [
        machine,
        bool(_SUBJECT.search(mail.subject)),
        bool(_WORDS.search(pieces.notice[:8000])),
    ]
    return sum(signs) >= 2


def _by_fields(blocks: list[Fields], pieces: Pieces) -> list[Recipient]:
    recipients = []
    for block in blocks:
        final, original = address_in(block.get("final-recipient")), address_in(block.get("original-recipient"))
        address = final if is_address(final) and "." in final.rpartition("@")[2] else original or final
        if not address:
            continue
        action = _ACTIONS.get((block.get("action").lower().split() or [""])[0].strip("(),;"))
        status = status_field(block.get("status"))
        if action is None:
            action = (
                "delayed"
                if status.startswith("4") and _WAITING.search(pieces.notice)
                else "delivered"
                if status.startswith("2")
                else "failed"
            )
        words = typed(block.get("diagnostic-code"))
        host = (typed(block.get("remote-mta")).split() or [""])[0][:255]
        if action in ("failed", "delayed"):
            more = about(pieces.notice, address, alone=len(blocks) == 1)
            recipients.append(_recipient(address, action, status, words, host, original, more))
        else:
            recipients.append(Recipient(address, original, action, status, remote_host=host))
    return recipients


def _by_words(mail: ParsedMail, pieces: Pieces) -> list[Recipient]:
    avoid = {clean_address(pieces.original.get("from")), mail.sender} - {""}
    notice = re.sub(r"^> ?", "", pieces.notice, flags=re.M)
    waiting = bool(_WAITING.search(notice[:8000]) or re.search(r"\bdelay|warning: message", mail.subject, re.I)) and not _GIVEN_UP.search(
        notice[:8000]
    )
    found = recipients_in(notice, mail.header("x-failed-recipients"), avoid)
    action: Action = "delayed" if waiting else "failed"
    status = next((code for block in pieces.statuses if (code := status_field(block.get("status")))), "")
    return [_recipient(one.address, action, status, one.text, more=notice if len(found) == 1 else "") for one in found]


def _by_original(mail: ParsedMail, pieces: Pieces) -> list[Recipient]:
    """Nobody is named: when the returned mail went to one address, that is the one."""
    to = pieces.original.get("x-failed-recipients") or pieces.original.get("delivered-to") or pieces.original.get("to")
    if to.count("@") != 1:
        return []
    address = clean_address(to)
    return [_recipient(address, "failed", "", pieces.notice)] if address else []


def _recipient(address: str, action: Action, status: str, words: str, host: str = "", original: str = "", more: str = "") -> Recipient:
    """words: of the refusing server; more: what the reporting one says besides, for reports whose fields say little."""
    exact = status_in(words)
    if not exact or exact.endswith(".0.0"):
        vague = not status or status.endswith(".0.0")
        exact = status_in(more) if vague and status_in(more)[:1] == (status or status_in(more))[:1] else ""
    status = exact or status
    reply = reply_in(words) or reply_in(more)
    kind = class_of(words, status, reply) if words.strip() else "other"
    if kind == "other" and more:
        kind = class_of(more, status, reply)
    if not host and (at := re.search(r"\bhost:? ([A-Za-z0-9.-]{4,255})", words or more)):
        host = at[1]
    diagnostic = " ".join((words or more).split())[:1000]
    failed = action == "failed"
    permanent, hard = failed and is_permanent(status, reply), failed and is_hard(kind, status, reply)
    if "found, try again" in words.lower():  # Postfix writes so of a name server that did not answer
        hard = False
    return Recipient(address, original, action, status, reply, diagnostic, host, kind, permanent, hard)
