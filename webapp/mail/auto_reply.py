"""Mails that a program wrote, and mails that no program may answer (RFC 3834, and what mail systems do besides)."""

from __future__ import annotations

import re

from webapp.mail.mime_parse import ParsedMail

_SUBJECT = re.compile(
    r"^\W*(?:auto(?:matic|mated|-|\s)?\s*(?:reply|response|responder|generated)|auto:|out of (?:the )?office|ooo:|"
    r"away from (?:my|the) (?:desk|office|mail)|on vacation|vacation (?:reply|response)|abwesen|automatische (?:antwort|reactie)|"
    r"autom\. antwort|"
    r"r[eé]ponse automatique|absen(?:ce|t) du bureau|respuesta autom[aá]tica|fuera de la oficina|resposta autom[aá]tica|"
    r"risposta automatica|"
    r"fuori sede|autosvar|automatisk svar|automatiskt svar|automaattinen|odpowied[zź] automatyczna|automatyczna odpowied|автоответ|"
    r"автоматический ответ|自動返信|自動応答|不在通知|自动回复|自動回覆|자동 회신|otomatik yan[ıi]t)",
    re.I,
)
_MARKS = (
    "x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply-from", "x-mail-autoreply", "x-vacation",
    "x-ms-exchange-inbox-rules-loop",
)  # fmt: skip
_BULK = ("bulk", "junk", "list", "auto_reply", "auto-reply")
_NOBODY = re.compile(
    r"(?:mailer-?daemon|post_?master|no-?reply|do-?not-?reply|donotreply|noreply|bounces?|owner|majordomo|listserv|automailer)"
    r"(?:[+=_.-].*)?\Z|owner-|.*-(?:owner|request|bounces?)(?:\+.*)?\Z|b-[a-z2-7]{14,26}\Z",
    re.I,
)


def is_auto_reply(mail: ParsedMail) -> bool:
    """Whether a program answered in the place of a person: vacation notices, acknowledgements, challenges.

    Reports about deliveries are not asked for here, though they are automatic too: read those first.
    """
    word = _submitted(mail)
    if word:
        return word != "no"
    if any(mail.header(name) for name in _MARKS) or mail.header("x-precedence").lower() == "auto_reply":
        return True
    if mail.header("precedence").strip().lower() in ("auto_reply", "auto-reply"):
        return True
    return bool(_SUBJECT.match(mail.subject[:300]))


def why_not_to_answer(mail: ParsedMail, return_path: str | None = None, own: frozenset[str] = frozenset()) -> str | None:
    """Why no program may answer this mail; None when one may.

    return_path  the address of MAIL FROM, "" for the null one; None when it is not known and the header is asked
    own          addresses of this installation that answer by themselves, in normal form
    source       RFC 3834 section 2; RFC 5321 section 4.5.5; MS-OXCMAIL on X-Auto-Response-Suppress
    """
    path = (mail.header("return-path") or "?") if return_path is None else return_path
    path = path.strip().strip("<>").lower()
    if not path:
        return "It has the null return path, as reports have."
    word = _submitted(mail)
    if word and word != "no":
        return "A program sent it (Auto-Submitted)."
    kind = mail.header("content-type").lower()
    if kind.startswith("multipart/report") or "report-type=" in kind:
        return "It is a report."
    if any(name.lower().startswith("list-") for name, _ in mail.headers) or mail.header("mailing-list"):
        return "It came through a mailing list."
    if mail.header("precedence").strip().lower() in _BULK:
        return "It was sent in bulk (Precedence)."
    if {one.strip() for one in mail.header("x-auto-response-suppress").lower().split(",")} & {"all", "oof", "autoreply"}:
        return "Its sender asks not to be answered by programs (X-Auto-Response-Suppress)."
    if mail.header("x-loop"):
        return "It has been through a program that answers (X-Loop)."
    if is_auto_reply(mail):
        return "It is an automatic answer itself."
    return _why_not_whom(mail, path, own)


def _why_not_whom(mail: ParsedMail, path: str, own: frozenset[str]) -> str | None:
    sender = mail.reply_to[0][1] if mail.reply_to else mail.sender
    if not sender:
        return "It has no sender to answer."
    for address in (path, sender):
        if _NOBODY.match(address.rpartition("@")[0]):
            return "Nobody reads mail at the address that it came from."
    if sender in own or path in own:
        return "It came from an address of this installation that answers by itself."
    return None


def _submitted(mail: ParsedMail) -> str:
    """The keyword of Auto-Submitted without its parameters and comments (RFC 3834 section 5)."""
    return (re.split(r"[;(\s]", mail.header("auto-submitted").strip().lower(), maxsplit=1) or [""])[0]
