"""The probe: from a supplier's or a zone's side, what answers besides the bastion's own door (rule T1).

It opens TCP connections to what it was given and closes them at once: no packet goes anywhere else, and nothing is sent
over one that opens.
"""

import asyncio
import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ecluse.flows.request import Place, Refused, place

MOST: Final = 20_000
"""Places that one probe tries; more is a scan of somebody's network."""
AT_ONCE: Final = 64
DOOR_SECONDS: Final = 10.0
"""How long an expected place is waited for at least: it answers at once, or a busy machine is late."""


class Outcome(StrEnum):
    """How a place took a connection. REFUSED: a machine said no, so there is a way to one."""

    OPEN = "open"
    REFUSED = "refused"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of a probe: ``missing`` are expected places that did not answer, without which nothing is proved."""

    tried: int
    answered: tuple[Place, ...]
    refused: tuple[Place, ...]
    missing: tuple[Place, ...]


def read_place(text: str) -> Place:
    """Return the place that *text* names (``192.0.2.7:22``, ``[2001:db8::7]:22``); raises ValueError."""
    host, separator, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not separator or not port.isdecimal() or (":" in host) != bracketed:
        raise ValueError(text)
    try:
        return place(host[1:-1] if bracketed else host, int(port))
    except Refused as refused:
        raise ValueError(text) from refused


def targets(
    document: Mapping[str, Any],
    expected: Iterable[Place],
    others: Iterable[Place],
    ports: Iterable[int],
    zone: str | None,
) -> list[Place]:
    """Return the places that must not answer: the devices of the matrix *document*, *others*, and *ports* on all of these.

    Of the *expected* places' addresses, only *ports* besides their own. Devices of *zone* are neighbours of who probes:
    nothing lies between. Raises ValueError where the document is none, or has more places than `MOST`.
    """
    doors = list(expected)
    try:
        flows = [flow for flow in document["flows"] if zone is None or flow["zone"] != zone]
        devices = [place(flow["address"], flow["port"]) for flow in flows]
    except (KeyError, TypeError, Refused) as error:
        raise ValueError(f"no flow matrix: {error!r}") from error
    wanted = [*devices, *others]
    further = [Place(one.address, port) for one in (*wanted, *doors) for port in ports]
    found = [one for one in dict.fromkeys([*wanted, *further]) if one not in doors]
    if len(found) > MOST:
        raise ValueError(f"{len(found)} places, {MOST} at most")
    return found


async def probe(expected: Iterable[Place], unwanted: Iterable[Place], seconds: float) -> Probed:
    """Try every place once, each for *seconds*, and an expected one for `DOOR_SECONDS` at least."""
    doors, others = tuple(expected), tuple(unwanted)
    turns = asyncio.Semaphore(AT_ONCE)

    async def tried(one: Place) -> Outcome:
        async with turns:
            return await _outcome(one, max(seconds, DOOR_SECONDS) if one in doors else seconds)

    outcomes = await asyncio.gather(*(tried(one) for one in (*doors, *others)))
    found = dict(zip((*doors, *others), outcomes, strict=True))
    return Probed(
        tried=len(others),
        answered=tuple(one for one in others if found[one] is Outcome.OPEN),
        refused=tuple(one for one in others if found[one] is Outcome.REFUSED),
        missing=tuple(one for one in doors if found[one] is not Outcome.OPEN),
    )


async def _outcome(one: Place, seconds: float) -> Outcome:
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(one.address, one.port)
    except OSError as error:  # TimeoutError is one
        return Outcome.REFUSED if error.errno in {errno.ECONNREFUSED, errno.ECONNRESET} else Outcome.SILENT
    writer.transport.abort()
    return Outcome.OPEN
