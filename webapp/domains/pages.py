"""Domains in the browser: the list, adding one, its records and its proof, changing, deleting and bringing back."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from flask import Blueprint, Flask, Response, make_response, render_template, request, url_for

from webapp.accounts.forms import add_errors
from webapp.audit import service as audit
from webapp.core import envelope, menu
from webapp.core.access import current_actor, needs
from webapp.core.config import settings
from webapp.core.db import db, utcnow
from webapp.core.errors import Conflict, InUse, Invalid, InvalidState
from webapp.core.htmx import is_fragment, redirect_to, render, vary
from webapp.core.paging import PageRequest
from webapp.core.shapes import compile_dump
from webapp.domains import arrangements, checks, keys, schemas, schemas_dns, service, why
from webapp.domains.forms import DomainForm, DomainSettingsForm, RotateForm
from webapp.domains.models import Domain
from webapp.domains.residents import residents

bp = Blueprint("domains", __name__)
PER_PAGE = 25
#: mailboxes that the page of a domain names
NAMED = 10
CHIPS = (
    ("", "All", "all"), ("active", "Verified", "active"), ("pending_dns", "Waiting for DNS", "pending_dns"),
    ("problems", "Records to mend", "problems"),
)  # fmt: skip
_dump = compile_dump(schemas.DomainSchema())


@bp.get("/domains")
@needs("domains:read")
def list_page() -> Any:
    """Every domain with its state and how many mailboxes it has."""
    actor = current_actor()
    asked = {name: request.args.get(name, "").strip() for name in ("q", "state")}
    state = asked["state"] if asked["state"] in {key for key, _, _ in CHIPS if key} else None
    chosen = {"dns": state} if state == "problems" else {"status": state}
    number = min(max(1, request.args.get("page", 1, int)), 10_000)
    wanted = PageRequest(number, PER_PAGE, sort_by="name", descending=False)
    found, counts = service.list_with_states(actor, wanted, {"search": asked["q"][:255], **chosen})
    counts["problems"] = service.count_problems(actor)
    chips = [
        {"label": label, "count": counts[count], "url": _list_url(asked, state=key), "current": (state or "") == key}
        for key, label, count in CHIPS
    ]  # fmt: skip
    return render(
        "domains/list.html", "domains/_rows.html", found=found, asked=asked, chips=chips, any_domain=counts["all"] != 0, now=utcnow(),
        hostname=settings().hostname,
        newer=_list_url(asked, page=number - 1) if number > 1 else None,
        older=_list_url(asked, page=number + 1) if found.has_more else None,
    )  # fmt: skip


def _list_url(asked: dict[str, str], **changes: Any) -> str:
    chosen = {**asked, **changes}
    return url_for(".list_page", **{name: value for name, value in chosen.items() if value not in ("", None, 1)})


@bp.route("/domains/new", methods=["GET", "POST"])
@needs("domains:create")
def new_page() -> Any:
    """Add a domain; its own page then shows what to publish."""
    form = DomainForm()
    if form.validate_on_submit():
        try:
            domain = service.create_domain(current_actor(), **form.values())
            return redirect_to(url_for(".show_page", domain_id=domain.id), toast=f"{domain.name} is added")
        except Invalid as refused:
            db.session.rollback()
            add_errors(form, refused)
    return render("domains/new.html", "domains/_new.html", status=422 if form.errors else 200, form=form)


@bp.get("/domains/<int:domain_id>")
@needs("domains:read")
def show_page(domain_id: int) -> Any:
    """One domain: where it stands, what to publish and what was found, which keys sign, who lives in it."""
    actor = current_actor()
    domain = service.get_domain(actor, domain_id)
    if is_fragment():
        return vary(make_response(render_template("domains/_state.html", **state_of(domain))))
    return render(
        "domains/show.html", **state_of(domain), zone=schemas_dns.zone_file(domain), boxes=residents().some(actor, domain.id, NAMED),
        story=audit.story_of(actor, "domain", domain.id),
        answer=orjson.loads(envelope.json_bytes({"success": True, "data": _dump(domain)})),
    )  # fmt: skip


def state_of(domain: Domain) -> dict[str, Any]:
    """What the part of the page that follows the checks shows."""
    last, coming = checks.last_check(domain.id), checks.open_check(domain.id)
    running = coming is not None and (coming.is_running or coming.due_at <= utcnow())
    records = schemas_dns.known_records(domain, last)
    return {
        "domain": domain, "why": why.explain(domain, records, running), "records": records, "coming": coming,
        "running": running, "labels": why.TITLES, "resolvers": _resolvers(records),
        "keys": list(reversed(domain.keys)), "kinds": keys.NAMES,
    }  # fmt: skip


def _resolvers(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Who was asked, when it is not too many to be named."""
    known = sorted({record["resolver"] for record in records if record["resolver"]})
    return known if len(known) < 3 else []


