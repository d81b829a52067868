"""The ledger: the chain of checkpoints walked from its first link, and the journal held to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from recorder.audit.entries import JournalEntry
from recorder.audit.journal import Journal
from recorder.audit.purge import Cuts
from recorder.errors import SignatureInvalid, TraceFormatError
from recorder.proof.anchors import Anchor
from recorder.proof.checkpoint import GENESIS, Checkpoint, digest
from recorder.proof.inspection import Inspection, Progress
from recorder.proof.notary import MADE, StoredCheckpoint, stored
from recorder.seal.signing import PublicKey
from recorder.store.database import Database
from recorder.trace import instants

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far apart two clocks of one house may stand before times are called doubtful."""


class Ledger:
    """A hospital's checkpoints, verified as they are read.

    Args:
        database: Holds them.
        hospital_id: Whose chain.
        keys: Public keys of those who may sign checkpoints.
        anchors: What is known of the chain from elsewhere.
        inspection: Told of what is found.

    Attributes:
        digests: Digest of each checkpoint's bytes by its number, once walked.
        heads: For each writer, the digests that checkpoints committed to by the entries' numbers.
        covered: For each writer, the checkpoint that committed to an entry, by its number.
        dates: When each checkpoint says that it was made.
        stamped: When a time stamp that covers it says it was there already, for those that one covers.
    """

    def __init__(
        self,
        database: Database,
        hospital_id: str,
        keys: Sequence[PublicKey],
        anchors: Iterable[Anchor],
        inspection: Inspection,
    ) -> None:
        self._database = database
        self.hospital_id = hospital_id
        self.keys = {key.key_id: key for key in keys}
        self._anchors = sorted(anchor for anchor in anchors if anchor.hospital_id == hospital_id)
        self.inspection = inspection
        self.digests: dict[int, str] = {}
        self.heads: dict[str, dict[int, str]] = defaultdict(dict)
        self.covered: dict[str, dict[int, int]] = defaultdict(dict)
        self.dates: dict[int, datetime] = {}
        self.stamped: dict[int, datetime] = {}
        self._entries = 0

    async def walk(self) -> None:
        """Verify every link, and hold the chain to the anchors.

        Raises:
            SQLAlchemyError: The database refuses.
        """
        inspection, totals = self.inspection, dict[str, int]()
        latest: dict[str, int] = {}
        async for row in self._rows():
            self._link(row)
            self._signature(row)
            checkpoint = self._content(row)
            self.digests[row.sequence] = digest(row.content)
            if checkpoint is None:
                continue
            self._date(checkpoint)
            for head in checkpoint.journal:
                before = latest.get(head.writer, 0)
                if head.seq <= before:  # what was committed to first holds: else who has the key undoes it
                    detail = f"it tells again of {head.writer} #{head.seq}, to which one before it committed"
                    inspection.found("checkpoint", row.sequence, "twice", detail)
                    continue
                self.heads[head.writer][head.seq] = head.digest
                self.covered[head.writer][head.seq] = row.sequence
                totals["entries"] = totals.get("entries", 0) + head.seq - before
                latest[head.writer] = head.seq
            for kind in ("opened", "closed", "purged"):
                totals[kind] = totals.get(kind, 0) + len(checkpoint.facts(kind))
            if any(checkpoint.totals.get(name, 0) != count for name, count in totals.items()):
                inspection.found(
                    "checkpoint",
                    row.sequence,
                    "totals",
                    "what it counts is not what the chain holds up to it",
                )
            inspection.newest = (row.sequence, instants.text(checkpoint.at))
        inspection.counts["checkpoints"] = len(self.digests)
        self._hold_to_anchors()

    def dated_at_most(self, sequence: int) -> datetime:
        """The latest that checkpoint can have been made, however clocks were put forward: not after those after it."""
        later = [at for number, at in self.dates.items() if number >= sequence]
        return min([*later, *(at for number, at in self.stamped.items() if number >= sequence)])

    async def checkpoints(self) -> AsyncIterator[Checkpoint]:
        """The checkpoints again, in order, for whoever compares what they commit to; those unreadable are left out.

        Raises:
            SQLAlchemyError: The database refuses.
        """
        async for row in self._rows():
            try:
                yield Checkpoint.from_json(row.content)
            except TraceFormatError:
                continue

    async def compare_later(self, told: Mapping[int, object]) -> None:
        """Look for checkpoints that the journal tells of and the walk did not see: made since, or taken away.

        Raises:
            SQLAlchemyError: The database refuses.
        """
        if not told:
            return
        newest = max(self.digests, default=0)
        since = {
            row.sequence: digest(row.content)
            for row in await stored(self._database, self.hospital_id, after=newest)
        }
        for sequence, one in sorted(told.items()):
            if since.get(sequence) != one:
                detail = f"checkpoint {sequence} is missing: the journal tells of it"
                self.inspection.found("checkpoint", sequence, "missing", detail)
                return

    async def _rows(self) -> AsyncIterator[StoredCheckpoint]:
        after = 0
        while rows := await stored(self._database, self.hospital_id, after=after):
            for row in rows:
                yield row
            after = rows[-1].sequence

    def _link(self, row: StoredCheckpoint) -> None:
        expected = len(self.digests) + 1 if not self.digests else max(self.digests) + 1
        if row.sequence != expected:
            self.inspection.found(
                "checkpoint", expected, "missing", f"checkpoint {expected} is missing: {row.sequence} follows"
            )

    def _signature(self, row: StoredCheckpoint) -> None:
        try:
            signer = Checkpoint.from_json(row.content).signer
        except TraceFormatError:
            signer = ""
        key = self.keys.get(signer)
        try:
            if key is None:
                raise SignatureInvalid(f"key {signer[:16] or '?'}, which signed it, is not known here")
            key.verify(row.signature, row.content)
        except SignatureInvalid as error:
            self.inspection.found("checkpoint", row.sequence, "signature", str(error))

    def _content(self, row: StoredCheckpoint) -> Checkpoint | None:
        try:
            checkpoint = Checkpoint.from_json(row.content)
        except TraceFormatError as error:
            self.inspection.found("checkpoint", row.sequence, "format", str(error))
            return None
        if (checkpoint.hospital_id, checkpoint.sequence) != (self.hospital_id, row.sequence):
            self.inspection.found("checkpoint", row.sequence, "place", "it was made for another place")
        before = self.digests.get(row.sequence - 1, GENESIS if row.sequence == 1 else None)
        if before is not None and checkpoint.previous != before:
            self.inspection.found(
                "checkpoint", row.sequence, "previous", f"it does not continue checkpoint {row.sequence - 1}"
            )
        if checkpoint.at != row.at:
            self.inspection.found(
                "checkpoint", row.sequence, "column", "its column at is not what was signed"
            )
        return checkpoint

    def _date(self, checkpoint: Checkpoint) -> None:
        before = self.dates.get(checkpoint.sequence - 1)
        if before is not None and checkpoint.at < before:
            detail = (
                f"it is dated {instants.text(checkpoint.at)}, before the one it follows: a clock was put back"
            )
            self.inspection.remark("clock", f"checkpoint {checkpoint.sequence}", "backwards", detail)
        self.dates[checkpoint.sequence] = checkpoint.at

    def _hold_to_anchors(self) -> None:
        newest = max(self.digests, default=0)
        for anchor in self._anchors:
            found = self.digests.get(anchor.sequence)
            if found is not None and found != anchor.digest:
                detail = f"checkpoint {anchor.sequence} is not the one that was anchored at {anchor.at}"
                self.inspection.found("anchor", anchor.sequence, "replaced", detail)
                return
            if found is None:
                first = newest + 1 if anchor.sequence > newest else anchor.sequence
                detail = f"checkpoint {first} is missing: one of number {anchor.sequence} was anchored at {anchor.at}"
                self.inspection.found("anchor", first, "missing", detail)
                return
        self.inspection.counts["anchors"] = len(self._anchors)


