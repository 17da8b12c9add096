"""Fixtures of the SMTP tests."""

from tests.mail.smtp_door import door, server_tls, submission, trusting

__all__ = ["door", "server_tls", "submission", "trusting"]
