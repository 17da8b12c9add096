"""One of everything that an address can name, owned by one person. A new kind of id is added here once and covered everywhere."""

from typing import Any

from sqlalchemy import select

from tests.factories.automation import arrive, make_action, make_route, make_rule
from tests.factories.contacts import make_contact, make_group, make_tag
from tests.factories.domains import make_check
from tests.factories.drafts import make_draft
from tests.factories.mailboxes import make_mailbox
from tests.factories.sending import deliveries, make_outgoing
from tests.factories.tracking import make_sent_campaign
from tests.imports.files import as_csv, upload
from webapp.accounts import invitations
from webapp.accounts.models import LoginSession, Membership
from webapp.audit.models import AuditEntry
from webapp.automation import exchanges
from webapp.automation.contexts import sign_attachment
from webapp.automation.models_loops import Exchange
from webapp.automation.models_runs import Run
from webapp.campaigns import looks
from webapp.catcher.models import CaughtRequest
from webapp.catcher.service import open_catcher
from webapp.contacts import erasing, fields, notes
from webapp.core.db import Base, begin_writing, db
from webapp.domains.models import DkimKey
from webapp.happenings.models import Event
from webapp.picks import service as picks
from webapp.segments import service as segments
from webapp.sending import holding_back, orders
from webapp.suppressions import service as suppressions
from webapp.tokens import service as tokens
from webapp.tokens.models import ApiToken

CUSTOMERS = {"field": "tag", "operator": "equals", "value": "customer"}
#: tables and columns that reading may touch: what was seen and used when
VOLATILE_TABLES = {"audit_entries", "audit_heads", "idempotency_keys", "alembic_version"}
VOLATILE_COLUMNS = {"last_seen_at", "last_used_at", "last_used_ip", "last_used_client", "lease_until", "lease_owner"}


def make_everything(person: Any, work_off: Any, domain: str = "acme.test") -> dict[str, Any]:
    """Parameter name of the route table -> value. `kind` and `row_id` name a mailbox in the trash, `number` an attachment."""
    mailbox = make_mailbox(person, f"orders@{domain}")
    trashed = make_mailbox(person, f"old@{domain}")
    rule, action = make_rule(person), make_action(person)
    route = make_route(person, mailbox, rules=[rule], actions=[action])
    message = arrive(mailbox, subject="Invoice 1", files={"a.txt": b"hello"}, html="<p>hello</p>")
    outgoing = make_outgoing(person, mailbox=mailbox)
    check = make_check(person, mailbox.domain_id)
    work_off()
    data = person.api.post(f"/mailboxes/{mailbox.id}/data", json={"emails": ["ines@elsewhere.test"], "data": {"seen": "yes"}})
    assert data.status_code == 201, data.json
    assert person.api.delete(f"/mailboxes/{trashed.id}").status_code == 200
    begin_writing()
    catcher = open_catcher(person.actor)
    db.session.commit()
    assert person.page.get(f"/catch/{catcher.key}").status_code == 200
    begin_writing()
    found = {
        "check_id": check.id, "key_id": _first(DkimKey, person),
        "domain_id": mailbox.domain_id, "mailbox_id": mailbox.id, "rule_id": rule.id, "action_id": action.id, "route_id": route.id,
        "archive_id": message.id, "message_id": message.id, "delivery_id": deliveries(outgoing)[0].id, "data_id": data.json["data"]["id"],
        "log_id": _first(Run, person), "token_id": _first(ApiToken, person), "entry_id": _first(AuditEntry, person),
        "invitation_id": invitations.invite(person.actor, email=f"new@{domain}")[0].id,
        "workspace_id": person.workspace.id, "member_id": _first(Membership, person), "row_id": trashed.id, "kind": "mailbox",
        "session_id": db.session.scalar(select(LoginSession.id).where(LoginSession.user_id == person.user.id)),
        "number": 1, "signed": sign_attachment(message.raw_id, 1, message.id), "view": "headers", "filename": "mailroom.css",
        "change_id": picks.start(person.actor, picks.choose(person.actor, "mailbox", [make_mailbox(person).id], None), "pause").id,
        "order_id": orders.give(person.actor, "hold", {"domain": f"none.{domain}"}).id,
        "hold_id": holding_back.hold(person.actor, domain=f"paused.{domain}").id,
        "key": catcher.key, "caught_id": _first(CaughtRequest, person),
    }  # fmt: skip
    found["run_id"] = found["log_id"]
    found["event_id"] = _first(Event, person)
    found["suppression_id"] = suppressions.create_suppression(person.actor, address=f"gone@{domain}").id
    found["stopped_id"] = make_stopped(mailbox)
    db.session.commit()
    begin_writing()
    found["import_id"] = make_import(person, domain)
    found.update(make_people(person, domain))
    found["token"] = make_sent_campaign(person, f"reader@{domain}", commit=False).token()
    campaign = make_draft(person, commit=False)
    found["campaign_id"], found["look"] = campaign.id, looks.keep(person.actor, "<p>Hello</p>")
    found["message_token_id"] = make_message_token(person, mailbox.id)
    db.session.commit()
    missing = [name for name, value in found.items() if value is None]
    assert not missing, f"nothing was made for {missing}"
    return found


