"""The security journal on a real database: durable, chained, ingested once, and tamper evident."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from recorder.audit.entries import digest
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal, JournalFilters
from recorder.audit.verify import JournalVerification
from recorder.errors import JournalBroken, JournalHasIt
from recorder.store.database import Database
from tests.support.traces import EPOCH, HOSPITAL, SteppingClock

pytestmark = pytest.mark.integration
OTHER = "f" * 32


def event(name: str = "access.granted", number: int = 0, **changes: object) -> SecurityEvent:
    """An event of the test's hospital, ``number`` seconds after the first."""
    values: dict[str, object] = {"hospital_id": HOSPITAL, "at": EPOCH + timedelta(seconds=number), **changes}
    return SecurityEvent(name=name, **values)  # type: ignore[arg-type]  # the test's own values


@pytest.fixture
def journal(database: Database) -> Journal:
    """One writer."""
    return Journal(database, node="gateway-1", now=SteppingClock())


async def tamper(database: Database, statement: str, **values: object) -> None:
    """Change the database behind everybody's back."""
    async with database.write() as connection:
        changed = (await connection.execute(text(statement), values)).rowcount
    assert changed == 1, "the attack itself must work"


async def test_concurrent_events_form_one_whole_chain(journal: Journal) -> None:
    """Many callers at once: every event is kept, in one unbroken chain that begins with its genesis."""
    await asyncio.gather(*(journal.append(event(number=number)) for number in range(300)))
    found = await journal.verify()
    assert found.intact
    assert found.entries == 301
    assert found.heads[f"{HOSPITAL}/{journal.writer}"][0] == 301
    first = (await journal.entries(JournalFilters(hospital_id=HOSPITAL, name="journal.opened"))).entries
    assert [(entry.seq, entry.previous) for entry in first] == [(1, "0" * 64)]


async def test_who_is_cancelled_while_the_answer_comes_ends(journal: Journal) -> None:
    """A task that is ended in the very moment in which its event was kept does not go on as if nobody had asked."""

    async def chore() -> None:
        await journal.append(event())
        await asyncio.Event().wait()

    task = asyncio.create_task(chore())
    await asyncio.sleep(0)  # it waits now
    assert journal._flushing is not None
    journal._flushing.add_done_callback(lambda _flushed: task.cancel())
    await asyncio.wait({task}, timeout=10)
    assert task.cancelled()


async def test_an_event_is_on_the_disk_when_append_returns(journal: Journal, database_url: str) -> None:
    """Another connection sees the event as soon as the caller goes on."""
    await journal.append(event(name="session.cut", session_id="1" * 32))
    other = Database(database_url)
    async with other.read() as connection:
        rows = (
            (await connection.execute(text("SELECT name FROM journal_entries ORDER BY seq"))).scalars().all()
        )
    await other.dispose()
    assert rows == ["journal.opened", "session.cut"]


@pytest.mark.parametrize(
    ("statement", "seq", "what"),
    [
        (
            "UPDATE journal_entries SET content = replace(content, 'access.granted', 'access.denied') WHERE seq = 3",
            3,
            "digest",
        ),
        (
            "UPDATE journal_entries SET digest = replace(digest, substr(digest, 1, 1), 'z') WHERE seq = 4",
            4,
            "digest",
        ),
        ("DELETE FROM journal_entries WHERE seq = 2", 2, "missing"),
        ("DELETE FROM journal_entries WHERE seq = 1", 1, "missing"),
        ("UPDATE journal_entries SET person_id = 'mallory' WHERE seq = 5", 5, "column"),
        ("UPDATE journal_entries SET at = at - 1 WHERE seq = 5", 5, "column"),
        ("UPDATE journal_entries SET seq = 99 WHERE seq = 6", 6, "missing"),
    ],
)
async def test_a_changed_entry_is_named(
    journal: Journal, database: Database, statement: str, seq: int, what: str
) -> None:
    """Changed, deleted or moved: the first bad entry is named by writer and number."""
    for number in range(5):
        await journal.append(event(number=number))
    await tamper(database, statement)
    bad = (await journal.verify()).bad
    assert bad is not None
    assert (bad.writer, bad.seq, bad.what) == (journal.writer, seq, what)
    only = await journal.verify(writer="somebody/else")
    assert only.entries == 0


