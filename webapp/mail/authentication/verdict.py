"""One answer for one mail: SPF, DKIM, ARC and DMARC, and what they come to for a reader and for the routes."""

from dataclasses import asdict, dataclass
from time import time
from typing import Any

import idna

from webapp.mail.address import parse_address_list
from webapp.mail.authentication import arc, dkim_verify, dmarc, spf
from webapp.mail.authentication.arc import ArcResult
from webapp.mail.authentication.dkim_verify import SignatureResult
from webapp.mail.authentication.dmarc import DmarcResult
from webapp.mail.authentication.questions import Lookup, Questions, can_exist
from webapp.mail.authentication.results_header import header
from webapp.mail.authentication.signed_mail import SignedMail
from webapp.mail.authentication.spf import SpfResult
from webapp.mail.line_ends import with_crlf
from webapp.mail.mime_fields import read_block, unfold

#: a mail with more From fields is not looked at closely: it cannot be proven
MOST_FROM = 10
#: characters of one text that are kept; a sender can choose some of them
MOST_KEPT = 500


@dataclass(frozen=True)
class Verdict:
    """What is known about where a mail comes from.

    overall      pass: SPF or DKIM proves the domain in From; fail: there is a record, a signature or a policy and none proves it;
                 none: nothing to go by; temperror: the DNS did not answer where it mattered
    explanation  one sentence for people
    header       the value of Authentication-Results
    """

    spf: SpfResult
    dkim: list[SignatureResult]
    arc: ArcResult
    dmarc: DmarcResult
    overall: str
    explanation: str
    header: str

    @property
    def is_unproven(self) -> bool:
        """Whether the mail is to be quarantined: everything that is neither proven nor kept from being so by the DNS."""
        return self.overall in ("fail", "none")

    def as_json(self) -> dict[str, Any]:
        """{overall, explanation, header, spf: {…}, dkim: [{…}], arc: {…}, dmarc: {…}} of plain values."""
        found: dict[str, Any] = {"overall": self.overall, "explanation": self.explanation}
        found |= {"spf": asdict(self.spf), "dkim": [asdict(one) for one in self.dkim]}
        found |= {"arc": asdict(self.arc), "dmarc": asdict(self.dmarc)}
        return _plain(found) | {"header": self.header}


def _plain(value: Any) -> Any:
    """The same with lists for tuples, and texts that any database keeps: short, without control characters and halves of letters."""
    if isinstance(value, str):
        return "".join(char if char.isprintable() else "\ufffd" for char in value[:MOST_KEPT])
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def authenticate(raw: bytes, *, ip: str, helo: str, mail_from: str, lookup: Lookup, hostname: str, now: float | None = None) -> Verdict:
    """Check one mail; never raises, whatever it holds.

    raw        the bytes as they came in
    ip         of the client, with helo and mail_from ("" for a report) as it said them
    lookup     (name, type) -> an answer with `values` and `status`, asked at most 200 times
    hostname   ours: who says so in the header
    now        seconds since the epoch; None: now
    """
    questions = Questions(lookup)
    mail = SignedMail(with_crlf(raw))
    domains = _from_domains(mail, raw)
    # the policy first: nothing that a stranger makes us ask may use up what is left for it
    policy = dmarc.policy_of(domains[0], questions) if len(domains) == 1 and domains[0] else None
    from_domain = domains[0] if policy else ""
    if policy is not None and policy.status == "temperror":
        questions.give_up()

    def counts(domain: str) -> bool:
        return dmarc.is_aligned(domain, from_domain, strict=False)

    # then what may count, and what belongs to others last: they may be slow on purpose
    spf_first = counts((mail_from or helo).rpartition("@")[2])
    early = spf.check_host(ip, mail_from, helo, questions, receiver=hostname) if spf_first else None
    signatures = dkim_verify.verify(mail, questions, time() if now is None else now, counts)
    found_spf = early or spf.check_host(ip, mail_from, helo, questions, receiver=hostname)
    if policy is None:
        reason = "the mail has several domains in From" if len(domains) > 1 else "the mail has no domain in From"
        found_dmarc = DmarcResult("permerror", reason=reason)
    else:
        found_dmarc = dmarc.judge(policy, found_spf, signatures, raw[:4096])
    found_arc = arc.verify(mail, questions)
    overall = _overall(found_spf, signatures, found_dmarc)
    return Verdict(
        found_spf, signatures, found_arc, found_dmarc, overall, _sentence(overall, found_spf, signatures, found_dmarc),
        header(hostname, found_spf, signatures, found_arc, found_dmarc, mail_from),
    )  # fmt: skip


def _from_domains(mail: SignedMail, raw: bytes) -> list[str]:
    """The domains of all addresses in all From fields, each once; "" stands for an address that has none.

    Both ways of reading a header count, that of signatures and that of the page which shows the mail: what one of them alone takes for a
    From must not go unchecked.
    """
    values = [field.value for field in mail.named(b"from")]
    values += [value for name, value in read_block(raw, 0, len(raw)).fields if name.strip().lower() == "from"]
    found: dict[str, None] = {"": None} if len(values) > 2 * MOST_FROM else {}
    for value in values[: 2 * MOST_FROM]:
        for _, address in parse_address_list(unfold(value)):
            domain = _ascii(address.rpartition("@")[2].strip().lower().removesuffix("."))
            found[domain if "." in domain and can_exist(domain) and not domain.startswith("[") else ""] = None
    return list(found)


def _ascii(domain: str) -> str:
    try:
        return domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except (UnicodeError, idna.IDNAError):
        return ""


def _overall(found_spf: SpfResult, signatures: list[SignatureResult], found: DmarcResult) -> str:
    if found.result == "pass" or (found.result == "none" and found.aligned):
        return "pass"
    if found.result == "temperror" or (found.result == "none" and dmarc.has_waiting_proof(found.domain, found_spf, signatures)):
        return "temperror"
    return "none" if found.result == "none" and found_spf.result == "none" and not signatures else "fail"


def _sentence(overall: str, found_spf: SpfResult, signatures: list[SignatureResult], found: DmarcResult) -> str:
    domain = found.domain
    if overall == "pass":
        how = " and ".join(word.upper() for word in found.aligned)
        return f"{how} {'prove' if len(found.aligned) > 1 else 'proves'} that the mail comes from {domain}."
    if overall == "temperror":
        return f"The DNS did not answer, so nobody can say whether the mail comes from {domain}."
    if found.result == "permerror":
        return f"Nothing can be proven: {found.reason}."
    if overall == "none":
        return f"{domain} publishes neither SPF nor DMARC and the mail is not signed, so anybody can have written it."
    asks = f"; {domain} asks to {'refuse' if found.policy == 'reject' else 'quarantine'} such mail" if found.disposition != "none" else ""
    return f"Nothing proves that the mail comes from {domain}: {_spf_words(found_spf)}, and {_dkim_words(signatures)}{asks}."


def _spf_words(found: SpfResult) -> str:
    words = {"pass": "SPF passed for another domain", "none": "there is no SPF record to go by"}
    return words.get(found.result, f"SPF says {found.result}")


def _dkim_words(signatures: list[SignatureResult]) -> str:
    if not signatures:
        return "it is not signed"
    if any(one.result == "pass" for one in signatures):
        return "it is signed by another domain only"
    return "no signature holds"
