"""Creating many mailboxes at once: lines or a CSV read, checked row by row before anything happens, then created with a result for each.

    read(text) ──> check(actor, rows): problems by row ──> create(actor, rows): one transaction, one result per row

A row that cannot be created does not keep the others from being created.
"""

import csv
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from webapp.accounts import passwords
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import Forbidden, HouseError, Invalid, invalid
from webapp.domains.models import Domain
from webapp.mailboxes import service
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.service import Secret

#: rows of one API call (reference/trekmail.md section 5), and lines of one form
MOST_ITEMS, MOST_LINES = 100, 500
LONGEST_LINE = 1000
#: passwords hashed side by side; each takes tens of milliseconds
HASHERS = 4
HEADINGS = {
    "local_part": "local_part", "local part": "local_part", "name": "local_part", "address": "address", "email": "address",
    "mailbox": "address", "display_name": "display_name", "display name": "display_name", "full name": "display_name",
    "password": "password", "note": "note", "domain": "domain",
}  # fmt: skip
ORDER = ("address", "display_name", "password", "note")


@dataclass
class Row:
    """One mailbox that somebody wants.

    line       where it stands, from 1
    address    as it was written: `name` or `name@domain`
    domain_id  None while it is not known
    reason     machine word of the first problem: validation_error, already_exists, not_found, domain_hosts_no_mailboxes
    """

    line: int
    address: str = ""
    local_part: str = ""
    domain_id: int | None = None
    password: str | None = None
    choices: dict[str, Any] = field(default_factory=dict)
    email: str = ""
    reason: str | None = None
    problems: list[str] = field(default_factory=list)

    def refuse(self, reason: str, text: str) -> None:
        self.reason = self.reason or reason
        self.problems.append(text)


@dataclass(frozen=True)
class Result:
    """What became of one row: a mailbox, with its password if that was generated, or why there is none."""

    row: Row
    mailbox: Mailbox | None = None
    one_time_password: str | None = None
    reason: str | None = None
    error: str | None = None

    @property
    def email(self) -> str:
        return self.mailbox.email if self.mailbox else self.row.email or self.row.address

    @property
    def status(self) -> str:
        return "created" if self.mailbox else "failed"


def read(text: str) -> list[Row]:
    """Lines as `name[@domain], display name, password, note`, or a CSV whose first line names its columns. Separated by comma, semicolon
    or tab; empty lines and those that begin with # say nothing.

    raises  Invalid when there is nothing, too much, or something that no text is
    """
    if "\x00" in text:
        raise invalid("lines", "This is not text; save the table as CSV first.")
    lines = [(number, line) for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1) if line.strip() and line.strip()[0] != "#"]
    if not lines:
        raise invalid("lines", "Write at least one line, as in orders, Order desk.")
    separator = max(",;\t", key=lambda sign: lines[0][1].count(sign))
    cells = [(number, _cells(line, separator)) for number, line in lines]
    order: Sequence[str] = ORDER
    if heading := _heading(cells[0][1]):
        order, cells = heading, cells[1:]
    if len(cells) > MOST_LINES:
        raise invalid("lines", f"At most {MOST_LINES} mailboxes are created at once; these are {len(cells):,}. Split them.")
    if not cells:
        raise invalid("lines", "There is a heading, and nothing below it.")
    return [_row(number, dict(zip(order, values, strict=False)), values[len(order) :]) for number, values in cells]


