"""What is due of the journal on a real database: counted in as many questions for many chains as for few."""

from datetime import timedelta
from pathlib import Path

import pytest

from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal
from recorder.audit.purge import gone
from recorder.proof.notary import Notary
from recorder.retention import journal as retention
from recorder.retention.journal import Held, JournalPurger
from recorder.retention.witness import Witness
from recorder.seal.signing import SigningKey, generate_key
from recorder.store.database import Database
from tests.support.statements import statements
from tests.support.traces import HOSPITAL, SteppingClock

pytestmark = pytest.mark.integration
OTHER = "f" * 32
YEARS = timedelta(days=800)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    """The key that signs checkpoints and records."""
    return generate_key(tmp_path / "checkpoint.pem")


async def purger_of(
    database: Database, key: SigningKey, hospital_id: str, chains: int
) -> tuple[JournalPurger, SteppingClock]:
    """So many chains of four entries, the second about p1, and the purger two years later.

    Checkpoints commit to the first and to the last entry of each.
    """
    clock = SteppingClock()
    notary = Notary(database, key, hospital_id=hospital_id, node="console", now=clock)
    writers = [Journal(database, node=f"gw-{number:02d}", now=clock) for number in range(chains)]
    for about in (None, "p1", None):
        for writer in writers:
            told = SecurityEvent(name="access.denied", hospital_id=hospital_id, at=clock(), person_id=about)
            await writer.append(told)
        await notary.make(force=True)
    clock.at += YEARS
    return JournalPurger(database, hospital_id, key, clock, known=[key.public]), clock


async def test_many_chains_are_counted_in_as_many_questions_as_few(
    database: Database, key: SigningKey
) -> None:
    """Plan, with holds and without, and a purge that finds nothing left."""
    asked: dict[str, list[int]] = {}
    for hospital_id, chains in ((OTHER, 2), (HOSPITAL, 30)):
        purger, clock = await purger_of(database, key, hospital_id, chains)
        seen = Witness(clock(), None, [])
        asked[hospital_id] = []
        with statements(database) as sent:
            held = await purger.plan(seen, [Held(person_id="p1")])
            asked[hospital_id].append(len(sent))
            plan = await purger.plan(seen, [])
            asked[hospital_id].append(len(sent))
        assert (held.held, held.count, [one.seq for one in held.chains]) == (chains, 2 * chains, [2] * chains)
        assert (plan.held, plan.count, [one.seq for one in plan.chains]) == (0, 4 * chains, [4] * chains)
        record = await purger.record(plan)
        assert record is not None
        assert await purger.left(record) == 4 * chains
        assert await purger.delete(record, [Held(person_id="p1")]) == 0
        assert await purger.delete(record, []) == 4 * chains
        with statements(database) as sent:
            assert await purger.delete(record, []) == 0
            asked[hospital_id].append(len(sent))
        went = await gone(database, hospital_id, [key.public])
        assert went is not None
        assert (went.number, went.digest, went.purged_at) == (1, record.digest, record.made_at)
        assert went.before < clock() - YEARS
        assert await gone(database, hospital_id, []) is None
    assert asked[HOSPITAL] == asked[OTHER]


async def test_more_chains_than_one_question_takes_are_all_counted(
    database: Database, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked seven at a time, twenty chains are the same entries and the same places."""
    purger, clock = await purger_of(database, key, HOSPITAL, 20)
    seen, holds = Witness(clock(), None, []), [Held(person_id="p1")]
    whole = await purger.plan(seen, []), await purger.plan(seen, holds)
    monkeypatch.setattr(retention, "_CHAINS", 7)
    assert (await purger.plan(seen, []), await purger.plan(seen, holds)) == whole
    assert whole[0].count == 80
