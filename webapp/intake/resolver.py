"""The resolver as the check of one mail asks it: within its time, and not at all for a while once it is found to be dead.

Whether it is dead is asked of the root zone, which no sender has a hand in: a domain whose own servers do not answer must not keep the mail
of others from being checked.
"""

import time
from weakref import WeakKeyDictionary

from webapp.core.dns import Dns, DnsAnswer

#: for one question, for all questions of one mail, and for the question whether the resolver lives
QUESTION_S, MAIL_S, PROBE_S = 4.0, 12.0, 1.0
#: how long a dead resolver is left alone
SILENCE_S = 15.0
_silent_until: WeakKeyDictionary[Dns, float] = WeakKeyDictionary()


class Resolver:
    """Asks for one mail, from its making on for `mail_s` seconds; a question too late is answered `timeout`."""

    def __init__(self, dns: Dns, mail_s: float | None = None) -> None:
        self.dns = dns
        self.until = time.monotonic() + (MAIL_S if mail_s is None else mail_s)

    def lookup(self, name: str, type: str) -> DnsAnswer:
        left = self.until - time.monotonic()
        if left <= 0 or self._is_silent():
            return DnsAnswer(status="timeout")
        answer = self.dns.lookup(name, type, timeout_s=min(QUESTION_S, left))
        if answer.status == "timeout" and not self._is_silent():
            self._probe()
        return answer

    def _is_silent(self) -> bool:
        return _silent_until.get(self.dns, 0.0) > time.monotonic()

    def _probe(self) -> None:
        if not self.dns.lookup(".", "NS", timeout_s=PROBE_S).is_certain:
            _silent_until[self.dns] = time.monotonic() + SILENCE_S
