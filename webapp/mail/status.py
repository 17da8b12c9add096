"""SMTP replies as named constants: code, enhanced code (RFC 3463, RFC 5248) and a sentence that says what to do."""

OK = "250 2.0.0 OK"
BYE = "221 2.0.0 Goodbye"
SENDER_OK = "250 2.1.0 Sender OK"
RECIPIENT_OK = "250 2.1.5 Recipient OK"
LOGGED_IN = "235 2.7.0 Logged in"
READY_FOR_TLS = "220 2.0.0 Ready to start TLS"
GO_AHEAD = "354 End data with <CR><LF>.<CR><LF>"
NOT_VERIFIED = "252 2.5.2 Send the mail and it will be delivered if it can"
HELP = "214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT"

# --- the dialogue (RFC 5321 section 4.2.4) ----------------------------------------------------------
HELLO_FIRST = "503 5.5.1 Send EHLO first"
MAIL_FIRST = "503 5.5.1 Send MAIL first"
NESTED_MAIL = "503 5.5.1 One message at a time: send RSET before another MAIL"
NO_RECIPIENTS = "554 5.5.1 No recipient was taken, so there is nobody to send to"
UNKNOWN_COMMAND = "500 5.5.2 That command is not known"
COMMAND_TOO_LONG = "500 5.5.2 The line is too long"
NO_ARGUMENT = "501 5.5.4 The command takes no argument"
HELLO_NEEDS_NAME = "501 5.5.4 Say the name of your host: EHLO host.example"
MAIL_SYNTAX = "501 5.5.4 Write MAIL FROM:<address>"
RCPT_SYNTAX = "501 5.5.4 Write RCPT TO:<address>"
UNKNOWN_PARAMETER = "555 5.5.4 A parameter is unknown or has a wrong value"
NOT_OFFERED = "502 5.5.1 That command is not offered"
TOO_MANY_ERRORS = "421 4.7.0 Too many errors"
NOT_A_MAIL_CLIENT = "421 4.7.0 This is a mail server"
TLS_NOT_OFFERED = "454 4.7.0 TLS is not available"
TLS_ACTIVE = "503 5.5.1 TLS is active already"

# --- addresses and mailboxes --------------------------------------------------------------------------
MAILBOX_UNKNOWN = "550 5.1.1 No such mailbox here"
RELAY_DENIED = "550 5.7.1 Relaying denied: this server does not take mail for that domain"
DOMAIN_UNVERIFIED = "550 5.7.1 That domain is not verified yet and takes no mail from outside"
MAILBOX_PAUSED = "450 4.2.1 The mailbox is paused; try again later"
MAILBOX_CANNOT_RECEIVE = "550 5.2.1 The mailbox does not receive mail"
MAILBOX_FULL = "452 4.2.2 The mailbox is full; try again later"
MAILBOX_HOLDS_NO_MORE = "552 5.2.2 The mailbox keeps as many mails as it may"
MAILBOX_BUSY = "452 4.7.1 The mailbox has taken as much mail as it may for now; try again later"
TOO_MANY_RECIPIENTS = "452 4.5.3 Too many recipients in one message; send the rest in another"
BAD_ADDRESS = "501 5.1.3 That is not an address"
BAD_SENDER = "501 5.1.7 That is not a sender address"
SENDER_NOT_OWNED = "553 5.7.1 The sender is not an address of this login"
SENDING_REFUSED = "550 5.7.1 This mailbox may not send"

# --- the message ---------------------------------------------------------------------------------------
MESSAGE_TOO_BIG = "552 5.3.4 The message is larger than this server takes"
MAILBOX_TAKES_LESS = "552 5.3.4 The message is larger than the mailbox takes"
HEADER_TOO_BIG = "552 5.3.4 The header of the message is larger than this server takes"
BARE_LINE_END = "550 5.6.11 The message holds a bare CR or LF; lines end with CRLF"

# --- login ---------------------------------------------------------------------------------------------
LOGIN_NEEDED = "530 5.7.0 Log in first"
TLS_NEEDED = "538 5.7.11 Start TLS before you log in"
LOGIN_REFUSED = "535 5.7.8 The user name or the password is wrong"
TOO_MANY_LOGINS = "454 4.7.0 Too many failed logins; try again later"
NO_LOGINS_HERE = "502 5.5.1 This port takes no logins"
LOGGED_IN_ALREADY = "503 5.5.1 You are logged in already"
NOT_IN_A_MESSAGE = "503 5.5.1 Not between MAIL and the end of its message"
LOGIN_SYNTAX = "501 5.5.4 Write AUTH PLAIN or AUTH LOGIN"
UNKNOWN_MECHANISM = "504 5.5.4 The ways to log in are PLAIN and LOGIN"
NOT_BASE64 = "501 5.5.2 That is not base64"
NO_PLAIN = "501 5.5.2 AUTH PLAIN takes user and password, each behind a NUL"
LOGIN_NOT_UTF8 = "501 5.5.2 User name and password are UTF-8"
LOGIN_GIVEN_UP = "501 5.7.0 The login was given up"

# --- our own state ---------------------------------------------------------------------------------------
TOO_MANY_CONNECTIONS = "421 4.7.0 Too many connections from your address"
MAKING_ROOM = "421 4.3.2 Too many connections, and yours was idle; try again"
SHUTTING_DOWN = "421 4.3.2 The server is stopping; try again in a minute"
IDLE_TOO_LONG = "421 4.4.2 Nothing was sent for too long"
STORE_FAILED = "451 4.3.0 The message could not be stored; try again"
STORE_FULL = "452 4.3.1 The disk is full; try again later"
LOOKUP_FAILED = "451 4.3.0 The address could not be looked up; try again"
FAILED_HERE = "451 4.3.0 Something failed here; try again"


def stored_as(message_id: int) -> str:
    """The answer after the commit."""
    return f"250 2.0.0 Stored as {message_id}"


def code_of(reply: str) -> int:
    return int(reply[:3])
