"""Mail in the browser: the list with its search, one mail with its views, the frame for its HTML, deleting and bringing back."""

from typing import Any

from flask import Blueprint, Flask, Response, flash, request, url_for

from webapp.audit import service as audit
from webapp.core import menu
from webapp.core.access import current_actor, needs
from webapp.core.errors import Invalid
from webapp.core.htmx import made, redirect_to, render
from webapp.core.paging import Page, PageRequest
from webapp.core.wording import human_bytes
from webapp.mailboxes import links as mailbox_links
from webapp.messages import downloads, frame, links, picking, service, shown
from webapp.messages.models import Message
from webapp.messages.picking import BOXES
from webapp.picks import kinds

bp = Blueprint("messages", __name__)
PER_PAGE = 25


@bp.get("/mail")
@needs("messages:read")
def list_page() -> Any:
    """All mail of the workspace, or of one mailbox."""
    actor = current_actor()
    asked = {name: request.args.get(name, "").strip() for name in ("q", "mailbox", "box", "cursor")}
    asked["box"] = asked["box"] if asked["box"] in BOXES else "inbox"
    mailbox_id = picking.mailbox_of(asked["mailbox"])
    problem, overview = None, service.overview_of(actor, mailbox_id)
    try:
        wanted = PageRequest(per_page=PER_PAGE, cursor=asked["cursor"] or None)
        found = service.list_archive(actor, mailbox_id, {**BOXES[asked["box"]][1], "search": asked["q"]}, wanted, overview)
    except Invalid as refused:
        problem = refused
        found = Page([], PER_PAGE, 1, 0, keyset=True)
    numbers, boxes = service.count_boxes(actor, mailbox_id, overview), shown.offered(actor)
    # The empty page asks for itself until the first mail is there; its rows alone would have no place to go.
    first_arrival = request.headers.get("HX-Target") == "nothing-yet"
    part = None if first_arrival else "messages/_rows.html"
    return render(
        "messages/list.html", part, status=422 if problem else 200, found=found, asked=asked, problem=problem,
        boxes=[("", "All mailboxes"), *boxes], chips=_chips(asked, numbers), any_mail=numbers["archive"] != 0,
        label=BOXES[asked["box"]][0], actions=_actions(asked["box"]), links=links.of(actor, None), person=shown.person,
        mailbox=dict(boxes).get(mailbox_id or 0),
        first_arrival=first_arrival,
        first_mail=shown.first_mail(boxes[0][1] if boxes else None), everywhere=_list_url(asked, box="archive", cursor=""),
        newer=_list_url(asked, cursor="") if asked["cursor"] else None,
        older=_list_url(asked, cursor=found.next_cursor) if found.next_cursor else None,
    )  # fmt: skip


def _actions(box: str) -> list[kinds.Action]:
    """What can be done in bulk with the mail of a box; features below add theirs."""
    return [action for action in kinds.get("message").actions if not action.only or box in action.only]


def _chips(asked: dict[str, str], numbers: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"label": label, "count": numbers.get(key), "url": _list_url(asked, box=key, cursor=""), "current": asked["box"] == key}
        for key, (label, _) in BOXES.items()
        if key in ("inbox", "sent", "archive") or numbers.get(key) or asked["box"] == key
    ]


def _list_url(asked: dict[str, str], **changes: Any) -> str:
    chosen = {**asked, **changes}
    return url_for(".list_page", **{name: value for name, value in chosen.items() if value and (name, value) != ("box", "inbox")})


@bp.get("/mail/<int:message_id>")
@bp.get("/mail/<int:message_id>/<any(text, headers, raw, attachments, timeline):view>")
@needs("messages:read")
def show_page(message_id: int, view: str | None = None) -> Any:
    """One mail: where it is and why, its content in several views, its story."""
    actor = current_actor()
    message = service.get_message(actor, message_id, scope="messages:read")
    parsed = service.read_message(actor, message)
    view = view or ("html" if parsed.html else "text")
    safe = frame.content(parsed) if view == "html" else None
    remote = request.args.get("remote") == "1"
    readable = service.may_read_body(actor, message)
    return render(
        "messages/show.html", message=message, parsed=parsed, view=view, remote=remote, readable=readable,
        blocked=0 if safe is None or remote else safe.blocked_count, sandbox=frame.SANDBOX, why=service.explain(actor, message),
        steps=service.timeline(actor, message), tabs=_tabs(message, parsed, readable), mailbox=service.mailbox_address(message),
        has_first=service.first_of(message) is not None,
        raw_text=shown.source_text(actor, message) if view == "raw" and readable else None, links=links.of(actor, message),
        people=shown.people(message), story=audit.story_of(actor, "message", message.id),
        answer=shown.answer(actor, message, parsed) if message.mailbox_id and readable else None,
    )  # fmt: skip


