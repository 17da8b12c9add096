"""`/rules` and `/rule-types`."""

from typing import Any

from flask.views import MethodView

from webapp.automation import rules, schemas
from webapp.automation.api.blueprint import blp
from webapp.core.access import current_actor
from webapp.core.paging import Page, PageRequest
from webapp.core.rest import Deleted


@blp.route("/rules")
class Rules(MethodView):
    @blp.needs("rules:read")
    @blp.paged(schemas.RuleOut, schemas.RuleQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List rules, newest first."""
        return rules.list_rules(current_actor(), asked, filters)

    @blp.needs("rules:write")
    @blp.arguments(schemas.RuleIn)
    @blp.response(201, schemas.RuleOut)
    def post(self, new: dict[str, Any]) -> Any:
        """Create a rule; patterns are checked."""
        return rules.create_rule(current_actor(), **new)


@blp.route("/rules/<int:rule_id>")
class OneRule(MethodView):
    @blp.needs("rules:read")
    @blp.response(200, schemas.RuleOut)
    def get(self, rule_id: int) -> Any:
        """Show one rule."""
        return rules.get_rule(current_actor(), rule_id)

    @blp.needs("rules:write")
    @blp.arguments(schemas.RuleIn)
    @blp.response(200, schemas.RuleOut)
    def put(self, new: dict[str, Any], rule_id: int) -> Any:
        """Replace a rule; what is not sent goes back to its default."""
        return rules.update_rule(current_actor(), rule_id, new, replace=True)

    @blp.needs("rules:write")
    @blp.arguments(schemas.RulePatch)
    @blp.response(200, schemas.RuleOut)
    def patch(self, changes: dict[str, Any], rule_id: int) -> Any:
        """Change the given fields of a rule."""
        return rules.update_rule(current_actor(), rule_id, changes)

    @blp.needs("rules:write")
    @blp.arguments(schemas.ForceQuery, location="query")
    @blp.response(200, Deleted)
    def delete(self, options: dict[str, Any], rule_id: int) -> Any:
        """Put a rule into the trash; one in use is refused unless forced."""
        rule = rules.delete_rule(current_actor(), rule_id, force=options["force"])
        return {"id": rule.id, "message": f"The rule “{rule.name}” is in the trash for 30 days."}


@blp.route("/rule-types")
class RuleTypes(MethodView):
    @blp.needs("rules:read")
    @blp.paged(schemas.RuleTypeOut)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List the kinds of rules and the fields they can look at."""
        return whole(schemas.rule_type_list(), asked)


def whole(items: list[Any], asked: PageRequest) -> Page[Any]:
    """A page of a list that is in memory anyway."""
    start = (asked.page - 1) * asked.per_page
    return Page(items[start : start + asked.per_page], asked.per_page, asked.page, len(items), has_more=len(items) > start + asked.per_page)
