"""How a log-in that cannot go on is ended."""

import asyncssh
import structlog
from asyncssh import DISC_SERVICE_NOT_AVAILABLE

from gateway.context import GatewayContext
from gateway.server.banners import plain
from gateway.server.login import TooManyAttempts
from policy.errors import PolicyError
from recorder.errors import RecorderError

_log = structlog.get_logger()


class Fate:
    """Turns what ends a log-in into the disconnection that SSH has for it."""

    def __init__(self, context: GatewayContext) -> None:
        """Say it in the words of *context*."""
        self._context = context

    def __enter__(self) -> None:
        """Begin a step of a log-in."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Raise the disconnection instead of what ended the step."""
        if isinstance(error, TooManyAttempts):
            raise asyncssh.PermissionDenied(
                plain(self._context.wording.both("login.too-many", " / "))
            ) from None
        if isinstance(error, PolicyError | RecorderError):
            _log.error("login.unavailable", error=str(error))
            text = self._context.wording.both("login.unavailable", " / ")
            raise asyncssh.DisconnectError(DISC_SERVICE_NOT_AVAILABLE, plain(text)) from None
