"""`drop`: the mail stays in the archive and leaves its folder."""

from webapp.automation.actions.base import ActionType, Context, Result


class Drop(ActionType):
    name = "drop"
    label = "Drop"
    icon = "trash-2"
    summary = "Stops the delivery of the mail: it stays in the archive and in no folder."
    absorbs = True

    def perform(self, context: Context) -> Result:
        if context.run.direction == "sent":
            return Result("skipped", "This mail was sent from here; there is no delivery to stop.")
        return Result("success", "Absorbed: the mail is in the archive only.", drop=True)
