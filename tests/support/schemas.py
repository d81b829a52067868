"""Schemas made once a process: a fresh SQLite file is a copy of what the migrations made for the first one."""

import atexit
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from ecluse.demo.leftovers import temporary_folder
from policy.store import database as policy_database
from recorder.store import database as trace_database

_SQLITE = "sqlite:///"
_made: dict[str, Path] = {}


async def policy_schema(url: str) -> None:
    """Bring the policy database at *url* up to date, as its migrations would."""
    await _schema("policy", url, policy_database.migrate)


async def trace_schema(url: str) -> None:
    """Bring the trace database at *url* up to date, as its migrations would."""
    await _schema("traces", url, trace_database.migrate)


async def _schema(name: str, url: str, migrate: Callable[[str], Awaitable[None]]) -> None:
    target = Path(url.removeprefix(_SQLITE))
    if not url.startswith(_SQLITE) or target.exists():
        await migrate(url)
        return
    if name not in _made:
        folder = temporary_folder("schema")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        await migrate(f"{_SQLITE}{folder / name}")
        _made[name] = folder / name
    shutil.copyfile(_made[name], target)
