"""Who was there: half-open spans, what has no end, what lasted long, and nobody of another hospital."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from recorder.store.catalog import Catalog, SessionState
from recorder.store.database import Database
from recorder.store.presence import LONGEST, USUAL, Period, present
from tests.contract.recorder.test_catalog import manifest
from tests.support.traces import HOSPITAL, header

pytestmark = pytest.mark.integration

EIGHT = datetime(2026, 10, 24, 20, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
OTHER = "f" * 32


async def session(
    catalog: Catalog,
    name: str,
    begin: datetime,
    end: datetime | None,
    *,
    device: str = "c" * 32,
    node: str = "gateway-1",
    hospital: str = HOSPITAL,
) -> None:
    """Note a session in the catalogue."""
    known = {"id": device, "name": "scan01", "address": "10.1.2.3", "port": 22}
    await catalog.opened(header(name, started_at=begin, device=known, node=node, hospital_id=hospital))
    if end is not None:
        closing = replace(manifest(name, hospital), opened_at=begin, closed_at=end)
        await catalog.closed(closing, "3" * 64)


async def found(database: Database, since: datetime, until: datetime | None = None, **whom: str) -> list[str]:
    """Return who was there, in order."""
    period = Period(hospital_id=HOSPITAL, since=since, until=until, **whom)
    return [one.header.session_id for one in (await present(database, period)).sessions]


async def test_a_session_is_there_from_its_start_until_before_its_end(database: Database) -> None:
    """The start belongs to it, the end does not, to the microsecond; for instants and for periods."""
    catalog = Catalog(database)
    await session(catalog, "s1", EIGHT, EIGHT + HOUR)
    await session(catalog, "s2", EIGHT + HOUR, EIGHT + 2 * HOUR)
    assert await found(database, EIGHT - TICK) == []
    assert await found(database, EIGHT) == ["s1"]
    assert await found(database, EIGHT + HOUR - TICK) == ["s1"]
    assert await found(database, EIGHT + HOUR) == ["s2"]
    assert await found(database, EIGHT + 2 * HOUR) == []
    assert await found(database, EIGHT - HOUR, EIGHT) == []
    assert await found(database, EIGHT - HOUR, EIGHT + TICK) == ["s1"]
    assert await found(database, EIGHT + HOUR - TICK, EIGHT + HOUR + TICK) == ["s1", "s2"]
    assert await found(database, EIGHT + 2 * HOUR, EIGHT + 3 * HOUR) == []


async def test_whom_one_asks_about_narrows_it(database: Database) -> None:
    """Device, person and supplier each; another hospital's sessions never, whatever is asked."""
    catalog = Catalog(database)
    await session(catalog, "s1", EIGHT, EIGHT + HOUR)
    await session(catalog, "s2", EIGHT, EIGHT + HOUR, device="d" * 32)
    await session(catalog, "s3", EIGHT, EIGHT + HOUR, hospital=OTHER)
    assert await found(database, EIGHT) == ["s1", "s2"]
    assert await found(database, EIGHT, device_id="d" * 32) == ["s2"]
    assert await found(database, EIGHT, person_id="a" * 32, supplier_id="b" * 32) == ["s1", "s2"]
    assert await found(database, EIGHT, person_id="0" * 32) == []
    assert await found(database, EIGHT, supplier_id="0" * 32) == []


async def test_what_has_no_end_is_live_or_lost_and_not_for_ever(database: Database) -> None:
    """It counts from its start, lost where its gateway is gone, for no longer than policy lets a session last."""
    catalog = Catalog(database)
    await session(catalog, "s1", EIGHT, None)
    await session(catalog, "s2", EIGHT + HOUR, None, node="gone")
    period = Period(hospital_id=HOSPITAL, since=EIGHT + 2 * HOUR, live_nodes={"gateway-1"})
    states = {one.header.session_id: one.state for one in (await present(database, period)).sessions}
    assert states == {"s1": SessionState.LIVE, "s2": SessionState.LOST}
    assert await found(database, EIGHT) == ["s1"]
    assert await found(database, EIGHT + LONGEST - TICK) == ["s1", "s2"]
    assert await found(database, EIGHT + LONGEST) == ["s2"]
    assert await found(database, EIGHT + 2 * LONGEST) == []


async def test_what_lasted_longer_than_anything_usual_is_found(database: Database) -> None:
    """A session of years, which only a stepped clock can make, is found at each of its instants, and once."""
    catalog = Catalog(database)
    await session(catalog, "s1", EIGHT, EIGHT + 900 * USUAL)
    await session(catalog, "s2", EIGHT + 400 * USUAL, EIGHT + 400 * USUAL + HOUR)
    assert await found(database, EIGHT + 400 * USUAL) == ["s1", "s2"]
    assert await found(database, EIGHT + HOUR) == ["s1"]
    assert await found(database, EIGHT + 900 * USUAL) == []
    assert await found(database, EIGHT - HOUR, EIGHT + 1000 * USUAL) == ["s1", "s2"]


async def test_more_than_can_be_shown_is_said(database: Database) -> None:
    """The earliest come first, and a limit says that there are more."""
    catalog = Catalog(database)
    for number in range(4):
        await session(catalog, f"s{number}", EIGHT + number * TICK, EIGHT + HOUR)
    answer = await present(database, Period(hospital_id=HOSPITAL, since=EIGHT + TICK * 10), 3)
    assert [one.header.session_id for one in answer.sessions] == ["s0", "s1", "s2"]
    assert answer.more
