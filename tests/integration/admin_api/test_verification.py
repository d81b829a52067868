"""Everything is verified every night, at the lowest priority, and what was touched is told."""

import asyncio
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from admin_api.verification import LEASE, READER, VERIFIED, NightlyVerification, last_verified
from recorder.audit.journal import JournalFilters
from recorder.proof.inspection import Inspection
from tests.support.api_house import House, open_house
from tests.support.console import signed_in
from tests.support.recorded import record, speak

pytestmark = pytest.mark.integration


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house of its own: its clock is moved by days, and a trace of it is touched."""
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        yield opened


def until_after(house: House, hour: int) -> None:
    """Let the clock be a minute after the next such hour of the hospital."""
    here = house.clock.now().astimezone(ZoneInfo("Europe/Paris"))
    at = here.replace(hour=hour, minute=1, second=0)
    house.clock.advance((at if at > here else at + timedelta(days=1)) - here)


def test_every_night_once_and_what_was_touched_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before the hour, not twice a night, every other night where so set; by a thread that everybody else goes before."""
    session = record(house, lambda recording: speak(recording, "bonjour\r\n" * 5))
    house.run(house.proofs.checkpoint("console"))
    context, hospital = house.context, house.world.id
    nightly = NightlyVerification(context, hospital, hour=2, every_days=1)
    seldom = NightlyVerification(context, hospital, hour=2, every_days=2)
    priorities: list[int] = []
    opened = context.traces.opened

    def told(place: Any) -> Any:
        priorities.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return opened(place)

    monkeypatch.setattr(context.traces, "opened", told)
    assert house.run(nightly.look()) is None
    until_after(house, 2)
    found = house.run(nightly.look())
    assert found is not None
    assert found.intact
    assert priorities == [19]
    assert house.run(nightly.look()) is None
    last = house.run(last_verified(house.journal, hospital))
    assert last is not None
    assert (last.intact, last.details["traces"], last.details["asked"]) == (True, 1, False)
    trace = house.store.open(hospital, session)
    segment = next(trace.glob("*.ecl"))
    segment.chmod(0o600)
    segment.write_bytes(segment.read_bytes()[:-1] + b"\0")
    until_after(house, 2)
    assert house.run(seldom.look()) is None
    touched = house.run(nightly.look())
    assert touched is not None
    assert [one.name for one in touched.findings] == [session]
    last = house.run(last_verified(house.journal, hospital))
    assert last is not None
    assert (last.intact, last.details["name"]) == (False, session)
    with signed_in(house, "rssi") as browser:
        page = browser.get("/console").text
    assert "finding in the last verification of everything" in page


def test_two_consoles_verify_once_a_night(house: House) -> None:
    """Both look at the same moment: one does it. Where that one is gone before it is done, the other one does."""
    context, hospital = house.context, house.world.id
    consoles = [NightlyVerification(context, hospital, hour=2, every_days=1) for _ in range(2)]

    async def both() -> list[Inspection | None]:
        return list(await asyncio.gather(*(console.look() for console in consoles)))

    until_after(house, 2)
    assert [found is None for found in house.run(both())].count(False) == 1
    assert house.run(both()) == [None, None]
    told = JournalFilters(hospital_id=hospital, name=VERIFIED)
    assert len(house.run(house.journal.entries(told)).entries) == 1
    until_after(house, 2)
    bookmarks = context.services.bookmarks
    assert house.run(bookmarks.hold(hospital, READER, "a third console, that died", LEASE))
    assert house.run(both()) == [None, None]
    house.clock.advance(LEASE)
    assert [found is None for found in house.run(both())].count(False) == 1
