"""Where a process is watched: health for a balancer, metrics for a monitoring, on a port of their own."""

import asyncio
import contextlib
import hmac
from collections.abc import AsyncIterator
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from admin_api.health import Health
from ecluse.observation.metrics import ProcessMetrics
from ecluse.observation.settings import ObservationSettings
from policy.domain.addresses import read_address
from policy.vault.secret import Secret

METRICS: Final = "/metrics"
_LARGEST_HEADERS: Final = 8 * 1024
_AT_ONCE: Final = 32
_KEPT_SECONDS: Final = 5
_LEAVE_SECONDS: Final = 1
_NOT_FOUND: Final = PlainTextResponse("not found\n", status_code=404)
_NOT_ALLOWED: Final = PlainTextResponse("only GET\n", status_code=405)
_FORBIDDEN: Final = PlainTextResponse(
    "metrics are for this machine, or for who has the token\n", status_code=403
)
_UNKNOWN: Final = PlainTextResponse(
    "a bearer token is needed\n", status_code=401, headers={"WWW-Authenticate": "Bearer"}
)

log = structlog.get_logger()


class Exposition:
    """Answers ``/metrics`` to this machine, or to who has the token; nothing else is found here (ASGI)."""

    def __init__(self, metrics: ProcessMetrics, token: Secret | None) -> None:
        """Tell *metrics*, once they are refreshed."""
        from prometheus_client import make_asgi_app

        self._text: ASGIApp = make_asgi_app(metrics.registry, disable_compression=True)
        self._metrics = metrics
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            return
        refused = self._refused(scope)
        if refused is not None:
            await refused(scope, receive, send)
            return
        await self._metrics.refresh()
        await self._text(scope, receive, send)

    def _refused(self, scope: Scope) -> PlainTextResponse | None:
        if scope["path"] != METRICS:
            return _NOT_FOUND
        if self._token is None:
            if not _from_here(scope):
                return _FORBIDDEN
        elif not self._known(Headers(scope=scope).get("authorization", "")):
            return _UNKNOWN
        return None if scope["method"] in {"GET", "HEAD"} else _NOT_ALLOWED

    def _known(self, authorization: str) -> bool:
        shown, wanted = authorization.encode(), f"Bearer {self._token.reveal()}" if self._token else ""
        return bool(wanted) and hmac.compare_digest(shown, wanted.encode())


def _from_here(scope: Scope) -> bool:
    client = scope.get("client")
    try:
        return client is not None and read_address(client[0]).is_loopback
    except ValueError:
        return False


@contextlib.asynccontextmanager
async def watched(settings: ObservationSettings | None, metrics: ProcessMetrics) -> AsyncIterator[int | None]:
    """Answer health and metrics while the block runs, and give the port; None where *settings* ask for nothing.

    Raises StartError where the port cannot be had.
    """
    if settings is None:
        yield None
        return
    # a gateway serves nothing else by HTTP, so that what does is loaded where somebody watches
    import uvicorn

    from admin_api.crowd import CrowdedProtocol
    from ecluse.processes.http import Server, bound

    app = Health(Exposition(metrics, settings.token), probe=metrics.readings)
    with bound(settings.section, settings.host, settings.port, "metrics_") as sockets:
        server = Server(
            uvicorn.Config(
                app,
                http=CrowdedProtocol,
                ws="none",
                lifespan="off",
                proxy_headers=False,
                server_header=False,
                access_log=False,
                log_config=None,
                timeout_keep_alive=_KEPT_SECONDS,
                timeout_graceful_shutdown=_LEAVE_SECONDS,
                limit_concurrency=_AT_ONCE,
                h11_max_incomplete_event_size=_LARGEST_HEADERS,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=list(sockets)))
        await server.ready(serving)
        port = int(sockets[0].getsockname()[1])
        log.info("observation.ready", host=settings.host, port=port)
        try:
            yield port
        finally:
            server.should_exit = True
            with contextlib.suppress(Exception):
                await serving
