"""Which pages ask for the password once more (UX rule 5): what hands out or changes access. Generated from the route table.

A new page whose name sounds like access is in one of the two lists, or this test fails until somebody has decided.
"""

import re
from datetime import timedelta
from typing import Any

from sqlalchemy import update

from tests.house.routes import PUBLIC, page_operations
from webapp.accounts.models import LoginSession
from webapp.core.db import db, utcnow

FRESH = {
    "accounts.change_member", "accounts.delete_workspace", "accounts.invite", "accounts.leave_workspace", "accounts.new_member",
    "accounts.recovery_codes", "accounts.remove_member", "accounts.remove_second_factor", "accounts.resend_invitation",
    "accounts.resume_member", "accounts.revoke_invitation", "accounts.second_factor", "accounts.second_factor_rule_page",
    "accounts.suspend_member",
    "audit.export_page", "audit.retention_page",
    "mailboxes.password",
    "tokens.new_page", "tokens.rotate",
}  # fmt: skip
#: sounds like access, asks for nothing: why
EXEMPT = {
    "accounts.change_password": "asks for the current password itself",
    "accounts.confirm": "is the question",
    "accounts.members": "lists names",
    "mailboxes.passwords_file": "gives back what the page that just made them sent along",
    "suppressions.export_file": "holds what the list shows",
    "tokens.edit": "renames, or takes access away",
    "tokens.first_call": "shows whether a call came",
    "tokens.list_page": "shows names and the last four characters",
    "tokens.log_page": "shows calls, no values",
    "tokens.narrow": "takes access away",
    "tokens.of_mailbox": "shows names and the last four characters",
    "tokens.revoke": "takes access away, which has to go fast",
    "tokens.scopes_part": "a part of the form, without values",
    "tokens.show_page": "shows no value",
}
ACCESS = re.compile(r"token|password|secret|member|invit|role|owner|second_factor|recovery|export|download_all|erase|confirm")


def sounds_like_access(endpoint: str, rule: str) -> bool:
    return bool(ACCESS.search(endpoint) or ACCESS.search(rule))


def test_every_page_that_sounds_like_access_asks_again_or_says_why_not(app: Any) -> None:
    asked = {operation.endpoint for operation in page_operations(app) if getattr(operation.view, "needs_fresh", False)}
    sounding = {o.endpoint for o in page_operations(app) if o.endpoint not in PUBLIC and sounds_like_access(o.endpoint, o.rule)}
    undecided = sounding - asked - set(EXEMPT)
    assert not undecided, f"give these needs(…, fresh=True), or a reason in EXEMPT: {sorted(undecided)}"
    assert not FRESH - asked, f"these stopped asking for the password: {sorted(FRESH - asked)}"
    assert not asked & set(EXEMPT), f"these ask now; take them out of EXEMPT: {sorted(asked & set(EXEMPT))}"
    gone = set(EXEMPT) - {operation.endpoint for operation in page_operations(app)}
    assert not gone, f"there are no such pages: {sorted(gone)}"


def test_with_an_old_proof_each_of_them_asks_and_does_nothing(app: Any, alice: Any) -> None:
    db.session.execute(update(LoginSession).values(confirmed_at=utcnow() - timedelta(minutes=16)))
    asking = [operation for operation in page_operations(app) if getattr(operation.view, "needs_fresh", False)]
    assert {operation.endpoint for operation in asking} >= FRESH
    for operation in asking:
        path = operation.path(dict.fromkeys(operation.arguments, 1))
        if operation.method == "GET":
            answer = alice.page.get(path)
            assert answer.status_code == 303 and answer.location.startswith("/confirm?next="), operation
        else:
            answer = alice.page.post(path, {"anything": "typed"})
            text = answer.get_data(as_text=True)
            assert answer.status_code == 200 and "Confirm that it is you" in text and 'value="typed"' in text, operation
