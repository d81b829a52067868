"""The leases that policy counts sessions by: this gateway's sign of life, and each given back when its session is over."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from policy.clock import Clock
from policy.domain.access import Grant
from policy.domain.ids import SessionId
from policy.errors import PolicyError
from policy.services.access import AccessService

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Ended:
    grant: Grant
    reason: str
    at: datetime
    facts: Mapping[str, object]
    told: bool


class Leases:
    """One a gateway."""

    def __init__(self, access: AccessService, node: str, clock: Clock) -> None:
        """Hold those of *node* by *access*; a session ends at what *clock* says when its lease is first given back."""
        self._access = access
        self._node = node
        self._clock = clock
        self._kept: dict[SessionId, _Ended] = {}

    async def give_back(self, grant: Grant, reason: str, facts: Mapping[str, object], *, told: bool) -> None:
        """Give the lease of a session back; where policy does not take it now, once it can be. Never raises PolicyError.

        It would count as hers for as long as this gateway lives. *facts* is what the journal is to know of the end; where
        it was not *told*, policy sees to it.
        """
        error = await self._close(_Ended(grant, reason, self._clock.now(), facts, told))
        if error is not None:
            _log.error("session.lease_kept", error=str(error))

    async def renew(self) -> None:
        """Tell policy that this gateway lives, and give back what was kept: all of it together. Raises PolicyError."""
        await self._access.heartbeat(self._node)
        await asyncio.gather(*(self._close(ended) for ended in self._kept.values()))

    async def _close(self, ended: _Ended) -> PolicyError | None:
        hospital_id, session_id = ended.grant.hospital_id, ended.grant.session_id
        try:
            await self._access.session_closed(
                hospital_id, session_id, ended.reason, at=ended.at, facts=ended.facts, told=ended.told
            )
        except PolicyError as error:
            self._kept[session_id] = ended
            return error
        # only now: whoever is cancelled while asking has given nothing back
        self._kept.pop(session_id, None)
        return None
