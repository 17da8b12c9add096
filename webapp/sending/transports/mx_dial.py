"""Reaching one of a domain's mail hosts: host after host, address after address, with the TLS that its MTA-STS policy asks for.

    enforce   only hosts of the policy, only with a valid certificate; when none does, the mail waits (RFC 8461 section 5)
    testing   the same is tried first; what fails is noted, and the mail goes as it would without a policy
    without   TLS where it is offered, its certificate unchecked; in the clear where it is not, or where its handshake breaks
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from webapp.core.outside import SmtpConnector
from webapp.mail.dns_text import Ask
from webapp.mail.mta_sts import Policy, allows
from webapp.mail.mx import host_addresses
from webapp.mail.smtp_out import ConnectFailed, Connection, Target
from webapp.mail.smtp_pipe import Ear, Pipe

#: RFC 5321 section 4.5.3.2: five minutes for a reply, ten for the one to the final dot; connecting is given less
REPLY_S, DIAL_S = 300.0, 20.0
#: addresses that are dialled for one connection
MOST_DIALS = 6
#: with the policy in force; when testing it failed; without a policy
ENFORCED, TESTED = "MTA-STS enforce", "MTA-STS testing"


@dataclass(frozen=True)
class Way:
    """Where a domain's mail may go: its hosts in order, and its policy where it has one."""

    domain: str
    hosts: tuple[str, ...]
    policy: Policy | None = None


@dataclass
class Dialling:
    """Opens connections along a way; the address that worked last is tried first."""

    way: Way
    connector: SmtpConnector
    hostname: str
    port: int
    ask: Ask
    #: (address, host) -> whether we may connect there
    may_reach: Callable[[str, str], bool]
    #: the host that was dialled last
    last: str = ""
    _good: tuple[str, str] | None = None
    _failures: list[str] = field(default_factory=list)

    def open(self, ear: Ear) -> Pipe:
        """A connection that greeted us, as a pipe. raises ConnectFailed with the whole story"""
        story: list[str] = []
        last: ConnectFailed | None = None
        for number, (host, address) in enumerate(self._places(story)):
            if number >= MOST_DIALS:
                story.append(f"-- {MOST_DIALS} addresses were tried; the others are left for the next attempt")
                break
            self.last = host
            try:
                line, tls = self._dial(host, address)
            except ConnectFailed as failed:
                story += failed.dialogue
                story.append(f"-- {host} [{address}]: {failed.text}")
                last, self._good = failed, None
                continue
            self._good = (host, address)
            line.dialogue = [*story, *line.dialogue]
            line.tls = tls
            return Pipe(line, host, ear)
        raise self._failed(story, last)

    def take_failures(self) -> list[str]:
        """What did not do as the policy asks since this was asked last."""
        found, self._failures = self._failures, []
        return found

    def _failed(self, story: list[str], last: ConnectFailed | None) -> ConnectFailed:
        if last is not None:
            return ConnectFailed(last.text, story, last.code)
        text = story[-1].removeprefix("-- ") if story else f"{self.way.domain} has no host that can be reached."
        return ConnectFailed(text, story)

    def _places(self, story: list[str]) -> Iterator[tuple[str, str]]:
        """(host, address) in the order in which they are tried; what is left out is told in the story."""
        if self._good is not None:
            yield self._good
        tried = {self._good}
        for host in self.way.hosts:
            if self._is_enforced and not self._is_of_policy(host):
                self._failures.append(f"{host} is not among the hosts of the policy.")
                story.append(f"-- {host} is not among the hosts that the domain's MTA-STS policy allows")
                continue
            addresses, certain = host_addresses(host, self.ask)
            if not addresses:
                story.append(f"-- {host} has no address" if certain else f"-- the DNS gave no usable answer about the addresses of {host}")
            for address in addresses:
                if not self.may_reach(address, host):
                    story.append(
                        f"-- {host} ({address}) is not on the public internet; the operator may allow it in MAILROOM_ALLOW_PRIVATE_TARGETS"
                    )
                elif (host, address) not in tried:
                    yield host, address

    @property
    def _is_enforced(self) -> bool:
        return self.way.policy is not None and self.way.policy.mode == "enforce"

    def _is_of_policy(self, host: str) -> bool:
        return self.way.policy is None or allows(self.way.policy.mx, host)

    def _dial(self, host: str, address: str) -> tuple[Connection, str]:
        """(connection, what is kept of its TLS). raises ConnectFailed"""
        policy = self.way.policy
        if policy is None:
            line = self._connect(host, address, "opportunistic")
            return line, line.tls or "in the clear"
        if policy.mode == "enforce":
            try:
                line = self._connect(host, address, "require")
            except ConnectFailed as failed:
                self._failures.append(f"{host}: {failed.text}")
                raise
            return line, f"{line.tls}; {ENFORCED}"
        problem = None if self._is_of_policy(host) else f"{host} is not among the hosts of the policy."
        if problem is None:
            try:
                line = self._connect(host, address, "require")
            except ConnectFailed as failed:
                problem = f"{host}: {failed.text}"
            else:
                return line, f"{line.tls}; {TESTED}: passed"
        line = self._connect(host, address, "opportunistic")
        self._failures.append(problem)
        return line, f"{line.tls or 'in the clear'}; {TESTED}: {problem}"

    def _connect(self, host: str, address: str, tls: str) -> Connection:
        target = Target(host, self.port, tls=tls, timeout_s=REPLY_S, address=address, dial_s=DIAL_S)
        line: Connection = self.connector(target, self.hostname)
        return line
