"""The fixture hospital on every database we support: made once, then copied for each test."""

import asyncio
import atexit
import functools
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from ecluse.demo.leftovers import temporary_folder
from policy.clock import ManualClock
from tests.support import postgres
from tests.support.policy_world import World, make_world

NOON: Final = datetime(2026, 3, 3, 19, 30, tzinfo=UTC)
"""When the tests begin: half past eight in the evening in Paris, the middle of the fixture's window."""
BOTH: Final = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))


@dataclass(frozen=True)
class Mould:
    """A world that is only copied, and how to copy its database into a test's folder."""

    world: World
    copy: Callable[[Path], str]


def empty_database(kind: str, folder: Path) -> str:
    """Return the URL of an empty database of that *kind*; skips where there is no server for it."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'policy.db'}"
    server = postgres.shared()
    return server.url(server.create())


@functools.cache
def mould(kind: str) -> Mould:
    """Return the mould of that *kind* of database, made on the first call."""
    folder = temporary_folder("mould")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    url = empty_database(kind, folder)

    async def make() -> World:
        world = await make_world(url, ManualClock(NOON), keyring_directory=folder / "keyring")
        await world.services.close()
        return world

    world = asyncio.run(make())
    if kind == "sqlite":
        return Mould(world, lambda target: _copy_file(folder / "policy.db", target))
    server, name = postgres.shared(), url.partition("@/")[2].partition("?")[0]
    return Mould(world, lambda _target: server.url(server.create(like=name)))


@pytest.fixture(params=BOTH)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Each database that is supported, in turn."""
    return str(request.param)


@pytest.fixture
def database_url(database_kind: str, tmp_path: Path) -> str:
    """An empty database, without a schema."""
    return empty_database(database_kind, tmp_path)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still in the middle of the fixture's window."""
    return ManualClock(NOON)


@pytest.fixture
def copied_url(database_kind: str, tmp_path: Path) -> str:
    """A copy of the fixture hospital's database."""
    return mould(database_kind).copy(tmp_path)


@pytest.fixture
async def world(database_kind: str, copied_url: str, clock: ManualClock) -> AsyncIterator[World]:
    """The fixture hospital, a fresh copy."""
    copy = await mould(database_kind).world.reopen(copied_url, clock)
    yield copy
    await copy.close()


def _copy_file(source: Path, folder: Path) -> str:
    target = folder / "world.db"
    shutil.copyfile(source, target)
    return f"sqlite:///{target}"
