"""A row that a gateway which was taken over put into the catalogue: it is that row's fault alone, on every database."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, insert, type_coerce, update

from recorder.retention.purge import Fate, Order, Purger
from recorder.retention.shelf import PurgeShelf
from recorder.seal.signing import generate_key
from recorder.store.catalog import Catalog, SessionFilters
from recorder.store.database import Database
from recorder.store.folder import FolderStore
from recorder.store.headers import columns_of
from recorder.store.presence import Period, present
from recorder.store.tables import sessions_closed, sessions_opened
from recorder.trace.header import TraceHeader
from tests.contract.recorder.test_retention import closed
from tests.support.traces import EPOCH, HOSPITAL, SteppingClock, header

pytestmark = pytest.mark.integration
OTHER = "f" * 32
BAD, GOOD, ELSEWHERE = "b" * 32, "a" * 32, "e" * 32


def changed(**changes: Any) -> str:
    """A header in which some fields are others."""
    return json.dumps(json.loads(header(BAD).to_json()) | changes)


PLANTED = {
    "nothing": "",
    "no JSON": "\x80not json",
    "endless": "[" * 100_000,
    "a list": "[]",
    "another version": changed(format_version=2),
    "a field less": changed(person={"id": "a" * 32}),
    "no window": changed(window={"id": "e" * 32, "start": "then", "end": "now"}),
    "an unshowable name": changed(account="\ud800"),
    "another hospital": header(ELSEWHERE, hospital_id=OTHER).to_json().decode(),
    "another hospital's session of its name": changed(hospital_id=OTHER),
    "another session": header(GOOD).to_json().decode(),
    "another day": changed(started_at="2026-03-28T00:30:00.000000Z"),
    "another person": changed(person={"id": "9" * 32, "login": "bob", "full_name": "Bob"}),
}


async def planted(database: Database, text: str) -> None:
    """A good session, one of another hospital, and between them the row that was planted."""
    await closed(database, GOOD[0], 1)
    await closed(database, BAD[0], 2)
    await closed(database, ELSEWHERE[0], 1, OTHER)
    row = sessions_opened.c
    async with database.write() as connection:
        await connection.execute(update(sessions_opened).where(row.session_id == BAD).values(header=text))


@pytest.mark.parametrize("text", PLANTED.values(), ids=PLANTED)
async def test_a_planted_row_is_shown_as_altered_and_breaks_no_list(database: Database, text: str) -> None:
    """It stands in its column's hospital by what its columns say, the rest is as ever, and nobody else sees it."""
    await planted(database, text)
    catalog = Catalog(database)
    found = (await catalog.sessions(SessionFilters(hospital_id=HOSPITAL))).sessions
    assert {one.header.session_id: one.altered for one in found} == {GOOD: False, BAD: True}
    assert {one.header.hospital_id for one in found} == {HOSPITAL}
    bad = await catalog.session(HOSPITAL, BAD)
    assert (bad.header.started_at, bad.header.person["id"], bad.altered) == (EPOCH, "a" * 32, True)
    there = await present(database, Period(hospital_id=HOSPITAL, since=EPOCH + timedelta(hours=1)))
    assert {one.header.session_id: one.altered for one in there.sessions} == {GOOD: False, BAD: True}
    theirs = (await catalog.sessions(SessionFilters(hospital_id=OTHER))).sessions
    assert [(one.header.session_id, one.altered) for one in theirs] == [(ELSEWHERE, False)]


@pytest.mark.parametrize("text", PLANTED.values(), ids=PLANTED)
async def test_a_planted_row_is_evidence_that_no_purge_touches(
    database: Database, tmp_path: Path, text: str
) -> None:
    """Its trace is not looked for, there or where its header points, begun or not; the others are still told of."""
    await planted(database, text)
    shelf = PurgeShelf(database, HOSPITAL, SteppingClock())
    traces = (await shelf.closed()).traces
    assert [(one.place.session_id, one.altered) for one in traces] == [(GOOD, False), (BAD, True)]
    store = FolderStore(tmp_path / "traces")
    purger = Purger(shelf, store, generate_key(tmp_path / "key.pem"), SteppingClock())
    await shelf.begin(replace(traces[1], altered=False), b"{}", b"s", None)
    (begun,) = await shelf.begun(EPOCH)
    await shelf.note_hold(BAD, held=True)
    assert (await shelf.held())[BAD].hospital_id == HOSPITAL
    order = Order("erasure", "asked")
    fates = [await purger.purge(traces[1], order), await purger.finish(begun)]
    assert [one.fate for one in fates] == [Fate.ALTERED, Fate.ALTERED]
    assert (await purger.purge(traces[0], order)).fate is Fate.MISSING
    assert await shelf.purged_at([BAD]) == {}


@pytest.mark.parametrize("instant", [-(2**63), 2**63 - 1])
async def test_an_instant_that_no_calendar_has_ends_no_list(database: Database, instant: int) -> None:
    """However many such rows there are, with sizes that no trace has: every page comes, and the last one too."""
    await closed(database, GOOD[0], 1)
    raw = type_coerce(instant, BigInteger)
    async with database.write() as connection:
        for number in range(5):
            made = header(f"{number}" * 32)
            told = _row(made)
            await connection.execute(insert(sessions_opened).values(**told | {"started_at": raw}))
            ended = {"session_id": made.session_id, "hospital_id": HOSPITAL, "closed_at": raw, "lasted": 0}
            facts = {"end_reason": "", "interrupted": False, "records": 0, "trimmed_bytes": 0}
            facts |= {"size": 2**63 - 1}
            digests = {"manifest_sha256": "0" * 64, "signer": "0" * 16}
            await connection.execute(insert(sessions_closed).values(**ended | facts | digests))
    catalog, shelf = Catalog(database), PurgeShelf(database, HOSPITAL, SteppingClock())
    seen: set[str] = set()
    kept: set[str] = set()
    async with asyncio.timeout(30):
        after: str | None = None
        while True:
            page = await catalog.sessions(SessionFilters(hospital_id=HOSPITAL), after=after, limit=2)
            seen |= {one.header.session_id for one in page.sessions if not one.altered}
            after = page.after
            if after is None:
                break
        place = None
        while True:
            part = await shelf.closed(after=place, limit=2)
            kept |= {one.header.session_id for one in part.traces if not one.altered}
            place = part.after
            if place is None:
                break
    assert (seen, kept) == ({GOOD}, {GOOD})
    assert (await shelf.totals(EPOCH + timedelta(days=2)))[1] == 1000


async def test_a_session_whose_name_is_a_path_is_shown_under_another(database: Database) -> None:
    """It leads nowhere in the store, and breaks no list."""
    told = _row(header(BAD)) | {"session_id": "../../etc"}
    async with database.write() as connection:
        await connection.execute(insert(sessions_opened).values(**told))
    (one,) = (await Catalog(database).sessions(SessionFilters(hospital_id=HOSPITAL))).sessions
    assert (one.altered, one.header.session_id[:8]) == (True, "altered-")


def _row(made: TraceHeader) -> dict[str, Any]:
    return {**columns_of(made), "header": made.to_json().decode()}
