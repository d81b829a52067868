"""A gateway that lives ends and tells what one that does not come back held: the real loop, database and journal."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from admin_api.evidence import OutboxIngest
from gateway.session import supervisor
from gateway.session.supervisor import LOOK_AROUND_SECONDS
from policy.domain.ids import HospitalId
from policy.domain.sessions import LiveSession, SessionState
from recorder.audit.entries import JournalEntry
from recorder.trace.instants import text as instant
from tests.support.bastion import running_bastion
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


async def test_what_a_dead_gateway_held_is_ended_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while it may come back; then, as of its last sign of life, in policy and in the journal, and never again."""
    monkeypatch.setattr(
        supervisor, "HEARTBEAT_SECONDS", 0.02
    )  # how often it is asked whether five minutes are over
    async with running_bastion(tmp_path) as bastion:
        world, clock = bastion.world, bastion.clock
        access, looks = world.services.access, list[Sequence[LiveSession]]()
        look = access.left_behind

        async def seen(hospital_id: HospitalId) -> Sequence[LiveSession]:
            found = await look(hospital_id)
            looks.append(found)
            return found

        monkeypatch.setattr(access, "left_behind", seen)

        async def told() -> list[JournalEntry]:
            ingest = OutboxIngest(world.services, bastion.journal, clock)
            while await ingest.step():
                pass
            return await bastion.events("session.closed")

        async def looked_after(time: timedelta) -> Sequence[LiveSession]:
            before = len(looks)
            clock.advance(time)
            await eventually(lambda: len(looks) > before)
            return looks[-1]

        await access.node_started(world.id, "node2")
        grant = await world.grant()
        await access.session_opened(grant, "node2")
        assert await looked_after(grant.obligations.hard_end - clock.now() - timedelta(seconds=1)) == []
        await access.heartbeat("node2")
        alive = clock.now()
        assert await looked_after(timedelta(hours=1)) == [], "an hour of silence, and not more"
        [left] = await looked_after(timedelta(seconds=LOOK_AROUND_SECONDS))
        assert left.session_id == grant.session_id
        [entry] = await told()
        assert entry.event.session_id == grant.session_id
        facts = {"reason": "interrupted", "node": "node2", "last_known": instant(alive)}
        assert {name: entry.event.details.get(name) for name in facts} == facts
        assert (await access.session(world.id, grant.session_id)).state is SessionState.ENDED
        assert await looked_after(timedelta(seconds=LOOK_AROUND_SECONDS)) == []
        assert len(await told()) == 1
