"""`set_data`: writes mailbox data, so that later actions and mails find it under `$DATA[key]`."""

from collections.abc import Mapping
from typing import Any

from webapp.automation import data_rows
from webapp.automation.actions.base import ActionType, Context, Result, bad
from webapp.automation.parameters import Parameter
from webapp.automation.variables import has_placeholder
from webapp.core.http_guard import HttpClient
from webapp.mail.address import BadAddress, normalise


class SetData(ActionType):
    name = "set_data"
    label = "Write mailbox data"
    icon = "database"
    summary = "Writes keys into the mailbox data of receivers; keys that are there already get the new value."
    parameters = (
        Parameter("emails", "Receivers", "list", required=True, variables=True, description="Whose data it is; as in $SENDER."),
        Parameter("data", "Data", "map", required=True, variables=True, description="One “key: value” on each line."),
        Parameter("note", "Note", variables=True),
    )

    def check(self, values: Mapping[str, Any], http: HttpClient) -> None:
        for email in values["emails"]:
            if not has_placeholder(email):
                check_address("emails", email)

    def describe(self, values: Mapping[str, Any]) -> str:
        return f"{', '.join(values.get('data') or {})} of {', '.join(values.get('emails') or [])}"

    def perform(self, context: Context) -> Result:
        emails = []
        for text in context.lines("emails"):
            try:
                emails.append(normalise(text))
            except BadAddress as error:
                return Result("failed", error=f"Receivers: {error}")
        if not emails:
            return Result("failed", error="Receivers: there is no address left once the variables are replaced.")
        entry, note, run = context.mapping("data"), context.line("note"), context.run

        def deed() -> None:
            data_rows.merge(run.workspace_id, run.mailbox_id, emails, entry, note)

        shown = {"emails": emails, "data": entry, "note": note}
        return Result("success", f"Wrote {', '.join(entry)} for {', '.join(emails)}.", request=shown, deed=deed)


def check_address(field: str, text: str) -> None:
    """raises BadParameters about `field`"""
    try:
        normalise(text)
    except BadAddress as error:
        raise bad(field, str(error)) from None
