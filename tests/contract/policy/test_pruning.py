"""Rows that serve nothing any more are removed, and nothing that is still looked at."""

from datetime import timedelta

import pytest
from sqlalchemy import Table, func, insert, select

from policy.authn import totp
from policy.authn.lockout import Lockout, LockoutSettings
from policy.clock import ManualClock
from policy.domain.attempts import Attempt, AttemptKind, AttemptOutcome
from policy.domain.ids import HospitalId, new_id
from policy.domain.retention import Retention
from policy.domain.tasks import TaskGrant, TaskKind, TaskResult
from policy.errors import Conflict
from policy.services import pruning
from policy.services.pruning import PruningService
from policy.store import tables as t
from tests.support.policy_world import World

NOTHING_KEPT = Retention(
    **{name: timedelta(0) for name in ("attempts", "codes", "sessions", "tasks", "outbox", "bearers")}
)
SOURCE = "192.0.2.7"


def service(world: World, clock: ManualClock, retention: Retention = NOTHING_KEPT) -> PruningService:
    """The pruning of the fixture hospital."""
    return PruningService(world.services.database, clock, world.services.settings, retention, world.id)


def failure(world: World, clock: ManualClock, *, hospital_id: HospitalId | None = None) -> Attempt:
    """A failed log-in of alice, now."""
    return Attempt(
        id=new_id(),
        hospital_id=hospital_id or world.id,
        login="alice",
        source=SOURCE,
        origin=SOURCE,
        at=clock.now(),
        outcome=AttemptOutcome.FAILURE,
        kind=AttemptKind.PASSWORD_AND_CODE,
    )


async def insert_session(world: World, clock: ManualClock, *, ended: bool) -> str:
    """Add a row of a session that began now, and ended as well if *ended*; return its id."""
    row = {
        "hospital_id": world.id, "id": new_id(), "person_id": world.who("alice"), "supplier_id": world.supplier.id,
        "device_id": world.device.id, "account_name": "maint", "window_id": world.window.id, "node": "node1",
        "source": SOURCE, "opened_at": clock.now(), "hard_end": clock.now(), "granted": "{}",
        "closed_at": clock.now() if ended else None, "end_reason": "left" if ended else None,
    }  # fmt: skip
    async with world.services.database.unit_of_work(None, clock) as work:
        await work.connection.execute(insert(t.sessions).values(row))
    return str(row["id"])


async def finish_a_task(world: World) -> None:
    """Let a gateway finish a device task."""
    tasks = world.services.device_tasks
    await tasks.request(world.who("dsi"), world.id, TaskKind.FETCH_HOST_KEYS, world.device.id)
    grant = await tasks.claim(world.id, "node1")
    assert isinstance(grant, TaskGrant)
    await tasks.finish(grant, TaskResult(ok=True))


async def count(world: World, table: Table) -> int:
    """How many rows *table* has."""
    async with world.services.database.read() as view:
        return int((await view.connection.execute(select(func.count()).select_from(table))).scalar_one())


async def head(world: World) -> int:
    """The newest position of the outbox, as a journal that has everything knows it."""
    position, _ = await world.services.access.changes_since(None)
    return position


async def test_what_is_old_goes_and_the_journal_is_told_in_one_line(world: World, clock: ManualClock) -> None:
    """After two years everything that ended is gone but the newest change, and one event says how much."""
    database = world.services.database
    async with database.unit_of_work(None, clock) as work:
        await work.attempts.insert(failure(world, clock))
        await work.credentials.use_totp_step(world.who("alice"), totp.current_step(clock.now()))
    await insert_session(world, clock, ended=True)
    still_open = await insert_session(world, clock, ended=False)
    await finish_a_task(world)
    await world.services.tokens.issue(
        world.people["rssi"], world.people["rssi"].roles, timedelta(hours=1), "old"
    )
    clock.advance(timedelta(days=730))
    before = await head(world)
    kept = service(world, clock, Retention())
    foreseen = await kept.count(before)
    assert await count(world, t.attempts) > 0
    removed = await kept.prune(before)
    assert removed == foreseen
    assert removed.keys() >= {"attempts", "totp_uses", "sessions", "tasks", "tokens", "invitations", "outbox"}
    for table in (t.attempts, t.totp_uses, t.tasks, t.tokens):
        assert await count(world, table) == 0, table.name
    async with database.read() as view:
        left = (await view.connection.execute(select(t.sessions.c.id))).scalars().all()
    assert left == [still_open]
    _, events = await world.services.access.changes_since(0)
    assert [event.name for event in events][1:] == ["store.pruned"]
    assert dict(events[-1].after) == removed
    assert await kept.prune(await head(world)) == {"outbox": 1}, "what was the newest then"
    assert await kept.prune(await head(world)) == {}


