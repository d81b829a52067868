"""Who may call a route: declared on the route itself, refused by default.

A route of this API that declares nothing cannot be built, so a forgotten declaration stops the process at start
instead of opening a door.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from typing_extensions import override

from admin_api.errors import RoleMissing, Unauthenticated
from policy.domain.people import Role
from policy.services.tokens import Principal

ROLES = "x-roles"
ANYONE: dict[str, Any] = {ROLES: [], "security": []}
"""For the few routes that serve somebody who has no token yet: log-in and enrolment."""


def roles(*wanted: Role) -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route that a person holding any one of *wanted* may call."""
    if not wanted:
        raise ValueError("a route must name at least one role")
    return {ROLES: sorted(role.value for role in wanted), "security": [{"bearer": []}]}


EVERY_ROLE = roles(*Role)
"""Also what a person may do for herself: policy refuses what she may not."""
MANAGING = roles(Role.ADMINISTRATOR)
PLANNING = roles(Role.PLANNER, Role.ADMINISTRATOR)
READING = roles(Role.PLANNER, Role.SECURITY, Role.ADMINISTRATOR)
STOPPING = roles(Role.PLANNER, Role.SECURITY, Role.ADMINISTRATOR)
RESUMING = roles(Role.SECURITY, Role.ADMINISTRATOR)
VERIFYING = roles(Role.SECURITY, Role.ADMINISTRATOR)
REPLAYING = roles(Role.SECURITY)


def principal_of(request: Request) -> Principal:
    """Return who calls; raises Unauthenticated where the gate let nobody in."""
    found = getattr(request.state, "principal", None)
    if not isinstance(found, Principal):
        raise Unauthenticated
    return found


class GuardedRoute(APIRoute):
    """A route that checks its declared roles before anything of the request is parsed."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Refuse, with ValueError, a route that does not say who may call it."""
        if ROLES not in (options.get("openapi_extra") or {}):
            raise ValueError(f"{path} does not say who may call it")
        super().__init__(path, endpoint, **options)

    @property
    def public(self) -> bool:
        """Tell whether somebody without a token may call."""
        return not self.wanted

    @property
    def wanted(self) -> frozenset[str]:
        """The roles of which one is needed; empty for a public route."""
        return frozenset((self.openapi_extra or {})[ROLES])

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler in the check of roles."""
        handler = super().get_route_handler()
        wanted = self.wanted

        async def guarded(request: Request) -> Response:
            if wanted and not wanted & {role.value for role in principal_of(request).roles}:
                raise RoleMissing(wanted)
            return await handler(request)

        return guarded
