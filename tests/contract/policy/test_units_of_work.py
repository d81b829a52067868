"""One transaction, its events, and what the database itself refuses."""

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import insert

from policy.clock import ManualClock
from policy.domain.ids import PersonId
from policy.errors import Conflict, InvalidInput, PolicyUnavailable
from policy.store import tables as t
from policy.store.database import Database
from policy.vault.secret import Secret
from tests.support.policy_world import World, make_world


class OwnFailure(Exception):
    """Something of the use case went wrong."""


async def test_a_failure_undoes_the_change_and_its_event(world: World, clock: ManualClock) -> None:
    """Neither the row nor the event of a unit of work that raises is ever seen."""
    database = world.services.database
    cursor, _ = await world.services.access.changes_since(None)
    with pytest.raises(OwnFailure):  # noqa: PT012 - the transaction is what must be left by raising
        async with database.unit_of_work(None, clock) as work:
            await work.hospitals.update(replace(world.hospital, name="Autre"))
            await work.emit("hospital.updated", world.id, world.id, {}, {})
            await work.flush()
            raise OwnFailure
    assert (await world.services.hospitals.get(world.id)).name == world.hospital.name
    assert await world.services.access.changes_since(cursor) == (cursor, [])


async def test_an_event_that_could_hold_a_secret_is_refused_with_its_change(
    world: World, clock: ManualClock
) -> None:
    """A Secret in an event raises TypeError, and nothing is committed."""
    with pytest.raises(TypeError):  # noqa: PT012 - same
        async with world.services.database.unit_of_work(None, clock) as work:
            await work.hospitals.update(replace(world.hospital, name="Autre"))
            await work.emit("hospital.updated", world.id, world.id, {}, {"secret": Secret("tell nobody")})
    assert (await world.services.hospitals.get(world.id)).name == world.hospital.name


async def test_what_is_written_through_a_view_is_never_kept(world: World) -> None:
    """A view is for reading: a write through it is refused or undone."""
    try:
        async with world.services.database.read() as view:
            await view.hospitals.update(replace(world.hospital, name="Autre"))
    except PolicyUnavailable:
        pass  # PostgreSQL refuses the statement itself
    assert (await world.services.hospitals.get(world.id)).name == world.hospital.name


async def test_a_view_is_one_snapshot(world: World, clock: ManualClock) -> None:
    """What is committed while a view is open is not seen through it."""
    async with world.services.database.read() as view:
        before = await view.people.list(world.id)
        await world.services.people.suspend(world.who("dsi"), world.id, world.who("alice"), reason="départ")
        assert await view.people.list(world.id) == before


async def test_a_naive_time_never_reaches_the_store(world: World) -> None:
    """A datetime without a zone is refused where it would be bound."""
    with pytest.raises(PolicyUnavailable):
        async with world.services.database.read() as view:
            await view.revocations.list(world.id, datetime(2026, 3, 3, 20, 0))  # noqa: DTZ001 - the attack


async def test_the_database_refuses_a_row_that_points_into_another_hospital(
    world: World, clock: ManualClock
) -> None:
    """A foreign key holds both the id and the hospital, so a stolen id does not fit."""
    other = await make_world(world.services.settings.database_url, clock, hospital="CH Voisin", further=True)
    try:
        row = {
            "hospital_id": world.id,
            "window_id": world.window.id,
            "person_id": other.who("bob"),
        }
        with pytest.raises(Conflict):
            async with world.services.database.unit_of_work(None, clock) as work:
                await work.connection.execute(insert(t.window_people).values(row))
    finally:
        await other.close()


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "no url at all"])
async def test_a_database_that_is_not_supported_is_named(url: str) -> None:
    """A wrong URL is an InvalidInput of the field ``database_url``."""
    with pytest.raises(InvalidInput, match="database_url: "):
        await Database.open(url)


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/at/all/policy.db", "postgresql://nobody@127.0.0.1:1/ecluse"]
)
async def test_a_database_that_cannot_be_reached_is_unavailable(url: str) -> None:
    """Opening fails closed, as PolicyUnavailable."""
    with pytest.raises(PolicyUnavailable):
        await Database.open(url)


async def test_a_name_taken_meanwhile_is_a_conflict(world: World, clock: ManualClock) -> None:
    """Two rows of one name that passed the check at once: the database keeps the second out, as a Conflict."""
    with pytest.raises(Conflict):
        async with world.services.database.unit_of_work(None, clock) as work:
            await work.people.insert(replace(world.people["bob"], id=PersonId("e" * 32)))


async def test_closing_waits_for_the_answers_under_way(world: World, clock: ManualClock) -> None:
    """A change under way when the database is closed is made, and its connection is not left behind."""
    database = await Database.open(world.services.settings.database_url)
    begun = asyncio.Event()

    async def rename() -> None:
        async with database.unit_of_work(None, clock) as work:
            begun.set()
            await asyncio.sleep(0)
            await work.hospitals.update(replace(world.hospital, name="Autre"))

    renaming = asyncio.create_task(rename())
    await begun.wait()
    await database.close()
    assert renaming.done()
    await renaming
    assert (await world.services.hospitals.get(world.id)).name == "Autre"
