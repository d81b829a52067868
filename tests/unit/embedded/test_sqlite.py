"""SQLite's connections end with the engine that made them."""

import threading
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

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