async def verify_journal(
    journal: Journal,
    hospital_id: str,
    ledger: Ledger,
    inspection: Inspection,
    *,
    known: Mapping[str, Mapping[int, str]] | None = None,
    progress: Progress | None = None,
    cuts: Cuts | None = None,
) -> set[str]:
    """Hold a hospital's journal to its chains, to the ledger that was walked, and to heads known from elsewhere.

    Args:
        journal: To be read.
        hospital_id: Whose.
        ledger: Its checkpoints, walked.
        inspection: Told of what is found.
        known: Further digests by chain (``hospital/writer``) and number.
        progress: Told now and then.
        cuts: Where chains may begin: see `recorder.proof.cuts`.

    Returns:
        The sessions that the journal says were opened.

    Raises:
        SQLAlchemyError: The database refuses.
    """
    digests: dict[str, dict[int, str]] = {
        f"{hospital_id}/{name}": dict(one) for name, one in ledger.heads.items()
    }
    for chain, one in (known or {}).items():
        digests.setdefault(chain, {}).update(one)
    look = _Look(ledger, inspection, progress)
    found = await journal.verify(hospital_id=hospital_id, known=digests, seen=look.at, cuts=cuts)
    inspection.counts["entries"] = found.entries
    inspection.counts["entries_purged"] = found.gone
    inspection.heads = found.heads
    if found.bad is not None:
        bad = found.bad
        inspection.found("journal", f"{bad.writer} #{bad.seq}", bad.what, bad.detail)
    await ledger.compare_later(look.later)
    covered = sum(max(one) for one in ledger.heads.values())
    inspection.counts["entries_uncovered"] = max(found.entries + found.gone - covered, 0)
    return look.opened


