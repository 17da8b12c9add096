"""`python -m tests.pages.screens [NAME…]`: takes the pictures of docs/screens anew, from a running sample, and their list in README.md."""

import smtplib
import sys
import tempfile
from email.message import EmailMessage
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.flows.installation import ROOT, wait_for
from tests.pages.look import DESK, PHONE, Looker, browser
from tests.pages.sample import OWNER, Sample
from webapp.demo import cast

FOLDER = ROOT / "docs" / "screens"
MOST_BYTES = 250_000
#: name -> (path with {names} of Sample.things, light, dark or phone, what it shows)
SCREENS = {
    "home-light": ("/", "light", "Home: the numbers that matter, first steps, the mail of 24 hours, recent activity"),
    "home-dark": ("/", "dark", "Home in the dark theme"),
    "mail-light": ("/mail", "light", "The inbox of all mailboxes, live"),
    "message-light": ("/mail/{message_id}", "light", "A mail with remote content blocked, its timeline and what is known about it"),
    "message-dark": ("/mail/{message_id}", "dark", "The same mail in the dark theme; foreign mail stays on white"),
    "message-phone": ("/mail/{message_id}", "phone", "The same mail on a phone"),
    "route-light": ("/routes/{route_id}", "light", "The route editor with its dry run over the last 7 days"),
    "route-dark": ("/routes/{route_id}", "dark", "The route editor in the dark theme"),
    "runs-light": ("/runs", "light", "The route log: which route ran for which mail, and why"),
    "domain-light": ("/domains/{domain_id}", "light", "A domain: records expected and found, who was asked, and when the next look is"),
    "mailboxes-light": ("/mailboxes", "light", "Mailboxes, two of them picked: the bulk bar tells the effect in numbers"),
    "mailbox-phone": ("/mailboxes/{mailbox_id}", "phone", "A mailbox with its meters on a phone"),
    "tokens-light": ("/tokens", "light", "Tokens: what each may do, its reach, its last use, when it ends"),
    "search-light": ("/search?q=order", "light", "One search over mail, settings, people and logs"),
    "audit-light": ("/audit", "light", "The audit log with its filters and the state of its chain"),
    "audit-dark": ("/audit/{entry_id}", "dark", "One entry of the audit log: before, after, and its place in the chain"),
    "catcher-light": ("/catcher", "light", "The built-in request catcher with a webhook that came"),
    "queue-light": ("/queue", "light", "The sending log: each recipient of each mail, where it is, why, and what comes next"),
    "queue-phone": ("/queue", "phone", "The sending log on a phone"),
    "destinations-dark": ("/queue/destinations", "dark", "Where mail waits, what is on hold, and how the last 24 hours went"),
    "suppressions-light": ("/suppressions", "light", "Who gets no mail, why, and since when"),
    "events-light": ("/happenings", "light", "The stream of all that happens to mail"),
    "contacts-light": ("/contacts", "light", "Contacts, two of them picked: the bulk bar tells the effect in numbers"),
    "contact-light": ("/contacts/1", "light", "A contact: whether campaigns go there, the timeline, tags, groups, consent"),
    "segment-dark": ("/segments/{segment_id}/edit", "dark", "The builder of a segment counts while one builds"),
    "import-light": ("/contacts/imports/{import_id}", "light", "An import: who came in, which row was refused and why, and the way back"),
    "editor-light": ("/campaigns/{campaign_id}/edit", "light", "The editor saves by itself; the letter as any contact reads it"),
    "send-light": ("/campaigns/{campaign_id}/send", "light", "The last look before sending: who gets it, who is left out and why"),
    "campaign-light": ("/campaigns/1", "light", "What became of a campaign: by minute, by link, by receiving domain"),
    "campaign-dark": ("/campaigns/2", "dark", "A campaign on its way: rate, remaining time, pause and cancel"),
    "campaign-phone": ("/campaigns/1", "phone", "A campaign on a phone"),
    "trash-light": ("/trash", "light", "The trash: everything can be brought back for 30 days"),
}
WITH_PICTURES = """<h2>Your parcel is on its way</h2><p>Follow it on our site.</p>
<p><img src="https://parcel.example/map.png" alt="Map of the way"> <img src="https://parcel.example/seen.gif?u=1" alt=""></p>"""


