"""`/mailboxes/{id}/archives`, also spelled `/mailbox/…`: finding, reading and deleting archived mail."""

from typing import Any

from flask import Flask, Response
from flask.views import MethodView

from webapp.core import openapi
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Blueprint, Deleted
from webapp.messages import downloads, quick, schemas, service, shown

blp = Blueprint("api_archives", __name__, url_prefix="/api/v1", description="Mail that was received or sent, kept and searchable")


def spelled(path: str = "") -> tuple[str, str]:
    """Both spellings of a path below the archive of a mailbox."""
    return f"/mailboxes/<int:mailbox_id>/archives{path}", f"/mailbox/<int:mailbox_id>/archives{path}"


@blp.route(*spelled())
class Archives(MethodView):
    @blp.needs("archives:read")
    @blp.paged(schemas.ArchiveSchema, schemas.ArchiveQuery, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any], mailbox_id: int) -> Any:
        """List the mail of a mailbox, newest first."""
        actor = current_actor()
        found = None if filters else quick.page_of(actor, mailbox_id, asked)
        return found or service.list_archive(actor, mailbox_id, filters, asked)


@blp.route(*spelled("/<int:archive_id>"))
class Archive(MethodView):
    @blp.needs("archives:read")
    @blp.response(200, schemas.ArchivedMail)
    def get(self, mailbox_id: int, archive_id: int) -> Any:
        """Show a mail with its text, headers, attachments and timeline."""
        actor = current_actor()
        message = service.get_message(actor, archive_id, mailbox_id)
        return shown.whole(actor, message, service.read_message(actor, message))

    @blp.needs("archives:write")
    @blp.response(200, Deleted)
    def delete(self, mailbox_id: int, archive_id: int) -> Any:
        """Put a mail into the trash, from where it comes back for 30 days."""
        message = service.delete_message(current_actor(), archive_id, mailbox_id)
        return {"id": message.id, "message": "The mail is in the trash for 30 days."}


@blp.route(*spelled("/<int:archive_id>/raw"))
class Raw(MethodView):
    @blp.needs("archives:read")
    @blp.response(200, content_type="message/rfc822", description="The mail as it came in")
    def get(self, mailbox_id: int, archive_id: int) -> Response:
        """Download the source of a mail."""
        message = service.get_message(current_actor(), archive_id, mailbox_id)
        return downloads.source(message, service.source_of(current_actor(), message))


@blp.route(*spelled("/<int:archive_id>/attachments/<int:number>"))
class AttachmentFile(MethodView):
    @blp.needs("archives:read")
    @blp.response(200, content_type="application/octet-stream", description="The file")
    def get(self, mailbox_id: int, archive_id: int, number: int) -> Response:
        """Download one attachment, counted from 1."""
        message = service.get_message(current_actor(), archive_id, mailbox_id)
        return downloads.attachment(service.attachment_of(current_actor(), message, number))


def init_app(app: Flask) -> None:
    openapi.register(blp)
