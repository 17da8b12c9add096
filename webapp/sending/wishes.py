"""What the sender of a mail is told about its recipients, decided once, when the mail is taken. Pure."""

import re

#: who made a mail -> its sender is told of failures; the others have nobody behind them who waits
ANSWERED = frozenset({"api", "smtp", "forward"})
_AUTOMATIC = re.compile(
    rb"^(?:auto-submitted[ \t]*:[ \t]*(?!no\b)|precedence[ \t]*:[ \t]*(?:bulk|list|junk)\b|list-id[ \t]*:)", re.I | re.M
)


def wished_reports(*, kind: str, stream: str, sender: str, raw: bytes) -> str:
    """Nothing (empty), `failures`, or `all`: a notice of a long delay too.

    The null sender is never told (RFC 5321 section 4.5.5); bulk mail has its statistics instead; of a delay hears whoever wrote a mail
    by hand or by a program, not those whose mail is forwarded, nor the programs that answer by themselves (RFC 3834).
    """
    if not sender or stream != "transactional" or kind not in ANSWERED:
        return ""
    head = raw[: raw.find(b"\r\n\r\n") + 2]
    return "failures" if kind == "forward" or _AUTOMATIC.search(head) else "all"
