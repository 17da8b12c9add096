"""`/mailboxes`, also spelled `/mailbox`: creating, listing, changing, pausing and deleting mailboxes."""

from typing import Any

from flask import Flask
from flask.views import MethodView

from webapp.core import idempotency, openapi
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Blueprint, Deleted
from webapp.domains.schemas import ForceQuery
from webapp.mailboxes import creating, schemas, service

blp = Blueprint("api_mailboxes", __name__, url_prefix="/api/v1", description="Addresses that receive, send, or both")


@blp.route("/mailboxes", "/mailbox")
class Mailboxes(MethodView):
    @blp.needs("mailboxes:read")
    @blp.paged(schemas.MailboxSchema, schemas.MailboxQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List mailboxes, newest first."""
        return service.list_mailboxes(current_actor(), asked, filters)

    @blp.needs("mailboxes:create", key_required=True)
    @blp.arguments(schemas.MailboxCreate)
    @blp.response(201, schemas.MailboxMade)
    def post(self, new: dict[str, Any]) -> Any:
        """Create a mailbox; a generated password is in this answer alone."""
        mailbox, generated = service.create_mailbox(current_actor(), **new)
        if generated is not None:
            idempotency.one_time("password")
        return schemas.Made(mailbox, generated)


@blp.route("/mailboxes:bulk", "/mailboxes/bulk", "/mailbox:bulk", "/mailbox/bulk")
class Bulk(MethodView):
    @blp.needs("mailboxes:create", key_required=True)
    @blp.arguments(schemas.BulkCreate)
    @blp.alt_response(207, schema=schemas.BulkMadeAnswer, description="Some were created, some refused")
    @blp.alt_response(422, schema=schemas.BULK_REFUSED, description="None was created, or the request was refused by validation")
    @blp.response(200, schemas.BulkMade, top=("counts", "results"))
    def post(self, asked: dict[str, Any]) -> Any:
        """Create up to 100 mailboxes, each by itself: 200 when all were created, 207 when some, 422 when none."""
        made = creating.create_items(current_actor(), asked["items"], asked.get("password_mode"))
        idempotency.one_time("results.one_time_password")
        counts = made["counts"]
        return made, 422 if not counts["created"] else 207 if counts["failed"] else 200


@blp.route("/mailboxes/<int:mailbox_id>", "/mailbox/<int:mailbox_id>")
class Mailbox(MethodView):
    @blp.needs("mailboxes:read")
    @blp.response(200, schemas.MailboxSchema)
    def get(self, mailbox_id: int) -> Any:
        """Show one mailbox."""
        return service.get_mailbox(current_actor(), mailbox_id)

    @blp.needs("mailboxes:write")
    @blp.arguments(schemas.MailboxPut)
    @blp.response(200, schemas.MailboxSchema)
    def put(self, changes: dict[str, Any], mailbox_id: int) -> Any:
        """Set every setting of a mailbox; what is not sent goes back to its default."""
        return service.update_mailbox(current_actor(), mailbox_id, changes)

    @blp.needs("mailboxes:write")
    @blp.arguments(schemas.MailboxPatch)
    @blp.response(200, schemas.MailboxSchema)
    def patch(self, changes: dict[str, Any], mailbox_id: int) -> Any:
        """Change the given settings of a mailbox."""
        return service.update_mailbox(current_actor(), mailbox_id, changes)

    @blp.needs("mailboxes:delete")
    @blp.arguments(ForceQuery, location="query")
    @blp.response(200, Deleted)
    def delete(self, options: dict[str, Any], mailbox_id: int) -> Any:
        """Put a mailbox into the trash; its address is free again."""
        mailbox = service.delete_mailbox(current_actor(), mailbox_id, force=options["force"])
        return {"id": mailbox.id, "message": f"{mailbox.email} is in the trash for 30 days."}


@blp.route("/mailboxes/<int:mailbox_id>:pause", "/mailbox/<int:mailbox_id>:pause")
class Pause(MethodView):
    @blp.needs("mailboxes:write", key_required=True)
    @blp.response(200, schemas.MailboxSchema)
    def post(self, mailbox_id: int) -> Any:
        """Stop taking and sending mail for now."""
        return service.pause_mailbox(current_actor(), mailbox_id)


@blp.route("/mailboxes/<int:mailbox_id>:resume", "/mailbox/<int:mailbox_id>:resume")
class Resume(MethodView):
    @blp.needs("mailboxes:write", key_required=True)
    @blp.response(200, schemas.MailboxSchema)
    def post(self, mailbox_id: int) -> Any:
        """Take and send mail again."""
        return service.resume_mailbox(current_actor(), mailbox_id)


@blp.route("/mailboxes/<int:mailbox_id>/note", "/mailbox/<int:mailbox_id>/note")
class Note(MethodView):
    @blp.needs("mailboxes:write")
    @blp.arguments(schemas.NoteIn)
    @blp.response(200, schemas.MailboxSchema)
    def patch(self, new: dict[str, Any], mailbox_id: int) -> Any:
        """Set or remove the note of a mailbox."""
        return service.update_mailbox(current_actor(), mailbox_id, new)


@blp.route("/mailboxes/<int:mailbox_id>/password", "/mailbox/<int:mailbox_id>/password")
class Password(MethodView):
    @blp.needs("mailboxes:write", key_required=True)
    @blp.arguments(schemas.PasswordIn)
    @blp.response(200, schemas.PasswordSet)
    def post(self, new: dict[str, Any], mailbox_id: int) -> Any:
        """Set the SMTP password, or have one generated; the old one stops working at once."""
        mailbox, generated = service.set_password(current_actor(), mailbox_id, new.get("password"))
        shown = {"id": mailbox.id, "email": mailbox.email, "status": "updated", "sync_pending": False}
        if generated is None:
            return shown
        idempotency.one_time("password")
        return {**shown, "password": generated}


def init_app(app: Flask) -> None:
    openapi.register(blp)
