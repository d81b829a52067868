"""What policy did not take when a session ended is given back later, whatever becomes of a try."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

from gateway.session.leases import Leases
from policy.clock import ManualClock
from policy.domain.access import Grant
from policy.errors import PolicyUnavailable
from policy.services.access import AccessService


class Policy:
    """Policy as far as leases ask it: away first, then silent, then there."""

    def __init__(self) -> None:
        """Know of no closing."""
        self.asked = asyncio.Event()
        self.away, self.silent = True, True
        self.closed: list[str] = []
        self.how: list[dict[str, object]] = []

    async def heartbeat(self, _node: str) -> None:
        """Take the sign of life."""

    async def session_closed(self, _hospital: str, session_id: str, reason: str, **how: object) -> None:
        """Refuse, say nothing, or take it."""
        if self.away:
            raise PolicyUnavailable("away")
        self.asked.set()
        if self.silent:
            await asyncio.Event().wait()
        self.closed.append(f"{session_id} {reason}")
        self.how.append(how)


async def test_a_closing_whose_asking_was_cancelled_is_asked_again() -> None:
    """A beat that is told to stop half-way has given nothing back; the next one does, once, as of the end itself."""
    policy = Policy()
    clock = ManualClock(datetime(2026, 11, 30, tzinfo=UTC))
    ended = clock.now()
    leases = Leases(cast(AccessService, policy), "node1", clock)
    grant = cast(Grant, SimpleNamespace(hospital_id="hospital", session_id="session"))
    await leases.give_back(grant, "left", {"bytes_out": 1}, told=False)
    clock.advance(timedelta(hours=1))
    policy.away = False
    beat = asyncio.create_task(leases.renew())
    await policy.asked.wait()
    beat.cancel()
    await asyncio.gather(beat, return_exceptions=True)
    policy.silent = False
    for _ in range(2):
        await leases.renew()
    assert policy.closed == ["session left"]
    assert policy.how == [{"at": ended, "facts": {"bytes_out": 1}, "told": False}]
