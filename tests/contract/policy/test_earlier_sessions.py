"""What a new session learns of those before it in the same intervention."""

from datetime import timedelta

from policy.clock import ManualClock
from policy.domain.access import Grant
from policy.domain.sessions import Earlier
from tests.support.policy_world import World


async def opened(world: World, clock: ManualClock) -> tuple[Grant, Earlier | None]:
    """Open a session for alice on scan01, a minute later than the last."""
    clock.advance(timedelta(minutes=1))
    await world.services.access.heartbeat("n1")
    grant = await world.grant()
    return grant, await world.services.access.session_opened(grant, "n1")


async def test_a_session_is_told_of_the_last_one_of_its_intervention(
    world: World, clock: ManualClock
) -> None:
    """The first learns nothing; the next learn how many there were, and when and why the last one ended."""
    first, before = await opened(world, clock)
    assert before is None
    _, beside = await opened(world, clock)
    assert beside == Earlier(number=2, closed_at=None, end_reason=None)
    clock.advance(timedelta(minutes=1))
    await world.services.access.session_closed(first.hospital_id, first.session_id, "idle")
    last, _ = await opened(world, clock)
    await world.services.access.session_closed(last.hospital_id, last.session_id, "lost")
    ended = clock.now()
    _, after = await opened(world, clock)
    assert after == Earlier(number=4, closed_at=ended, end_reason="lost")


async def test_another_intervention_begins_anew(world: World, clock: ManualClock) -> None:
    """Sessions of another window's intervention are none of this one's."""
    grant, _ = await opened(world, clock)
    await world.services.access.session_closed(grant.hospital_id, grant.session_id, "left")
    await world.services.windows.cancel(world.who("dsi"), world.id, world.window.id, reason="Reportée")
    await world.add_window()
    _, before = await opened(world, clock)
    assert before is None