class _Look:
    """What each entry that holds is compared with."""

    def __init__(self, ledger: Ledger, inspection: Inspection, progress: Progress | None) -> None:
        self._ledger, self._inspection, self._progress = ledger, inspection, progress
        self._in_all = sum(max(one) for one in ledger.heads.values())
        self._read = 0
        self._before: tuple[str, datetime] | None = None
        self.opened: set[str] = set()
        self.later: dict[int, object] = {}

    def at(self, entry: JournalEntry) -> None:
        self._read += 1
        event = entry.event
        if event.name == "session.opened" and event.session_id is not None:
            self.opened.add(event.session_id)
        if event.name == MADE:
            self._compare(entry)
        if entry.outbox_id is None:  # what comes from the outbox is dated by its change, which may be old
            self._date(entry)
        if self._progress is not None and self._read % 500 == 0:
            self._progress("journal", self._read, max(self._in_all, self._read))

    def _compare(self, entry: JournalEntry) -> None:
        details = entry.event.details
        sequence, told = details.get("sequence"), details.get("digest")
        if not isinstance(sequence, int) or self._ledger.digests.get(sequence) == told:
            return
        if sequence > max(self._ledger.digests, default=0):
            self.later[sequence] = told
        elif sequence in self._ledger.digests:
            detail = f"checkpoint {sequence} is not the one that the journal tells of"
            self._inspection.found("checkpoint", sequence, "replaced", detail)

    def _date(self, entry: JournalEntry) -> None:
        if self._before is not None and self._before[0] == entry.writer:
            back = self._before[1] - entry.event.at
            if back > CLOCK_TOLERANCE:
                detail = f"entry {entry.seq} is dated {back} before the one it follows: a clock was put back"
                self._inspection.remark("clock", f"{entry.writer} #{entry.seq}", "backwards", detail)
        self._before = (entry.writer, entry.event.at)
        covering = self._ledger.covered.get(entry.writer, {}).get(entry.seq)
        if (
            covering is not None
            and (ahead := entry.event.at - self._ledger.dates[covering]) > CLOCK_TOLERANCE
        ):
            detail = f"entry {entry.seq} is dated {ahead} after checkpoint {covering}, which knows it"
            self._inspection.remark("clock", f"{entry.writer} #{entry.seq}", "ahead", detail)
