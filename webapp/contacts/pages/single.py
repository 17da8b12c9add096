"""One contact in the browser: what is known, what happened, what they agreed to, notes; subscribing, unsubscribing, deleting."""

from typing import Any

import orjson
from flask import request, url_for

from webapp.accounts.forms import add_errors
from webapp.audit import service as audit
from webapp.contacts import consents, field_values, hanging, notes, schemas, service, subscribing, timeline
from webapp.contacts.forms import ConsentForm, NoteForm
from webapp.contacts.models import Contact
from webapp.contacts.pages import story
from webapp.contacts.pages.base import CONSENT_SOURCES, SOURCES, bp, link, who
from webapp.contacts.pages.listing import offered
from webapp.contacts.standing import state_of
from webapp.core import envelope
from webapp.core.access import current_actor, needs
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import HouseError
from webapp.core.htmx import redirect_to, render
from webapp.core.paging import PageRequest
from webapp.core.shapes import compile_dump
from webapp.picks import service as picks
from webapp.suppressions.lookup import barred

_dump = compile_dump(schemas.ContactOut())
#: steps of the timeline on one page; notes, and pieces of evidence
STEPS, MOST = 25, 100
#: characters of a note that its confirmation shows
MOST_QUOTED = 120


@bp.get("/contacts/<int:contact_id>")
@needs("contacts:read")
def show_page(contact_id: int) -> Any:
    """Everything about one person."""
    actor = current_actor()
    return _shown(actor, service.get_contact(actor, contact_id), NoteForm())


def _shown(actor: Actor, contact: Contact, note_form: NoteForm) -> Any:
    asked = PageRequest(per_page=STEPS, cursor=request.args.get("cursor") or None)
    steps = timeline.list_timeline(actor, contact.id, asked)
    whole = PageRequest(per_page=MOST)
    return render(
        "contacts/show.html", status=422 if note_form.errors else 200, contact=contact, state=state_of(contact), why=_why(actor, contact),
        fields=field_values.of_workspace(actor.workspace_id), tags=contact.tags, groups=contact.groups, offered=offered("tag", "group"),
        steps=story.steps(actor, contact, steps.items), older_steps=_older(contact, steps.next_cursor),
        newest_steps=url_for(".show_page", contact_id=contact.id) if asked.cursor else None,
        notes=notes.list_notes(actor, contact.id, whole).items, note_form=note_form,
        consents=consents.list_consents(actor, contact.id, whole).items,
        campaigns=hanging.campaigns(actor, contact), story=audit.story_of(actor, "contact", contact.id), source_words=SOURCES,
        consent_words=CONSENT_SOURCES, links={"write": link("compose.new_mail", to=contact.email) if actor.may("messages:send") else None},
        answer=orjson.loads(envelope.json_bytes({"success": True, "data": _dump(contact)})),
    )  # fmt: skip


def _older(contact: Contact, cursor: str | None) -> str | None:
    return url_for(".show_page", contact_id=contact.id, cursor=cursor, _anchor="timeline") if cursor else None


def _why(actor: Actor, contact: Contact) -> dict[str, Any]:
    """Whether campaigns go to this person, in a sentence, and what stands behind it."""
    by_mail = "Answers, receipts and other mail to one person still reach them."
    listed = barred(actor.workspace_id, [contact.address], "transactional").get(contact.address)
    show = link("suppressions.list_page", q=contact.address) if actor.may("suppressions:read") else None
    state = state_of(contact)
    found = {"tone": "ok", "sentence": "Campaigns go to this person.", "detail": "", "barred": None}
    if state == "complained":
        sentence = "No campaign goes to this person: they called your mail spam."
        found = {"tone": "bad", "sentence": sentence, "detail": by_mail, "barred": show}
    elif state == "bounced":
        found = {
            "tone": "bad", "sentence": "No campaign goes to this person: mail to the address bounced for good.",
            "detail": "Correct the address, or reactivate it on the suppression list when it works again.", "barred": show,
        }  # fmt: skip
    elif state == "unsubscribed":
        found = {"tone": "off", "sentence": "No campaign goes to this person: they are unsubscribed.", "detail": by_mail, "barred": show}
    if listed:
        found["detail"] = f"No mail at all reaches them: the address is on the suppression list ({listed.partition('Reason: ')[2]})."
        found["barred"] = show
        if state == "subscribed":
            found |= {"tone": "bad", "sentence": "No campaign goes to this person."}
    return found


@bp.route("/contacts/<int:contact_id>/subscribe", methods=["GET", "POST"])
@needs("contacts:write")
def subscribe_page(contact_id: int) -> Any:
    """Subscribe somebody again, with how they agreed."""
    actor = current_actor()
    contact, form = service.get_contact(actor, contact_id), ConsentForm()
    if form.validate_on_submit():
        evidence = (form.evidence.data or "").strip()
        done = subscribing.subscribe(actor.workspace_id, [contact_id], source="page", evidence=evidence, ip=actor.ip, actor=actor)
        toast = f"{who(contact)} gets campaigns again" if done else f"{who(contact)} is subscribed already"
        return redirect_to(url_for(".show_page", contact_id=contact_id), toast=toast)
    page = {"form": form, "contact": contact, "who": who(contact)}
    return render("contacts/subscribe.html", "contacts/_subscribe.html", status=422 if form.errors else 200, **page)