def make_people(person: Any, domain: str) -> dict[str, Any]:
    """A contact with a tag, a group, a custom field and a note; and the receipt of one that was erased."""
    tag, group = make_tag(person, "customer"), make_group(person, "Newsletter")
    field = fields.create_field(person.actor, label="Plan", type="dropdown", options=["free", "pro"])
    given: dict[str, Any] = {"tags": [tag.name], "group_ids": [group.id], "custom_fields": {"plan": "pro"}, "evidence": "Asked for it"}
    contact = make_contact(person, f"ines@{domain}", company="Acme", **given)
    make_contact(person, f"ines@other.{domain}", name=contact.name)
    return {
        "contact_id": contact.id, "tag_id": tag.id, "group_id": group.id, "field_id": field.id,
        "note_id": notes.add_note(person.actor, contact.id, "Called").id,
        "erasure_id": erasing.erase(person.actor, make_contact(person, f"gone@people.{domain}").id).id,
        "segment_id": segments.create_segment(person.actor, name="Customers", conditions=[CUSTOMERS]).id,
    }  # fmt: skip


def make_import(person: Any, domain: str) -> int:
    """An import that was worked on already or will be."""
    return upload(person, as_csv(["email", "name"], [f"imported@{domain}", "Imported"]))


def make_message_token(person: Any, mailbox_id: int) -> int:
    token, _ = tokens.create_token(person.actor, name="reader", kind="message", scopes=["messages:read"], mailbox_id=mailbox_id)
    return token.id


def make_stopped(mailbox: Any) -> int:
    """A pair that looked like a loop."""
    exchanges.take(mailbox, [exchanges.Asked("reply", "robot@far.test", exchanges.Budget(0, exchanges.DAY))])
    return db.session.scalars(select(Exchange.id).where(Exchange.mailbox_id == mailbox.id)).one()


def _first(model: Any, person: Any) -> Any:
    return db.session.scalar(select(model.id).where(model.workspace_id == person.workspace.id).order_by(model.id).limit(1))


def snapshot(workspace_id: int) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a workspace, without what reading may touch."""
    found = {}
    for name, table in Base.metadata.tables.items():
        if name in VOLATILE_TABLES or "workspace_id" not in table.c:
            continue
        columns = [column for column in table.c if column.name not in VOLATILE_COLUMNS]
        rows = db.session.execute(select(*columns).where(table.c.workspace_id == workspace_id).order_by(*table.primary_key.columns))
        found[name] = [tuple(map(str, row)) for row in rows]
    db.session.commit()
    return found
