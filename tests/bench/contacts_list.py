"""Contacts, segments and the campaign page with 1,000,000 contacts and millions of events, on SQLite and PostgreSQL.

    python -m tests.bench contacts_list                 both, the second on a PostgreSQL that is started for it
    python -m tests.bench.contacts_list [--rows 1000000] [--events 10000000] [--only sqlite|postgres]
    python -m tests.bench.contacts_list --url postgresql+psycopg://…       a database of your own: filled when it is empty, and kept

One database holds a workspace with `rows` contacts and another with 1,000; the same calls are made in both, one after the other, so that
the ratio is of one moment. Beside the clock stands the processor time, server included, which says more on a busy machine. Services are
timed alone, and whole pages and API answers through the test client. Goal: p95 under 300 ms on PostgreSQL, the list with a million as fast
as with a thousand. Prints, decides nothing.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, DateTime, Integer, Numeric, insert, select, text
from sqlalchemy.types import JSON

from tests.people import Api, PageClient, Person, make_people
from tests.servers import PostgresServer, RedisServer
from webapp import create_app
from webapp.accounts import service as accounts
from webapp.accounts import sessions
from webapp.accounts.models import Membership, User, Workspace
from webapp.campaigns.models import Campaign, CampaignDomain, CampaignLink
from webapp.contacts import listing
from webapp.contacts.models import Contact, ContactGroup, ContactTag, CustomField, Engagement, GroupMember, Tag
from webapp.core import migrate
from webapp.core.counters import Counter
from webapp.core.db import UTCDateTime, begin_reading, begin_writing, db, is_sqlite, utcnow
from webapp.core.paging import PageRequest
from webapp.happenings.models import Event
from webapp.segments import counting, service
from webapp.segments.language import checked
from webapp.segments.models import Segment
from webapp.sending.models import Delivery, Outgoing
from webapp.settings import load_settings
from webapp.tokens import service as tokens

SMALL, CALLS, GOAL_MS = 1_000, 30, 300
#: process of the database server
_SERVERS: list[int] = []
#: ids of the small workspace begin here
BEYOND = 100_000_000
WORDS = (
    "'person', 'n' || n, 'p' || n, 'shop' || (n % 5000), 'test', 'firm', 'f' || (n % 331),"
    " CASE WHEN n % 5 = 0 THEN 'common' ELSE 'usual' END, CASE WHEN n % 50000 = 3 THEN 'seldom' ELSE 'often' END"
)
#: tag -> share of contacts: one in so many
TAGS = {1: 5, 2: 100, 3: 5000}


def leaf(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


#: label -> tree
SHAPES: dict[str, dict[str, Any]] = {
    label: {"match": match, "conditions": conditions}
    for label, match, conditions in (
        ("tag of one in five", "all", [leaf("tag", "equals", 1)]),
        ("tag of one in 5,000", "all", [leaf("tag", "equals", 3)]),
        ("without a tag", "all", [leaf("tag", "not_equals", 1)]),
        ("city, one in ten", "all", [leaf("city", "equals", "Malmö")]),
        ("domain, one in 5,000", "all", [leaf("domain", "equals", "shop77.test")]),
        ("name contains, in none", "all", [leaf("name", "contains", "nobody at all")]),
        ("custom field, number", "all", [leaf("custom.seats", "gt", 45)]),
        ("custom field, text", "all", [leaf("custom.plan", "equals", "p3")]),
        ("inactive for 90 days", "all", [leaf("subscribed", "equals", True), leaf("last_active_at", "not_within_days", 90)]),
        ("opened the last campaign", "all", [leaf("opened_campaign", "equals", "last")]),
        ("got it, did not open it", "all", [leaf("received_campaign", "equals", "last"), leaf("opened_campaign", "not_equals", "last")]),
        ("score and tag, or city", "any", [
            {"match": "all", "conditions": [leaf("lead_score", "gte", 90), leaf("tag", "equals", 2)]}, leaf("city", "equals", "lund")]),
        ("twenty conditions, any", "any", [leaf("company", "ends_with", f"nöwhere {n}") for n in range(20)]),
    )
}  # fmt: skip


def series(model: Any, columns: dict[str, str], rows: int, where: str = "true", **values: Any) -> None:
    """A row for each n from 1 to `rows` for which `where` holds; columns that must not be empty and are not named get nothing to say."""
    given = {**{column.name: _nothing(column) for column in model.__table__.c if not column.nullable and column.name != "id"}, **columns}
    numbers = "SELECT generate_series(1, :rows)"
    if is_sqlite():
        numbers = "SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :rows"
    expressions = ", ".join(given.values())
    chosen = f"WITH RECURSIVE s(n) AS ({numbers}) SELECT {expressions} FROM s WHERE {where}"
    execute(f"INSERT INTO {model.__tablename__} ({', '.join(given)}) {chosen}", {"rows": rows, **values})


def _nothing(column: Any) -> str:
    kind = column.type
    if isinstance(kind, JSON):
        return "'{}'"
    if isinstance(kind, Boolean):
        return "false"
    if isinstance(kind, UTCDateTime | DateTime):
        return ago("0")
    return "0" if isinstance(kind, Integer | Numeric) else "''"


def ago(minutes: str) -> str:
    """The moment so many minutes ago."""
    if is_sqlite():
        return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-' || ({minutes}) || ' minutes')"
    return f"now() - ({minutes}) * interval '1 minute'"


def execute(statement: str, values: dict[str, Any] | None = None) -> None:
    db.session.execute(text(statement), {name: value for name, value in (values or {}).items() if f":{name}" in statement})


def fill(large: Person, small: Person, rows: int, events: int) -> None:
    """Both workspaces: contacts with their words, tags, a group; in the large one a campaign to everybody with opens and events."""
    contacts(large, rows, 0)
    contacts(small, SMALL, BEYOND)
    everything = {"workspace_id": large.workspace.id}
    campaign = Campaign(
        id=1, name="News", state="sent", from_email="news@acme.test", subject="News", body_html="<p>News", started_at=utcnow(),
        sent_at=utcnow(), is_expanded=True, recipients_count=rows, **everything,
    )  # fmt: skip
    outgoing = {"id": 1, "envelope_sender": "a@acme.test", "from_address": "a@acme.test", "message_id_header": "x@a.test", "size_bytes": 1}
    db.session.execute(text("INSERT INTO raw_messages (id, sha256, size_bytes, created_at) VALUES (1, 'x', 1, :now)"), {"now": utcnow()})
    db.session.add(campaign)
    db.session.add(Outgoing(**outgoing, raw_id=1, kind="campaign", stream="bulk", **everything))
    db.session.flush()
    campaign.outgoing_id = 1
    db.session.add_all([CampaignLink(campaign_id=1, number=n, url=f"https://shop.test/{n}") for n in range(1, 6)])
    db.session.add_all([CampaignDomain(campaign_id=1, domain=f"shop{n}.test", total=200, sent=190, bounced=10) for n in range(5000)])
    db.session.flush()
    ids = {"workspace_id": str(large.workspace.id), "campaign_id": "1", "contact_id": "n"}
    series(Engagement, {**ids, "opened_at": ago("n % 9000"), "opens": "1"}, rows, "n % 3 = 0")
    state = "CASE WHEN n % 20 = 0 THEN 'bounced' ELSE 'sent' END"
    recipient = {"recipient": "'p' || n || '@shop' || (n % 5000) || '.test'", "domain": "'shop' || (n % 5000) || '.test'"}
    series(Delivery, {**ids, **recipient, "id": "n", "outgoing_id": "1", "state": state}, rows)
    happened(large, rows, events)
    totals = {"contacts": rows, "campaign:1:sent": rows * 19 // 20, "campaign:1:bounced": rows // 20, "campaign:1:opened": rows // 3}
    for name, number in totals.items():
        keep(large, name, number)
    db.session.commit()


def happened(person: Person, rows: int, events: int) -> None:
    """Events of those copies; their indexes are made once all are there."""
    table: Any = Event.__table__
    for index in table.indexes:
        index.drop(db.session.connection())
    copy = f"n % {rows} + 1"
    series(Event, {
        "id": "n", "workspace_id": str(person.workspace.id), "campaign_id": "1", "contact_id": copy, "delivery_id": copy,
        "outgoing_id": "1", "type": "CASE n % 10 WHEN 0 THEN 'clicked' WHEN 1 THEN 'opened' WHEN 2 THEN 'opened' ELSE 'sent' END",
        "at": ago("n / 100"), "recipient": f"'p' || ({copy}) || '@shop' || (({copy}) % 5000) || '.test'", "stream": "'bulk'",
    }, events)  # fmt: skip
    for index in table.indexes:
        index.create(db.session.connection())


def keep(person: Person, name: str, number: int) -> None:
    db.session.execute(insert(Counter).values(workspace_id=person.workspace.id, name=name, number=number))


def contacts(person: Person, rows: int, first: int) -> None:
    workspace_id, sqlite = person.workspace.id, is_sqlite()
    tags = [Tag(workspace_id=workspace_id, name=f"tag-{number}", color="#112233") for number in TAGS]
    group = ContactGroup(workspace_id=workspace_id, name="Newsletter")
    types = {"seats": "number", "plan": "text"}
    fields = [CustomField(workspace_id=workspace_id, key=key, label=key, type=kind) for key, kind in types.items()]
    db.session.add_all([*tags, group, *fields])
    db.session.flush()
    custom = "'{\"seats\": ' || (n % 50) || ', \"plan\": \"p' || (n % 7) || '\"}'"
    series(Contact, {
        "id": f"n + {first}", "workspace_id": str(workspace_id), "name": "'Person n' || n", "source": "'import'", "is_indexed": "true",
        "email": "'p' || n || '@shop' || (n % 5000) || '.test'", "address": "'p' || n || '@shop' || (n % 5000) || '.test'",
        "domain": "'shop' || (n % 5000) || '.test'", "company": "'Firm f' || (n % 331)", "lead_score": "n % 101",
        "city": "CASE n % 10 WHEN 0 THEN 'MALMÖ' WHEN 1 THEN 'Lund' ELSE 'Göteborg' END", "subscribed": "n % 20 <> 0",
        "last_active_at": f"CASE WHEN n % 3 = 0 THEN {ago('n % 260000')} END", "created_at": ago(f"{rows} - n"),
        "updated_at": ago(f"{rows} - n"),
        "custom_fields": custom if sqlite else f"({custom})::jsonb",
    }, rows)  # fmt: skip
    words = WORDS.replace("', '", "' || ' ' || '").replace(", ", " || ' ' || ") if sqlite else WORDS
    numbers = "SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :rows"
    if sqlite:
        chosen = f"WITH RECURSIVE s(n) AS ({numbers}) SELECT n + {first}, 'w{workspace_id}', {words} FROM s"
        execute(f"INSERT INTO contact_fts (rowid, scope, words) {chosen}", {"rows": rows})
    else:
        chosen = f"SELECT n + {first}, array_to_tsvector(ARRAY['@w{workspace_id}', {words}]) FROM generate_series(1, :rows) AS s(n)"
        execute(f"INSERT INTO contact_words (contact_id, words) {chosen}", {"rows": rows})
    for tag, share in zip(tags, TAGS.values(), strict=True):
        series(ContactTag, {"contact_id": f"n + {first}", "tag_id": str(tag.id)}, rows, f"n % {share} = 0")
        keep(person, f"tag:{tag.id}", rows // share)
    series(GroupMember, {"contact_id": f"n + {first}", "group_id": str(group.id)}, rows, "n % 2 = 0")
    keep(person, f"group:{group.id}", rows // 2)
    if first:
        keep(person, "contacts", rows)


def timed(label: str, *calls: Callable[[], Any]) -> None:
    """The calls in turn, CALLS times each in a reading transaction of its own: the first one's times, and its ratio to the second."""
    begin_reading()
    taken: list[list[float]] = [[] for _ in calls]
    said, burnt = "", 0.0
    for _ in range(CALLS):
        for place, call in enumerate(calls):
            db.session.rollback()
            before, began = 0.0 if place else processor(), time.perf_counter()
            answer = call()
            taken[place].append((time.perf_counter() - began) * 1000)
            burnt += 0.0 if place else processor() - before
            said = said or str(answer)
    p50 = [statistics.median(times) for times in taken]
    p95 = sorted(taken[0])[int(0.95 * CALLS)]
    ratio = f", {p50[0] / p50[1]:.2f} of the small one" if len(calls) > 1 else ""
    missed = "" if p95 < GOAL_MS else " MISSED"
    used = f"processor {burnt / CALLS * 1000:6.1f}"
    print(f"  {label:40} p50 {p50[0]:8.2f} ms  p95 {p95:8.2f}{missed}  {used}   {said[:50]}{ratio}", flush=True)
    db.session.rollback()