@bp.post("/domains/<int:domain_id>/check")
@needs("domains:dns:recheck")
def check(domain_id: int) -> Any:
    """Look all records up in the background; the page follows."""
    found = checks.recheck(current_actor(), domain_id)
    if not is_fragment():
        return redirect_to(url_for(".show_page", domain_id=domain_id), toast="The records are being looked up", tone="busy")
    domain = service.get_domain(current_actor(), found.domain_id)
    return vary(make_response(render_template("domains/_state.html", **state_of(domain))))


@bp.get("/domains/<int:domain_id>/zone")
@needs("domains:dns:read")
def zone(domain_id: int) -> Response:
    """The records as a text to be put into a zone."""
    domain = service.get_for_dns(current_actor(), domain_id)
    response = Response(schemas_dns.zone_file(domain), mimetype="text/plain")
    response.headers["Content-Disposition"] = f'attachment; filename="{domain.name}.zone.txt"'
    return response


@bp.route("/domains/<int:domain_id>/vouch", methods=["GET", "POST"])
@needs("domains:write")
def vouch(domain_id: int) -> Any:
    """Mark a domain verified without asking the DNS: an owner's word, after a confirmation."""
    actor = current_actor()
    actor.require_role("owner", "Marking a domain verified by hand")
    domain = service.get_domain(actor, domain_id)
    back = url_for(".show_page", domain_id=domain.id)
    if request.method == "GET":
        return render(
            "parts/confirm.html", "parts/_confirm.html", title=f"Mark {domain.name} verified", button="Mark verified", url=request.path,
            text=f"{domain.name} takes mail from everywhere and runs its routes from then on, without a record in the DNS. "
            "That is meant for closed networks and trials; the audit log keeps that you vouched for it.",
            milder="On the internet, publish the TXT record and check again instead.", cancel=back, tone="primary",
        )  # fmt: skip
    service.verify_domain(actor, domain_id, by_hand=True)
    return redirect_to(back, toast=f"{domain.name} is verified")


@bp.route("/domains/<int:domain_id>/rotate", methods=["GET", "POST"])
@needs("domains:write")
def rotate(domain_id: int) -> Any:
    """Make the next DKIM key."""
    actor = current_actor()
    domain = service.get_domain(actor, domain_id)
    form = RotateForm()
    if form.validate_on_submit():
        try:
            key = keys.rotate(actor, domain_id, **form.values())
            return redirect_to(url_for(".show_page", domain_id=domain_id), toast=f"The key {key.selector} waits for its record")
        except Invalid as refused:
            db.session.rollback()
            add_errors(form, refused)
        except InvalidState as refused:
            db.session.rollback()
            form.form_errors.append(f"{refused.message} {refused.hint}")
        domain = service.get_domain(actor, domain_id)
    status = 422 if form.errors else 200
    return render("domains/rotate.html", "domains/_rotate.html", status=status, form=form, domain=domain)


@bp.route("/domains/<int:domain_id>/keys/<int:key_id>/activate", methods=["GET", "POST"])
@needs("domains:write")
def activate_key(domain_id: int, key_id: int) -> Any:
    """Sign with a key although its record was not found, after a confirmation."""
    actor = current_actor()
    domain = service.get_domain(actor, domain_id)
    key = keys.get_key(domain, key_id)
    back = url_for(".show_page", domain_id=domain_id)
    if request.method == "POST":
        return _key_done(lambda: keys.activate(actor, domain_id, key_id), back, f"{key.selector} signs from now on")
    return render(
        "parts/confirm.html", "parts/_confirm.html", title=f"Sign with {key.selector} now", button="Sign with it now", url=request.path,
        text=f"Mail from {domain.name} carries the signature of {key.selector} from now on. Receivers that do not find its record treat it "
        "as unsigned.", milder="Waiting costs nothing: it takes over by itself once its record is found.", cancel=back, tone="primary",
    )  # fmt: skip


