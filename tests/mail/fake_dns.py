"""A resolver without a network: answers from a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reply:
    values: list[str] = field(default_factory=list)
    status: str = "ok"


class Zone:
    """Answers (name, type) from `records`; `late` are questions that time out, with `*` for every type that is not listed."""

    def __init__(self, records: Mapping[tuple[str, str], list[str]], late: set[tuple[str, str]] | None = None) -> None:
        self.records = {(name.lower(), type): values for (name, type), values in records.items()}
        self.late = late or set()
        self.asked: list[tuple[str, str]] = []

    def lookup(self, name: str, type: str) -> Reply:
        name = name.lower()
        self.asked.append((name, type))
        if (name, type) in self.records:
            return Reply(self.records[name, type])
        if (name, type) in self.late or (name, "*") in self.late or name.startswith("error."):
            return Reply(status="timeout")
        if (name, "CNAME") in self.records and type != "CNAME":
            return self.lookup(self.records[name, "CNAME"][0], type)
        known = any(other == name or other.endswith(f".{name}") for other, _ in self.records)
        return Reply(status="no_answer" if known else "nxdomain")