def processor() -> float:
    """Seconds of processor time so far, of this process and of every process of the PostgreSQL that it asks."""
    used = time.process_time()
    if not is_sqlite():
        if not _SERVERS:
            _SERVERS.append(int(Path(f"/proc/{db.session.scalar(text('SELECT pg_backend_pid()'))}/stat").read_text().split()[3]))
            db.session.rollback()
        children = Path(f"/proc/{_SERVERS[0]}/task/{_SERVERS[0]}/children").read_text().split()
        files = [Path(f"/proc/{number}/stat") for number in (_SERVERS[0], *children)]
        stats = [file.read_text().rpartition(")")[2].split() for file in files if file.exists()]
        # user and system time of each, and of the children of the first that are gone; fields 14 to 17 of proc(5)
        ticks = sum(int(one[11]) + int(one[12]) for one in stats) + int(stats[0][13]) + int(stats[0][14])
        used += ticks / os.sysconf("SC_CLK_TCK")
    return used


def measure(large: Person, small: Person, rows: int) -> None:
    def ask(person: Person, cursor: str | None = None, sort_by: str | None = None, **filters: Any) -> Callable[[], str]:
        def call() -> str:
            page = listing.list_contacts(person.actor, PageRequest(cursor=cursor, sort_by=sort_by), filters)
            return f"{len(page.items)} rows of {page.total}{'+' if page.total_is_capped else ''}"

        return call

    def deep(person: Person) -> str | None:
        page = listing.list_contacts(person.actor, PageRequest(page=20), {})
        for _ in range(20):
            page = listing.list_contacts(person.actor, PageRequest(per_page=100, cursor=page.next_cursor), {}) if page.next_cursor else page
        return page.next_cursor

    print(" lists")
    timed("first page", ask(large), ask(small))
    timed("page behind a cursor", ask(large, cursor=deep(large)), ask(small))
    for label, filters in (
        ("tag of one in five", {"tag": "tag-1"}), ("tag of one in 5,000", {"tag": "tag-3"}), ("group of half", {"group_id": 1}),
        ("search, frequent word", {"search": "common"}), ("search, rare word", {"search": "seldom"}),
        ("search, one person", {"search": "p4711"}),
        ("search, two words", {"search": "common f17"}), ("search, nothing", {"search": "nothingofthekind"}),
        ("search, two frequent words", {"search": "common often"}), ("search, two that never meet", {"search": "common usual"}),
        ("search, beginning of 5,000 words", {"search": "sh"}), ("unsubscribed", {"subscribed": False}),
        ("unsubscribed, on the list of half", {"status": "unsubscribed", "group_id": 1}),
        ("active until 170 days ago (no index)", {"active_before": utcnow() - timedelta(days=170)}),
    ):  # fmt: skip
        timed(label, ask(large, **filters))
    for label in ("common", "common often", "sh"):
        timed(f"search by name, {label}", ask(large, search=label, sort_by="name"))
    print(" counts of segments")
    for label, tree in SHAPES.items():
        plain = checked(tree, {"seats": "number", "plan": "text"})
        timed(label, lambda plain=plain: counting.count(large.workspace.id, plain).said)  # type: ignore[misc]
    begin_writing()
    db.session.rollback()
    saved, draft = {label: _saved(large, label) for label in SHAPES}, _draft(large)
    db.session.commit()
    print(" pages of the contacts of a segment")
    for label, number in saved.items():
        if not label.startswith("twenty"):  # nobody fits, so everybody is asked twenty things: seconds, whatever is done
            timed(label, ask(large, segment_id=number))
    print(" answers and pages, whole")
    paths = ["tag of one in five", "domain, one in 5,000", "got it, did not open it", "name contains, in none"]
    for label in paths:
        timed(f"API, contacts of {label}", lambda path=f"/api/v1/segments/{saved[label]}/contacts": _got(large.api.get(path)))  # type: ignore[misc]
        timed(f"page of the segment {label}", lambda path=f"/segments/{saved[label]}": _got(large.page.get(path)))  # type: ignore[misc]
    timed("/api/v1/contacts", lambda: _got(large.api.get("/contacts")), lambda: _got(small.api.get("/contacts")))
    timed("/contacts", lambda: _got(large.page.get("/contacts")), lambda: _got(small.page.get("/contacts")))
    recipients = "/campaigns/1/recipients"
    for path in ("/campaigns", "/campaigns/1", recipients, f"{recipients}?status=bounced", f"{recipients}?status=opened",
                 f"{recipients}?status=complained", f"{recipients}?q=p4711@", f"{recipients}?domain=shop77.test",
                 f"{recipients}?status=opened&domain=shop77.test", f"{recipients}?status=opened&q=p4712@", "/contacts/4711",
                 f"/contacts/{rows}", f"/campaigns/{draft}", f"/campaigns/{draft}/send"):  # fmt: skip
        timed(path, lambda path=path: _got(large.page.get(path)))  # type: ignore[misc]


