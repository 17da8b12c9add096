"""Test mail, and tests of one rule or one action.

What evaluates patterns or calls the outside does so after the transaction of the request ended, so that it locks nothing meanwhile.
"""

from typing import Any

from flask import Response, request
from flask.views import MethodView

from webapp.automation import matching, rule_types, run_views, schemas_runs, trials
from webapp.automation.api.blueprint import blp
from webapp.core import body, envelope
from webapp.core.access import current_actor
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.core.shapes import Shape, compile_dump

FORM = {
    "content": {
        "application/json": {"schema": schemas_runs.TestMailIn},
        "multipart/form-data": {
            "schema": {
                "type": "object", "required": ["file"],
                "properties": {
                    "file": {"type": "string", "format": "binary"}, "route_id": {"type": "integer"}, "dry_run": {"type": "boolean"},
                },
            }
        },
    }
}  # fmt: skip
_dry = compile_dump(schemas_runs.DryRunOut())


def read_source(schema: Shape) -> dict[str, Any]:
    """A test source from JSON, or from a form with the mail as the file `file`."""
    if request.mimetype != "multipart/form-data":
        given: dict[str, Any] = body.Parser().parse(schema, request, location="json")
        return given
    file = request.files.get("file")
    values = {name: value for name, value in request.form.items() if name in ("route_id", "mailbox_id", "dry_run")}
    numbers: dict[str, Any] = {name: int(value) if name != "dry_run" and value.isdigit() else value for name, value in values.items()}
    errors = schema.validate(numbers)
    if errors:
        raise Invalid("The form is not valid.", fields=body.flatten(errors))
    loaded: dict[str, Any] = schema.load(numbers)
    loaded["eml"] = file.read() if file is not None else None
    return loaded


@blp.route("/mailboxes/<int:mailbox_id>/testmail", "/mailbox/<int:mailbox_id>/testmail")
class TestMail(MethodView):
    __test__ = False

    @blp.needs("testmail:run")
    @blp.doc(requestBody=FORM)
    @blp.alt_response(200, schema=schemas_runs.DryRunOut, description="With dry_run: the report")
    @blp.response(202, schemas_runs.TestAccepted)
    def post(self, mailbox_id: int) -> Any:
        """Run a test mail through the routes of a mailbox, for real or dry."""
        given = read_source(schemas_runs.TestMailIn())
        if not given["dry_run"]:
            return run_views.accepted(trials.start_test(current_actor(), mailbox_id, given))
        dry = trials.plan_dry_run(current_actor(), mailbox_id, given)
        db.session.commit()
        return _answer({"routes": dry.judge()})


def _answer(report: dict[str, Any]) -> Response:
    return envelope.json_response(envelope.one(_dry(report)), 200)


@blp.route("/rules/<int:rule_id>/test")
class RuleTest(MethodView):
    @blp.needs("testmail:run")
    @blp.arguments(schemas_runs.TrialIn)
    @blp.response(200, schemas_runs.RuleTestOut)
    def post(self, given: dict[str, Any], rule_id: int) -> Any:
        """Evaluate one rule on a test mail."""
        spec, ready = trials.plan_rule_test(current_actor(), rule_id, given)
        db.session.commit()
        verdict = matching.judge(spec, 0, ready.view())
        kind = rule_types.find(spec.type)
        return {
            "rule_id": rule_id, "matched": bool(verdict.matched), "excerpt": verdict.excerpt, "error": verdict.error,
            "engine": kind.engine(spec) if kind else None, "ms": round(verdict.ms, 2),
        }  # fmt: skip


@blp.route("/actions/<int:action_id>/test")
class ActionTest(MethodView):
    @blp.needs("testmail:run")
    @blp.arguments(schemas_runs.ActionTrialIn)
    @blp.response(200, schemas_runs.ActionTestOut)
    def post(self, given: dict[str, Any], action_id: int) -> Any:
        """Run one action on a test mail, once, or only render its parameters."""
        test = trials.plan_action_test(current_actor(), action_id, given)
        db.session.commit()
        nothing: dict[str, Any] = {
            "outcome": None, "detail": "", "error": None, "status_code": None, "ms": 0, "changed": [], "request": None, "answer": None,
            "rendered": test.rendered,
        }  # fmt: skip
        done = nothing if given["dry_run"] else trials.perform(test)
        return {"action_id": action_id, "dry_run": given["dry_run"], **done}
