"""What is known of one person as a file, erasing a person, and the receipts of erasures."""

from typing import Any

import orjson
from flask import Response, request, url_for

from webapp.audit import service as audit
from webapp.contacts import erasing, portrait, service
from webapp.contacts.pages.base import bp, who
from webapp.core.access import current_actor, needs
from webapp.core.db import db, utcnow
from webapp.core.errors import Conflict
from webapp.core.htmx import redirect_to, render
from webapp.core.paging import PageRequest

PER_PAGE = 25
#: what a receipt counts -> what people read
COUNTED = {
    "contacts": "contact", "contact_notes": "notes", "contact_consents": "pieces of consent", "engagements": "reactions to campaigns",
    "link_clicks": "links that they followed", "contact_aliases": "former contacts", "events": "events, without a name now",
    "undo": "changes that could have been undone", "answers": "stored answers of the API", "deliveries": "deliveries", "messages": "mails",
}  # fmt: skip


@bp.get("/contacts/<int:contact_id>/export")
@needs("contacts:export", fresh=True)
def export_page(contact_id: int) -> Any:
    """What the file will hold."""
    contact = service.get_contact(current_actor(), contact_id)
    return render("contacts/export.html", contact=contact, who=who(contact))


@bp.post("/contacts/<int:contact_id>/export")
@needs("contacts:export", fresh=True)
def export_one(contact_id: int) -> Response:
    """Everything about this person, as a JSON file."""
    actor = current_actor()
    found = {"made_at": utcnow(), **portrait.export(actor, contact_id)}
    audit.record(actor, "contact.export", service.target(service.get_contact(actor, contact_id)))
    body = orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS, default=str)
    answer = Response(body, mimetype="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="contact-{contact_id}.json"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


@bp.route("/contacts/<int:contact_id>/erase", methods=["GET", "POST"])
@needs("contacts:erase", fresh=True)
def erase_page(contact_id: int) -> Any:
    """Erase a person for good, after the address was typed; answers with the receipt."""
    actor = current_actor()
    contact = service.get_contact(actor, contact_id)
    typed, problem = request.form.get("typed", "").strip(), ""
    if request.method == "POST":
        if typed.lower() != contact.email.lower():
            problem = f"Type {contact.email} exactly, so that nobody is erased by mistake."
        else:
            try:
                receipt = erasing.erase(actor, contact_id, messages=bool(request.form.get("messages")))
                return redirect_to(url_for(".erasure_page", erasure_id=receipt.id), toast="The person is erased")
            except Conflict as refused:
                db.session.rollback()
                problem = f"{refused.message} {refused.hint}"
                contact = service.get_contact(actor, contact_id)
    return render(
        "contacts/erase.html", status=422 if problem else 200, contact=contact, who=who(contact), problem=problem, typed=typed,
        messages=bool(request.form.get("messages")),
    )  # fmt: skip


@bp.get("/erasures")
@needs("contacts:erase")
def erasures_page() -> Any:
    """Receipts, newest first; an address tells whether that person was erased."""
    actor, q = current_actor(), request.args.get("q", "").strip()[:254]
    asked = PageRequest(per_page=PER_PAGE, cursor=request.args.get("cursor") or None)
    page = erasing.list_erasures(actor, asked, {"address": q or None})
    return render(
        "contacts/erasures.html", page=page, q=q, words=counted,
        older=url_for(".erasures_page", q=q or None, cursor=page.next_cursor) if page.next_cursor else None,
        newest=url_for(".erasures_page", q=q or None) if asked.cursor else None,
    )  # fmt: skip


@bp.get("/erasures/<int:erasure_id>")
@needs("contacts:erase")
def erasure_page(erasure_id: int) -> Any:
    """One receipt."""
    row = erasing.get_erasure(current_actor(), erasure_id)
    return render("contacts/erasure.html", row=row, words=counted(row.counts))


def counted(counts: dict[str, Any]) -> list[tuple[str, int]]:
    """What went, in words, with its number."""
    return [(COUNTED.get(name, name.replace("_", " ")), int(number)) for name, number in counts.items()]