@bp.route("/domains/<int:domain_id>/keys/<int:key_id>/withdraw", methods=["GET", "POST"])
@needs("domains:write")
def withdraw_key(domain_id: int, key_id: int) -> Any:
    """Give a key up, after a confirmation."""
    actor = current_actor()
    domain = service.get_domain(actor, domain_id)
    key = keys.get_key(domain, key_id)
    back = url_for(".show_page", domain_id=domain_id)
    if request.method == "POST":
        return _key_done(lambda: keys.withdraw(actor, domain_id, key_id), back, f"{key.selector} is given up")
    return render(
        "parts/confirm.html", "parts/_confirm.html", title=f"Give up {key.selector}", button="Give it up", url=request.path,
        text=why.effect_of_withdrawing(key), milder="Its private half is erased then and cannot be brought back.", cancel=back,
    )  # fmt: skip


def _key_done(do: Callable[[], Any], back: str, toast: str) -> Any:
    try:
        do()
    except InvalidState as refused:
        db.session.rollback()
        return redirect_to(back, toast=refused.message, tone="bad")
    return redirect_to(back, toast=toast)


@bp.route("/domains/<int:domain_id>/edit", methods=["GET", "POST"])
@needs("domains:write")
def edit(domain_id: int) -> Any:
    """Change note and catch-all."""
    actor = current_actor()
    domain = service.get_domain(actor, domain_id)
    form = DomainSettingsForm(obj=domain, mail_elsewhere=not domain.is_hosted)
    if form.validate_on_submit():
        try:
            arrangements.set_mail_hosting(actor, domain_id, form.hosting(), confirmed=True)
            service.update_domain(actor, domain_id, form.changes())
            return redirect_to(url_for(".show_page", domain_id=domain_id), toast=f"{domain.name} is changed")
        except Invalid as refused:
            db.session.rollback()
            refused.fields = {name.replace("catch_all.", "catch_all_"): texts for name, texts in refused.fields.items()}
            add_errors(form, refused, spare="note")
            domain = service.get_domain(actor, domain_id)
    return render("domains/edit.html", "domains/_edit.html", status=422 if form.errors else 200, form=form, domain=domain)


@bp.route("/domains/<int:domain_id>/delete", methods=["GET", "POST"])
@needs("domains:delete")
def delete(domain_id: int) -> Any:
    """Put a domain into the trash, with its mailboxes when the confirmation named them."""
    actor = current_actor()
    domain = service.get_domain(actor, domain_id)
    if request.method == "POST":
        try:
            service.delete_domain(actor, domain_id, force=request.form.get("boxes", type=int) == domain.mailbox_count > 0)
        except InUse:
            db.session.rollback()  # Mailboxes came since the question was asked: ask again, with the new number.
            domain = service.get_domain(actor, domain_id)
        else:
            undo = url_for(".restore", domain_id=domain_id) if actor.may("trash:write") else None
            return redirect_to(url_for(".list_page"), toast=f"{domain.name} is in the trash", undo=undo)
    text, milder = why.effect_of_deleting(domain)
    return render(
        "parts/confirm.html", "parts/_confirm.html", title=f"Delete {domain.name}", button="Delete domain", url=request.path, text=text,
        milder=milder, cancel=url_for(".show_page", domain_id=domain.id), hidden={"boxes": domain.mailbox_count},
        status=200 if request.method == "GET" else 409,
    )  # fmt: skip


@bp.post("/domains/<int:domain_id>/restore")
@needs("trash:write")
def restore(domain_id: int) -> Any:
    """Bring a deleted domain back, with the mailboxes that went with it."""
    try:
        domain = service.bring_back(current_actor(), domain_id)
    except Conflict as refused:
        db.session.rollback()
        return redirect_to(url_for(".list_page"), toast=f"{refused.message} {refused.hint}", tone="bad")
    return redirect_to(url_for(".show_page", domain_id=domain_id), toast=f"{domain.name} is back")


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    menu.add("Set up", "Domains", "domains.list_page", scope="domains:read", order=10)
