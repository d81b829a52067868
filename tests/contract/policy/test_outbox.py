"""The change feed: in commit order, whole, and never skipping a late commit."""

import asyncio

from policy.clock import ManualClock
from tests.support.policy_databases import until_waiting
from tests.support.policy_world import World


async def test_a_late_commit_is_never_skipped(world: World, clock: ManualClock, database_kind: str) -> None:
    """A reader who follows the cursor sees an event whose transaction began first and was committed last."""
    database, access = world.services.database, world.services.access
    cursor, _ = await access.changes_since(None)
    first_wrote, go_on = asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    async def first() -> None:
        async with database.unit_of_work(None, clock) as work:
            await work.emit("test.first", world.id, "1", {}, {})
            await work.flush()
            first_wrote.set()
            await go_on.wait()

    async def second() -> None:
        await first_wrote.wait()
        async with database.unit_of_work(None, clock) as work:
            await work.emit("test.second", world.id, "2", {}, {})

    async def read() -> None:
        nonlocal cursor
        cursor, events = await access.changes_since(cursor)
        seen.extend(event.name for event in events)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(first())
        late = tasks.create_task(second())
        await first_wrote.wait()
        if database_kind == "postgresql":
            await until_waiting(database)
        await read()
        assert seen == []
        assert not late.done()
        go_on.set()
    await read()
    assert seen == ["test.first", "test.second"]


async def test_a_writer_of_another_process_waits_its_turn_too(
    world: World, clock: ManualClock, copied_url: str
) -> None:
    """Many writers over two connections pools, one reader: every event once, in the order of its position."""
    other = await world.reopen(copied_url, clock)
    access = world.services.access
    cursor, _ = await access.changes_since(None)
    seen: list[str] = []
    wanted = {f"{pool}-{number}" for pool in range(2) for number in range(15)}

    async def write(pool: int, number: int) -> None:
        database = (world, other)[pool].services.database
        async with database.unit_of_work(None, clock) as work:
            await work.emit("test.written", world.id, f"{pool}-{number}", {}, {})

    async def follow() -> None:
        nonlocal cursor
        while len(seen) < len(wanted):
            cursor, events = await access.changes_since(cursor)
            seen.extend(event.subject for event in events)

    try:
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(follow())
            for pool in range(2):
                for number in range(15):
                    tasks.create_task(write(pool, number))
    finally:
        await other.close()
    assert len(seen) == len(set(seen))
    assert set(seen) == wanted


async def test_the_feed_is_read_in_pages_from_the_very_beginning(world: World, clock: ManualClock) -> None:
    """From 0 every event comes, at most five hundred at once, and the last page is empty."""
    async with world.services.database.unit_of_work(None, clock) as work:
        for number in range(600):
            await work.emit("test.many", world.id, str(number), {}, {})
    cursor, first = await world.services.access.changes_since(0)
    assert len(first) == 500
    assert first[0].name == "hospital.created"
    rest: list[str] = []
    while True:
        cursor, page = await world.services.access.changes_since(cursor)
        if not page:
            break
        rest += [event.subject for event in page]
    assert rest[-1] == "599"


async def test_an_event_says_who_what_before_and_after(world: World) -> None:
    """A change of the contact is an event with its actor, its subject and both values."""
    cursor, _ = await world.services.access.changes_since(None)
    await world.services.hospitals.update(world.who("dsi"), world.id, security_contact="RSSI, poste 1")
    _, events = await world.services.access.changes_since(cursor)
    assert [event.name for event in events] == ["hospital.updated"]
    event = events[0]
    assert (event.actor, event.subject, event.at) == (world.who("dsi"), world.id, world.clock.now())
    assert event.before["security_contact"] == "RSSI, poste 4242"
    assert event.after["security_contact"] == "RSSI, poste 1"
