"""Short lists are answered whole unless a page is asked for (reference/mailtrixy.md section 1.2); meta is there always."""

from typing import Any

from flask import request

from webapp.core.errors import invalid
from webapp.core.paging import Page, PageRequest, sliced


def whole(rows: list[Any], asked: PageRequest, sortable: tuple[str, ...]) -> Page[Any]:
    """All rows, or one page of them, sorted by what was asked for (the id). raises Invalid for an unknown sort_by"""
    name = asked.sort_by or "id"
    if name not in sortable:
        raise invalid("sort_by", f"Cannot sort by {name!r}; choose one of {', '.join(sorted(sortable))}.")
    ordered = sorted(rows, key=lambda row: (getattr(row, name), row.id), reverse=bool(asked.descending))
    if {"page", "per_page"} & set(request.args):
        return sliced(ordered, asked)
    return Page(ordered, max(len(ordered), asked.per_page), 1, len(ordered))
