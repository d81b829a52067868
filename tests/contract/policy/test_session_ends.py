"""Who tells of a session's end, and that it is told once: whoever was killed, cut off or taken for dead meanwhile."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from policy.clock import ManualClock
from policy.domain.access import Grant
from policy.domain.events import PolicyEvent
from policy.domain.sessions import INTERRUPTED, correction_event, end_event
from policy.services import endings
from policy.services.access import AccessService
from tests.support.policy_databases import until_waiting
from tests.support.policy_world import World
from tests.support.statements import statements

ENDS = {"session.closed", "session.end_corrected"}


async def opened(world: World, node: str = "gw1") -> tuple[AccessService, Grant]:
    """Return the gateways' door to policy, and a session that *node* opened."""
    access, grant = world.services.access, await world.grant()
    await access.session_opened(grant, node)
    return access, grant


async def ends(world: World) -> list[PolicyEvent]:
    """Return what the outbox tells of ends of sessions, oldest first."""
    _, events = await world.services.access.changes_since(0)
    return [event for event in events if event.name in ENDS]


async def left_behind(world: World, clock: ManualClock) -> tuple[AccessService, Grant]:
    """Return a session that another gateway has ended, for its own one was silent for over an hour beyond its end."""
    access, grant = await opened(world)
    clock.advance(grant.obligations.hard_end - clock.now() + timedelta(hours=1, seconds=1))
    [left] = await access.left_behind(world.id)
    assert left.session_id == grant.session_id
    return access, grant


async def test_what_a_killed_gateway_left_is_told_in_the_transaction_that_ends_it(
    world: World, clock: ManualClock
) -> None:
    """Whoever ends it may be killed the moment after: the outbox has it, with all that the journal is to know."""
    access, grant = await opened(world)
    alive = clock.now()
    clock.advance(timedelta(minutes=1))
    await access.node_started(world.id, "gw1")
    [told] = await ends(world)
    assert (told.name, told.subject) == ("session.closed", grant.session_id)
    assert told.after == {
        "person_id": grant.person_id,
        "device_id": grant.device_id,
        "source": grant.source,
        "device": "scan01",
        "account": "maint",
        "reason": INTERRUPTED,
        "node": "gw1",
        "last_known": alive.isoformat(),
    }


async def test_what_another_gateway_ends_is_told_in_one_transaction_too(
    world: World, clock: ManualClock
) -> None:
    """An hour later it is another one that may be killed then."""
    _, grant = await left_behind(world, clock)
    [told] = await ends(world)
    assert (told.subject, told.after["reason"]) == (grant.session_id, INTERRUPTED)


async def test_an_end_that_the_journal_did_not_take_goes_with_the_lease_once(
    world: World, clock: ManualClock
) -> None:
    """A gateway whose journal was away may be killed: policy has its word, however often it asks; else policy has none."""
    access, grant = await opened(world)
    at = clock.now()
    clock.advance(timedelta(seconds=9))
    for _ in range(2):
        await access.session_closed(
            world.id, grant.session_id, "idle", at=at, facts={"bytes_out": 7}, told=False
        )
    [told] = await ends(world)
    assert (told.subject, told.after["reason"], told.after["bytes_out"]) == (grant.session_id, "idle", 7)
    assert told.after["ended"] == at.isoformat()
    assert (await access.session(world.id, grant.session_id)).closed_at == at
    _, other = await opened(world)
    await access.session_closed(world.id, other.session_id, "left")
    assert await ends(world) == [told]


async def test_a_gateway_taken_for_dead_says_how_its_session_really_ended(
    world: World, clock: ManualClock
) -> None:
    """Cut off for over an hour it is told as interrupted; back, its own word stands, told as a correction, and once."""
    access, grant = await left_behind(world, clock)
    really = clock.now() - timedelta(hours=1)
    for _ in range(2):
        await access.session_closed(
            world.id, grant.session_id, "policy", at=really, facts={"files_out": 2}, told=False
        )
    presumed, corrected = await ends(world)
    assert (presumed.name, corrected.name) == ("session.closed", "session.end_corrected")
    assert corrected.before["reason"] == INTERRUPTED
    assert (corrected.after["reason"], corrected.after["files_out"]) == ("policy", 2)
    found = await access.session(world.id, grant.session_id)
    assert (found.end_reason, found.closed_at) == ("policy", really)


