"""The journal as a stream: nothing passed over, nothing given twice, and whoever touched a chain is seen."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from recorder.audit.events import SecurityEvent
from recorder.audit.feed import JournalFeed, Position
from recorder.audit.journal import Journal
from recorder.store.database import Database
from tests.support.traces import EPOCH, HOSPITAL, SteppingClock

pytestmark = pytest.mark.integration
OTHER = "f" * 32


def event(number: int, hospital: str = HOSPITAL) -> SecurityEvent:
    """An event of the test's hospital."""
    return SecurityEvent(name="access.denied", hospital_id=hospital, at=EPOCH + timedelta(seconds=number))


def journal(database: Database, node: str) -> Journal:
    """One more writer."""
    return Journal(database, node=node, now=SteppingClock())


async def change(database: Database, statement: str, **values: object) -> None:
    """Change the database behind everybody's back."""
    async with database.write() as connection:
        assert (await connection.execute(text(statement), values)).rowcount > 0, "the attack itself must work"


async def test_every_entry_of_every_writer_comes_once_and_in_its_chain_s_order(database: Database) -> None:
    """Read in small pieces while three writers write, the journal of this hospital comes whole, and no other's."""
    writers = [journal(database, f"gw-{number}") for number in range(3)]
    feed = JournalFeed(database, HOSPITAL, ())
    known: dict[str, Position] = {}
    seen: list[tuple[str, int]] = []

    async def write() -> None:
        for number in range(40):
            await asyncio.gather(*(one.append(event(number)) for one in writers))
            await writers[0].append(event(number, OTHER))

    writing = asyncio.create_task(write())
    while not writing.done() or await feed.behind(known):
        look = await feed.look(known, limit=7)
        known |= look.positions
        assert all(fed.fault is None for fed in look.fed)
        seen += [(fed.writer, fed.seq) for fed in look.fed]
        await asyncio.sleep(0)
    await writing
    assert sorted(seen) == [(one.writer, seq) for one in sorted(writers, key=_name) for seq in range(1, 42)]
    for one in writers:
        mine = [seq for writer, seq in seen if writer == one.writer]
        assert mine == sorted(mine)
    assert (await feed.look(known)).fed == []


def _name(one: Journal) -> str:
    return one.writer


@pytest.mark.parametrize(
    ("attack", "faults"),
    [
        ("DELETE FROM journal_entries WHERE writer = :writer AND seq = 4", {5: "missing"}),
        (
            "UPDATE journal_entries SET digest = :zero WHERE writer = :writer AND seq = 4",
            {4: "digest", 5: "previous"},
        ),
        ("UPDATE journal_entries SET content = '{}' WHERE writer = :writer AND seq = 4", {4: "content"}),
        (
            "UPDATE journal_entries SET digest = 'é' WHERE writer = :writer AND seq = 4",
            {4: "digest", 5: "previous"},
        ),
        *(
            (
                (
                    f'UPDATE journal_entries SET content = replace(content, \'"details":{{}}\', \'"details":{{"a"\\:{value}}}\') '  # noqa: S608 - constants
                    "WHERE writer = :writer AND seq = 4"
                ),
                {4: "content"},
            )
            for value in ('"\\ud800"', "1e999", "NaN")
        ),
    ],
    ids=["deleted", "resealed", "emptied", "beyond ASCII", "half a character", "beyond all", "no number"],
)
async def test_who_touches_an_entry_before_it_is_read_is_seen(
    database: Database, attack: str, faults: dict[int, str]
) -> None:
    """An entry taken away or changed shows at the first look, and what comes after it is read all the same."""
    one = journal(database, "gw-1")
    for number in range(5):
        await one.append(event(number))
    values = {"writer": one.writer, **({"zero": "0" * 64} if ":zero" in attack else {})}
    await change(database, attack, **values)
    look = await JournalFeed(database, HOSPITAL, ()).look({})
    assert {fed.seq: fed.fault for fed in look.fed if fed.fault} == faults
    assert look.positions[one.writer].seq == 6


@pytest.mark.parametrize("kept", [3, 0])
async def test_a_tail_cut_off_after_it_was_read_is_told_once(database: Database, kept: int) -> None:
    """Entries that were read and are gone (a store rolled back) are told once; what is written next is read again."""
    one = journal(database, "gw-1")
    for number in range(5):
        await one.append(event(number))
    feed = JournalFeed(database, HOSPITAL, ())
    known = (await feed.look({})).positions
    await change(
        database,
        "DELETE FROM journal_entries WHERE writer = :writer AND seq > :kept",
        writer=one.writer,
        kept=kept,
    )
    look = await feed.look(known)
    assert [(fed.writer, fed.seq, fed.fault) for fed in look.fed] == [(one.writer, kept, "shortened")]
    known = {**known, **look.positions}
    assert (await feed.look(known)).fed == []


async def test_a_chain_written_anew_does_not_follow_what_was_read(database: Database) -> None:
    """A longer chain put in place of one that was read is told by its first entry after the place."""
    one = journal(database, "gw-1")
    for number in range(3):
        await one.append(event(number))
    look = await JournalFeed(database, HOSPITAL, ()).look({one.writer: Position(2, "1" * 64)})
    assert [(fed.seq, fed.fault) for fed in look.fed] == [(3, "previous"), (4, None)]
