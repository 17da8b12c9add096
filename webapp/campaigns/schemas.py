"""Shapes of campaigns on the wire: names as in seeds/004 and reference/mailtrixy.md section 5."""

from typing import Any

from marshmallow import fields, validate

from webapp.campaigns import allowance
from webapp.campaigns.checks import FASTEST, FORMATS, MOST_BODY, MOST_LISTS
from webapp.campaigns.models import STATES
from webapp.core.shapes import Choice, Count, Id, IdText, Line, Long, Shape, Shown, Time
from webapp.sending.models import STATES as DELIVERY_STATES

SUBJECT = {"description": "May hold merge tags, such as {{contact.first_name}}"}
ESTIMATED = {
    "type": "boolean", "description": "Whether `recipients_count` is an estimate: it is until sending has found out who they are",
}  # fmt: skip
#: addresses that get one test copy each
MOST_TESTS = 5
SAME = {"type": ["string", "null"], "format": "date-time", "description": "The same as `sent_at`"}
UNKNOWN = {"description": "Merge tags that stand for nothing"}
#: what a recipient did, which `recipients` may be asked for beside the states of deliveries
DEEDS = ("opened", "clicked", "unsubscribed", "complained")


def _ids(**options: Any) -> Any:
    return fields.List(Id(), validate=validate.Length(max=MOST_LISTS), **options)


def _shared(partial: bool) -> dict[str, Any]:
    """The fields of a campaign that may be left out; a change leaves those alone."""

    def optional(default: Any) -> dict[str, Any]:
        return {} if partial else {"load_default": default}

    return {
        "body_format": Choice(*FORMATS, metadata={"description": "What `body_html` holds"}, **optional("html")),
        "body_text": Long(MOST_BODY, allow_none=True, metadata={"description": "Made from the HTML when it is null"}, **optional(None)),
        "preheader": Line(255, allow_none=True, **optional(None)),
        "reply_to": Line(254, allow_none=True, **optional(None)),
        "segment_ids": _ids(**optional(list)),
        "exclude_group_ids": _ids(**optional(list)),
        "exclude_segment_ids": _ids(**optional(list)),
        "track_opens": fields.Boolean(**optional(True)),
        "track_clicks": fields.Boolean(**optional(True)),
        "web_view": fields.Boolean(metadata={"description": "Whether the letter can be read in a browser by its link"}, **optional(True)),
        "send_rate": Count(1, FASTEST, allow_none=True, metadata={"description": "Most mails a minute; null: no limit"}, **optional(None)),
        "schedule_at": Time(allow_none=True, metadata={"description": "When it is to be sent; null: a draft"}, **optional(None)),
        "schedule_zone": Line(64, allow_none=True, metadata={"description": "Zone shown with it, such as Europe/Berlin"}, **optional(None)),
    }  # fmt: skip


CampaignChoices: Any = type("CampaignChoices", (Shape,), _shared(partial=False))
CampaignChanges: Any = type("CampaignChanges", (Shape,), _shared(partial=True))


class CampaignIn(CampaignChoices):
    name = Line(200, least=1, required=True)
    subject = Line(998, least=1, required=True, metadata=SUBJECT)
    from_email = Line(254, least=3, required=True, metadata={"description": "At a verified domain, or the sending account's own address"})
    from_name = Line(200, least=1, required=True)
    body_html = fields.String(required=True, validate=validate.Length(min=1, max=MOST_BODY))
    group_ids = _ids(required=True, data_key="recipient_groups")
    mailbox_id = Id(required=True, data_key="email_account_id", metadata={"description": "GET /email-accounts lists them"})


class CampaignPatch(CampaignChanges):
    name = Line(200, least=1)
    subject = Line(998, least=1, metadata=SUBJECT)
    from_email = Line(254, least=3)
    from_name = Line(200)
    body_html = fields.String(validate=validate.Length(min=1, max=MOST_BODY))
    group_ids = _ids(data_key="recipient_groups")
    mailbox_id = Id(data_key="email_account_id")


_NUMBERS = {
    "delivered": "Taken by the receiving server and not bounced later", "opened": "People who opened it; machines are left out",
    "clicked": "People who followed a link; a click implies an open", "unsubscribed": "People who left by this campaign",
    "complained": "People who called it spam", "opens_total": "All openings by people", "clicks_total": "All clicks by people",
    "machine_opens": "Openings by programs, such as prefetchers",
    "machine_clicks": "Clicks by programs, such as link scanners",
    "machine_opened": "People whose copy programs opened and nobody else; not among `opened`",
    "skipped": "Left out on the way: unsubscribed, suppressed or twice in the audience",
    "waiting": "Recipients whose turn has not come yet",
}  # fmt: skip
#: `stats` of a campaign: how many recipients are in each state, and what people did
CampaignStats: Any = type(
    "CampaignStats", (Shape,), {
        **{state: fields.Integer(required=True, metadata={"description": f"Deliveries in the state {state}"}) for state in DELIVERY_STATES},
        **{name: fields.Integer(required=True, metadata={"description": text}) for name, text in _NUMBERS.items()},
    },
)  # fmt: skip


