"""The catalogue's database, on every engine we support."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recorder.store.database import Database, migrate
from tests.support import postgres


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/traces.db"
    server = postgres.shared()
    return server.url(server.create())


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database brought up to date, twice: the second time changes nothing."""
    await migrate(database_url)
    await migrate(database_url)
    made = Database(database_url)
    yield made
    await made.dispose()
