"""SQLite's connections end with the engine that made them."""

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from typing_extensions import override

from embedded.sqlite import Connections


async def test_a_connection_that_is_out_when_its_pool_goes_is_closed(tmp_path: Path) -> None:
    """It comes back to a pool that is no more: nobody else would close it, and its thread would stay."""
    before = set(threading.enumerate())
    connections = Connections()
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{tmp_path}/one.sqlite", connect_args={"async_creator_fn": connections.make}
    )
    out = await engine.connect()
    await out.execute(text("SELECT 1"))
    own = set(threading.enumerate()) - before
    assert len(own) == 1
    await engine.dispose()
    await out.close()
    assert own <= set(threading.enumerate())
    await connections.gone()
    for thread in own:
        thread.join(1)
    assert not own & set(threading.enumerate())


async def test_who_opens_a_new_database_while_another_writes_its_first_table_waits(tmp_path: Path) -> None:
    """SQLite changes to WAL or refuses at once, whatever its own patience."""
    place = tmp_path / "new.sqlite"
    first = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
    first.execute("BEGIN IMMEDIATE")
    first.execute("CREATE TABLE made (it)")

    class Second(sqlite3.Connection):
        @override
        def execute(self, *statement: Any) -> sqlite3.Cursor:
            try:
                return super().execute(*statement)
            except sqlite3.OperationalError:
                first.commit()
                raise

    connections = Connections()
    async with connections.make(place, timeout=60, factory=Second) as second:
        assert await (await second.execute("PRAGMA journal_mode")).fetchone() == ("wal",)
        assert await (await second.execute("SELECT count(*) FROM made")).fetchone() == (0,)
    await connections.gone()
    first.close()


async def test_a_database_that_stays_locked_is_not_waited_for_beyond_the_patience_given(
    tmp_path: Path,
) -> None:
    """Its error is SQLite's own, and the connection's thread ends."""
    place = tmp_path / "new.sqlite"
    first = sqlite3.connect(place, isolation_level=None)
    first.execute("BEGIN EXCLUSIVE")
    connections = Connections()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await connections.make(place, timeout=0)
    await connections.gone()
    first.close()
