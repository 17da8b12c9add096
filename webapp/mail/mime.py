"""MIME in one place: reading (`mime_parse`) and writing (`mime_build`)."""

from webapp.mail.mime_build import NewAttachment, NewMail, build, check_header, edit, head_and_body, new_message_id
from webapp.mail.mime_parse import Attachment, ParsedMail, parse, preview, safe_filename, search_text

__all__ = [
    "Attachment", "NewAttachment", "NewMail", "ParsedMail", "build", "check_header", "edit", "head_and_body", "new_message_id", "parse",
    "preview", "safe_filename", "search_text",
]  # fmt: skip
