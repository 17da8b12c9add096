"""The whole way: a campaign leaves over SMTP, its mail is read, and every address in it works; what came back shows where people look."""

import email
import email.policy
import re
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select, update

from tests.factories.campaigns import add_people, make_campaign, make_group, send
from tests.factories.sending import Script, Sink, use_transport
from tests.tracking.readers import Reader, write_down
from webapp.campaigns import stats
from webapp.contacts import timeline
from webapp.contacts.models import Contact
from webapp.core.db import begin_writing, db, utcnow
from webapp.core.paging import PageRequest
from webapp.happenings.models import Event
from webapp.suppressions import lookup
from webapp.tracking import jobs, keeping

HTML = """<html><body><p>Hello {{contact.first_name|default:"there"}}</p><a href="https://shop.test/x?who={{contact.first_name}}">Shop</a>
<a href="{{view_in_browser_url}}">Browser</a> <a href="{{unsubscribe_url}}">Unsubscribe</a></body></html>"""


def path_of(url: str) -> str:
    assert url.startswith("http://localhost/"), url
    return urlsplit(url).path


def test_the_addresses_of_a_mail_that_was_sent_work_for_its_reader(app: Any, alice: Any, work_off: Any) -> None:
    with Sink(Script(rcpt={"gone@people.test": b"550 5.1.1 no such user\r\n"})) as sink:
        use_transport(app, sink.url)
        group = make_group(alice)
        contact_id, gone_id = add_people(alice, group, ["ann@people.test", "gone@people.test"])
        campaign = make_campaign(alice, group, body_html=HTML)
        send(alice, campaign)
        work_off()
        (mail,) = [mail for mail in sink.taken if "ann@people.test" in mail.recipients]
    parsed: Any = email.message_from_bytes(mail.raw, policy=email.policy.default)
    html = parsed.get_body(("html",)).get_content()
    found = re.findall(r'(?:href|src)="([^"]+)"', html)
    pixel, link = (next(url for url in found if part in url) for part in ("/t/o/", "/t/c/"))
    page, view = (next(url for url in found if part in url) for part in ("/u/", "/v/"))
    one_click = re.search(r"<(http[^>]+)>", parsed["List-Unsubscribe"])
    assert one_click is not None and one_click[1] == page and parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    reader = Reader(app)
    assert reader.get(path_of(pixel)).mimetype == "image/gif"
    assert reader.get(path_of(link)).headers["Location"] == "https://shop.test/x?who=Ann"
    assert "Hello Ann" in reader.get(path_of(view)).text and "Unsubscribe" in reader.get(path_of(page)).text
    assert reader.post(path_of(one_click[1]), data={"List-Unsubscribe": "One-Click"}).status_code == 200
    write_down(app)

    numbers = stats.read([campaign])[campaign.id].numbers
    wanted = {"sent": 1, "delivered": 1, "bounced": 1, "opened": 1, "clicked": 1, "unsubscribed": 1, "opens_total": 1, "clicks_total": 1}
    assert {name: numbers[name] for name in wanted} == wanted and keeping.recount() == {}
    assert lookup.barred(alice.workspace.id, ["ann@people.test"], "bulk")
    assert db.session.get_one(Contact, gone_id).bounced_at is not None and db.session.get_one(Contact, contact_id).bounced_at is None
    begin_writing()
    listed = timeline.list_timeline(alice.actor, contact_id, PageRequest())
    assert {"sent", "opened", "clicked", "unsubscribed"} <= {event.type for event in listed.items}
    shown = alice.page.get("/happenings").text
    assert "https://shop.test/x" in shown and "Unsubscribed" in shown
    begin_writing()
    db.session.execute(update(Event).values(at=utcnow() - keeping.SETTLED * 2))
    db.session.commit()
    jobs.follow()
    assert db.session.scalar(select(Contact.last_contacted_at).where(Contact.id == contact_id)) is not None
