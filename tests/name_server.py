"""A UDP name server on loopback with records of the test's own, for what asks DNS over a real socket."""

import socket
import threading
from collections.abc import Mapping

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Zone = Mapping[tuple[str, str], list[str]]


class NameServer(threading.Thread):
    """Answers from `zone`: {(name with the last dot, type): values as in a zone file}, which may change at any time.

    Names that begin with "silent" get no answer, "broken" SERVFAIL, "refused" REFUSED.
    """

    def __init__(self, zone: Zone) -> None:
        super().__init__(daemon=True)
        self.zone = zone
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.asked: list[tuple[str, str]] = []

    def run(self) -> None:
        while True:
            data, peer = self.socket.recvfrom(4096)
            if data == b"stop":
                return
            if answer := self._answer(dns.message.from_wire(data)):
                self.socket.sendto(answer.to_wire(), peer)

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name.startswith("silent"):
            return None
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if name.startswith(("broken", "refused")):
            answer.set_rcode(dns.rcode.SERVFAIL if name.startswith("broken") else dns.rcode.REFUSED)
        elif records := self.zone.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(question.name, 300, "IN", kind, *records))
        elif not any(known == name for known, _ in self.zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as knock:
            knock.sendto(b"stop", self.socket.getsockname())
        self.join(5)
        self.socket.close()
