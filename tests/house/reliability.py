"""The table of docs/reliability.md: which case is held by which automated tests. `python -m tests.house.reliability` writes it anew.

A test says which case it holds by its name: `test_c07_…`. What is not held yet says why in LEFT.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"
PARTS = {
    "Mail in": (1, 16), "Rules and loops": (17, 21), "Mail out": (22, 39), "Database": (40, 44), "API, tokens, workspaces": (45, 52),
    "Pages": (53, 65), "Outgoing HTTP, templates, files": (66, 75),
}  # fmt: skip
CASES = {
    1: "250 only after the message is on disk", 2: "the store fails at the end of DATA", 3: "smuggling on the way in",
    4: "smuggling on the way out", 5: "commands injected behind STARTTLS", 6: "sizes without end while streaming", 7: "MIME bombs",
    8: "compression bombs in reports", 9: "picture bombs", 10: "hostile file names and message ids", 11: "addresses read alike everywhere",
    12: "relaying and foreign senders", 13: "slow and many connections", 14: "guessed passwords", 15: "a sender repeats after a lost 250",
    16: "no bounces to forged senders", 17: "loops of mail", 18: "patterns that never end", 19: "killed between an effect and its record",
    20: "a rule edited while it runs", 21: "scheduled tasks overlap or were missed", 22: "workers killed at each step of a delivery",
    23: "the receiver takes the mail and then hangs", 24: "strange SMTP replies", 25: "one poisoned recipient",
    26: "a job that kills its worker",
    27: "Redis lost", 28: "two of everything", 29: "the clock jumps", 30: "pause, resume and cancel under load",
    31: "overlapping audiences",
    32: "a batch with nobody to send to", 33: "a schedule that was slept through", 34: "a backup restored beside the original",
    35: "the way out vanished while mail waits", 36: "trouble in DNS", 37: "TLS policies", 38: "memory under large mails", 39: "disk full",
    40: "many writers on SQLite", 41: "PostgreSQL cut off", 42: "a migration interrupted", 43: "retention frees space",
    44: "pages over large tables", 45: "ids of another workspace", 46: "missing scopes", 47: "token look-up and leaks",
    48: "revocation within a second", 49: "idempotency", 50: "rate limits", 51: "unexpected fields and types", 52: "hostile searches",
    53: "script in the mail frame", 54: "remote content stays off", 55: "script in everything else", 56: "uploads and attachments",
    57: "public archive and web view", 58: "forged requests", 59: "live streams from elsewhere", 60: "redirects", 61: "the Host header",
    62: "sessions", 63: "second factor", 64: "the last owner", 65: "telling who exists", 66: "calls to private targets",
    67: "template injection", 68: "header injection", 69: "CSV", 70: "unsubscribe links", 71: "receivers of webhooks that misbehave",
    72: "the audit chain", 73: "secrets at rest", 74: "assistants as a way in", 75: "erasure of a person",
}  # fmt: skip
LATER = "comes with what it concerns"
LEFT = {
    9: "no thumbnails are made yet; " + LATER, 21: "no scheduled tasks yet",
    67: "no user templates yet", 74: "no assistant channel yet",
}  # fmt: skip


def tests_by_case() -> dict[int, list[str]]:
    """Number of the case -> files with tests of it."""
    found: dict[int, list[str]] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            named = re.match(r"test((?:_c\d\d)+)_", node.name) if isinstance(node, ast.FunctionDef) else None
            for number in re.findall(r"\d\d", named[1]) if named else ():
                files = found.setdefault(int(number), [])
                if file.relative_to(ROOT).as_posix() not in files:
                    files.append(file.relative_to(ROOT).as_posix())
    return found


def table() -> str:
    found = tests_by_case()
    lines: list[str] = []
    for part, (first, last) in PARTS.items():
        lines += ["", f"### {part}", "", "| case | what | automated tests |", "|---|---|---|"]
        for number in range(first, last + 1):
            files = ", ".join(f"`{file}`" for file in found.get(number, ()))
            lines.append(f"| C-{number:02} | {CASES[number]} | {files or LEFT.get(number, 'not yet')} |")
    return "\n".join(lines) + "\n"


def written() -> str:
    """What stands in the document between the marks."""
    return DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(text.partition(BEGIN)[0] + BEGIN + table() + END + text.partition(END)[2], encoding="utf-8")
