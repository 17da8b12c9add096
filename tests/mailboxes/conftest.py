"""The SMTP server of the intake's tests, for the answers that limits give."""

from tests.intake.conftest import smtp

__all__ = ["smtp"]
