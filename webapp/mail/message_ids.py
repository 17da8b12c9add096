"""Message-IDs as they are written on by an answer (RFC 5322 section 3.6.4): foreign ones, so of any length and with anything in them."""

#: of a long thread the newest; a header should stay readable
MOST_REFERENCES = 20
#: bytes; a line of a mail holds 998
LONGEST = 900


def message_ids(text: str) -> list[str]:
    """The ids of a decoded header, each in its angle brackets; what is none, or fits on no line, is left out."""
    found = [f"<{word.strip('<>')}>" for word in text.split() if "@" in word]
    return [one for one in found if len(one.encode("utf-8", "replace")) <= LONGEST]


def thread_of(message_id: str, references: str, in_reply_to: str = "") -> tuple[str | None, str | None]:
    """(In-Reply-To, References) of an answer to a mail with these headers."""
    own = message_ids(message_id)[:1]
    earlier = message_ids(references) or message_ids(in_reply_to)[:1]
    return (own[0] if own else None), (" ".join([*earlier, *own][-MOST_REFERENCES:]) or None)
