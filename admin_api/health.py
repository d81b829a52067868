"""Whether a process lives and whether it can serve, for what watches it: a load balancer, a supervisor, a monitoring.

``/healthz`` answers as long as the process's loop turns. ``/readyz`` is 200 where new work may be sent to it, else 503.
Both are for anybody who reaches them, so they name what is looked at and how it is, never why.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LIVE: Final = "/healthz"
READY: Final = "/readyz"
_METHODS: Final = frozenset({"GET", "HEAD"})
_HEADERS: Final = {"Cache-Control": "no-store"}


class Standing(StrEnum):
    """How one thing is that a process needs. ``DEGRADED``: it serves without it, for a while or in part."""

    GOOD = "good"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Readiness:
    """How each thing is that a process needs, by its name."""

    checks: Mapping[str, Standing]

    @property
    def standing(self) -> Standing:
        """That of the worst."""
        found = set(self.checks.values())
        return next((one for one in (Standing.FAILED, Standing.DEGRADED) if one in found), Standing.GOOD)


Probe = Callable[[], Awaitable[Readiness]]


class Health:
    """Answers the two paths, and hands everything else on (ASGI)."""

    def __init__(self, app: ASGIApp, *, probe: Probe) -> None:
        """Wrap *app*; *probe* tells whether the process is ready, and bounds what asking often costs."""
        self._app = app
        self._probe = probe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        asked = scope["type"] == "http" and scope["method"] in _METHODS and scope["path"]
        if asked == LIVE:
            await JSONResponse({"status": Standing.GOOD}, headers=_HEADERS)(scope, receive, send)
        elif asked == READY:
            await self._answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = await self._probe()
        status = 503 if found.standing is Standing.FAILED else 200
        body = {"status": found.standing, "checks": dict(found.checks)}
        await JSONResponse(body, status_code=status, headers=_HEADERS)(scope, receive, send)
