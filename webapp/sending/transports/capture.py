"""`capture`, the default: outgoing mail is kept, visibly, and nothing leaves the machine."""

from webapp.sending.transports import Transport

CAPTURE = Transport(
    name="capture",
    first_state="captured",
    held_reason="the transport was set to capture after this mail was accepted; it goes on once there is a way out again",
    notice="Nothing leaves this machine: outgoing mail is captured here and can be read like any other. "
    "Set MAILROOM_TRANSPORT to a mail server to send for real.",
)
