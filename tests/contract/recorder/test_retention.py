"""What purges reads of the catalogue, and what saw time pass, on every database."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from recorder.proof.notary import Notary
from recorder.retention.shelf import PurgeShelf
from recorder.retention.witness import UNSEEN, witness
from recorder.seal.signing import generate_key
from recorder.store.catalog import Catalog
from recorder.store.database import Database
from recorder.trace.manifest import Manifest
from tests.support.traces import EPOCH, HOSPITAL, SteppingClock, header

pytestmark = pytest.mark.integration
DAY = timedelta(days=1)


async def closed(database: Database, name: str, days: int, hospital_id: str = HOSPITAL) -> None:
    """A session that ended so many days after the epoch."""
    catalog, opened = Catalog(database), header(name * 32, hospital_id=hospital_id)
    manifest = Manifest(
        session_id=opened.session_id,
        hospital_id=hospital_id,
        node=opened.node,
        suite=0,
        header_digest="0" * 64,
        records=1,
        size=1000,
        last_chain="0" * 64,
        opened_at=EPOCH,
        closed_at=EPOCH + days * DAY,
        end_reason="left",
        interrupted=False,
        trimmed_bytes=0,
        files=(),
        signer="0" * 16,
    )
    await catalog.opened(opened)
    await catalog.closed(manifest, "a" * 64)


async def test_what_is_old_comes_the_oldest_first_and_page_by_page(database: Database) -> None:
    """Only closed traces of this hospital, before the instant, that were not purged; nothing is told twice."""
    clock = SteppingClock()
    shelf = PurgeShelf(database, HOSPITAL, clock)
    for number, name in enumerate("cabd"):
        await closed(database, name, number)
    await closed(database, "f", 0, "e" * 32)
    await Catalog(database).opened(header("9" * 32))
    page = await shelf.closed(before=EPOCH + 3 * DAY, limit=2)
    assert [one.header.session_id[0] for one in page.traces] == ["c", "a"]
    rest = await shelf.closed(before=EPOCH + 3 * DAY, after=page.after, limit=2)
    assert ([one.header.session_id[0] for one in rest.traces], rest.after) == (["b"], None)
    assert await shelf.totals(EPOCH + 3 * DAY) == (3, 3000)
    trace = page.traces[0]
    await shelf.begin(trace, b"{}", b"s", EPOCH + 9 * DAY)
    with pytest.raises(IntegrityError):  # another console would do it twice
        await shelf.begin(trace, b"{}", b"s", None)
    assert [one.trace.header.session_id[0] for one in await shelf.begun(EPOCH)] == ["c"]  # not told yet
    for _ in range(2):
        await shelf.purged(trace, "b" * 64)
    assert await shelf.begun(EPOCH) == []
    assert [one.content for one in await shelf.begun(EPOCH + 9 * DAY)] == [b"{}"]
    assert list(await shelf.purged_at(["c" * 32, "a" * 32])) == ["c" * 32]
    assert await shelf.totals(EPOCH + 3 * DAY) == (2, 2000)
    for _ in range(2):
        await shelf.finished(trace)
    assert await shelf.waiting() == []


async def test_the_last_word_about_a_hold_counts(database: Database) -> None:
    """Told to hold and to let go, again and again, the store's state is that of the last time."""
    shelf = PurgeShelf(database, HOSPITAL, SteppingClock())
    await closed(database, "a", 0)
    for held in (True, False, True):
        await shelf.note_hold("a" * 32, held=held)
    assert list(await shelf.held()) == ["a" * 32]


async def test_only_time_that_was_seen_makes_old(database: Database, tmp_path: Path) -> None:
    """Of a gap between two checkpoints, two days count; before the end of a session nothing does."""
    clock = SteppingClock()
    notary = Notary(database, generate_key(tmp_path / "k.pem"), hospital_id=HOSPITAL, node="c", now=clock)
    for days in (0, 1, 30, 1):
        clock.at += days * DAY
        await notary.make(force=True)
    seen = await witness(database, HOSPITAL, clock(), stamped=False)
    assert len(seen.gaps) == 1
    assert abs(seen.age(EPOCH) - (4 * DAY)) < timedelta(seconds=1)
    assert abs(seen.age(EPOCH + 31 * DAY) - DAY) < timedelta(seconds=1)
    late = await witness(database, HOSPITAL, clock() + 10 * DAY, stamped=False)
    assert abs(late.age(EPOCH) - (4 * DAY + UNSEEN)) < timedelta(seconds=1)
    assert abs(late.before(4 * DAY + UNSEEN) - EPOCH) < timedelta(seconds=1)
    # a database server has a clock of its own, and it is not in 2026 yet, or no more
    assert seen.doubt == ("database_clock" if database.dialect == "postgresql" else None)


async def test_without_any_checkpoint_nothing_is_old(database: Database) -> None:
    """Where nothing ever saw time pass, no age counts."""
    seen = await witness(database, HOSPITAL, EPOCH + 1000 * DAY, stamped=False)
    assert seen.age(EPOCH) <= timedelta()
    assert seen.before(DAY) < EPOCH - 100_000 * DAY


async def test_what_a_gateway_says_to_be_old_is_as_old_as_it_is_known(
    database: Database, tmp_path: Path
) -> None:
    """A gateway whose clock is years behind, or who holds it, makes nothing due: its day counts if a checkpoint was near."""
    clock = SteppingClock()
    notary = Notary(database, generate_key(tmp_path / "k.pem"), hospital_id=HOSPITAL, node="c", now=clock)
    shelf = PurgeShelf(database, HOSPITAL, clock)
    await closed(database, "a", -1000)
    await closed(database, "b", -1)
    untold = (await shelf.closed()).traces
    for _ in range(12):
        await notary.make(force=True)
        clock.at += DAY
    known = {one.header.session_id[0]: one for one in (await shelf.closed()).traces}
    seen = await witness(database, HOSPITAL, clock.at, stamped=False)
    ages = {name: seen.age_of(one.closed_at, one.noted_at) for name, one in known.items()}
    assert [round(ages[name] / DAY) for name in "ab"] == [12, 13]
    assert [seen.age_of(one.closed_at, one.noted_at) for one in untold] == [timedelta()] * 2