async def test_an_entry_rewritten_with_its_digest_is_found_by_the_next(
    journal: Journal, database: Database
) -> None:
    """Who recomputes an entry's own digest breaks the entry after it."""
    for number in range(4):
        await journal.append(event(number=number))
    async with database.read() as connection:
        found = await connection.execute(text("SELECT content FROM journal_entries WHERE seq = 3"))
        content = str(found.scalar_one())
    forged = content.replace('"actor":null', '"actor":"nobody"')
    assert forged != content
    await tamper(
        database,
        "UPDATE journal_entries SET content = :forged, digest = :digest, actor = 'nobody' WHERE seq = 3",
        forged=forged,
        digest=digest(forged.encode()),
    )
    bad = (await journal.verify()).bad
    assert bad is not None
    assert (bad.seq, bad.what) == (4, "previous")


async def test_a_policy_change_is_ingested_once(database: Database) -> None:
    """Two gateways that read the same change at once make one entry of it."""
    writers = [Journal(database, node=f"gateway-{number}", now=SteppingClock()) for number in range(2)]
    for _ in range(2):
        await asyncio.gather(
            *(
                writer.ingest(str(number), event("policy.changed", number, event_id=f"change-{number}"))
                for writer in writers
                for number in range(20)
            )
        )
    page = await writers[0].entries(JournalFilters(hospital_id=HOSPITAL, name="policy.changed"), limit=500)
    assert sorted(entry.outbox_id or "" for entry in page.entries) == sorted(
        str(number) for number in range(20)
    )
    assert (await writers[0].verify()).intact


async def test_an_event_that_cannot_be_kept_does_not_sink_its_neighbours(journal: Journal) -> None:
    """A repeated identifier and a value with no JSON form are refused by name; the others of the batch are kept."""
    await journal.append(event(event_id="once"))
    results = await asyncio.gather(
        journal.append(event(number=1)),
        journal.append(event(event_id="once")),
        journal.append(event(details={"what": object()})),
        journal.append(event(number=2)),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), JournalHasIt, JournalBroken, type(None)]
    assert "once" in str(results[1])
    found = await journal.verify()
    assert found.intact
    assert found.entries == 4


async def test_what_is_refused_for_another_reason_is_not_taken_for_kept(
    journal: Journal, database: Database
) -> None:
    """A constraint that is not the event's identifier keeps it out: nobody is told that the journal has it."""
    async with database.write() as connection:
        await connection.execute(text("CREATE UNIQUE INDEX odd ON journal_entries (source)"))
    await journal.append(event(source="192.0.2.1"))
    with pytest.raises(JournalBroken, match="cannot be written") as refused:
        await journal.append(event(number=1, source="192.0.2.1"))
    assert not isinstance(refused.value, JournalHasIt)
    await journal.append(event(number=2, source="192.0.2.2"))
    found = await journal.verify()
    assert (found.intact, found.entries) == (True, 4)


async def test_a_database_that_refuses_stops_the_caller(journal: Journal, database: Database) -> None:
    """Without the table nothing is kept and the caller is told; afterwards a new chain begins."""
    await journal.append(event())
    before = journal.writer
    async with database.write() as connection:
        await connection.execute(text("ALTER TABLE journal_entries RENAME TO hidden"))
    with pytest.raises(JournalBroken, match="cannot be written"):
        await journal.append(event(number=1))
    async with database.write() as connection:
        await connection.execute(text("ALTER TABLE hidden RENAME TO journal_entries"))
    await journal.append(event(number=2))
    assert journal.writer != before
    found = await journal.verify()
    assert found.intact
    assert len(found.heads) == 2


