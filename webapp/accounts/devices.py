"""What a browser calls itself, in words: "Firefox 146 on Linux". Whoever signs in chooses the header, so it is a hint and no proof."""

import re

#: the first that is found names the program; the order matters, since each newer browser also claims to be the older ones
BROWSERS = (
    ("Edg", "Edge"), ("EdgiOS", "Edge"), ("EdgA", "Edge"), ("OPR", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Vivaldi", "Vivaldi"),
    ("FxiOS", "Firefox"), ("Firefox", "Firefox"), ("CriOS", "Chrome"), ("HeadlessChrome", "Chrome"), ("Chrome", "Chrome"),
    ("Version", "Safari"), ("curl", "curl"), ("Wget", "Wget"), ("python-requests", "Python"), ("Python-urllib", "Python"),
)  # fmt: skip
SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("CrOS", "ChromeOS"), ("Windows", "Windows"),
    ("Macintosh", "macOS"), ("Mac OS X", "macOS"), ("FreeBSD", "FreeBSD"), ("OpenBSD", "OpenBSD"), ("Linux", "Linux"),
)  # fmt: skip
LONGEST = 60


def in_words(user_agent: str | None) -> str:
    """The program with its main version and the system, as far as the header tells; otherwise its beginning."""
    text = (user_agent or "").strip()
    if not text:
        return "Unknown program"
    program = next((found for mark, name in BROWSERS if (found := _program(mark, name, text))), "")
    system = next((name for mark, name in SYSTEMS if mark in text), "")
    if program and system:
        return f"{program} on {system}"
    return program or (f"Browser on {system}" if system and "Mozilla" in text else text.split()[0][:LONGEST])


def _program(mark: str, name: str, text: str) -> str:
    found = re.search(rf"\b{mark}/(\d{{1,4}})", text)
    if found is None or (name == "Safari" and "Safari/" not in text):
        return ""
    return f"{name} {found[1]}"
