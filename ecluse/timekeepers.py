"""Clocks that this machine's is compared with: the NTP client's source, the database server's, the trace store's."""

import asyncio
import os
import re
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from ecluse.settings import Settings
from policy.clock import Clock
from policy.errors import PolicyUnavailable
from policy.store.database import Database

ANSWER_SECONDS: Final = 3.0
"""How long one of them may take; what comes later says nothing about who is wrong."""
_OFFSET: Final = re.compile(r"^\s*Offset:\s*(.+)$", re.MULTILINE)
_TERM: Final = re.compile(r"([+-]?[0-9.]+)(us|ms|s|min|h)\b")
_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_CSV_OFFSET, _CSV_LEAP = 4, 13
_HALF_A_SECOND: Final = timedelta(seconds=0.5)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far this machine's clock is from that of *keeper*; the sign is lost where the keeper tells none."""

    keeper: str
    drift: timedelta

    def beyond(self, bound: timedelta) -> bool:
        """Tell whether it is more than *bound*."""
        return abs(self.drift) > bound


async def compare(settings: Settings, database: Database | None, clock: Clock) -> list[Comparison]:
    """Return what each keeper says that answers; one that is silent, or knows nothing itself, is left out.

    *database* is policy's, None where it cannot be had. Never raises.
    """
    asked = [_ntp(), _store(settings, clock)]
    if database is not None:
        asked.append(_server(database, clock))
    answers = await asyncio.gather(*asked)
    return [answer for answer in answers if answer is not None]


async def synchronised() -> bool | None:
    """Return whether systemd-timedated says that the kernel's clock is kept right; None where it says nothing."""
    said = (await _said("timedatectl", "show", "--property=NTPSynchronized", "--value")).strip()
    return {"yes": True, "no": False}.get(said)


async def _server(database: Database, clock: Clock) -> Comparison | None:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            before = clock.now()
            theirs = await database.server_time()
            after = clock.now()
    except (PolicyUnavailable, TimeoutError):
        return None
    return None if theirs is None else Comparison("database", _apart(before, after, theirs))


async def _store(settings: Settings, clock: Clock) -> Comparison | None:
    """Ask the bucket's server for nothing: whatever it answers is dated, to the second."""
    endpoint = settings.store.endpoint
    if settings.store.bucket is None or endpoint is None:
        return None
    try:
        trust = ssl.create_default_context(
            cafile=None if settings.store.ca is None else str(settings.data_dir / settings.store.ca)
        )
        async with httpx.AsyncClient(verify=trust, trust_env=False, timeout=ANSWER_SECONDS) as client:
            before = clock.now()
            answer = await client.head(endpoint)
            after = clock.now()
        dated = parsedate_to_datetime(answer.headers.get("date", ""))
    except (httpx.HTTPError, OSError, ValueError):
        return None
    theirs = (dated if dated.tzinfo else dated.replace(tzinfo=UTC)) + _HALF_A_SECOND
    return Comparison("store", _apart(before, after, theirs, _HALF_A_SECOND))


def _apart(
    before: datetime, after: datetime, theirs: datetime, unsaid: timedelta = timedelta(0)
) -> timedelta:
    """How far our clock is at least from one that said *theirs*, somewhere between *before* and *after* by ours.

    A slow answer is no drift, nor is what was *unsaid*: the half second, to each side, of a date without fractions.
    """
    drift = before + (after - before) / 2 - theirs
    near = max(timedelta(0), abs(drift) - (after - before) / 2 - unsaid)
    return near if drift > timedelta(0) else -near


async def _ntp() -> Comparison | None:
    """Ask chrony, else systemd-timesyncd, how far the kernel's clock is from the source's."""
    told = await _said("chronyc", "-c", "tracking")
    fields = told.strip().split(",")
    if len(fields) > _CSV_LEAP and fields[_CSV_LEAP] != "Not synchronised":
        with suppress(ValueError):
            return Comparison("chrony", timedelta(seconds=float(fields[_CSV_OFFSET])))
    found = _OFFSET.search(await _said("timedatectl", "timesync-status"))
    if found is None:
        return None
    parts = list(_seconds(found[1]))
    return Comparison("timesyncd", timedelta(seconds=sum(parts))) if parts else None


def _seconds(offset: str) -> Iterator[float]:
    sign = -1.0 if offset.strip().startswith("-") else 1.0
    for number, unit in _TERM.findall(offset):
        with suppress(ValueError):
            yield sign * abs(float(number)) * _UNITS[unit]


async def _said(program: str, *arguments: str) -> str:
    """Return what *program* prints; nothing where it is not there, fails, or is silent for too long."""
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError:
        return ""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            printed, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return ""
    return printed.decode("utf-8", "replace") if process.returncode == 0 else ""
