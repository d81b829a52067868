"""The fixture hospital on every database we support: made once, then copied for each test."""

import asyncio
import atexit
import functools
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import text

from ecluse.demo.leftovers import temporary_folder
from policy.clock import Clock, ManualClock
from policy.store.database import Database
from tests.support import postgres
from tests.support.policy_world import World, make_world
from tests.support.waiting import answered

NOON: Final = datetime(2026, 3, 3, 19, 30, tzinfo=UTC)
"""When the tests begin: half past eight in the evening in Paris, the middle of the fixture's window."""
BOTH: Final = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))


@dataclass(frozen=True)
class Mould:
    """A world that is only copied, and how to copy its database into a test's folder."""

    world: World
    copied: Callable[[Path], AbstractContextManager[str]]


def empty_database(kind: str, folder: Path) -> str:
    """Return the URL of an empty database of that *kind*; skips where there is no server for it."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'policy.db'}"
    server = postgres.shared()
    return server.url(server.create())


@functools.cache
def mould(kind: str, at: datetime = NOON, /, **traits: Any) -> Mould:
    """Return the mould of that *kind* of database, made on the first call as if it were *at* that instant.

    *traits* are ``make_world``'s, each of them hashable.
    """
    folder = temporary_folder("mould")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    url = empty_database(kind, folder)

    async def make() -> World:
        world = await make_world(url, ManualClock(at), keyring_directory=folder / "keyring", **traits)
        await world.services.close()
        return world

    # in a thread of its own, for whoever asks first may have a loop that runs
    with ThreadPoolExecutor(1) as thread:
        world = thread.submit(asyncio.run, make()).result()
    if kind == "sqlite":
        return Mould(world, functools.partial(_copied_file, folder / "policy.db"))
    return Mould(world, lambda _target: postgres.shared().copied(url))


@asynccontextmanager
async def copied_world(kind: str, folder: Path, clock: Clock, /, **traits: Any) -> AsyncIterator[World]:
    """A fresh copy, in *folder*, of the hospital that ``make_world`` makes with these *traits*."""
    made = mould(kind, **traits)
    with made.copied(folder) as url:
        copy = await made.world.reopen(url, clock)
        try:
            yield copy
        finally:
            await copy.close()


async def own_world(
    folder: Path, clock: Clock, *, settings: Mapping[str, Any] | None = None, **traits: Any
) -> World:
    """Return a copy of what ``make_world`` makes with these *traits*, on SQLite, with a keyring of its own in *folder*.

    It is the caller's to close. The clock says when it was made; *settings* are policy's, from now on.
    """
    fixed = {name: tuple(value) if isinstance(value, list) else value for name, value in traits.items()}
    made = mould("sqlite", clock.now(), **fixed)
    before = made.world.services.settings
    shutil.copytree(before.keyring_directory, folder / "keyring")
    shutil.copyfile(before.database_url.removeprefix("sqlite:///"), folder / "policy.db")
    return await made.world.reopen(
        f"sqlite:///{folder}/policy.db", clock, folder / "keyring", **(settings or {})
    )


@pytest.fixture(params=BOTH)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Each database that is supported, in turn."""
    return str(request.param)


@pytest.fixture
def database_url(database_kind: str, tmp_path: Path) -> Iterator[str]:
    """An empty database, without a schema."""
    url = empty_database(database_kind, tmp_path)
    yield url
    if database_kind != "sqlite":
        postgres.shared().drop(url)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still in the middle of the fixture's window."""
    return ManualClock(NOON)


@pytest.fixture
def copied_url(database_kind: str, tmp_path: Path) -> Iterator[str]:
    """A copy of the fixture hospital's database."""
    with mould(database_kind).copied(tmp_path) as url:
        yield url


@pytest.fixture
async def world(database_kind: str, copied_url: str, clock: ManualClock) -> AsyncIterator[World]:
    """The fixture hospital, a fresh copy."""
    copy = await mould(database_kind).world.reopen(copied_url, clock)
    yield copy
    await copy.close()


@contextmanager
def _copied_file(source: Path, folder: Path) -> Iterator[str]:
    target = folder / "world.db"
    shutil.copyfile(source, target)
    yield f"sqlite:///{target}"


async def until_waiting(database: Database) -> None:
    """Return once somebody waits for a lock in this database."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    async def waits() -> bool:
        async with database.read() as view:
            return bool((await view.connection.execute(waiting)).scalar_one())

    await answered(waits)