async def test_no_retention_shortens_the_memory_of_the_lock_out(world: World, clock: ManualClock) -> None:
    """Failures that still lock her out stay, whatever the settings say."""
    lockout = Lockout(LockoutSettings.of(world.services.settings))
    database = world.services.database
    for _ in range(3):
        async with database.unit_of_work(None, clock) as work:
            await work.attempts.insert(failure(world, clock))
    clock.advance(lockout.settings.memory - timedelta(seconds=1))
    await service(world, clock).prune(await head(world))
    async with database.read() as view:
        since = clock.now() - lockout.settings.memory
        assert len(await view.attempts.recent(world.id, "alice", SOURCE, since)) == 3
    clock.advance(timedelta(days=2))
    assert (await service(world, clock).prune(await head(world)))["attempts"] >= 3


async def test_a_code_that_was_used_stays_used(world: World, clock: ManualClock) -> None:
    """No retention lets a code serve twice, even where the clock is set back by half a day."""
    step = totp.current_step(clock.now())
    async with world.services.database.unit_of_work(None, clock) as work:
        await work.credentials.use_totp_step(world.who("alice"), step)
    clock.advance(timedelta(hours=12))
    await service(world, clock).prune(await head(world))
    async with world.services.database.unit_of_work(None, clock) as work:
        with pytest.raises(Conflict):
            await work.credentials.use_totp_step(world.who("alice"), step)


async def test_what_the_journal_lacks_stays_in_the_outbox(world: World, clock: ManualClock) -> None:
    """Changes after the journal's position are never removed, however old; nor are fresh ones that it has."""
    first = await head(world)
    await world.services.suppliers.create(
        world.who("dsi"), world.id, name="Nouveau", sites=world.supplier.sites
    )
    clock.advance(timedelta(days=3))
    assert (await service(world, clock).prune(first))["outbox"] > 0
    _, events = await world.services.access.changes_since(first)
    assert [event.name for event in events] == ["supplier.created", "store.pruned"]
    newest = await head(world)
    clock.advance(timedelta(hours=23))
    await service(world, clock).prune(newest)
    _, events = await world.services.access.changes_since(first)
    assert [event.name for event in events][-1] == "store.pruned", "a change of today waits for the gateways"


async def test_positions_go_on_where_they_stood(world: World, clock: ManualClock) -> None:
    """After everything old is gone, a reader's cursor still lies before the next change and behind no other."""
    cursor = await head(world)
    clock.advance(timedelta(days=730))
    await service(world, clock).prune(cursor)
    seen, events = await world.services.access.changes_since(cursor)
    assert [event.name for event in events] == ["store.pruned"]
    assert seen > cursor


async def test_four_eyes_still_know_who_invited(world: World, clock: ManualClock) -> None:
    """An invitation of the last month is kept though it was used, for its inviter may not approve with her yet."""
    period = world.services.settings.four_eyes_period
    clock.advance(period - timedelta(hours=1))
    await service(world, clock).prune(await head(world))
    async with world.services.database.read() as view:
        inviters = await view.invitations.inviters(world.id, world.people["alice"].id, clock.now() - period)
    assert inviters == {world.people["dsi"].id}


async def test_much_goes_in_bounded_steps(
    world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No transaction removes more than its bound of a table, and each tells what it removed."""
    monkeypatch.setattr(pruning, "BATCH", 4)
    async with world.services.database.unit_of_work(None, clock) as work:
        for _ in range(10):
            await work.attempts.insert(failure(world, clock))
    clock.advance(timedelta(days=20))
    start = await head(world)
    removed = await service(world, clock).prune(0)
    assert removed["attempts"] >= 10
    _, events = await world.services.access.changes_since(start)
    told = [dict(event.after) for event in events if event.name == "store.pruned"]
    assert len(told) >= 3
    assert max(max(int(str(rows)) for rows in one.values()) for one in told) <= 4
    assert sum(int(str(one.get("attempts", 0))) for one in told) == removed["attempts"]


async def test_one_hospital_s_rows_are_not_another_s(world: World, clock: ManualClock) -> None:
    """A hospital's console removes its own old rows, and leaves its neighbour's to the neighbour's."""
    other = HospitalId(new_id())
    async with world.services.database.unit_of_work(None, clock) as work:
        row = dict((await work.connection.execute(select(t.hospitals))).mappings().one())
        await work.connection.execute(insert(t.hospitals).values({**row, "id": other, "name": "CH d'à côté"}))
        for hospital_id in (world.id, other):
            await work.attempts.insert(failure(world, clock, hospital_id=hospital_id))
    clock.advance(timedelta(days=20))
    pruning = service(world, clock)
    assert (await pruning.count(0))["attempts"] == 1
    assert (await pruning.prune(0))["attempts"] == 1
    async with world.services.database.read() as view:
        left = (await view.connection.execute(select(t.attempts.c.hospital_id))).scalars().all()
    assert left == [other]
