"""The catalogue's database, on every engine we support."""

import asyncio
import functools
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recorder.store.database import Database, migrate
from tests.support import postgres
from tests.support.schemas import trace_schema


@functools.cache
def mould() -> str:
    """The URL of a PostgreSQL database that is up to date, and only copied."""
    server = postgres.shared()
    url = server.url(server.create())
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, migrate(url)).result()
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Each database that is supported, in turn."""
    return str(request.param)


@pytest.fixture
def empty_url(database_kind: str, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path}/traces.db"
        return
    server = postgres.shared()
    url = server.url(server.create())
    yield url
    server.drop(url)


@pytest.fixture
async def database_url(database_kind: str, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a database that is up to date."""
    if database_kind == "sqlite":
        url = f"sqlite:///{tmp_path}/traces.db"
        await trace_schema(url)
        yield url
        return
    with postgres.shared().copied(mould()) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database of this version, open."""
    made = Database(database_url)
    yield made
    await made.dispose()