async def test_its_own_gateway_that_comes_back_as_a_session_is_given_up_waits_and_corrects(
    world: World, clock: ManualClock, database_kind: str
) -> None:
    """Two that end it at once tell no two ends: the second has waited for the first, and asks for no other try."""
    access, grant = await opened(world)
    clock.advance(grant.obligations.hard_end - clock.now() + timedelta(hours=1, seconds=1))
    async with world.services.database.unit_of_work(None, clock) as work:
        left = await work.leases.end_left_behind(world.id, clock.now() - timedelta(hours=1), clock.now())
        await endings.tell_left(work, left)
        own = asyncio.create_task(access.session_closed(world.id, grant.session_id, "window", told=False))
        if database_kind == "postgresql":
            await until_waiting(world.services.database)
    await own
    assert [one.name for one in await ends(world)] == ["session.closed", "session.end_corrected"]
    assert (await access.session(world.id, grant.session_id)).end_reason == "window"


@pytest.mark.parametrize("name", ["session.closed", "window.approved"])
async def test_who_plants_a_row_by_a_session_s_identifiers_keeps_no_end_from_being_told(
    world: World, clock: ManualClock, name: str
) -> None:
    """A gateway that is taken over may write to the outbox: the others start all the same, and give their leases back."""
    access, left = await opened(world)
    _, closed = await opened(world, "gw2")
    planted = [
        PolicyEvent(
            id=of(grant.session_id),
            hospital_id=world.id,
            at=clock.now(),
            name=name,
            actor=None,
            subject="planted",
            before={},
            after={},
        )
        for grant in (left, closed)
        for of in (end_event, correction_event)
    ]
    async with world.services.database.unit_of_work(None, clock) as work:
        await work.outbox.append(planted)
    assert [one.session_id for one in await access.node_started(world.id, "gw1")] == [left.session_id]
    await access.session_closed(world.id, closed.session_id, "idle", told=False)
    assert (await access.session(world.id, closed.session_id)).end_reason == "idle"
    told = [event.subject for event in await ends(world) if event.subject != "planted"]
    assert told == [left.session_id, closed.session_id]


@pytest.mark.parametrize("written", ["[" + "9" * 5000 + "]", "[" * 5000 + "]" * 5000])
async def test_a_planted_row_that_nothing_can_read_hides_none_that_come_after_it(
    world: World, clock: ManualClock, written: str
) -> None:
    """A database takes more as JSON than a program reads: the row stands there as its text, and reading goes on."""
    row = text(
        "INSERT INTO outbox (hospital_id, id, at, name, subject, before, after) "  # noqa: S608 - the test's own text
        f"SELECT hospital_id, :id, at, 'session.closed', 'planted', before, '{written}' FROM outbox LIMIT 1"
    )
    async with world.services.database.unit_of_work(None, clock) as work:
        await work.connection.execute(row, {"id": "f" * 32})
    _, grant = await opened(world)
    await world.services.access.node_started(world.id, "gw1")
    planted, told = await ends(world)
    assert str(planted.after) == written
    assert told.subject == grant.session_id


async def test_several_sessions_are_held_in_one_order(world: World) -> None:
    """Two that end the same ones at once, each its own way, would else hold what the other one waits for."""
    access, grant = await opened(world)
    with statements(world.services.database) as sent:
        await access.session_closed(world.id, grant.session_id, "idle", told=False)
        await access.node_started(world.id, "gw1")
    said = [" ".join(one.replace(" FOR UPDATE", "").split()) for one in sent]
    [closes] = [
        one
        for one in said
        if one.startswith("SELECT sessions.hospital_id, sessions.id, sessions.closed_at FROM")
    ]
    [ends_left] = [one for one in said if one.startswith("UPDATE") and "IN (SELECT sessions.id" in one]
    assert closes.endswith(" ORDER BY sessions.hospital_id, sessions.id")
    assert " ORDER BY sessions.id)" in ends_left
