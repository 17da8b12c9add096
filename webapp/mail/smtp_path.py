"""The arguments of MAIL and RCPT: `FROM:<path> parameters` (RFC 5321 section 4.1.2, 4.1.1.11)."""

import re

NULL_PATH = "<>"
#: What may follow the path of MAIL: RFC 1870, 6152, 6531, 4954.
PARAMETERS = {
    "SIZE": re.compile(r"[0-9]{1,20}"),
    "BODY": re.compile(r"7BIT|8BITMIME", re.I),
    "SMTPUTF8": re.compile(""),
    "AUTH": re.compile(r"\S+"),
}
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def after_keyword(keyword: str, arg: str) -> str | None:
    """What stands behind `FROM:` or `TO:`, a blank between forgiven; None when the keyword is missing."""
    if arg[: len(keyword)].upper() != keyword:
        return None
    return arg[len(keyword) :].strip(" \t")


def split_path(text: str) -> tuple[str | None, str]:
    """`<path> parameters` as (address, parameters); (None, "") for what is no path. The null path comes back as `<>`.

    A path without brackets is forgiven. Source routes are dropped (RFC 5321 appendix C), so `<@a,@b:x@y>` is x@y. Controls, line ends
    of Unicode and bytes that are not UTF-8 make it no path, as do blanks and angle brackets outside quotes.
    """
    if CONTROL.search(text):
        return None, ""
    bracketed = text.startswith("<")
    end = _end_of_path(text, 1 if bracketed else 0, ">" if bracketed else " ")
    if end is None or (bracketed and end == len(text)):
        return None, ""
    path, rest = text[1 if bracketed else 0 : end], text[end + 1 :]
    if rest and bracketed and not rest.startswith(" "):
        return None, ""
    if path.startswith("@"):
        _, colon, path = path.partition(":")
        if not colon or not path:
            return None, ""
    if not path:
        return (NULL_PATH, rest.strip()) if bracketed else (None, "")
    return path, rest.strip()


def _end_of_path(text: str, start: int, closing: str) -> int | None:
    """Where the path ends: at the first `closing` outside quotes, or at the end of the text."""
    quoted = escaped = False
    for index in range(start, len(text)):
        char = text[index]
        if escaped:
            escaped = False
        elif char == "\\" and quoted:
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif not quoted and char == closing:
            return index
        elif not quoted and char in "<> ":
            return None
    return None if quoted else len(text)


def mail_parameters(text: str) -> dict[str, str] | None:
    """The parameters of MAIL by upper-case name; None when one is unknown, twice or has a wrong value."""
    found: dict[str, str] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        name = name.upper()
        shape = PARAMETERS.get(name)
        if shape is None or name in found or bool(equals) != bool(value) or not shape.fullmatch(value):
            return None
        found[name] = value
    return found
