"""DKIM keys of a domain: listing, rotating, signing with one by hand, giving one up."""

from typing import Any

from flask.views import MethodView

from webapp.core.access import current_actor
from webapp.core.rest import Deleted
from webapp.domains import keys, schemas_dns
from webapp.domains.api.blueprint import blp


@blp.route("/domains/<int:domain_id>/dkim-keys")
class Keys(MethodView):
    @blp.needs("domains:dns:read")
    @blp.response(200, schemas_dns.DkimKeyList)
    def get(self, domain_id: int) -> Any:
        """List the DKIM keys of a domain, newest first, those that are gone included."""
        return {"keys": keys.list_keys(current_actor(), domain_id)}


@blp.route("/domains/<int:domain_id>/dkim:rotate")
class Rotation(MethodView):
    @blp.needs("domains:write")
    @blp.arguments(schemas_dns.RotateIn)
    @blp.response(201, schemas_dns.DkimKeySchema)
    def post(self, asked: dict[str, Any], domain_id: int) -> Any:
        """Make the next key; it signs once its record is found, and the one before stays published for the overlap."""
        return keys.rotate(current_actor(), domain_id, algorithm=asked["algorithm"], overlap_days=asked["overlap_days"])


@blp.route("/domains/<int:domain_id>/dkim:retry")
class Retry(MethodView):
    @blp.needs("domains:write", key_required=True)
    @blp.response(202, schemas_dns.DkimRetried)
    def post(self, domain_id: int) -> Any:
        """Make sure that a key signs, and look its record up again."""
        return schemas_dns.retried(keys.retry(current_actor(), domain_id))


@blp.route("/domains/<int:domain_id>/dkim-keys/<int:key_id>:activate")
class Activation(MethodView):
    @blp.needs("domains:write")
    @blp.response(200, schemas_dns.DkimKeySchema)
    def post(self, domain_id: int, key_id: int) -> Any:
        """Sign with this key from now on, whatever the DNS says."""
        return keys.activate(current_actor(), domain_id, key_id)


@blp.route("/domains/<int:domain_id>/dkim-keys/<int:key_id>")
class Key(MethodView):
    @blp.needs("domains:write")
    @blp.response(200, Deleted)
    def delete(self, domain_id: int, key_id: int) -> Any:
        """Give up a key that waits, that is being retired, or a second one that signs."""
        key = keys.withdraw(current_actor(), domain_id, key_id)
        return {"id": key.id, "message": keys.told(key)}
