"""The search page, and the list under the search box that fills while somebody types."""

import time
from typing import Any

from flask import Blueprint, Flask, g, request, url_for

from webapp.core.access import current_actor, needs
from webapp.core.errors import Invalid
from webapp.core.htmx import is_fragment, render
from webapp.search import addresses, service
from webapp.search.language import LONGEST, Query
from webapp.search.service import Found

bp = Blueprint("search", __name__)
#: hits of each kind: under the box, on the page, on the page when one kind alone was asked for
INSTANT, WHOLE, ALONE = 3, 6, 25


@bp.get("/search")
@needs()
def page() -> Any:
    """What there is for a text, by kind; for htmx the short list under the box."""
    text = request.args.get("q", "")
    started, problem = time.perf_counter(), None
    most = INSTANT if is_fragment() else ALONE if "in:" in text.lower() else WHOLE
    try:
        found = service.find(current_actor(), text, most)
    except Invalid as refused:
        problem, found = refused, Found(Query(text[:LONGEST]))
    groups = [
        {"group": group, "all": addresses.of_list(found.query, group), "items": [(hit, addresses.of_hit(hit)) for hit in group.items]}
        for group in found.groups
    ]
    return render(
        "search/page.html", "search/_instant.html", status=422 if problem and not is_fragment() else 200, found=found, groups=groups,
        problem=problem, search_query=text[:LONGEST], took=time.perf_counter() - started,
    )  # fmt: skip


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    app.context_processor(lambda: {"search_url": url_for("search.page")} if g.get("actor") else {})
