"""The ears: messages ask here what became of a sent mail."""

from flask import Flask

from webapp.messages import timeline
from webapp.sending import story


def init_app(app: Flask) -> None:
    if story.steps not in timeline.timeline_sources:
        timeline.timeline_sources.append(story.steps)
        timeline.why_sources.append(story.clause)
