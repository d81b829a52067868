"""Checkpoints: what they commit to, that nobody forks their chain, and when they are due."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal
from recorder.proof.checkpoint import GENESIS, Checkpoint, digest
from recorder.proof.inspection import Inspection
from recorder.proof.ledger import Ledger
from recorder.proof.notary import IDLE, MAX_FACTS, Notary, stored
from recorder.proof.proofs import Proofs
from recorder.seal.signing import SigningKey, generate_key
from recorder.store.catalog import Catalog
from recorder.store.database import Database
from tests.support.traces import EPOCH, HOSPITAL, SteppingClock, header

pytestmark = pytest.mark.integration

OTHER = "f" * 32


class Clock(SteppingClock):
    """A wall clock that a test also moves."""

    def advance(self, by: timedelta) -> None:
        """Move on, or back."""
        self.at += by


@pytest.fixture
def clock() -> Clock:
    """The clock of journal and notary."""
    return Clock()


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    """The key that signs checkpoints."""
    return generate_key(tmp_path / "checkpoint.pem")


@pytest.fixture
def journal(database: Database, clock: Clock) -> Journal:
    """A writer of the journal."""
    return Journal(database, node="gateway-1", now=clock)


@pytest.fixture
def notary(database: Database, key: SigningKey, clock: Clock) -> Notary:
    """The notary of the hospital."""
    return Notary(database, key, hospital_id=HOSPITAL, node="console", now=clock)


def event(clock: Clock, name: str = "access.denied", hospital_id: str = HOSPITAL) -> SecurityEvent:
    """Something that happened."""
    return SecurityEvent(name=name, hospital_id=hospital_id, at=clock())


async def chain(database: Database) -> list[Checkpoint]:
    """The stored checkpoints of the hospital."""
    return [Checkpoint.from_json(row.content) for row in await stored(database, HOSPITAL)]


async def walked(database: Database, key: SigningKey) -> Inspection:
    """What a walk over the chain finds."""
    inspection = Inspection()
    await Ledger(database, HOSPITAL, [key.public], [], inspection).walk()
    return inspection


async def test_a_checkpoint_commits_to_what_is_new_and_continues_the_one_before(
    database: Database, journal: Journal, notary: Notary, clock: Clock, key: SigningKey
) -> None:
    """Heads and sessions since the last one, of this hospital alone, signed, with the digest of the one before."""
    await journal.append(event(clock))
    await journal.append(event(clock, hospital_id=OTHER))
    [first] = await notary.make()
    opened = header("a" * 32)
    await Catalog(database).opened(opened)
    await Catalog(database).opened(header("b" * 32, hospital_id=OTHER))
    await journal.append(event(clock))
    [second] = await notary.make()
    assert first.checkpoint.previous == GENESIS
    assert second.checkpoint.previous == digest(first.content)
    assert [(head.writer, head.seq) for head in first.checkpoint.journal] == [(journal.writer, 2)]
    assert [(head.writer, head.seq) for head in second.checkpoint.journal] == [(journal.writer, 3)]
    assert [fact.session_id for fact in second.checkpoint.opened] == ["a" * 32]
    assert second.checkpoint.opened[0].sha256 == digest(opened.to_json())
    assert second.checkpoint.totals == {"entries": 3, "opened": 1, "closed": 0, "purged": 0}
    key.public.verify(second.signature, second.content)
    assert await chain(database) == [first.checkpoint, second.checkpoint]
    assert (await walked(database, key)).intact


async def test_none_is_made_where_nothing_happened_until_a_day_has_passed(
    journal: Journal, notary: Notary, clock: Clock
) -> None:
    """Silence makes none, nor does the journal's own note on one; a day of it does, and so does who asks."""
    await journal.append(event(clock))
    assert len(await notary.make()) == 1
    await journal.append(event(clock, "checkpoint.made"))
    assert await notary.make() == []
    assert len(await notary.make(force=True)) == 1
    clock.advance(IDLE)
    assert len(await notary.make()) == 1


