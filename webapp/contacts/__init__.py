"""Contacts, tags, contact groups and custom fields: the people of a workspace."""