async def test_pages_follow_one_another_both_ways(journal: Journal) -> None:
    """Every entry is on exactly one page, in order of time, up and down."""
    for number in range(23):
        await journal.append(event("session.opened", number % 5))
    for newest_first in (False, True):
        filters = JournalFilters(hospital_id=HOSPITAL, name="session", newest_first=newest_first)
        seen, after = [], None
        while True:
            page = await journal.entries(filters, after=after, limit=4)
            seen += [(entry.event.at, entry.seq) for entry in page.entries]
            after = page.after
            if after is None:
                break
        assert len(seen) == 23
        assert seen == sorted(set(seen), reverse=newest_first)
    for cursor in ("1@nonsense@x", f"{10**19}@2026-11-29T00:00:00.000000Z@x"):
        with pytest.raises(JournalBroken, match="cursor"):
            await journal.entries(JournalFilters(hospital_id=HOSPITAL), after=cursor)


async def test_filters_narrow_and_hospitals_are_apart(journal: Journal) -> None:
    """A filter finds its events alone; one hospital never sees another's."""
    await journal.append(event("session.cut", 1, person_id="p1", session_id="s1"))
    await journal.append(event("session.cut", 2, person_id="p2", device_id="d2"))
    await journal.append(event("sessions_x.cut", 3))
    await journal.append(event("session.cut", 4, hospital_id=OTHER, person_id="p1"))
    for number, node in ((5, 'node_é"'), (6, 'node-é"'), (7, 'node_é"2'), (8, "other")):
        facts = {"node": node, "report": '{"node":"node_é\\""}'}
        await journal.append(event("audit.made", number, details=facts))

    async def names(**filters: object) -> list[int]:
        made = JournalFilters(**{"hospital_id": HOSPITAL, **filters})  # type: ignore[arg-type]  # the test's own values
        return [
            round((each.event.at - EPOCH).total_seconds())
            for each in (await journal.entries(made)).entries
            if each.seq > 1
        ]

    assert await names(name="session") == [1, 2]
    assert await names(person_id="p1") == [1]
    assert await names(device_id="d2") == [2]
    assert await names(session_id="s1") == [1]
    assert await names(node='node_é"') == [5]
    assert await names(since=EPOCH + timedelta(seconds=2), until=EPOCH + timedelta(seconds=3)) == [2]
    assert await names(hospital_id=OTHER) == [4]
    assert (await journal.verify(hospital_id=OTHER)).entries == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Access"},
        {"name": "access"},
        {"hospital_id": "../x"},
        {"at": EPOCH.replace(tzinfo=None)},
        {"details": ["no", "object"]},
    ],
)
def test_a_malformed_event_is_refused(changes: dict[str, object]) -> None:
    """An event with a name, hospital, instant or details that are none never comes to be."""
    with pytest.raises(JournalBroken):
        event(**changes)  # type: ignore[arg-type]  # the test's own values


@pytest.mark.parametrize("kept", [0, 1, 4], ids=["all of it", "all but the first", "the last alone"])
async def test_a_chain_cut_short_shows_to_who_kept_its_head(
    journal: Journal, database: Database, kept: int
) -> None:
    """Entries taken away at the end leave a chain that holds in itself; the head of an earlier walk names the first."""
    for number in range(4):
        await journal.append(event(number=number))
    before = await journal.verify()
    assert (await journal.verify(known=_kept(before))).intact
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM journal_entries WHERE seq > :kept"), {"kept": kept})
    assert (await journal.verify()).intact
    bad = (await journal.verify(hospital_id=HOSPITAL, known=_kept(before))).bad
    assert bad is not None
    assert (bad.what, bad.seq, bad.writer) == ("missing", kept + 1, journal.writer)


async def test_a_chain_written_anew_shows_to_who_kept_its_head(journal: Journal) -> None:
    """A chain rebuilt whole has other digests than the head that was kept, and fails at that entry."""
    await journal.append(event())
    [(chain, (seq, found))] = (await journal.verify()).heads.items()
    bad = (await journal.verify(known={chain: {seq: found[::-1]}})).bad
    assert bad is not None
    assert (bad.what, bad.seq) == ("digest", seq)


def _kept(found: JournalVerification) -> dict[str, dict[int, str]]:
    return {chain: {seq: last} for chain, (seq, last) in found.heads.items()}
