"""What stands in front of the pages: the host they are asked under, how often, how much, and their headers."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin_api.console.pace import Pace
from policy.authn.lockout import origin_of
from policy.clock import Clock
from policy.errors import InvalidInput

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Besides those of every answer, unless it says its own: no frame, no inline script or style, nothing from elsewhere."""
_PREFIXES: Final = ("/i/", "/enrol/", "/account/", "/static/", "/console/")
_EXACT: Final = frozenset({"/", "/enrol", "/account", "/console"})
_LONGEST_PATH: Final = 300
_METHODS: Final = frozenset({"GET", "HEAD", "POST"})


def is_page(path: str) -> bool:
    """Tell whether *path* belongs to the pages; everything else is the API's."""
    return path in _EXACT or path.startswith(_PREFIXES)


def known_hosts(pages_url: str | None, further: Collection[str] = ()) -> frozenset[str]:
    """Return the names under which the pages answer: those of *pages_url*, of this machine, and *further* ones."""
    own = {"localhost", "127.0.0.1", "::1", *(name.lower() for name in further)}
    if pages_url is not None:
        own.add((urlsplit(pages_url).hostname or "").lower())
    return frozenset(own - {""})


class Guard:
    """Wraps the pages. What it refuses, it refuses in a few words: nothing of the request is echoed."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], clock: Clock) -> None:
        """Wrap *app*, which answers under *hosts* only."""
        self._app = app
        self._hosts = hosts
        self._clock = clock
        # a person clicks; these are far above that, and far below what guessing would need
        self._asked = Pace(300, timedelta(minutes=1))
        self._posted = Pace(60, timedelta(minutes=1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = self._refusal(scope)
        if refused is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if refused is not None:
            await refused(scope, receive, dressed)
            return
        await self._app(scope, receive, dressed)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        method = scope.get("method", "GET")  # a WebSocket begins with a GET
        if method not in _METHODS:
            return PlainTextResponse("405\n", 405, headers={"Allow": "GET, HEAD, POST"})
        if len(scope["path"]) > _LONGEST_PATH:
            return PlainTextResponse("414\n", 414)
        if _host(Headers(scope=scope).get("host", "")) not in self._hosts:
            return PlainTextResponse("421\n", 421)
        source, at = _source(scope), self._clock.now()
        pace = self._posted if method == "POST" else self._asked
        wait = pace.wait(source, at)
        if wait is not None:
            seconds = str(int(wait.total_seconds()) + 1)
            return PlainTextResponse("429\n", 429, headers={"Retry-After": seconds})
        pace.count(source, at)
        return None


def _host(header: str) -> str:
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


def _source(scope: Scope) -> str:
    client = scope.get("client")
    try:
        return origin_of(client[0]) if client else ""
    except InvalidInput:
        return ""
