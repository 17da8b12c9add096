"""Programs that make a first call with a fresh token: the value, the public address and the ports already inside."""

from dataclasses import dataclass

from webapp.core.config import settings


@dataclass(frozen=True)
class Snippet:
    key: str
    label: str
    what: str
    text: str


def first_calls(value: str) -> list[Snippet]:
    """curl, Python, Node and SMTP; the call is one that every token may make."""
    url = f"{settings().public_url.rstrip('/')}/api/v1/tokens/current"
    curl = f'curl {url} \\\n  -H "Authorization: Bearer {value}"'
    python = f"""import json
import urllib.request

call = urllib.request.Request(
    "{url}",
    headers={{"Authorization": "Bearer {value}"}},
)
with urllib.request.urlopen(call) as answer:
    print(json.load(answer)["data"]["scopes"])"""
    node = f"""const answer = await fetch("{url}", {{
  headers: {{ Authorization: "Bearer {value}" }},
}});
console.log((await answer.json()).data.scopes);"""
    return [
        Snippet("curl", "curl", "curl command", curl),
        Snippet("python", "Python", "Python program", python),
        Snippet("node", "Node", "Node program", node),
        Snippet("smtp", "SMTP", "SMTP settings", smtp_settings(value)),
    ]


def smtp_settings(value: str) -> str:
    """Where and how to hand in mail by SMTP with this token as password."""
    known = settings()
    host = known.hostname if known.smtp_host in ("0.0.0.0", "::") else known.smtp_host  # noqa: S104  # compared, not bound
    safety = "STARTTLS" if known.tls_cert else "without TLS from this machine"
    return f"Host       {host}\nPort       {known.submission_port}, {safety}\nUser       api\nPassword   {value}"
