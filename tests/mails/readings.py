"""Where a reader may say something else than the expected result and still be right, and the misses that are known."""

#: (reason of the source, our class): why the text of such a mail supports it
CLASSES: dict[tuple[str, str], str] = {
    ("filtered", "unknown-recipient"): "the text says that the user is unknown; the source has a list of hosts that mean a filter",
    ("filtered", "content"): "the text names the header of the mail as the reason",
    ("rejected", "unknown-recipient"): "the text says that the user is unknown",
    ("rejected", "blocked"): "the text says that the address is blacklisted",
    ("suspend", "unknown-recipient"): "the text says that the user is unknown",
    ("no_such_recipient", "recipient-disabled"): "the text says that the account is disabled",
    ("notaccept", "unknown-recipient"): "the text says that the recipient was not found",
    ("service_not_available", "blocked"): "deferred because readers complained",
    ("service_not_available", "rate-limited"): "the text says that there were too many connections",
    ("reputation", "rate-limited"): "the text names both: too many messages, from an untrusted address",
    ("badreputation", "rate-limited"): "the text names both: a rate limit, because of reputation",
    ("spam_content", "blocked"): "the text names a block list, a reputation or a refused service",
    ("spam_content", "content"): "the text says spam or virus",
    ("spam_content", "policy"): "the text says local policy",
    ("spamdetected", "content"): "the text says that the content was refused",
    ("action_not_taken", "blocked"): "the source has one word for several reasons; the text says that the host is not allowed",
    ("action_not_taken", "spam"): "the source has one word for several reasons; the text says spam",
    ("transaction_failed", "spam"): "the source has one word for several reasons; the text says spam",
    ("transaction_failed", "blocked"): "the source has one word for several reasons; the text says reputation",
    ("transaction_failed", "timeout"): "the source has one word for several reasons; the text says too many hops",
    ("transaction_failed", "content"): "the source has one word for several reasons; the text says equal headers",
    ("onhold", "server-fault"): "the source found no reason; the text says temporary failure or try again",
    ("onhold", "recipient-disabled"): "the source found no reason; the text says in Spanish that the mailbox has expired",
    ("onhold", "mailbox-full"): "the source found no reason; the text says in Spanish: unknown, or mailbox full",
    ("onhold", "policy"): "the source found no reason; the text says rejected",
    ("policyviolation", "content"): "the text names a header or an attachment as the reason",
    ("policyviolation", "blocked"): "the text says that the client host was rejected",
    ("securityerror", "spam"): "the text says flagged as spam",
    ("norelaying", "blocked"): "the text names both: relaying, and a host without a name",
    ("notcompliantrfc", "content"): "the text names a duplicate header",
    ("networkerror", "unknown-host"): "the text says that the domain has no name in the DNS",
    ("blocked", "rate-limited"): "the text says that a daily quota is used up",
    ("blocked", "spam"): "the text says that messages of this network are spam",
    ("blocked", "policy"): "the text says that the sender was rejected, or that access is denied",
    ("systemerror", "blocked"): "the text says that the service is refused",
    ("systemerror", "timeout"): "the text says that several attempts failed",
    ("systemfull", "mailbox-full"): "the text says that disk space is short",
    ("virusdetected", "content"): "one class in two words",
    ("mailererror", "policy"): "the text says that permission is denied",
}

#: sources whose readers know permanent and passing failures only: their `hard` is the first of the two
PERMANENT_ONLY = ("crisp-", "flufl-", "own-", "mikel-", "flanker-", "enmime-", "cpython-")

#: kinds that one reader has one word for
ONE_WORD = {
    ("bounce", "delay"): "its source has one word for all reports; the mail says that it is still being tried",
    ("bounce", "temporary-failure"): "its source has one word for all reports; the refusal has a 4xx code",
    ("temporary-failure", "delay"): "the mail says that it is still being tried",
    ("feedback-report", "dmarc-failure"): "a DMARC failure report is a feedback report (RFC 6591)",
}

#: misses that stay, by the name of the mail
EXPLAINED: dict[str, str] = {
    "flufl-qmail-08.eml": "It is the answer of a shop to a mail (“we are working on it”), so it is read as an automatic reply.",
    "flufl-yale-01.eml": "It names a local name without a domain; the source fills in two domains that it knows.",
    "own-dsn-many-de.eml": "It reports 200 recipients, and all are read; the expected result lists the first.",
    "sisimai-lhost-amazonses-01.eml": "Both stand in it: “unknown address error” of the sending service, and “access denied” of the other.",
    "sisimai-lhost-apachejames-01.eml": "The expected address has a zero less than the one in the mail.",
    "sisimai-lhost-domino-03.eml": "Text and fields of the mail name different domains; the fields are believed.",
    "sisimai-lhost-v5sendmail-06.eml": "Two refusals in one transcript, and nothing says which belongs to the address.",
    "sisimai-make-test-36.eml": "A person forwards a report in the text of a mail. Believing that would let anybody report anything.",
    "sisimai-rfc3464-04.eml": "The code stands in front of a command line that holds the address in pieces.",
    "sisimai-rhost-messagelabs-01.eml": "The status stands in a part that names no recipient, so the mail is read by its words.",
    "sisimai-rhost-messagelabs-03.eml": "It says “542 Rejected” and nothing else; the source knows what that provider means.",
    "sisimai-rhost-spectrum-01.eml": "It says that the sender is rejected, and a number of the provider that means a limit.",
}
