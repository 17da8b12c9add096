"""Programs that make a first call with a fresh token: the value, the public address and the ports already inside. They run as pasted."""

from dataclasses import dataclass

from webapp.core.config import settings


@dataclass(frozen=True)
class Snippet:
    key: str
    label: str
    what: str
    text: str


CURL = """curl {url} \\
  -H "Authorization: Bearer {value}\""""
PYTHON = """import json
import urllib.request

call = urllib.request.Request(
    "{url}",
    headers={{"Authorization": "Bearer {value}"}},
)
with urllib.request.urlopen(call) as answer:
    print(json.load(answer)["data"]["scopes"])"""
NODE = """fetch("{url}", {{
  headers: {{ Authorization: "Bearer {value}" }},
}})
  .then((answer) => answer.json())
  .then((body) => console.log(body.data.scopes));"""
PHP = """<?php
$context = stream_context_create(["http" => [
    "header" => "Authorization: Bearer {value}",
]]);
$answer = json_decode(file_get_contents(
    "{url}", false, $context
), true);
print_r($answer["data"]["scopes"]);"""
GO = """package main

import (
	"fmt"
	"io"
	"net/http"
)

func main() {{
	call, _ := http.NewRequest("GET", "{url}", nil)
	call.Header.Set("Authorization", "Bearer {value}")
	answer, err := http.DefaultClient.Do(call)
	if err != nil {{
		panic(err)
	}}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	fmt.Println(answer.Status, string(body))
}}"""
SMTP = """# Host      {host}
# Port      {port}, {safety}
# User      api
# Password  {value}
curl --url "smtp://{host}:{port}" {flag}--user "api:{value}" \\
  --mail-from "{sender}" --mail-rcpt "{sender}" --upload-file - <<'MAIL'
From: <{sender}>
To: <{sender}>
Subject: A first mail over SMTP

It works.
MAIL"""
NOBODY = "you@your-domain.example"


def first_calls(value: str, sender: str | None = None) -> list[Snippet]:
    """curl, Python, Node, PHP, Go and SMTP; the call is one that every token may make.

    sender  a mailbox as which the token may send; the mail of the SMTP program goes from it to itself
    """
    url = f"{settings().public_url.rstrip('/')}/api/v1/tokens/current"
    texts = (("curl", "curl", "curl command", CURL), ("python", "Python", "Python program", PYTHON), ("node", "Node", "Node program", NODE),
             ("php", "PHP", "PHP program", PHP), ("go", "Go", "Go program", GO))  # fmt: skip
    found = [Snippet(key, label, what, text.format(url=url, value=value)) for key, label, what, text in texts]
    return [*found, Snippet("smtp", "SMTP", "SMTP settings and command", over_smtp(value, sender))]


def over_smtp(value: str, sender: str | None) -> str:
    """Where and how to hand in mail by SMTP with this token as password, as a command that does it."""
    known = settings()
    host = known.hostname if known.smtp_host in ("0.0.0.0", "::") else known.smtp_host  # noqa: S104  # compared, not bound
    secured = bool(known.tls_cert)
    return SMTP.format(
        host=host, port=known.submission_port, value=value, sender=sender or NOBODY, flag="--ssl-reqd " if secured else "",
        safety="STARTTLS" if secured else "without TLS from this machine",
    )  # fmt: skip
