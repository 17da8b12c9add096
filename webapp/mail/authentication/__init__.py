"""Where does a mail come from: SPF, DKIM, ARC and DMARC by one function, without a network of its own."""

from webapp.mail.authentication.verdict import Verdict, authenticate

__all__ = ["Verdict", "authenticate"]
