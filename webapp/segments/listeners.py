"""Segments where contacts are listed: the filter `segment_id`, and the select of it on their page."""

from functools import partial

from webapp.contacts import filters, hanging
from webapp.segments import service

filters.more["segment_id"] = service.of_filter
filters.walked["segment_id"] = partial(service.of_filter, few=True)
hanging.segments = service.of_workspace
