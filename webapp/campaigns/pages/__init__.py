"""The pages of campaigns, below Send."""

from flask import Flask

from webapp.campaigns import received
from webapp.campaigns.pages import listing as listing
from webapp.campaigns.pages import sending as sending
from webapp.campaigns.pages import single as single
from webapp.campaigns.pages import writing as writing
from webapp.campaigns.pages.base import bp
from webapp.contacts import hanging
from webapp.core import menu


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    hanging.campaigns = received.of_contact
    hanging.campaign_names = received.names
    hanging.mail_subjects = received.subjects
    menu.add("Send", "Campaigns", "campaigns.list_page", scope="campaigns:read", order=5)
