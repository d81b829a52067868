"""The two databases in a backup: a copy of each at one instant, while the processes go on writing."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import inspect, text
from sqlalchemy.engine import URL, make_url

from ecluse import grants
from ecluse.database_roles import connected
from ecluse.errors import BackupError
from ecluse.settings import Settings
from embedded.sqlite import opened

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
VERSION_TABLES: Final = (
    *(grants.POLICY_VERSION, grants.POLICY_HISTORY),
    *(grants.TRACE_VERSION, grants.TRACE_HISTORY),
)
_DUMP_SECONDS: Final = 6 * 3600


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy: of ``stores`` (both where one PostgreSQL database holds both), of a *kind*, at *path*."""

    stores: tuple[str, ...]
    kind: str
    path: Path


def copy(settings: Settings, folder: Path) -> Iterator[Copied]:
    """Copy into *folder*: traces and journal first, so that the journal never tells of a change that is not there.

    What the journal lacks then, the console ingests again. Raises BackupError.
    """
    traces, policy = make_url(settings.trace_url()), make_url(settings.policy_url())
    if traces.drivername != SQLITE and traces == policy:
        yield Copied(("traces", "policy"), POSTGRESQL, _dump(traces, folder / "both.dump"))
        return
    for store, url in (("traces", traces), ("policy", policy)):
        if url.drivername == SQLITE:
            yield Copied((store,), SQLITE, _copied(Path(url.database or ""), folder / f"{store}.db"))
        else:
            yield Copied((store,), POSTGRESQL, _dump(url, folder / f"{store}.dump"))


def _copied(source: Path, target: Path) -> Path:
    try:
        with (
            closing(opened(source, f"file:{source}?mode=ro", uri=True, timeout=30)) as here,
            closing(sqlite3.connect(target)) as there,
        ):
            here.backup(there)
    except sqlite3.Error as error:
        raise BackupError("backup.database", place=str(source), why=str(error)) from error
    target.chmod(0o600)
    return target


def _dump(url: URL, target: Path) -> Path:
    options = ("--format=custom", "--no-owner", "--no-privileges", f"--file={target}")
    _run("pg_dump", url, *options)
    return target


def fill(url: URL, dump: Path) -> None:
    """Restore *dump* into the empty database at *url*, whole or not at all. Raises BackupError."""
    _run(
        "pg_restore",
        url,
        "--no-owner",
        "--no-privileges",
        "--exit-on-error",
        "--single-transaction",
        str(dump),
    )


async def check_empty(urls: Sequence[URL]) -> None:
    """Raise BackupError where one of the databases has a table of ours."""
    for url in urls:
        async with connected(url.render_as_string(hide_password=False)) as connection:
            known = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
        ours = {*grants.POLICY.metadata.tables, *grants.TRACES.metadata.tables, *VERSION_TABLES}
        if known & ours:
            raise BackupError("backup.not_empty_database", database=url.database, table=min(known & ours))


def _run(program: str, url: URL, *options: str) -> None:
    plain = url.set(drivername=POSTGRESQL, password=None).render_as_string(hide_password=False)
    secret = {} if url.password is None else {"PGPASSWORD": url.password}
    try:
        done = subprocess.run(
            [program, f"--dbname={plain}", *options],
            env={**os.environ, **secret},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_DUMP_SECONDS,
            check=False,
        )
    except OSError as error:
        raise BackupError("backup.program", program=program, why=error.strerror) from error
    except subprocess.TimeoutExpired as error:
        raise BackupError("backup.database", place=url.database, why="timeout") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["?"]
        # the statement follows what was wrong with it
        why = next((line for line in said if "error" in line.lower()), said[-1])[:300]
        raise BackupError("backup.database", place=url.database, why=why)


async def empty(url: URL) -> None:
    """Take away again what was filled into a database that was empty."""
    async with connected(url.render_as_string(hide_password=False)) as connection:
        for store in (grants.TRACES, grants.POLICY):
            await connection.run_sync(store.metadata.drop_all)
        for table in VERSION_TABLES:
            await connection.execute(text(f'DROP TABLE IF EXISTS "{table}"'))
        await connection.commit()