def main(*names: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        sample = Sample(Path(folder))
        sample.start()
        try:
            take(sample, names or tuple(SCREENS))
        finally:
            sample.stop()
    (FOLDER / "README.md").write_text(listing(), encoding="utf-8")
    big = [path.name for path in FOLDER.glob("*.png") if path.stat().st_size > MOST_BYTES]
    unknown = sorted({path.stem for path in FOLDER.glob("*.png")} - SCREENS.keys())
    print(f"{len(names or SCREENS)} pictures in {FOLDER}; too big: {big or 'none'}; not in the list: {unknown or 'none'}")
    return 1 if big or unknown else 0


def take(sample: Sample, names: tuple[str, ...]) -> None:
    """One picture after another, each from a fresh load."""
    values = {name: found[0] for name, found in sample.things.items()} | {"message_id": parcel_mail(sample)}
    with browser() as found:
        looker = Looker(found, sample.url)
        looker.sign_in(OWNER, sample.password)
        page = looker.page
        for name in names:
            path, kind, _ = SCREENS[name]
            page.set_viewport_size(PHONE if kind == "phone" else DESK)  # type: ignore[arg-type]
            page.emulate_media(color_scheme="dark" if kind == "dark" else "light")
            looker.open(path.format(**values))
            prepare(page, name)
            page.screenshot(path=FOLDER / f"{name}.png")


def prepare(page: Page, name: str) -> None:
    """What a person would have done before the picture."""
    page.locator("main h1").first.wait_for()
    if name.startswith("route-"):
        page.locator("#dry-run-panel").get_by_role("button", name="Run").click()
        expect(page.locator("#dry-run-panel")).to_contain_text("would catch")
    if name == "mailboxes-light":
        for box in ("invoices", "support"):
            page.get_by_role("checkbox", name=f"Pick {box}@{cast.DOMAIN}").check()
        page.wait_for_load_state("networkidle") if not page.locator("[data-live]").count() else page.wait_for_timeout(600)
    if name == "contacts-light":
        for key in ("j", "x", "j", "x"):
            page.keyboard.press(key)
        expect(page.locator(".bulk")).to_contain_text("2 picked. 2 subscribed")
    if name == "editor-light":
        page.locator("#preview iframe").wait_for()
        expect(page.frame_locator("#preview iframe").locator("body")).to_contain_text("What is new")
    if name.startswith("message-"):
        page.frame_locator("iframe.mail-frame").locator("h2").wait_for()


def parcel_mail(sample: Sample) -> int:
    """A mail with remote pictures, sent as another server would; its id."""
    mail = EmailMessage()
    mail["From"], mail["To"] = "Parcel Service <noreply@parcel.example>", f"Orders <orders@{cast.DOMAIN}>"
    mail["Subject"] = "Your parcel 53817 is on its way"
    mail.set_content("Your parcel is on its way.\n")
    mail.add_alternative(WITH_PICTURES, subtype="html")
    with smtplib.SMTP("127.0.0.1", sample.house.smtp, timeout=20) as door:
        door.send_message(mail, "noreply@parcel.example")
    query = "SELECT id FROM messages WHERE subject = 'Your parcel 53817 is on its way'"
    return int(wait_for(lambda: sample.rows(query), "the mail with pictures")[0][0])


def listing() -> str:
    lines = "\n".join(f"- [{name}.png]({name}.png): {text}." for name, (_, _, text) in SCREENS.items())
    return f"""# Screens

The dashboard with the sample workspace of `python app.py demo`. `python -m tests.pages.screens` takes all of them anew.

{lines}
"""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
