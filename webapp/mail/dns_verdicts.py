"""What stands in the DNS against what should: one verdict per record, in words.

    right      does what the record is for, however it is written: order, case, quotes, split strings and extra tags do not matter
    missing    there is no such record
    different  there is one, and it does not do it; the sentence says what differs, `fix` what to publish instead
    unknown    a resolver did not answer; nothing is known, and what was known before still counts
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from webapp.mail import spf_record
from webapp.mail.dns_records import PROOF_PREFIX, Record
from webapp.mail.dns_text import MOST_ALIASES, Answer, Ask, addresses, host, is_quoted, mx_hosts, same_base64, short, some, tags, unquoted

STATES = ("right", "missing", "different", "unknown")
POLICIES = ("none", "quarantine", "reject")
QUOTES = "stands in quotation marks that became part of the value; enter it without them"


@dataclass(frozen=True)
class Verdict:
    """state (one of STATES), what was found and where, in a sentence; `hints` are worth knowing though nothing is wrong.

    status  of the answer: ok, nxdomain, no_answer, servfail, timeout
    """

    state: str
    sentence: str
    found: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    fix: str | None = None
    status: str = "ok"
    resolver: str = ""
    ttl_s: int = 0


def judge(record: Record, domain: str, hostname: str, ask: Ask) -> Verdict:
    """Look one record up and compare. Asks the DNS through `ask`, which never raises."""
    judges: dict[str, Callable[[Record, str, str, Ask], Verdict]] = {
        "verification": _proof, "mx": _mx, "spf": _spf, "dkim": _dkim, "dmarc": _dmarc, "return_path": _return_path,
    }  # fmt: skip
    return judges[record.kind](record, domain, hostname, ask)


def _of(answer: Answer, state: str, sentence: str, *, hints: Sequence[str] = (), fix: str | None = None) -> Verdict:
    found = tuple(value[:2000] for value in answer.values[:20])
    return Verdict(state, sentence, found, tuple(hints), fix, answer.status, answer.resolver, answer.ttl_s)


def unanswered(answer: Answer, what: str) -> Verdict:
    """A resolver that times out or fails says nothing about the name."""
    why = "did not answer in time" if answer.status == "timeout" else "could not answer"
    return _of(answer, "unknown", f"{answer.resolver} {why} when asked for the {what}, so nothing is known.")


def _absent(answer: Answer, what: str, name: str) -> Verdict:
    if answer.status == "nxdomain":
        return _of(answer, "missing", f"{answer.resolver} knows no name {name}.")
    if answer.values:
        count = len(answer.values)
        others = f"{count} other {what} {'record' if count == 1 else 'records'}"
        return _of(answer, "missing", f"{answer.resolver} found {others} at {name}, but not ours.")
    return _of(answer, "missing", f"{answer.resolver} found no {what} record at {name}.")


# --- proof ----------------------------------------------------------------------------------------------


def _proof(record: Record, domain: str, hostname: str, ask: Ask) -> Verdict:
    return proof(domain, record.host, record.value, ask)


def proof(domain: str, at: str, expected: str, ask: Ask) -> Verdict:
    """The TXT record that proves the domain: at `_mailroom.<domain>`, or at the name itself when it is not there."""
    answers: list[Answer] = []
    for name in (at, domain):
        answer = ask(name, "TXT")
        answers.append(answer)
        if any("".join(unquoted(value).split()).lower() == expected.lower() for value in answer.values):
            return _of(answer, "right", f"The record {expected} stands at {name}, as {answer.resolver} answered.")
    for answer, name in zip(answers, (at, domain), strict=True):
        ours = next((unquoted(value) for value in answer.values if unquoted(value).lower().startswith(PROOF_PREFIX)), None)
        if ours is not None:
            sentence = f"{answer.resolver} found {short(ours)} at {name}, which is another value than expected."
            return replace(_of(answer, "different", sentence), status="no_answer")
    unsure = next((answer for answer in answers if not answer.is_certain), None)
    if unsure is not None:
        return unanswered(unsure, f"TXT record of {domain}")
    first, second = answers
    if second.values and not first.values:
        return replace(_absent(second, "TXT", domain), status="no_answer")
    return replace(_absent(first, "TXT", at), status="nxdomain" if {first.status, second.status} == {"nxdomain"} else "no_answer")


# --- MX -------------------------------------------------------------------------------------------------


def _mx(record: Record, domain: str, hostname: str, ask: Ask) -> Verdict:
    """Every host that the MX records name leads here, by its name or by its addresses (RFC 5321 section 5.1)."""
    answer = ask(domain, "MX")
    if not answer.is_certain:
        return unanswered(answer, f"MX records of {domain}")
    found = mx_hosts(answer)
    if not found:
        verdict = _absent(answer, "MX", domain)
        direct = bool(ask(domain, "A").values) if answer.status != "nxdomain" else False
        return replace(verdict, hints=(f"Mail for {domain} goes to the address of the name itself meanwhile.",)) if direct else verdict
    if all(name == "." for _, name in found):
        return _of(answer, "different", f"{domain} says that it takes no mail (a null MX).", fix=record.data)
    own, own_certain = addresses(hostname, ask)
    here, away, unsure = _sorted_out(found, hostname, own, ask)
    hints = [] if own or not own_certain else [f"{hostname} has no address yet, so nobody finds it; add an A or AAAA record for it."]
    if here and not away and not unsure:
        return _of(answer, "right", f"Mail for {domain} comes to {some(here)}.", hints=hints + _alias_hints(here, hostname, ask))
    if unsure and not away:
        return _of(answer, "unknown", f"It could not be found out where {some(unsure)} leads; the resolver did not answer.")
    if here:
        first = min(found)[1] in away
        text = f"{some(away)} is named beside {some(here)} and {'gets the mail first' if first else 'gets mail when we are slow'}."
        return _of(answer, "different", f"{text} Remove it, or part of the mail does not come here.", fix=record.data)
    return _of(answer, "different", f"Mail for {domain} goes to {some(away)}, not to {hostname}.", hints=hints, fix=record.data)


def _sorted_out(found: Sequence[tuple[int, str]], hostname: str, own: set[str], ask: Ask) -> tuple[list[str], list[str], list[str]]:
    """Hosts that are this one, others, and those nobody could tell."""
    here: list[str] = []
    away: list[str] = []
    unsure: list[str] = []
    for _, name in found[:20]:
        if name == host(hostname):
            here.append(name)
            continue
        theirs, certain = addresses(name, ask) if own else (set(), True)
        (here if theirs and theirs <= own else unsure if not certain else away).append(name)
    return here, away, unsure


def _alias_hints(names: Sequence[str], hostname: str, ask: Ask) -> list[str]:
    aliases = [name for name in names if name != host(hostname) and ask(name, "CNAME").values]
    return [f"{name} is an alias; an MX should name a host with addresses of its own (RFC 2181 section 10.3)." for name in aliases]


# --- SPF ------------------------------------------------------------------------------------------------


def _spf(record: Record, domain: str, hostname: str, ask: Ask) -> Verdict:
    answer = ask(domain, "TXT")
    if not answer.is_certain:
        return unanswered(answer, f"SPF record of {domain}")
    records = [value for value in answer.values if spf_record.is_spf(value)]
    if not records:
        quoted = [value for value in answer.values if is_quoted(value) and spf_record.is_spf(unquoted(value))]
        if quoted:
            fix = spf_record.merged([unquoted(quoted[0])], hostname)
            return _of(answer, "different", f"The SPF record {QUOTES}.", fix=fix)
        verdict = _absent(answer, "TXT", domain)
        return replace(verdict, sentence=verdict.sentence.replace("but not ours", "but none with SPF"))
    answer = _Part(records, answer.resolver, answer.ttl_s)
    if len(records) > 1:
        text = f"{domain} has {len(records)} SPF records, and receivers then believe none of them. Publish one in their place."
        return _of(answer, "different", text, fix=spf_record.merged(records, hostname))
    return _read_spf(answer, records[0], domain, hostname, ask)


def _read_spf(answer: Answer, text: str, domain: str, hostname: str, ask: Ask) -> Verdict:
    reading = spf_record.read(text, domain, hostname, ask)
    hints = [f"{what[:1].upper()}{what[1:]}." for what in reading.broken[:3]]
    if reading.lookups > spf_record.MOST_LOOKUPS:
        count = f"more than {spf_record.FURTHEST}" if reading.lookups > spf_record.FURTHEST else str(reading.lookups)
        sentence = f"The record makes receivers ask {count} questions; they stop after {spf_record.MOST_LOOKUPS} and believe none of it."
        return _of(answer, "different", f"{sentence} Remove the includes that are not needed.", hints=hints)
    if reading.result == "+":
        if reading.open:
            hints.append("“all” without a sign lets everybody send for the domain; end the record with ~all.")
        return _of(answer, "right", f"{hostname} may send for {domain}: {reading.by}.", hints=hints)
    if reading.unsure:
        return _of(answer, "unknown", f"{some(reading.unsure)} could not be looked up, so nothing is known.", hints=hints)
    fix = spf_record.with_us(text, hostname)
    if reading.result and "all" not in reading.by:
        return _of(answer, "different", f"“{reading.by}” says that {hostname} may not send for {domain}.", hints=hints, fix=fix)
    return _of(answer, "different", f"The record does not name {hostname}. Add a:{hostname} to it.", hints=hints, fix=fix)


# --- DKIM -----------------------------------------------------------------------------------------------


def _dkim(record: Record, domain: str, hostname: str, ask: Ask) -> Verdict:
    """RFC 6376 section 3.6.1: `v` and `k` may be left out, `p` is folded at will, other tags are welcome."""
    answer = ask(record.host, "TXT")
    if not answer.is_certain:
        return unanswered(answer, f"DKIM key at {record.host}")
    keys = [value for value in answer.values if "p" in tags(value) and not is_quoted(value)]
    if not keys:
        if any("p" in tags(unquoted(value)) and is_quoted(value) for value in answer.values):
            return _of(answer, "different", f"The key {QUOTES}.", fix=record.value)
        return _absent(answer, "TXT", record.host)
    wrong = [_wrong_key(tags(value), tags(record.value)) for value in keys]
    if all(wrong):
        return _of(answer, "different", str(wrong[0]), fix=record.value)
    if len(keys) > 1:
        text = f"{record.host} has {len(keys)} keys, ours among them; receivers may take any. Remove the others."
        return _of(answer, "different", text, fix=record.value)
    testing = "y" in tags(keys[0]).get("t", "").lower().replace(" ", "").split(":")
    hints = ["It says t=y, “testing”; some receivers then ignore the signature."] if testing else []
    if len(answer.values) > 1:
        hints.append(f"{len(answer.values) - 1} other TXT stands at the same name; a selector should have one record alone.")
    return _of(answer, "right", f"The key stands at {record.host}, as {answer.resolver} answered.", hints=hints)


def _wrong_key(found: dict[str, str], expected: dict[str, str]) -> str | None:
    """What keeps a published key from being ours; None: it is."""
    algorithm = found.get("k", "rsa").lower()
    if found.get("v", "DKIM1") != "DKIM1":
        return f"The record begins with v={short(found['v'], 20)}; it must be v=DKIM1."
    if not found["p"].strip():
        return "The key is empty, which says that it was withdrawn."
    if algorithm != expected["k"]:
        return f"The record is for a key of the kind {short(algorithm, 20)}; ours is {expected['k']}."
    if not same_base64(found["p"], expected["p"]):
        cut = expected["p"].startswith("".join(found["p"].split()).rstrip("="))
        return "The key is cut off; the end of it is missing." if cut else "Another key stands there."
    if "sha256" not in found.get("h", "sha256").lower():
        return f"The record allows h={short(found['h'], 20)} alone; our signatures use sha256."
    if not {"*", "email"} & {service.strip() for service in found.get("s", "*").lower().split(":")}:
        return f"The record is for s={short(found['s'], 20)}, not for mail."
    return None


# --- DMARC ----------------------------------------------------------------------------------------------


def _dmarc(record: Record, domain: str, hostname: str, ask: Ask) -> Verdict:
    """The policy of the name, or that of a parent, which covers it (RFC 7489 section 6.6.3)."""
    labels = domain.split(".")
    names = [".".join(labels[start:]) for start in range(max(1, len(labels) - 1))]
    first: Answer | None = None
    for name in names:
        answer = ask(f"_dmarc.{name}", "TXT")
        first = first or answer
        if not answer.is_certain:
            return unanswered(answer, f"DMARC policy at _dmarc.{name}")
        policies = [value for value in answer.values if value.strip().startswith("v=DMARC1")]
        if policies:
            return _read_dmarc(answer, policies, name, domain, record)
        if any(unquoted(value).lower().startswith("v=dmarc1") for value in answer.values):
            why = QUOTES if any(is_quoted(value) for value in answer.values) else "must begin with v=DMARC1 in capitals"
            return _of(answer, "different", f"The policy at _dmarc.{name} {why}.", fix=record.value)
    assert first is not None
    return _absent(first, "TXT", record.host)


def _read_dmarc(answer: Answer, policies: Sequence[str], name: str, domain: str, record: Record) -> Verdict:
    if len(policies) > 1:
        text = f"_dmarc.{name} has {len(policies)} policies, and receivers then follow none of them. Keep one."
        return _of(answer, "different", text, fix=policies[0])
    found = tags(policies[0])
    policy = (found.get("sp") or found.get("p", "") if name != domain else found.get("p", "")).lower()
    if policy not in POLICIES:
        if found.get("rua"):
            hint = "It names no policy that receivers know, which counts as p=none."
            return _of(answer, "right", f"Reports are asked for at _dmarc.{name}.", hints=[hint])
        text = f"The policy at _dmarc.{name} says p={short(policy, 20) or '(nothing)'}; it must be none, quarantine or reject."
        return _of(answer, "different", text, fix=record.value)
    where = f"_dmarc.{name} says" if name == domain else f"The policy of {name} covers {domain}:"
    hints = []
    if policy == "none":
        hints.append("p=none only watches; once the reports look right, change it to quarantine or reject.")
    if not found.get("rua"):
        hints.append(f"No address for reports (rua); add rua=mailto:postmaster@{domain} to hear what fails.")
    return _of(answer, "right", f"{where} {policy} for mail that fails.", hints=hints)


# --- return path ----------------------------------------------------------------------------------------


def _return_path(record: Record, domain: str, hostname: str, ask: Ask) -> Verdict:
    """An alias of our host, by however many steps; or an MX, or addresses of the name's own, that lead here."""
    name, seen = record.host, [record.host]
    answer = first = ask(name, "CNAME")
    while answer.values and len(seen) <= MOST_ALIASES:
        name = host(answer.values[0])
        if name == host(hostname):
            return _of(first, "right", f"{record.host} leads to {hostname}.")
        if name in seen:
            return _of(first, "different", f"{record.host} goes in circles by {some(seen)}.", fix=record.value)
        seen.append(name)
        answer = ask(name, "CNAME")
    if not answer.is_certain:
        return unanswered(answer, f"alias {name}")
    mail = ask(name, "MX")
    found = mx_hosts(mail)
    own, own_certain = addresses(hostname, ask)
    if found:
        here, away, unsure = _sorted_out(found, hostname, own, ask)
        if here and not away and not unsure:
            return _of(mail, "right", f"Bounces for {record.host} come to {some(here)}.")
        return _of(mail, "different", f"Bounces for {record.host} go to {some(away or unsure)}, not to {hostname}.", fix=record.value)
    theirs, certain = addresses(name, ask)
    shown = first if first.values else _Part(sorted(theirs), mail.resolver, mail.ttl_s)
    if theirs and own and theirs <= own:
        return _of(shown, "right", f"{record.host} has the address of {hostname}.")
    if not (certain and own_certain and mail.is_certain):
        return unanswered(mail if not mail.is_certain else _Silent(first.resolver), f"addresses of {name}")
    if first.values or theirs:
        where = seen[-1] if first.values else some(sorted(theirs))
        return _of(shown, "different", f"{record.host} leads to {where}, not to {hostname}.", fix=record.value)
    return _absent(first, "CNAME", record.host)


@dataclass(frozen=True)
class _Part:
    """Those values of an answer that are about the record in question."""

    values: list[str]
    resolver: str
    ttl_s: int
    status: str = "ok"
    is_certain: bool = True


@dataclass(frozen=True)
class _Silent:
    """An answer that did not come, from a resolver that answered another question."""

    resolver: str
    status: str = "servfail"
    ttl_s: int = 0
    is_certain: bool = False

    @property
    def values(self) -> list[str]:
        return []