@bp.get("/contacts/<int:contact_id>/unsubscribe")
@needs("contacts:write")
def ask_unsubscribe(contact_id: int) -> Any:
    """The confirmation."""
    contact = service.get_contact(current_actor(), contact_id)
    return render(
        "parts/confirm.html", "parts/_confirm.html", title=f"Unsubscribe {who(contact)}", button="Unsubscribe", keep="Keep subscribed",
        text="No campaign goes to them any more, and the suppression list remembers it. Answers and receipts still reach them.",
        milder="Taking them out of a group keeps them subscribed to the others.", url=url_for(".unsubscribe", contact_id=contact_id),
        cancel=url_for(".show_page", contact_id=contact_id), tone="primary",
    )  # fmt: skip


@bp.post("/contacts/<int:contact_id>/unsubscribe")
@needs("contacts:write")
def unsubscribe(contact_id: int) -> Any:
    """Stop campaigns to this person; can be undone at once."""
    actor = current_actor()
    service.get_contact(actor, contact_id)
    return _picked(actor, contact_id, "unsubscribe", url_for(".show_page", contact_id=contact_id))


@bp.get("/contacts/<int:contact_id>/delete")
@needs("contacts:delete")
def ask_delete(contact_id: int) -> Any:
    """The confirmation."""
    contact = service.get_contact(current_actor(), contact_id)
    return render(
        "parts/confirm.html", "parts/_confirm.html", title=f"Delete {who(contact)}", button="Delete contact", keep="Keep it",
        text="The contact goes with its tags, groups and notes. Undo brings it back for 30 days. The mail that they got stays.",
        milder="Unsubscribing keeps the contact and stops campaigns.", url=url_for(".delete", contact_id=contact_id),
        cancel=url_for(".show_page", contact_id=contact_id),
    )  # fmt: skip


@bp.post("/contacts/<int:contact_id>/delete")
@needs("contacts:delete")
def delete(contact_id: int) -> Any:
    """Delete this contact; can be undone for 30 days."""
    actor = current_actor()
    service.get_contact(actor, contact_id)
    return _picked(actor, contact_id, "delete", url_for(".list_page"))


def _picked(actor: Actor, contact_id: int, action: str, go_to: str) -> Any:
    """The same as in the bar of the list, for one, so that it can be undone in the same way."""
    change = picks.start(actor, picks.choose(actor, "contact", [contact_id], None), action)
    undo = url_for("picks.undo", change_id=change.id) if change.changed else None
    return redirect_to(go_to, toast=picks.sentence(change), tone="ok" if change.changed else "warn", undo=undo)


@bp.post("/contacts/<int:contact_id>/notes")
@needs("contacts:write")
def add_note(contact_id: int) -> Any:
    """Write something down."""
    actor, form = current_actor(), NoteForm()
    contact = service.get_contact(actor, contact_id)
    if form.validate_on_submit():
        try:
            notes.add_note(actor, contact_id, form.text.data or "")
            return redirect_to(url_for(".show_page", contact_id=contact_id, _anchor="notes"), toast="Note added")
        except HouseError as refused:
            db.session.rollback()
            add_errors(form, refused, spare="text")
            contact = service.get_contact(actor, contact_id)
    return _shown(actor, contact, form)


@bp.get("/contacts/<int:contact_id>/notes/<int:note_id>/delete")
@needs("contacts:write")
def ask_delete_note(contact_id: int, note_id: int) -> Any:
    """The confirmation."""
    note = notes.get_note(current_actor(), contact_id, note_id)
    begin = note.text if len(note.text) <= MOST_QUOTED else f"{note.text[:MOST_QUOTED].rstrip()}…"
    return render(
        "parts/confirm.html", "parts/_confirm.html", title="Delete note?", button="Delete note", keep="Keep it",
        text=f"“{begin}” by {note.author} goes for good. It is not kept in the trash.",
        url=url_for(".delete_note", contact_id=contact_id, note_id=note_id),
        cancel=url_for(".show_page", contact_id=contact_id, _anchor="notes"),
    )  # fmt: skip


@bp.post("/contacts/<int:contact_id>/notes/<int:note_id>/delete")
@needs("contacts:write")
def delete_note(contact_id: int, note_id: int) -> Any:
    """Take a note away."""
    actor = current_actor()
    notes.delete_note(actor, contact_id, note_id)
    return redirect_to(url_for(".show_page", contact_id=contact_id, _anchor="notes"), toast="Note deleted")
