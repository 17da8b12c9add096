"""Style attributes of foreign HTML: what may stay cannot fetch, cover the page or run (RELIABILITY C-53, C-54)."""

import re

PROPERTIES = frozenset({
    "background-color", "border", "border-bottom", "border-bottom-color", "border-bottom-left-radius", "border-bottom-right-radius",
    "border-bottom-style", "border-bottom-width", "border-collapse", "border-color", "border-left", "border-left-color",
    "border-left-style", "border-left-width", "border-radius", "border-right", "border-right-color", "border-right-style",
    "border-right-width", "border-spacing", "border-style", "border-top", "border-top-color", "border-top-left-radius",
    "border-top-right-radius", "border-top-style", "border-top-width", "border-width", "box-sizing", "clear", "color", "direction",
    "display", "float", "font", "font-family", "font-size", "font-style", "font-variant", "font-weight", "height", "hyphens",
    "letter-spacing", "line-height", "list-style-type", "margin", "margin-bottom", "margin-left", "margin-right", "margin-top",
    "max-height", "max-width", "min-height", "min-width", "opacity", "overflow", "overflow-wrap", "padding", "padding-bottom",
    "padding-left", "padding-right", "padding-top", "table-layout", "text-align", "text-decoration", "text-decoration-color",
    "text-decoration-line", "text-decoration-style", "text-indent", "text-transform", "vertical-align", "visibility", "white-space",
    "width", "word-break", "word-spacing", "word-wrap",
})  # fmt: skip
FUNCTIONS = frozenset({"rgb", "rgba", "hsl", "hsla", "calc", "min", "max", "clamp"})
LONGEST = 8000
_UNSAFE = re.compile(r"javascript:|expression|[\\<>{}@]|/\*", re.I)
_FUNCTION = re.compile(r"([\w-]*)\s*\(")
_URL = re.compile(r"url\s*\([^()]*\)", re.I)
_COLOR = re.compile(r"#[0-9a-f]{3,8}\b|(?:rgb|hsl)a?\([\d\s.,%/deg]{1,60}\)", re.I)
_WORD = re.compile(r"[a-z]{3,30}", re.I)


def safe_style(value: str) -> str | None:
    """The declarations that may stay; None when none is left. Of `background` the colour stays."""
    kept = []
    for declaration in value[:LONGEST].split(";"):
        name, colon, text = declaration.partition(":")
        name, text = name.strip().lower(), text.strip()
        if name == "background":
            name, text = "background-color", color_of(text)
        if colon and text and name in PROPERTIES and is_safe_value(text):
            kept.append(f"{name}: {text}")
    return "; ".join(kept) or None


def is_safe_value(text: str) -> bool:
    """Whether a value is made of plain words, numbers, colours and arithmetic, with no quotation mark left open."""
    if _UNSAFE.search(text) or text.count('"') % 2 or text.count("'") % 2:
        return False
    return all(name.lower() in FUNCTIONS for name in _FUNCTION.findall(text))


def color_of(background: str) -> str:
    """The colour in a `background` shorthand; "" when it has none."""
    plain = _URL.sub(" ", background).strip()
    found = _COLOR.search(plain)
    if found:
        return found[0]
    word = plain.split("!")[0].strip()
    return word if _WORD.fullmatch(word) and word.lower() not in ("none", "inherit", "initial", "unset") else ""
