"""Contacts in the browser: `listing`, `creating`, `single` one of them, `merging`, `privacy`, then `tags`, `groups` and `own_fields`."""

from flask import Flask, url_for

from webapp.contacts import picking
from webapp.contacts.pages import base, creating, exporting, groups, listing, merging, own_fields, privacy, single, sorting, tags
from webapp.core import menu
from webapp.picks import kinds

__all__ = ["creating", "exporting", "init_app", "listing", "merging", "privacy", "single", "sorting"]


def init_app(app: Flask) -> None:
    for blueprint in (base.bp, tags.bp, groups.bp, own_fields.bp):
        app.register_blueprint(blueprint)
    app.add_template_filter(base.tag_color)
    kinds.register(picking.kind(lambda: url_for("contacts.list_page"), groups.is_list))
    menu.add("People", "Contacts", "contacts.list_page", scope="contacts:read", order=10)
    menu.add("People", "Groups", "contact_groups.list_page", scope="contacts:read", order=30)
    menu.add("People", "Tags", "contact_tags.list_page", scope="contacts:read", order=40)
    menu.add("People", "Custom fields", "contact_fields.list_page", scope="contacts:read", order=50)
