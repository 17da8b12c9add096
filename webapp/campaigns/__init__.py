"""Campaigns: one letter to many people, exactly once to each."""
