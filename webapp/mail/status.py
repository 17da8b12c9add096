"""SMTP replies as named constants: code, enhanced code (RFC 3463, RFC 5248) and a sentence that says what to do."""

OK = "250 2.0.0 OK"
MAILBOX_UNKNOWN = "550 5.1.1 No such mailbox here"
RELAY_DENIED = "550 5.7.1 Relaying denied: this server does not take mail for that domain"
DOMAIN_UNVERIFIED = "550 5.7.1 That domain is not verified yet and takes no mail from outside"
MAILBOX_PAUSED = "450 4.2.1 The mailbox is paused; try again later"
MAILBOX_CANNOT_RECEIVE = "550 5.2.1 The mailbox does not receive mail"
OVER_LIMIT = "452 4.2.2 The mailbox has reached its limit for now; try again later"
MESSAGE_TOO_BIG = "552 5.3.4 The message is larger than this server takes"
MAILBOX_TAKES_LESS = "552 5.3.4 The message is larger than the mailbox takes"
TOO_MANY_RECIPIENTS = "452 4.5.3 Too many recipients in one message; send the rest in another"
BARE_LINE_END = "550 5.6.11 The message holds a bare CR or LF; lines end with CRLF"
BAD_ADDRESS = "501 5.1.3 That is not an address"
BAD_SENDER = "501 5.1.7 That is not a sender address"
SENDER_NOT_OWNED = "553 5.7.1 The sender is not an address of this login"
LOGIN_NEEDED = "530 5.7.0 Log in first"
TLS_NEEDED = "538 5.7.11 Start TLS before you log in"
LOGIN_REFUSED = "535 5.7.8 The user name or the password is wrong"
TOO_MANY_LOGINS = "454 4.7.0 Too many failed logins; try again later"
TOO_MANY_CONNECTIONS = "421 4.7.0 Too many connections from your address"
SHUTTING_DOWN = "421 4.3.2 The server is stopping; try again in a minute"
IDLE_TOO_LONG = "421 4.4.2 Nothing was sent for too long"
STORE_FAILED = "451 4.3.0 The message could not be stored; try again"
STORE_FULL = "452 4.3.1 The disk is full; try again later"
LOOKUP_FAILED = "451 4.3.0 The address could not be looked up; try again"
SENDING_REFUSED = "550 5.7.1 This mailbox may not send"


def stored_as(message_id: int) -> str:
    """The answer after the commit."""
    return f"250 2.0.0 Stored as {message_id}"


def code_of(reply: str) -> int:
    return int(reply[:3])
