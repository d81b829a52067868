"""Responders asked again, every few minutes, about the tokens of the sessions that are open here."""

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol

import structlog

from policy.domain.access import Grant
from policy.errors import PolicyError

_log = structlog.get_logger()


class TokenWatching(Protocol):
    """Asks responders, and keeps what they call revoked."""

    async def look(self, grants: Collection[Grant]) -> None:
        """Ask about the tokens that *grants* were proved with; raises PolicyUnavailable."""
        ...


class CertificateWatch:
    """Has them asked; what is learned comes back as a change of policy, and ends the sessions like any other."""

    def __init__(
        self, tokens: TokenWatching, grants: Callable[[], Collection[Grant]], every_seconds: float
    ) -> None:
        """Ask *tokens* about *grants*, those live here, *every_seconds*."""
        self._tokens = tokens
        self._grants = grants
        self._every = every_seconds
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Let ``run`` return once the question under way is answered."""
        self._stopped.set()

    async def run(self) -> None:
        """Ask until ``stop``."""
        while True:
            try:
                async with asyncio.timeout(self._every):
                    await self._stopped.wait()
            except TimeoutError:
                await self._ask()
            else:
                return

    async def _ask(self) -> None:
        """Ask about one key after the other: a stop waits for one answer, not for all of them."""
        asked = {grant.proved_key: grant for grant in self._grants() if grant.proved_key is not None}
        for grant in asked.values():
            if self._stopped.is_set():
                return
            try:
                await self._tokens.look([grant])
            except PolicyError as error:
                _log.warning("tokens.unasked", error=str(error))
            except Exception as error:  # the next time may go better, and sessions go on meanwhile
                _log.error("tokens.look_failed", error=repr(error))