class CampaignRow(Shape):
    """A campaign as lists show it."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    subject = fields.String(required=True)
    status = Choice(*STATES, required=True, attribute="state")
    from_email = fields.String(required=True)
    from_name = fields.String(required=True)
    email_account_id = fields.Integer(required=True, allow_none=True, attribute="mailbox_id")
    recipient_groups = fields.List(fields.Integer(), required=True, attribute="group_ids")
    segment_ids = fields.List(fields.Integer(), required=True)
    recipients_count = fields.Integer(required=True)
    recipients_count_is_estimate = fields.Function(lambda row: not row.is_expanded, required=True, metadata=ESTIMATED)
    stats = Shown(CampaignStats, "numbers", required=True)
    schedule_at = fields.DateTime(required=True, allow_none=True)
    schedule_zone = fields.String(required=True, allow_none=True)
    started_at = fields.DateTime(required=True, allow_none=True)
    paused_at = fields.DateTime(required=True, allow_none=True)
    paused_why = fields.String(required=True, allow_none=True, metadata={"description": "Why it paused by itself"})
    sent_at = fields.DateTime(required=True, allow_none=True, metadata={"description": "When everybody was done"})
    completed_at = fields.Function(lambda row: row.sent_at, required=True, metadata=SAME)
    cancelled_at = fields.DateTime(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)

    def numbers(self, row: Any) -> dict[str, int]:
        """The views put them beside the row (`api.shown`)."""
        found: dict[str, int] = row.numbers
        return found


class CampaignOut(CampaignRow):
    """The whole campaign."""

    body_html = fields.String(required=True)
    body_format = Choice(*FORMATS, required=True)
    body_text = fields.String(required=True, allow_none=True)
    preheader = fields.String(required=True, allow_none=True)
    reply_to = fields.String(required=True, allow_none=True)
    exclude_group_ids = fields.List(fields.Integer(), required=True)
    exclude_segment_ids = fields.List(fields.Integer(), required=True)
    track_opens = fields.Boolean(required=True)
    track_clicks = fields.Boolean(required=True)
    web_view = fields.Boolean(required=True)
    send_rate = fields.Integer(required=True, allow_none=True)
    waits_why = fields.Function(
        allowance.why_waits, required=True,
        metadata={"type": ["string", "null"], "description": "Why the next copies wait: a limit or a pause of the sending account"},
    )  # fmt: skip
    version = fields.Integer(required=True, metadata={"description": "Raised by each change of a paused campaign"})


class CampaignQuery(Shape):
    status = Choice(*STATES)
    search = Line(200, metadata={"description": "Part of name or subject"})


class CampaignSchedule(Shape):
    schedule_at = Time(required=True)
    schedule_zone = Line(64, load_default=None, allow_none=True, metadata={"description": "Zone shown with it, such as Europe/Berlin"})


class CampaignTest(Shape):
    emails = fields.List(Line(254, least=3), required=True, validate=validate.Length(min=1, max=MOST_TESTS))
    contact_id = Id(load_default=None, allow_none=True, metadata={"description": "Whose values fill the copy; null: made-up ones"})


class CampaignTested(Shape):
    emails = fields.List(fields.String(), required=True)
    archive_ids = fields.List(fields.Integer(), required=True, metadata={"description": "The copies in the archive, in the same order"})
    missing = fields.List(fields.String(), required=True, metadata={"description": "Merge tags without a value and without a fallback"})


class PreviewIn(Shape):
    subject = Line(998, load_default="")
    body_html = fields.String(required=True, validate=validate.Length(max=MOST_BODY))
    body_format = Choice(*FORMATS, load_default="html")
    body_text = Long(MOST_BODY, load_default=None, allow_none=True)
    preheader = Line(255, load_default=None, allow_none=True)
    from_name = Line(200, load_default="")
    from_email = Line(254, load_default="")
    contact_id = Id(load_default=None, allow_none=True, metadata={"description": "Whose values fill it; null: made-up ones"})
    campaign_id = Id(load_default=None, allow_none=True, metadata={"description": "For {{campaign.name}}"})


class FindingOut(Shape):
    level = Choice("error", "warning", "note", required=True)
    code = fields.String(required=True)
    message = fields.String(required=True, attribute="sentence")


class PreviewOut(Shape):
    subject = fields.String(required=True)
    body_html = fields.String(required=True, attribute="html")
    body_text = fields.String(required=True, attribute="text")
    missing = fields.List(fields.String(), required=True, metadata={"description": "Merge tags without a value and without a fallback"})
    unknown = fields.List(fields.String(), required=True, metadata=UNKNOWN)  # type: ignore[assignment]  # marshmallow's own is set apart
    findings = fields.List(fields.Nested(FindingOut), required=True)


class AudienceIn(Shape):
    group_ids = _ids(load_default=list, data_key="recipient_groups")
    segment_ids = _ids(load_default=list)
    exclude_group_ids = _ids(load_default=list)
    exclude_segment_ids = _ids(load_default=list)


class AudienceOut(Shape):
    recipients_count = fields.Integer(required=True)
    is_exact = fields.Boolean(required=True)
    counted_at = fields.DateTime(required=True)


class AccountQuery(Shape):
    can_send = fields.Boolean(metadata={"description": "Only those that may send now, or may not"})
    search = Line(254, metadata={"description": "Part of the address or display name"})


class AccountOut(Shape):
    id = fields.Integer(required=True)
    email = fields.String(required=True)
    name = fields.String(required=True)
    type = fields.Function(lambda row: "mailbox", required=True, metadata={"type": "string", "enum": ["mailbox"]})
    status = Choice("active", "paused", required=True)
    can_send = fields.Boolean(required=True, metadata={"description": "Whether it may send now"})
    verified = fields.Boolean(required=True, metadata={"description": "Whether its domain is verified"})


class RecipientQuery(Shape):
    status = Choice(*DELIVERY_STATES, *DEEDS)
    domain = Line(253)
    email = Line(254, metadata={"description": "An address, how it begins, or @domain"})
    contact_id = IdText()


class RecipientOut(Shape):
    delivery_id = fields.Integer(required=True, attribute="id")
    contact_id = fields.Integer(required=True, allow_none=True)
    name = fields.String(required=True, allow_none=True, metadata={"description": "null once the contact is gone"})
    email = fields.String(required=True, attribute="recipient")
    domain = fields.String(required=True)
    status = Choice(*DELIVERY_STATES, required=True, attribute="state")
    why = fields.String(required=True, metadata={"description": "Where it is, why, and what comes next"})
    bounce = Choice("hard", "soft", "expired", required=True, allow_none=True)
    attempt_count = fields.Integer(required=True, attribute="attempts")
    next_attempt_at = fields.DateTime(required=True, allow_none=True)
    finished_at = fields.DateTime(required=True, allow_none=True)
    opened_at = fields.DateTime(required=True, allow_none=True)
    clicked_at = fields.DateTime(required=True, allow_none=True)
    unsubscribed_at = fields.DateTime(required=True, allow_none=True)
    complained_at = fields.DateTime(required=True, allow_none=True)


class CampaignRates(Shape):
    """Percent. Opens, clicks, leaving and complaints are of those who have the mail; bounces of those who were tried."""

    open_rate = fields.Float(required=True)
    click_rate = fields.Float(required=True)
    click_to_open_rate = fields.Float(required=True)
    unsubscribe_rate = fields.Float(required=True)
    complaint_rate = fields.Float(required=True)
    bounce_rate = fields.Float(required=True)


class CampaignLinkOut(Shape):
    number = fields.Integer(required=True)
    url = fields.String(required=True)
    people = fields.Integer(required=True, metadata={"description": "Who clicked it, once each"})
    clicks = fields.Integer(required=True)
    machine_clicks = fields.Integer(required=True)


class CampaignSpan(Shape):
    begins = fields.DateTime(required=True)
    sent = fields.Integer(required=True)
    opened = fields.Integer(required=True)
    clicked = fields.Integer(required=True)


class CampaignDomainOut(Shape):
    domain = fields.String(required=True)
    total = fields.Integer(required=True)
    sent = fields.Integer(required=True)
    deferred = fields.Integer(required=True)
    bounced = fields.Integer(required=True)


class CampaignReport(Shape):
    campaign_id = fields.Integer(required=True)
    status = Choice(*STATES, required=True)
    recipients_count = fields.Integer(required=True)
    recipients_count_is_estimate = fields.Boolean(required=True)
    stats = fields.Nested(CampaignStats, required=True)
    rates = fields.Nested(CampaignRates, required=True)
    links = fields.List(fields.Nested(CampaignLinkOut), required=True)
    timeline = fields.List(
        fields.Nested(CampaignSpan), required=True, metadata={"description": "By hour for three days, then by day, for a month"}
    )
    domains = fields.List(fields.Nested(CampaignDomainOut), required=True, metadata={"description": "The 100 with most recipients"})
    as_of = fields.DateTime(required=True, metadata={"description": "Opens and clicks may be a few seconds older"})