async def test_two_consoles_do_not_fork_the_chain(
    database: Database, database_url: str, journal: Journal, clock: Clock, key: SigningKey
) -> None:
    """Two notaries at the same moment make one chain, in which each session stands once."""
    other = Database(database_url)
    both = [
        Notary(one, key, hospital_id=HOSPITAL, node=f"console-{number}", now=clock)
        for number, one in enumerate((database, other))
    ]
    for number in range(6):
        await Catalog(database).opened(header(f"{number:032x}"))
        await journal.append(event(clock))
        await asyncio.gather(*(one.make(force=True) for one in both))
    await other.dispose()
    found = await chain(database)
    assert [one.sequence for one in found] == list(range(1, len(found) + 1))
    assert sorted(fact.session_id for one in found for fact in one.opened) == [f"{n:032x}" for n in range(6)]
    assert (await walked(database, key)).intact


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)  # nothing of it depends on the engine
async def test_more_than_one_can_hold_goes_into_the_next(
    database: Database, notary: Notary, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first checkpoint over an old installation is several, each bounded."""
    assert MAX_FACTS >= 100
    monkeypatch.setattr("recorder.proof.notary.MAX_FACTS", 2)
    for number in range(5):
        await Catalog(database).opened(header(f"{number:032x}"))
    made = await notary.make()
    assert [len(one.checkpoint.opened) for one in made] == [2, 2, 1]
    assert (await walked(database, key)).counts["checkpoints"] == 3


async def test_what_is_told_late_is_found_within_a_day(
    database: Database, notary: Notary, clock: Clock
) -> None:
    """A session that a gateway tells of months later is covered by the next daily sweep, a new one at once."""
    await notary.make(force=True)
    await Catalog(database).opened(header("a" * 32, started_at=EPOCH - timedelta(days=100)))
    await Catalog(database).opened(header("b" * 32, started_at=clock()))
    [made] = await notary.make()
    assert [fact.session_id for fact in made.checkpoint.opened] == ["b" * 32]
    clock.advance(IDLE)
    [made] = await notary.make()
    assert [fact.session_id for fact in made.checkpoint.opened] == ["a" * 32]


ATTACKS = {
    "taken out of the middle": ("DELETE FROM checkpoints WHERE sequence = 2", "2", "missing"),
    "its content changed": (
        "UPDATE checkpoints SET content = replace(content, 'console', 'konsole') WHERE sequence = 2",
        "2",
        "signature",
    ),
    "another's signature": (
        "UPDATE checkpoints SET signature = (SELECT signature FROM checkpoints WHERE sequence = 1) WHERE sequence = 3",
        "3",
        "signature",
    ),
    "no signature": ("UPDATE checkpoints SET signature = 'xx' WHERE sequence = 1", "1", "signature"),
    "no checkpoint": ("UPDATE checkpoints SET content = '{}' WHERE sequence = 3", "3", "signature"),
    "dated otherwise": ("UPDATE checkpoints SET at = at - 1 WHERE sequence = 3", "3", "column"),
}


@pytest.mark.parametrize("attack", sorted(ATTACKS))
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)  # nothing of it depends on the engine
async def test_a_touched_checkpoint_is_named(
    database: Database, journal: Journal, notary: Notary, clock: Clock, key: SigningKey, attack: str
) -> None:
    """Whatever is done to a row of the chain, its number is named."""
    for _ in range(3):
        await journal.append(event(clock))
        await notary.make()
    statement, name, what = ATTACKS[attack]
    async with database.write() as connection:
        await connection.execute(text(statement))
    first = (await walked(database, key)).findings[0]
    assert (first.place, first.name, first.what) == ("checkpoint", name, what)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)  # nothing of it depends on the engine
async def test_a_stranger_signs_no_checkpoint(
    database: Database, journal: Journal, notary: Notary, clock: Clock, key: SigningKey, tmp_path: Path
) -> None:
    """Who may write the table but has not the key makes a chain that does not verify."""
    await journal.append(event(clock))
    await notary.make()
    stranger = generate_key(tmp_path / "stranger.pem")
    forger = Notary(database, stranger, hospital_id=HOSPITAL, node="console", now=clock)
    await forger.make(force=True)
    [first] = (await walked(database, key)).findings
    assert (first.name, first.what) == ("2", "signature")
    assert stranger.public.key_id in first.detail


async def test_an_end_taken_off_the_journal_is_an_alarm_at_the_next_checkpoint(
    database: Database, journal: Journal, notary: Notary, clock: Clock, key: SigningKey
) -> None:
    """Entries that a checkpoint knows and the journal has no more raise one alarm a chain, without a verification."""
    proofs = Proofs(
        database=database,
        journal=Journal(database, node="console", now=clock),
        hospital_id=HOSPITAL,
        notary=notary,
        keys=(key.public,),
        now=clock,
    )
    for _ in range(4):
        await journal.append(event(clock))
    await proofs.checkpoint("console")
    async with database.write() as connection:
        await connection.execute(
            text("DELETE FROM journal_entries WHERE writer = :writer AND seq > 2"), {"writer": journal.writer}
        )
    for _ in range(2):
        await proofs.checkpoint("console")
    async with database.read() as connection:
        query = text("SELECT count(*) FROM journal_entries WHERE name = 'alarm.verification_failed'")
        assert (await connection.execute(query)).scalar() == 1
    found = await proofs.verify_ledger()
    assert (found.findings[0].place, found.findings[0].what) == ("journal", "missing")
    assert found.findings[0].name == f"{journal.writer} #3"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)  # nothing of it depends on the engine
async def test_a_clock_put_back_is_remarked(
    database: Database, journal: Journal, notary: Notary, clock: Clock, key: SigningKey
) -> None:
    """A checkpoint dated before the one it follows is no touch, and is named all the same."""
    await journal.append(event(clock))
    await notary.make()
    clock.advance(-timedelta(days=1))
    await notary.make(force=True)
    found = await walked(database, key)
    assert found.intact
    assert [(one.place, one.name, one.what) for one in found.remarks] == [
        ("clock", "checkpoint 2", "backwards")
    ]


async def test_a_database_that_refuses_makes_no_checkpoint(
    database: Database, notary: Notary, journal: Journal, clock: Clock
) -> None:
    """Without its table nothing is signed away: the error comes out, and nothing is kept."""
    await journal.append(event(clock))
    async with database.write() as connection:
        await connection.execute(text("DROP TABLE checkpoint_facts"))
    with pytest.raises(SQLAlchemyError):
        await notary.make()
    assert await stored(database, HOSPITAL) == []
    assert clock.at > EPOCH
