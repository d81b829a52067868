"""Invariant 11: two hospitals with the same names in one database, and neither ever sees or changes the other's rows."""

import inspect
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from sqlalchemy import Table, select

from policy.clock import ManualClock
from policy.domain.access import AccessRequest, RevocationScope
from policy.domain.people import Factor
from policy.errors import PolicyError
from policy.store.tables import metadata
from policy.store.unit_of_work import View
from tests.support.furnished import furnish
from tests.support.policy_world import World, make_world

NOT_A_QUESTION: Final = {"hold", "hold_person"}


@pytest.fixture
async def neighbour(world: World, clock: ManualClock) -> AsyncIterator[World]:
    """A second hospital in the same database: same logins, same devices, same addresses, one of everything."""
    other = await make_world(
        world.services.settings.database_url,
        clock,
        keyring_directory=world.services.settings.keyring_directory,
        further=True,
    )
    yield other
    await other.close()


async def test_one_row_of_everything_is_there_to_be_stolen(world: World, neighbour: World) -> None:
    """The two tests below mean something: every table that belongs to a hospital has rows of both."""
    await furnish(world)
    await furnish(neighbour)
    for table in metadata.sorted_tables:
        if "hospital_id" in table.c:
            assert await rows_of(world, table, world), table.name
            assert await rows_of(world, table, neighbour), table.name


async def test_no_repository_returns_or_changes_another_hospital_s_rows(
    world: World, neighbour: World
) -> None:
    """Every method of every repository that takes a hospital, called with its neighbour's keys, leaves it alone."""
    await furnish(world)
    stolen = await furnish(neighbour)
    before = {table.name: await rows_of(world, table, neighbour) for table in metadata.sorted_tables}
    called = 0
    for noun, method in questions():
        arguments = {
            name: stolen[name]
            for name in list(inspect.signature(method).parameters)[1:]
            if name != "hospital_id" and (name in stolen or _needed(method, name))
        }
        try:
            async with world.services.database.unit_of_work(None, world.clock) as work:
                answer = await getattr(getattr(work, noun), method.__name__)(world.id, **arguments)
                assert not leaks(answer, neighbour), f"{noun}.{method.__name__} returned {answer}"
        except PolicyError:
            pass  # not found, as it should be
        called += 1
    assert called > 40
    for table in metadata.sorted_tables:
        assert await rows_of(world, table, neighbour) == before[table.name], table.name


async def test_what_is_known_next_door_opens_nothing_here(world: World, neighbour: World) -> None:
    """A person of one hospital is unknown to the other, and its device's name reaches the own device only."""
    grant = await world.grant()
    assert grant.device_id == world.device.id
    request = AccessRequest(
        hospital_id=world.id,
        person_id=neighbour.who("alice"),
        device_name="scan01",
        account_name=None,
        source="127.0.0.1",
        factors=frozenset({Factor.PASSWORD, Factor.TOTP}),
    )
    with pytest.raises(PolicyError):
        await world.services.access.decide(request)
    await neighbour.services.revocations.cut(
        neighbour.who("dsi"), neighbour.id, RevocationScope.ALL, "", "là-bas seulement"
    )
    answers = await world.services.access.recheck([grant])
    assert type(answers[grant.session_id]).__name__ == "Held"


def questions() -> list[tuple[str, Any]]:
    """Return every repository method whose first argument is the hospital, with the repository's name."""
    view = View(connection=None)  # type: ignore[arg-type]  # only its shape is looked at
    found = []
    for noun, repository in vars(view).items():
        for name, method in inspect.getmembers(type(repository), inspect.iscoroutinefunction):
            parameters = list(inspect.signature(method).parameters)
            if not name.startswith("_") and parameters[1:2] == ["hospital_id"] and name not in NOT_A_QUESTION:
                found.append((noun, method))
    return found


def leaks(answer: object, neighbour: World) -> bool:
    """Tell whether the neighbour's id is anywhere in what was answered."""
    return neighbour.id in repr(answer)


async def rows_of(reader: World, table: Table, owner: World) -> list[tuple[object, ...]]:
    """Return the rows of *table* that belong to *owner*'s hospital."""
    if "hospital_id" not in table.c:
        return []
    async with reader.services.database.read() as view:
        query = select(table).where(table.c.hospital_id == owner.id).order_by(*table.primary_key.columns)
        return [tuple(row) for row in await view.connection.execute(query)]


def _needed(method: Any, name: str) -> bool:
    return inspect.signature(method).parameters[name].default is inspect.Parameter.empty
