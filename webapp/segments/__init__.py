"""Segments: saved filters over contacts."""