def _cells(line: str, separator: str) -> list[str]:
    try:
        found = next(csv.reader(io.StringIO(line[:LONGEST_LINE]), delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        found = line.split(separator)
    return [cell.strip() for cell in found]


def _heading(values: list[str]) -> list[str] | None:
    """The columns that the first line names; None when it is a mailbox itself."""
    names = [HEADINGS.get(value.lower()) for value in values]
    known = [name for name in names if name]
    if not known or "@" in values[0] or not {"local_part", "address"} & set(known) or len(known) < max(1, len(values) - 1):
        return None
    if values[0].lower() == "name" and len(known) == 1:
        return None
    return [name or f"unknown {place}" for place, name in enumerate(names)]


def _row(number: int, given: dict[str, str], rest: list[str]) -> Row:
    address = given.get("address") or given.get("local_part") or ""
    if given.get("domain") and "@" not in address:
        address = f"{address}@{given['domain']}"
    choices = {name: given[name] for name in ("display_name", "note") if given.get(name)}
    row = Row(number, address, password=given.get("password") or None, choices=choices)
    if any(rest):
        row.refuse("validation_error", "There are more columns than are known; put texts that hold a comma into quotation marks.")
    return row


def check(actor: Actor, rows: list[Row], domain_id: int | None = None) -> list[Row]:
    """Fill in domains and addresses, and say of each row what is wrong with it; nothing is changed. `domain_id` is for names alone."""
    actor.require("mailboxes:create")
    known = _domains(actor, rows, domain_id)
    if actor.mailbox_ids is not None:
        raise Forbidden("This token is limited to certain mailboxes, so it cannot create one.", code="domain_scope_forbidden")
    for row in rows:
        _resolve(row, known, domain_id)
        for name, most in (("display_name", 255), ("note", 120)):
            if len(str(row.choices.get(name) or "")) > most:
                row.refuse("validation_error", f"The {name.replace('_', ' ')} has more than {most} characters.")
        try:
            if row.password:
                passwords.check(row.password, about=row.email)
        except Invalid as refused:
            row.refuse("validation_error", refused.message)
    _find_taken(rows)
    return rows


def _domains(actor: Actor, rows: list[Row], domain_id: int | None) -> dict[Any, Domain]:
    """The domains that rows name, by id and by name; those that the actor does not see are not there."""
    names = {row.address.rpartition("@")[2].lower() for row in rows if "@" in row.address}
    ids = {row.domain_id for row in rows if row.domain_id} | ({domain_id} if domain_id else set())
    query = select(Domain).where(Domain.workspace_id == actor.workspace_id, Domain.deleted_at.is_(None))
    if actor.domain_ids is not None:
        query = query.where(Domain.id.in_(actor.domain_ids))
    found: dict[Any, Domain] = {}
    for domain in db.session.scalars(query.where(Domain.name.in_(names) | Domain.id.in_(ids))):
        found[domain.id] = found[domain.name] = domain
    return found


def _resolve(row: Row, known: dict[Any, Domain], domain_id: int | None) -> None:
    local, at, name = row.address.rpartition("@")
    local = local if at else row.address
    wanted: Any = name.lower() if at else row.domain_id or domain_id
    domain = known.get(wanted)
    if domain is None:
        if at:
            row.refuse("not_found", f"{name} is not one of your domains. Add it first.")
        else:
            row.refuse("not_found" if wanted else "validation_error", "Name its domain, as in orders@example.com, or choose one for all.")
    else:
        row.domain_id = domain.id
        if not domain.is_hosted:
            row.refuse("domain_hosts_no_mailboxes", service.hosts_none(domain))
    try:
        row.local_part = service.check_local_part(local)
        row.email = service.address(row.local_part, domain) if domain else f"{row.local_part}{at}{name}"
    except Invalid as refused:
        row.refuse("validation_error", refused.message)


def _find_taken(rows: list[Row]) -> None:
    emails = [row.email for row in rows if row.email]
    taken = set(db.session.scalars(select(Mailbox.email).where(Mailbox.email.in_(emails), Mailbox.deleted_at.is_(None))))
    first: dict[str, int] = {}
    for row in rows:
        if not row.email or row.domain_id is None:
            continue
        if row.email in taken:
            row.refuse("already_exists", f"{row.email} already exists.")
        elif row.email in first:
            row.refuse("already_exists", f"{row.email} stands in line {first[row.email]} already.")
        first.setdefault(row.email, row.line)


def hashed(rows: list[Row]) -> dict[int, Secret]:
    """The passwords of the rows that have no problem, by line; best without an open transaction, because it takes its time."""
    good = [row for row in rows if not row.problems]
    with ThreadPoolExecutor(HASHERS) as pool:
        return dict(zip((row.line for row in good), pool.map(lambda row: Secret.of(row.password), good), strict=True))


def create(actor: Actor, rows: list[Row], secrets: dict[int, Secret] | None = None) -> list[Result]:
    """Create the checked rows that have no problem; every one has its audit entry. Passwords are in these results and nowhere else.

    secrets  of `hashed`, where that was done before
    """
    actor.require("mailboxes:create")
    good = [row for row in rows if not row.problems]
    secrets = hashed(rows) if secrets is None else secrets
    # All domains are locked at once and in order, so that two such calls do not wait for each other in a circle.
    ids = {row.domain_id for row in good}
    db.session.execute(select(Domain.id).where(Domain.id.in_(ids)).order_by(Domain.id).with_for_update())
    return [_create_one(actor, row, secrets.get(row.line)) for row in rows]


def _create_one(actor: Actor, row: Row, secret: Secret | None) -> Result:
    if secret is None or row.domain_id is None:
        return Result(row, reason=row.reason, error=" ".join(row.problems))
    try:
        mailbox, generated = service.create_mailbox(
            actor, domain_id=row.domain_id, local_part=row.local_part, secret=secret, **row.choices
        )  # fmt: skip
    except HouseError as refused:
        return Result(row, reason=refused.more.get("reason", refused.code), error=refused.message)
    return Result(row, mailbox, generated)


def create_items(actor: Actor, items: Sequence[dict[str, Any]], mode: str | None = None) -> dict[str, Any]:
    """The same for programs: {counts, results}, a result for each item in their order.

    mode  generated_one_time (no item may have a password) or user_supplied (every one must); None: each as it is
    """
    rows = []
    for number, item in enumerate(items, 1):
        given = dict(item)
        address, local, domain_id = given.pop("address", None), given.pop("local_part", None), given.pop("domain_id", None)
        row = Row(number, address or local or "", domain_id=domain_id, password=given.pop("password", None) or None, choices=given)
        if local and "@" in local:
            row.refuse("validation_error", "Write only what stands before the @ into local_part, or the whole address into address.")
        if mode == "user_supplied" and not row.password:
            row.refuse("validation_error", "Send its password, or password_mode generated_one_time.")
        if mode == "generated_one_time" and row.password:
            row.refuse("validation_error", "Leave its password out, or send password_mode user_supplied.")
        rows.append(row)
    results = create(actor, check(actor, rows))
    created = sum(result.mailbox is not None for result in results)
    return {"counts": {"created": created, "failed": len(results) - created}, "results": [_shown(result) for result in results]}


def _shown(result: Result) -> dict[str, Any]:
    shown: dict[str, Any] = {"email": result.email, "status": result.status, "app_password": None}
    if result.mailbox is None:
        return {**shown, "reason": result.reason or "validation_error", "error": result.error}
    shown["mailbox_id"] = result.mailbox.id
    if result.one_time_password:
        shown["one_time_password"] = result.one_time_password
    return shown
