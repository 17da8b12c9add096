"""`mx`, direct to the recipients' servers: the setting is understood, the transport comes in a later version; mail waits and says why."""

from webapp.sending.transports import Transport

MX = Transport(
    name="mx",
    first_state="held",
    held_reason="MAILROOM_TRANSPORT is mx, and this version cannot deliver to MX hosts yet; "
    "set it to smtp://host:port and it goes on by itself",
    notice="Outgoing mail waits: MAILROOM_TRANSPORT is mx, which this version does not have yet. "
    "Set it to smtp://host:port and everything that waits goes out.",
)
