"""The journal after its twelve months: what goes by rule verifies, and what goes otherwise is found by both verifiers."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from recorder.audit.events import SecurityEvent
from recorder.audit.feed import JournalFeed, Position
from recorder.audit.journal import Journal, JournalFilters
from recorder.audit.purge import PURGED, Cut, JournalPurge, StoredPurge
from recorder.errors import SignatureInvalid
from recorder.proof import verifier
from recorder.retention.journal import KEPT, Held, JournalPurger
from recorder.retention.witness import Witness
from recorder.seal.signing import SigningKey, generate_key
from recorder.store.database import migrate
from recorder.store.tables import checkpoint_heads
from tests.support.proof_store import DAY, ProofStore, copy_of
from tests.support.traces import HOSPITAL, SteppingClock

pytestmark = pytest.mark.integration
START = datetime(2023, 5, 1, tzinfo=UTC)
OLD, YOUNG = "gateway-old", "gateway-both"


class Archive:
    """A store whose journal is fourteen months long: one chain is old as a whole, one is half old and half young."""

    def __init__(self, store: ProofStore) -> None:
        """Over that store."""
        self.store = store
        self.key = SigningKey.load(store.folder / "checkpoint.pem")

    def purger(self, key: SigningKey | None = None) -> JournalPurger:
        """What purges it."""
        signer = key or self.key
        known = [signer.public]
        return JournalPurger(self.store.database(), HOSPITAL, signer, self.store.clock, known=known)

    def seen(self) -> Witness:
        """Time as the clock has it, and as checkpoints saw it."""
        return Witness(self.store.clock(), None, [])

    async def tell(self, record: StoredPurge) -> None:
        """Write the entry that tells of a record, and have a checkpoint commit to it."""
        facts: dict[str, object] = {"number": record.number, "digest": record.digest}
        await self.store.proofs().note(PURGED, "console", facts)
        await self.store.checkpoint()

    async def purge(self) -> int:
        """Purge as the console does."""
        purger = self.purger()
        record = await purger.record(await purger.plan(self.seen(), []))
        if record is None:
            return 0
        await self.tell(record)
        return await purger.delete(record, [])

    async def recorded(self, *cuts: Cut, key: SigningKey | None = None) -> StoredPurge:
        """A record of these cuts, whatever they are, in the database."""
        signer, at = key or self.key, self.store.clock()
        made = JournalPurge(
            hospital_id=HOSPITAL, number=9, purged_at=at, rule="r", chains=cuts, signer=signer.public.key_id
        )
        content = made.to_json()
        row = StoredPurge(9, at, content, signer.sign(content))
        await self.store.sql(
            "INSERT INTO journal_purges VALUES (:hospital, 9, 0, :content, :signature)",
            hospital=HOSPITAL,
            content=content.decode(),
            signature=row.signature.hex(),
        )
        return row

    async def head(self, node: str, *, newest: bool = True) -> Cut:
        """The last, or the first, head of that node's chain that a checkpoint committed to."""
        heads = checkpoint_heads.c
        query = select(heads.writer, heads.seq, heads.digest, heads.sequence).where(
            heads.writer.startswith(f"{node}/")
        )
        query = query.order_by(heads.seq.desc() if newest else heads.seq).limit(1)
        async with self.store.database().read() as connection:
            row = (await connection.execute(query)).one()
        return Cut(row.writer, row.seq, row.digest, row.sequence)

    async def drop(self, writer: str, first: int, last: int) -> None:
        """Delete entries as the owner of the file may."""
        await self.store.sql(
            "DELETE FROM journal_entries WHERE writer = :writer AND seq BETWEEN :first AND :last",
            writer=writer,
            first=first,
            last=last,
        )

    async def found(self, target: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Place and code of the first that each verifier finds."""
        product = (await self.store.proofs().verify_ledger()).findings
        alone = (await self.store.by_verifier(target, anchored=True)).findings
        return [(one.place, one.what) for one in product], [(one["place"], one["what"]) for one in alone]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> ProofStore:
    """The archive that each test gets a copy of."""
    return asyncio.run(build(tmp_path_factory.mktemp("archive")))


async def build(folder: Path) -> ProofStore:
    """Make the archive in *folder*: eight entries of the first days, four of the fourteen months after, checkpoints, anchors."""
    (folder / "bastion/traces").mkdir(parents=True)
    made = ProofStore(folder / "bastion", folder / "anchors.jsonl", SteppingClock())
    made.clock.at = START
    for name in ("checkpoint.pem", "signing.pem"):
        generate_key(made.folder / name)
    await migrate(f"sqlite:///{made.folder}/traces.db")
    old, both = (Journal(made.database(), node=node, now=made.clock) for node in (OLD, YOUNG))
    for journal in (old, both):
        for _ in range(4):
            await journal.append(_event(made, person_id="p1" if journal is both else None))
            await made.checkpoint()
    for _ in range(4):
        made.clock.at += 110 * DAY
        await both.append(_event(made))
        await made.checkpoint()
    await made.close()
    return made


def _event(made: ProofStore, **more: Any) -> SecurityEvent:
    return SecurityEvent(name="access.denied", hospital_id=HOSPITAL, at=made.clock(), **more)


@pytest.fixture
async def archive(original: ProofStore, tmp_path: Path) -> AsyncIterator[Archive]:
    """A copy to purge, or to attack."""
    made = copy_of(original, tmp_path)
    yield Archive(made)
    await made.close()


async def test_what_went_by_rule_verifies_with_anchors_known_heads_and_readers(
    archive: Archive, tmp_path: Path
) -> None:
    """The old chain goes whole, the other up to its last old head; both verifiers, anchors, heads and feeds take it."""
    before = await archive.store.proofs().verify_ledger()
    feed = JournalFeed(archive.store.database(), HOSPITAL, [archive.key.public])
    read = (await feed.look({})).positions
    purger = archive.purger()
    plan = await purger.plan(archive.seen(), [])
    assert (plan.held, plan.count) == (0, await archive.purge())
    after = await archive.store.proofs().verify_ledger(
        known={name: {seq: one} for name, (seq, one) in before.heads.items()}
    )
    assert after.findings == []
    assert after.counts["entries_purged"] == plan.count
    assert (
        after.counts["entries_uncovered"] == 2
    )  # the note on the newest checkpoint, and the start of its chain
    report = await archive.store.by_verifier(tmp_path / "export", anchored=True)
    assert report.findings == []
    assert (report.counts["entries_purged"], report.counts["entries"]) == (
        plan.count,
        after.counts["entries"] - 2,
    )
    assert all(fed.fault is None for fed in (await feed.look(read)).fed)
    fresh = await feed.look({})
    assert [fed.fault for fed in fresh.fed if fed.fault] == []
    assert await feed.behind({}) == len(fresh.fed)
    assert await archive.store.proofs().notary.shrunk([archive.key.public]) == []
    left = (await archive.store.proofs().journal.entries(JournalFilters(hospital_id=HOSPITAL))).entries
    assert min(entry.event.at for entry in left) > archive.store.clock() - KEPT - 110 * DAY
    assert await archive.purge() == 0


async def test_a_purge_that_was_stopped_verifies_and_is_finished(archive: Archive, tmp_path: Path) -> None:
    """Whoever dies between record and last entry leaves what verifies at each step, and the next run ends it."""
    purger = archive.purger()
    record = await purger.record(await purger.plan(archive.seen(), []))
    assert record is not None
    assert not await purger.told(record)
    await archive.tell(record)
    assert await purger.told(record)
    cut = await archive.head(YOUNG, newest=False)
    await archive.drop(cut.writer, 1, 2)
    assert await archive.found(tmp_path / "half") == ([], [])
    left = await purger.left(record)
    assert await purger.delete(record, []) == left
    assert await purger.left(record) == 0
    assert await archive.found(tmp_path / "whole") == ([], [])


async def test_a_second_purge_tells_of_the_first_one_too(archive: Archive, tmp_path: Path) -> None:
    """A year on, the entry that told of the first record is gone itself, and the newest record speaks for all."""
    await archive.purge()
    archive.store.clock.at += 400 * DAY
    await archive.store.checkpoint()
    archive.store.clock.at += DAY
    assert await archive.purge() > 0
    told = await archive.store.ask("SELECT count(*) FROM journal_entries WHERE name = 'journal.purged'")
    assert told == 1
    assert await archive.found(tmp_path / "export") == ([], [])


async def test_a_hold_keeps_its_entries_and_what_follows_them(archive: Archive) -> None:
    """A chain goes up to the last head before what is held; one that a hold reached since the record stays whole."""
    purger, hold = archive.purger(), Held(person_id="p1")
    plan = await purger.plan(archive.seen(), [hold])
    both = await archive.head(YOUNG)
    assert plan.held == 1
    assert both.writer not in {one.writer for one in plan.chains}
    of_period = Held(since=START + 300 * DAY, until=START + 301 * DAY)
    assert (await purger.plan(archive.seen(), [of_period])).held == 0
    record = await purger.record(await purger.plan(archive.seen(), []))
    assert record is not None
    await archive.tell(record)
    await purger.delete(record, [hold])
    assert await purger.left(record) > 0
    assert (await archive.store.proofs().verify_ledger()).findings == []


async def test_nothing_is_old_that_nobody_saw_grow_old(archive: Archive) -> None:
    """A clock put forward by a year makes nothing due: the gap since the newest checkpoint counts for two days."""
    archive.store.clock.at = START + 400 * DAY
    now = archive.store.clock()
    unseen = Witness(now, None, [(now, 300 * DAY)])
    plan = await archive.purger().plan(unseen, [])
    assert (plan.count, plan.chains, plan.before) == (0, [], None)
    nobody = Witness(now, None, [(now, now - datetime.min.replace(tzinfo=UTC))])  # a new installation
    plan = await archive.purger().plan(nobody, [])
    assert (plan.count, plan.chains, plan.before) == (0, [], None)


async def deleted_without_a_record(archive: Archive) -> None:
    """The front of a chain."""
    cut = await archive.head(YOUNG, newest=False)
    await archive.drop(cut.writer, 1, 2)


async def deleted_whole_without_a_record(archive: Archive) -> None:
    """A chain of a process that ended long ago."""
    cut = await archive.head(OLD)
    await archive.drop(cut.writer, 1, cut.seq)


async def forged(archive: Archive) -> None:
    """Deleted, and the record signed by a key that signs no checkpoints."""
    cut = await archive.head(OLD)
    key = generate_key(archive.store.folder / "other.pem")
    await archive.tell(await archive.recorded(cut, key=key))
    await archive.drop(cut.writer, 1, cut.seq)


async def of_another_hospital(archive: Archive) -> None:
    """Deleted, by a record that the right key signed for somebody else."""
    cut = await archive.head(OLD)
    row = await archive.recorded(cut)
    moved = row.content.replace(HOSPITAL.encode(), b"f" * 32)
    await archive.store.sql(
        "UPDATE journal_purges SET content = :content, signature = :signature",
        content=moved.decode(),
        signature=archive.key.sign(moved).hex(),
    )
    await archive.drop(cut.writer, 1, cut.seq)


async def more_than_is_past_its_time(archive: Archive) -> None:
    """By the console's own key, told and committed to: what is four months old."""
    cut = await archive.head(YOUNG)
    await archive.tell(await archive.recorded(cut))
    await archive.drop(cut.writer, 1, cut.seq)


async def between_two_checkpoints(archive: Archive) -> None:
    """By a record that ends where no checkpoint says how old it is."""
    cut = await archive.head(YOUNG, newest=False)
    await archive.tell(await archive.recorded(Cut(cut.writer, cut.seq + 90, cut.digest, cut.checkpoint)))
    await archive.drop(cut.writer, 1, cut.seq + 90)


async def told_to_nobody(archive: Archive) -> None:
    """By a record made with the console's key, of which no checkpoint knows."""
    cut = await archive.head(OLD)
    await archive.recorded(cut)
    await archive.drop(cut.writer, 1, cut.seq)


async def with_a_clock_put_forward(archive: Archive) -> None:
    """The record is made in a year to come; then the clock is right again."""
    cut, clock = await archive.head(YOUNG), archive.store.clock
    now = clock.at
    clock.at += 400 * DAY
    await archive.tell(await archive.recorded(cut))
    await archive.drop(cut.writer, 1, cut.seq)
    clock.at = now + timedelta(hours=1)
    await archive.store.checkpoint()


async def with_a_clock_put_back(archive: Archive) -> None:
    """What is young is committed to by a checkpoint that says to be old."""
    clock, now = archive.store.clock, archive.store.clock.at
    clock.at = START + DAY
    await Journal(archive.store.database(), node="late", now=clock).append(_event(archive.store))
    await archive.store.checkpoint()
    clock.at = now + timedelta(hours=1)
    await archive.store.checkpoint()
    cut = await archive.head("late")
    await archive.tell(await archive.recorded(cut))
    await archive.drop(cut.writer, 1, cut.seq)


async def the_tail_after_a_purge(archive: Archive) -> None:
    """After what went by rule, the newest entries of the chain."""
    await archive.purge()
    cut = await archive.head(YOUNG)
    await archive.drop(cut.writer, cut.seq, cut.seq)


async def a_hole_after_a_purge(archive: Archive) -> None:
    """After what went by rule, the first entry that was to stay."""
    await archive.purge()
    cut = await archive.head(YOUNG)
    first = (await JournalFeed(archive.store.database(), HOSPITAL, [archive.key.public]).look({})).fed
    await archive.drop(cut.writer, *[next(one.seq for one in first if one.writer == cut.writer)] * 2)


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (deleted_without_a_record, "missing"),
        (deleted_whole_without_a_record, "missing"),
        (forged, "purge"),
        (of_another_hospital, "purge"),
        (more_than_is_past_its_time, "purge"),
        (between_two_checkpoints, "purge"),
        (told_to_nobody, "purge"),
        (with_a_clock_put_forward, "purge"),
        (with_a_clock_put_back, "purge"),
        (the_tail_after_a_purge, "missing"),
        (a_hole_after_a_purge, "missing"),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
async def test_entries_taken_away_otherwise_are_found(
    archive: Archive, tmp_path: Path, attack: Callable[[Archive], Coroutine[Any, Any, None]], code: str
) -> None:
    """Both verifiers name it, and no record that is wrong excuses a single entry."""
    await attack(archive)
    product, alone = await archive.found(tmp_path / "export")
    assert ("journal", code) in product
    assert ("journal", code) in alone
    assert ("journal", "missing") in product
    assert ("journal", "missing") in alone
    assert {place for place, _ in product + alone} == {"journal"}


async def test_who_deletes_goes_by_no_record_but_our_own(archive: Archive) -> None:
    """A record that somebody else put into the database stops the purge, and takes no entry."""
    cut = await archive.head(OLD)
    other = generate_key(archive.store.folder / "other.pem")
    row = await archive.recorded(cut, key=other)
    with pytest.raises(SignatureInvalid):
        await archive.purger().delete(row, [])
    with pytest.raises(SignatureInvalid):
        await archive.purger().plan(archive.seen(), [])
    fed = await JournalFeed(archive.store.database(), HOSPITAL, [archive.key.public]).look(
        {cut.writer: Position(cut.seq, cut.digest)}
    )
    assert [one.fault for one in fed.fed if one.fault] == []


def test_the_first_format_of_a_purged_journal_stays_readable() -> None:
    """The export that was made once is intact by its anchors, and says how much went."""
    folder = Path(__file__).parents[2] / "vectors/journal-purge-v1"
    options = argparse.Namespace(
        key=None, checkpoint_key=None, store=None, anchors=[folder / "anchors.jsonl"], ca=None
    )
    report = verifier.Report()
    verifier.verify_path(folder, options, report)
    assert report.findings == []
    assert {one["what"] for one in report.remarks} == {"own"}
    assert (report.counts["entries_purged"], report.counts["anchors"]) == (24, 13)