def _tabs(message: Message, parsed: Any, readable: bool) -> list[dict[str, Any]]:
    def tab(key: str, label: str, count: Any = None) -> dict[str, Any]:
        name = None if key == "html" or (key == "text" and not parsed.html) else key
        return {"key": key, "label": label, "url": url_for(".show_page", message_id=message.id, view=name), "count": count}

    tabs = [tab("html", "HTML")] if parsed.html else []
    tabs += [tab("text", "Text"), tab("headers", "Headers", len(parsed.headers) or None)]
    if readable and not message.keeps_back:
        tabs.append(tab("raw", "Raw", human_bytes(message.size_bytes)))
    return [*tabs, tab("attachments", "Attachments", len(parsed.attachments) or None), tab("timeline", "Timeline")]


@bp.get("/mail/<int:message_id>/html")
@needs("messages:read")
def html_frame(message_id: int) -> Response:
    """The document of the frame; `?remote=1` lets pictures from elsewhere in, once."""
    actor = current_actor()
    message = service.get_message(actor, message_id, scope="messages:read")
    return frame.document(service.read_message(actor, message), remote=request.args.get("remote") == "1")


@bp.get("/mail/<int:message_id>/source")
@needs("messages:read")
def source_file(message_id: int) -> Response:
    """The mail as `.eml`."""
    message = service.get_message(current_actor(), message_id, scope="messages:read")
    return downloads.source(message, service.source_of(current_actor(), message))


@bp.get("/mail/<int:message_id>/attachments/<int:number>")
@needs("messages:read")
def attachment_file(message_id: int, number: int) -> Response:
    """One attachment, always as a file to save."""
    message = service.get_message(current_actor(), message_id, scope="messages:read")
    return downloads.attachment(service.attachment_of(current_actor(), message, number))


@bp.post("/mail/<int:message_id>/seen")
@needs("messages:write")
def mark_seen(message_id: int) -> Any:
    """Mark as read; the page of a mail does it by itself once it is open."""
    service.mark_seen(current_actor(), message_id)
    return made(go_to=url_for(".show_page", message_id=message_id), status=200)


@bp.post("/mail/<int:message_id>/unseen")
@needs("messages:write")
def mark_unseen(message_id: int) -> Any:
    """Mark as unread and go back to the list, where it stays so."""
    message = service.mark_seen(current_actor(), message_id, False)
    return redirect_to(_home(message), "Marked as unread.")


@bp.post("/mail/<int:message_id>/delete")
@needs("archives:write")
def delete(message_id: int) -> Any:
    """To the trash, with a way back."""
    message = service.delete_message(current_actor(), message_id)
    news: Any = {"text": "The mail is in the trash.", "undo": url_for(".restore", id=message.id)}
    flash(news, "ok")
    return redirect_to(_home(message))


@bp.post("/mail/restore")
@needs("archives:write")
def restore() -> Any:
    """Out of the trash again, one or several."""
    ids = request.args.getlist("id", type=int)[:PER_PAGE]
    for message_id in ids:
        service.restore_message(current_actor(), message_id)
    go_to = url_for(".show_page", message_id=ids[0]) if len(ids) == 1 else url_for(".list_page")
    return made(go_to=go_to, trigger="messages-changed", toast=f"{_count(len(ids))} back.")


def _count(number: int) -> str:
    return f"{number} mail{'' if number == 1 else 's'}"


def _home(message: Message) -> str:
    """The list that the mail belongs to."""
    box = "sent" if message.direction == "sent" else None if message.folder else "archive"
    return url_for(".list_page", mailbox=message.mailbox_id, box=box)


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    kinds.register(picking.kind(lambda: url_for("messages.list_page")))
    menu.add("Inbox", "Mail", "messages.list_page", scope="messages:read", order=10)
    mailbox_links.add("Mail", "mail", lambda box: url_for("messages.list_page", mailbox=box.id), scope="messages:read", order=10)
    service.register_trash()