def _saved(person: Person, label: str) -> int:
    """A segment of that shape, made when it is missing."""
    there = db.session.scalar(select(Segment.id).where(Segment.workspace_id == person.workspace.id, Segment.name == label))
    return there or service.create_segment(person.actor, name=label, **SHAPES[label]).id


def _draft(person: Person) -> int:
    """A campaign to half of all that was not sent yet."""
    there = db.session.scalar(select(Campaign.id).where(Campaign.workspace_id == person.workspace.id, Campaign.state == "draft"))
    if there is None:
        letter = {"name": "Next", "from_email": "news@acme.test", "subject": "Next", "body_html": "<p>Next"}
        row = Campaign(id=2, workspace_id=person.workspace.id, group_ids=[1], **letter)
        db.session.add(row)
        db.session.flush()
        return row.id
    return there


def _got(answer: Any) -> str:
    begin_reading()
    return f"{answer.status_code}, {len(answer.data):,} bytes"


def run(url: str, rows: int, events: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        redis = RedisServer(Path(home))
        given = {
            "MAILROOM_INSTANCE": home, "DATABASE_URL": url or f"sqlite:///{home}/bench.sqlite", "REDIS_URL": redis.url(0),
            "MAILROOM_SECRET_KEY": "bench " * 8, "MAILROOM_RATE_LIMITS": "off",
        }  # fmt: skip
        app = create_app(load_settings(given, dotenv=None))
        migrate.upgrade(app)
        try:
            with app.app_context():
                begin_writing()
                people = again(app) or filled(app, rows, events)
                measure(people["alice"], people["eve"], rows)
                db.session.remove()
                db.engine.dispose()
        finally:
            redis.stop()


def filled(app: Any, rows: int, events: int) -> dict[str, Person]:
    """An empty database with everything in it."""
    people, began = make_people(app), time.perf_counter()
    begin_writing()
    fill(people["alice"], people["eve"], rows, events)
    begin_writing()
    execute("ANALYZE")
    db.session.commit()
    if not is_sqlite():
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM"))
    print(f"{db.engine.dialect.name}: {rows:,} contacts, {events:,} events in {time.perf_counter() - began:.0f} s", flush=True)
    return people


def again(app: Any) -> dict[str, Person]:
    """The two owners in a database that was filled before, signed in anew; nobody in an empty one."""
    found = {}
    for user, workspace in db.session.execute(select(User, Workspace).join(Membership, Membership.user_id == User.id).join(Workspace)):
        actor = accounts.actor_for(user, workspace.id, "owner")
        if user.email.split("@")[0] in ("alice", "eve"):
            _, token = tokens.create_token(actor, name=f"bench {time.time()}", kind="workspace", scopes=["*"])
            page = PageClient(app, sessions.start(user, workspace.id, "127.0.0.1", "bench"))
            found[user.email.split("@")[0]] = Person(user, workspace, actor, Api(app, token), page, token)
    db.session.commit()
    return found


def main(rows: int = 1_000_000, events: int = 10_000_000, only: str = "", url: str = "") -> None:
    """Both databases, PostgreSQL as a cluster of our own that goes again; or the one at `url`."""
    if url:
        return run(url, rows, events)
    if only != "postgres":
        run("", rows, events)
    if only != "sqlite":
        server = PostgresServer(Path(tempfile.gettempdir()))
        try:
            run(server.create("bench"), rows, events)
        finally:
            server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--only", choices=["sqlite", "postgres"], default="")
    parser.add_argument("--url", default="")
    chosen = parser.parse_args()
    main(chosen.rows, chosen.events, chosen.only, chosen.url)
