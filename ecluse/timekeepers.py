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

from ecluse.offsets import Offset, ask
from ecluse.settings import Settings
from policy.clock import Clock
from policy.errors import PolicyUnavailable
from policy.store.database import Database

ANSWER_SECONDS: Final = 3.0
"""How long one of them may take, however often it is asked."""
_OFFSET: Final = re.compile(r"^\s*Offset:\s*(.+)$", re.MULTILINE)
_TERM: Final = re.compile(r"([+-]?[0-9.]+)(us|ms|s|min|h)\b")
_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_CSV_OFFSET, _CSV_LEAP = 4, 13
_A_SECOND: Final = timedelta(seconds=1)
"""What a date of HTTP leaves out."""
_PAUSE_SECONDS: Final = 0.2
"""So that such dates are read at different parts of a second, and one of them near its turn."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far this machine's clock is from that of *keeper*; the sign is lost where the keeper tells none."""

    keeper: str
    offset: Offset

    @property
    def drift(self) -> timedelta:
        """How far at least."""
        return self.offset.nearest

    def beyond(self, bound: timedelta) -> bool:
        """Tell whether it is more than *bound*."""
        return self.offset.beyond(bound)

    def unsure(self, bound: timedelta) -> bool:
        """Tell whether it may be: the answers took too long to say."""
        return self.offset.unsure(bound)


async def compare(settings: Settings, database: Database | None, clock: Clock) -> list[Comparison]:
    """Return what each keeper says that answers; one that is silent, or knows nothing itself, is left out.

    *database* is policy's, None where it cannot be had. Never raises.
    """
    bound = timedelta(seconds=settings.start.clock_seconds)
    asked = [_ntp(), _store(settings, clock, bound)]
    if database is not None:
        asked.append(_server(database, clock, bound))
    answers = await asyncio.gather(*asked)
    return [answer for answer in answers if answer is not None]


async def synchronised() -> bool | None:
    """Return whether systemd-timedated says that the kernel's clock is kept right; None where it says nothing."""
    said = (await _said("timedatectl", "show", "--property=NTPSynchronized", "--value")).strip()
    return {"yes": True, "no": False}.get(said)


async def _server(database: Database, clock: Clock, bound: timedelta) -> Comparison | None:
    try:
        found = await ask(database.server_time, clock, bound, seconds=ANSWER_SECONDS)
    except PolicyUnavailable:
        return None
    return None if found is None else Comparison("database", found)


async def _store(settings: Settings, clock: Clock, bound: timedelta) -> Comparison | None:
    """Ask the bucket's server for nothing: whatever it answers is dated, to the second."""
    endpoint = settings.store.endpoint
    if settings.store.bucket is None or endpoint is None:
        return None
    try:
        trust = ssl.create_default_context(
            cafile=None if settings.store.ca is None else str(settings.data_dir / settings.store.ca)
        )
        async with httpx.AsyncClient(verify=trust, trust_env=False, timeout=ANSWER_SECONDS) as client:

            async def date() -> datetime:
                answer = await client.head(endpoint)
                dated = parsedate_to_datetime(answer.headers.get("date", ""))
                return dated if dated.tzinfo else dated.replace(tzinfo=UTC)

            found = await ask(
                date, clock, bound, unsaid=_A_SECOND, pause=_PAUSE_SECONDS, seconds=ANSWER_SECONDS
            )
    except (httpx.HTTPError, OSError, ValueError):
        return None
    return None if found is None else Comparison("store", found)


async def _ntp() -> Comparison | None:
    """Ask chrony, else systemd-timesyncd, how far the kernel's clock is from the source's."""
    told = await _said("chronyc", "-c", "tracking")
    fields = told.strip().split(",")
    if len(fields) > _CSV_LEAP and fields[_CSV_LEAP] != "Not synchronised":
        with suppress(ValueError):
            return _told("chrony", float(fields[_CSV_OFFSET]))
    found = _OFFSET.search(await _said("timedatectl", "timesync-status"))
    if found is None:
        return None
    parts = list(_seconds(found[1]))
    return _told("timesyncd", sum(parts)) if parts else None


def _told(keeper: str, seconds: float) -> Comparison:
    drift = timedelta(seconds=seconds)
    return Comparison(keeper, Offset(drift, drift))


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
