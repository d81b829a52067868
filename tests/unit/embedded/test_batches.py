"""Writes that travel together: the ends of sessions, as policy gives their leases back."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from embedded.batches import AT_ONCE, Batches
from policy.domain.ids import HospitalId, SessionId
from policy.domain.sessions import Closing
from policy.errors import PolicyUnavailable

NOON = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


def closing(number: int) -> Closing:
    """Return the end of a session."""
    return Closing(hospital_id=HospitalId("h"), session_id=SessionId(f"s{number}"), at=NOON, reason="window")


async def test_a_thousand_that_end_at_once_are_written_in_a_few_transactions() -> None:
    """What comes while one is under way waits for the next; nobody is answered before hers is written."""
    batches: list[int] = []
    written: set[str] = set()
    asked, all_asked = 0, asyncio.Event()

    async def write(closings: Sequence[Closing]) -> None:
        batches.append(len(closings))
        await all_asked.wait()
        written.update(one.session_id for one in closings)

    closings = Batches(write)

    async def end(number: int) -> None:
        nonlocal asked
        asked += 1
        if asked == 1200:
            all_asked.set()
        await closings.add(closing(number))
        assert f"s{number}" in written

    await asyncio.gather(*(end(number) for number in range(1200)))
    assert sum(batches) == len(written) == 1200
    assert len(batches) <= 4
    assert max(batches) <= AT_ONCE


async def test_each_is_told_what_became_of_its_own_transaction() -> None:
    """Where writing fails, those of that transaction hear why, and the next ones are written."""
    tries = 0

    async def write(_closings: Sequence[Closing]) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise PolicyUnavailable("away")

    closings = Batches(write)
    answers = await asyncio.gather(closings.add(closing(1)), closings.add(closing(2)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [PolicyUnavailable, PolicyUnavailable]
    await closings.add(closing(3))


async def test_who_no_longer_waits_takes_nothing_from_the_others() -> None:
    """A caller that is cancelled while its closing is under way leaves the one beside it answered."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def write(_closings: Sequence[Closing]) -> None:
        begun.set()
        await go_on.wait()

    closings = Batches(write)
    gone, stays = [asyncio.create_task(closings.add(closing(number))) for number in (1, 2)]
    await begun.wait()
    gone.cancel()
    go_on.set()
    await stays
    with pytest.raises(asyncio.CancelledError):
        await gone
