"""An audit entry in words: who, did what, to what; for feeds on object pages and the home page."""

#: verb of an action -> how it reads in a sentence
DONE = {
    "create": "created", "update": "changed", "delete": "deleted", "restore": "restored", "revoke": "revoked", "rotate": "rotated",
    "pause": "paused", "resume": "resumed", "verify": "verified", "purge": "removed for good", "send": "sent", "retry": "retried",
    "hold": "held", "release": "released", "cancel": "cancelled", "reorder": "reordered", "replay": "replayed", "run": "ran",
    "test": "tested", "enable": "enabled", "disable": "disabled", "read": "read", "use": "used", "set": "set", "suspend": "suspended",
    "give_up": "gave up for good", "unset": "removed", "check": "looked up", "schedule": "scheduled", "unschedule": "unscheduled",
    "complete": "completed", "start": "started", "finish": "finished", "undo": "had undone",
}  # fmt: skip
#: actions that read better as a whole; the second says whether the target is named after it
WHOLE = {
    "session.create": ("signed in", False),
    "import.create": ("uploaded", True),
    "import.fail": ("could not go on with", True),
    "import.undone": ("is done with undoing", True),
    "session.end": ("signed out", False),
    "session.confirm": ("confirmed who they are", False),
    "second_factor.enable": ("turned on the second factor of", True),
    "second_factor.disable": ("removed the second factor of", True),
    "recovery_codes.replace": ("made new recovery codes for", True),
    "recovery_codes.use": ("used a recovery code", False),
    "user.password": ("set a new password for", True),
    "user.reset": ("made a password link for", True),
    "member.create": ("added member", True),
    "member.join": ("joined the workspace", False),
    "member.leave": ("left the workspace", False),
    "invitation.create": ("invited", True),
    "invitation.resend": ("sent a new link to", True),
    "invitation.revoke": ("took back the invitation of", True),
    "invitation.accept": ("accepted the invitation of", True),
    "member.update": ("changed the role of", True),
    "member.delete": ("removed member", True),
    "mailbox.sample": ("asked for the sample mail", True),
    "mailbox.password": ("set a new password for", True),
    "domain.recheck": ("had the records looked up of", True),
    "domain.dns": ("found other records than before at", True),
    "domain.unverify": ("missed the proof for three days of", True),
    "domain.signature": ("changed the signature of", True),
    "domain.match": ("changed the matching addresses of", True),
    "dkim.rotate": ("made the next DKIM key of", True),
    "dkim.activate": ("began to sign with", True),
    "dkim.retire": ("retired", True),
    "dkim.withdraw": ("gave up", True),
    "message.release": ("let out of quarantine", True),
    "campaign.test": ("sent a test copy of campaign", True),
    "delivery.retry": ("sent now to", True),
    "delivery.treat_as_sent": ("treated as sent the mail to", True),
    "delivery.send_again": ("sent again to", True),
    "delivery.undo_retry": ("took back the sending to", True),
    "delivery.undo_hold": ("took back the hold of", True),
    "delivery.undo_release": ("took back the release of", True),
    "delivery.undo_cancel": ("took back the cancelling of", True),
    "delivery.undo_treat_as_sent": ("put in doubt again the mail to", True),
    "delivery.undo_send_again": ("took back the second sending to", True),
    "contact.note": ("wrote a note about", True),
    "contact.delete_note": ("deleted a note about", True),
    "contact.tag": ("tagged", True),
    "contact.untag": ("took a tag from", True),
    "contact.join": ("put into a group", True),
    "contact.leave": ("took out of a group", True),
    "contact.subscribe": ("subscribed", True),
    "contact.unsubscribe": ("unsubscribed", True),
    "contact.merge": ("merged another contact into", True),
    "contact.export": ("took the data of", True),
    "contact.erase": ("erased", True),
    "contact_group.add": ("added members to", True),
    "contact_group.remove": ("removed members from", True),
    "tag.add": ("gave contacts the tag", True),
    "tag.remove": ("took from contacts the tag", True),
    "installation.stop": ("stopped all sending of", True),
    "installation.go_on": ("said that this is the only copy of", True),
    "custom_field.order": ("changed the order of", True),
}


def sentence(action: str, target_type: str, refused: bool) -> tuple[str, bool]:
    """(what was done, whether the target's name follows it): `("created token", True)`; refused ones read "tried to …"."""
    if refused:
        return f"was refused {action}", True
    if action in WHOLE:
        return WHOLE[action]
    noun, _, verb = action.rpartition(".")
    thing = (noun or target_type).replace(".", " ").replace("_", " ")
    return f"{DONE.get(verb, verb.replace('_', ' '))} {thing}", True
