"""The leases that policy counts sessions by: this gateway's sign of life, and each given back when its session is over."""

import asyncio

import structlog

from policy.domain.access import Grant
from policy.domain.ids import SessionId
from policy.errors import PolicyError
from policy.services.access import AccessService

_log = structlog.get_logger()


class Leases:
    """One a gateway."""

    def __init__(self, access: AccessService, node: str) -> None:
        """Hold those of *node* by *access*."""
        self._access = access
        self._node = node
        self._kept: dict[SessionId, tuple[Grant, str]] = {}

    async def give_back(self, grant: Grant, reason: str) -> None:
        """Give the lease of a session back; where policy does not take it now, once it can be. Never raises PolicyError.

        It would count as hers for as long as this gateway lives.
        """
        error = await self._close(grant, reason)
        if error is not None:
            _log.error("session.lease_kept", error=str(error))

    async def renew(self) -> None:
        """Tell policy that this gateway lives, and give back what was kept: all of it together. Raises PolicyError."""
        await self._access.heartbeat(self._node)
        await asyncio.gather(*(self._close(grant, reason) for grant, reason in self._kept.values()))

    async def _close(self, grant: Grant, reason: str) -> PolicyError | None:
        try:
            await self._access.session_closed(grant.hospital_id, grant.session_id, reason)
        except PolicyError as error:
            self._kept[grant.session_id] = (grant, reason)
            return error
        self._kept.pop(
            grant.session_id, None
        )  # only now: whoever is cancelled while asking has given nothing back
        return None
