"""Who is asking: one value for pages, tokens, SMTP logins, jobs and the command line alike."""

from dataclasses import dataclass, field, replace
from typing import Self

from webapp.core import scopes
from webapp.core.errors import Forbidden, InsufficientScope


@dataclass(frozen=True)
class Actor:
    """Asks something of a service.

    type        `user` (a page), `token` (API or SMTP), `mailbox` (SMTP login), `system` (jobs, command line)
    workspace_id  the workspace that it acts in; 0 for what belongs to none
    role        role of its user there
    scopes      granted scopes; pages and the system hold `*`
    domain_ids, mailbox_ids  limits of a token; None means no limit
    used        where the scopes are noted that a token made use of, for the hints of its page
    """

    type: str
    workspace_id: int
    id: int | None = None
    name: str = ""
    role: str = "viewer"
    scopes: frozenset[str] = field(default_factory=frozenset)
    user_id: int | None = None
    token_id: int | None = None
    token_kind: str | None = None
    token_name: str | None = None
    token_last_four: str | None = None
    domain_ids: frozenset[int] | None = None
    mailbox_ids: frozenset[int] | None = None
    ip: str | None = None
    request_id: str | None = None
    used: set[str] | None = field(default=None, compare=False, repr=False)

    @property
    def is_limited(self) -> bool:
        """Whether its token reaches only some domains or mailboxes."""
        return self.domain_ids is not None or self.mailbox_ids is not None

    @classmethod
    def system(cls, workspace_id: int, name: str = "Mailroom", request_id: str | None = None) -> Self:
        """The product itself, acting in a job or on the command line."""
        return cls(type="system", workspace_id=workspace_id, name=name, role="owner", scopes=frozenset({"*"}), request_id=request_id)

    def has_role(self, role: str) -> bool:
        return scopes.ROLES.index(self.role) >= scopes.ROLES.index(role)

    def may(self, scope: str) -> bool:
        """Whether the scopes granted, the role of the user and the limits of the token allow it."""
        allowed = scopes.covers(self.scopes, scope) and self.has_role(scopes.SCOPES[scope].role) and self._reaches(scope)
        if allowed and self.used is not None:
            self.used.add(scope)
        return allowed

    def require(self, scope: str) -> None:
        """raises InsufficientScope (the token lacks it) or Forbidden (the role is too low, or the scope reaches beyond its limits)."""
        if not scopes.covers(self.scopes, scope):
            raise InsufficientScope(
                f"This token lacks the scope {scope}.", hint=f"Create or use a token that holds {scope}.", more={"required_scope": scope}
            )
        self.require_role(scopes.SCOPES[scope].role, scope)
        if not self._reaches(scope):
            raise Forbidden(
                f"This token is limited to certain domains or mailboxes, and {scope} reaches beyond them.",
                code="domain_scope_forbidden",
                hint="Use a token without such limits.",
            )
        if self.used is not None:
            self.used.add(scope)

    def _reaches(self, scope: str) -> bool:
        """reference/trekmail.md section 1.2: writes that concern the whole account are not for a token limited to parts of it."""
        if self.is_limited and scope in scopes.WHOLE_WORKSPACE:
            return False
        return self.mailbox_ids is None or scope not in scopes.WHOLE_DOMAIN

    def require_role(self, role: str, what: str) -> None:
        """raises Forbidden when the role of the user is below `role`."""
        if not self.has_role(role):
            raise Forbidden(
                f"{what} needs the role {role} or higher; yours is {self.role}.",
                hint=f"Ask an owner to do it or to give you the role {role}.",
                more={"required_role": role},
            )

    def sees_mailbox(self, mailbox_id: int, domain_id: int | None) -> bool:
        """Whether the limits of its token include this mailbox (a limit to a domain includes its mailboxes)."""
        if self.mailbox_ids is not None and mailbox_id not in self.mailbox_ids:
            return False
        return self.domain_ids is None or domain_id in self.domain_ids

    def in_workspace(self, workspace_id: int) -> Self:
        return replace(self, workspace_id=workspace_id)
