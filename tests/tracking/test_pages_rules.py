"""The page of a workspace's rules for people and campaigns."""

from typing import Any

from tests.factories.contacts import make_contact
from webapp.accounts.models import Workspace
from webapp.audit.models import AuditEntry
from webapp.campaigns.letters import POSTAL
from webapp.contacts.field_values import STRICT
from webapp.core.db import db
from webapp.tracking import scores

TYPED = {"open": "2", "click": "7", "bounce": "-20", "strict": "y", "postal_address": "Acme\r\n1 Mill Lane, York"}


def settings_of(person: Any) -> dict[str, Any]:
    db.session.expire_all()
    return db.session.get_one(Workspace, person.workspace.id).settings


def test_the_rules_are_shown_changed_and_told(alice: Any) -> None:
    page = alice.page.get("/contacts/settings").text
    assert all(f'name="{deed}"' in page and f'value="{points}"' in page for deed, points in (("open", 1), ("click", 3), ("bounce", -10)))
    assert 'href="/contacts/settings"' in alice.page.get("/contacts").text
    assert alice.page.post("/contacts/settings", TYPED).status_code == 303
    found = settings_of(alice)
    assert scores.weights(found) == {"open": 2, "click": 7, "bounce": -20, "reply": 5, "deal": 10}
    assert found[STRICT] is True and found[POSTAL] == "Acme\n1 Mill Lane, York"
    entry = db.session.query(AuditEntry).filter_by(action="workspace.update").one()
    assert '"click":7' in str(entry.after) and '"click":3' in str(entry.before)
    assert alice.page.post("/contacts/settings", TYPED).status_code == 303
    assert db.session.query(AuditEntry).filter_by(action="workspace.update").count() == 1, "nothing changed, nothing is told"


def test_what_stands_there_holds_for_contacts(alice: Any) -> None:
    alice.page.post("/contacts/settings", TYPED)
    refused = alice.api.post("/contacts", json={"email": "ada@acme.test", "name": "Ada", "custom_fields": {"nobody_knows": "x"}})
    assert refused.status_code == 422 and "nobody_knows" in refused.text
    alice.page.post("/contacts/settings", {name: text for name, text in TYPED.items() if name != "strict"})
    assert make_contact(alice, "ada@acme.test", custom_fields={"nobody_knows": "x"}).custom_fields == {"nobody_knows": "x"}


def test_points_out_of_reach_are_refused_and_kept_in_the_form(alice: Any) -> None:
    answer = alice.page.post("/contacts/settings", {**TYPED, "click": "many", "bounce": "5"})
    assert answer.status_code == 422 and "Write a whole number from -100 to 0." in answer.text and 'value="many"' in answer.text
    assert not settings_of(alice).get(scores.KEY)


def test_the_rules_are_for_admins(bob: Any) -> None:
    assert bob.page.get("/contacts/settings").status_code == 403
    assert bob.page.post("/contacts/settings", TYPED).status_code == 403
    assert 'href="/contacts/settings"' not in bob.page.get("/contacts").text
