"""Segments as a filter of contact lists: `segment_id`."""

from webapp.contacts import filters
from webapp.segments import service

filters.more["segment_id"] = service.of_filter
