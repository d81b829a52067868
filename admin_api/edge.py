"""The outermost layers of the API, as plain ASGI: nothing of a request is parsed before its token is known.

From the outside in: ``Envelope`` (security headers, and an internal error without a trace of its cause), ``Gate``
(no token, no route: even a path that does not exist answers 401), ``BodyLimit`` (a bounded body, in bounded time).
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin_api.deps import Context
from admin_api.errors import ApiError, BodyTooLarge
from admin_api.problems import INTERNAL, problem_response, refusal_of
from admin_api.security.tokens import authenticate
from admin_api.wording import preferred
from policy.domain.people import Language
from policy.errors import PolicyError
from policy.services.enrolment import PATH as INVITATIONS

_BODY_SECONDS = 30.0
_PUBLIC_BODY_LIMIT = 16 * 1024

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

log = structlog.get_logger()


def _language(scope: Scope, fallback: Language = Language.FRENCH) -> Language:
    return preferred(Headers(scope=scope).get("accept-language"), fallback)


def _told(path: str) -> str:
    """Return the part of *path* that a log may hold: the address of an invitation is a secret."""
    return f"{INVITATIONS}…" if path.startswith(INVITATIONS) else path


class Envelope:
    """Adds the security headers to every answer that has not its own, and turns what escapes into an internal error."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap *app*."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, dressed)
        except Exception:
            # whatever it is, the caller learns nothing of it; the log keeps all of it, and a log that
            # cannot be written changes no answer
            if not started:
                await problem_response(INTERNAL, _language(scope))(scope, receive, dressed)
            log.exception("api.internal_error", method=scope["method"], path=_told(scope["path"]))
            if started:
                raise


class Gate:
    """Lets nobody in without a token in force, but for the routes that say they are for anyone."""

    def __init__(self, app: ASGIApp, *, context: Context, public: frozenset[tuple[str, str]]) -> None:
        """Wrap *app*; *public* holds the (method, path) pairs that need no token."""
        self._app = app
        self._context = context
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http" or (scope["method"], scope["path"]) in self._public:
            await self._app(scope, receive, send)
            return
        try:
            context, authorization = self._context, Headers(scope=scope).get("authorization")
            principal = await authenticate(
                context.services.tokens, authorization, context.settings.hospital_id
            )
        except (ApiError, PolicyError) as refused:
            language = _language(scope)
            refusal = refusal_of(refused, language, self._context.clock.now())
            await problem_response(refusal, language)(scope, receive, send)
            return
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["principal"] = principal
        with structlog.contextvars.bound_contextvars(
            hospital_id=principal.hospital_id, person_id=principal.person.id
        ):
            await self._app(scope, receive, send)


class BodyLimit:
    """Reads the body, bounded in bytes and in time, before anything looks at it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        context: Context,
        public: frozenset[tuple[str, str]],
        ceiling: int | None = None,
    ) -> None:
        """Wrap *app*; somebody without a token (*public* routes) gets a smaller limit. *ceiling*: bytes, at most."""
        self._app = app
        self._context = context
        self._public = public
        self._ceiling = ceiling

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._context.settings.body_limit
        if (scope["method"], scope["path"]) in self._public:
            limit = min(limit, _PUBLIC_BODY_LIMIT)
        if self._ceiling is not None:
            limit = min(limit, self._ceiling)
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await self._read(receive, limit)
        except (TimeoutError, BodyTooLarge) as slow_or_large:
            refused = HTTPException(408) if isinstance(slow_or_large, TimeoutError) else slow_or_large
            language = _language(scope)
            refusal = refusal_of(refused, language, self._context.clock.now())
            await problem_response(refusal, language)(scope, receive, send)
            return
        if body is None:
            return
        served = False

        async def replay() -> Message:
            nonlocal served
            if served:
                return await receive()
            served = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)

    @staticmethod
    async def _read(receive: Receive, limit: int) -> bytes | None:
        """Return the body; None where the client left."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise BodyTooLarge(limit)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)
