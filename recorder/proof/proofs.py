"""The proofs of one hospital: checkpoints made and told, the whole store verified by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal
from recorder.ports import Now
from recorder.proof.anchors import Anchor
from recorder.proof.cuts import believed
from recorder.proof.inspection import Inspection, Progress
from recorder.proof.ledger import Ledger, verify_journal
from recorder.proof.notary import MADE, Notary, SignedCheckpoint
from recorder.proof.sessions import Shelf, verify_sessions
from recorder.proof.stamps import verify_stamps
from recorder.seal.signing import PublicKey
from recorder.seal.timestamping import Authority
from recorder.store.database import Database

FAILED = "alarm.verification_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspector:
    """What is needed to prove what one hospital keeps, wherever it lies: no key that signs.

    Attributes:
        database: Catalogue, journal and checkpoints.
        journal: Read to be verified.
        hospital_id: Whose proofs.
        keys: Public keys of those who may sign checkpoints.
        now: Wall clock, aware UTC.
        authorities: By whose certificates time stamps are verified.
    """

    database: Database
    journal: Journal
    hospital_id: str
    keys: tuple[PublicKey, ...]
    now: Now
    authorities: tuple[Authority, ...] = ()

    async def verify_ledger(
        self,
        anchors: Iterable[Anchor] = (),
        *,
        known: Mapping[str, Mapping[int, str]] | None = None,
        progress: Progress | None = None,
    ) -> Inspection:
        """Verify the checkpoints and the journal.

        Args:
            anchors: What is known of the checkpoints from elsewhere.
            known: Digests of journal entries known from elsewhere, by chain and number.
            progress: Told how far it is.

        Raises:
            SQLAlchemyError: The database refuses.
        """
        inspection = Inspection()
        await self._ledger(inspection, anchors, known, progress)
        return inspection

    async def verify_store(
        self, shelf: Shelf, anchors: Iterable[Anchor] = (), *, progress: Progress | None = None
    ) -> Inspection:
        """Verify everything: checkpoints, journal, catalogue, and each trace from its first byte to its last.

        Args:
            shelf: Where the traces are.
            anchors: What is known of the checkpoints from elsewhere.
            progress: Told how far it is.

        Raises:
            SQLAlchemyError: The database refuses.
        """
        inspection = Inspection()
        ledger, journalled = await self._ledger(inspection, anchors, None, progress)
        await verify_sessions(
            self.database,
            self.hospital_id,
            ledger,
            shelf,
            inspection,
            journalled=journalled,
            progress=progress,
        )
        return inspection

    async def _ledger(
        self,
        inspection: Inspection,
        anchors: Iterable[Anchor],
        known: Mapping[str, Mapping[int, str]] | None,
        progress: Progress | None,
    ) -> tuple[Ledger, set[str]]:
        ledger = Ledger(self.database, self.hospital_id, self.keys, anchors, inspection)
        await ledger.walk()
        await verify_stamps(self.database, self.hospital_id, self.authorities, ledger, inspection)
        cuts = await believed(self.database, ledger, self.now())
        opened = await verify_journal(
            self.journal, self.hospital_id, ledger, inspection, known=known, progress=progress, cuts=cuts
        )
        return ledger, opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs(Inspector):
    """What the console's side needs to prove what it keeps, and to go on doing so.

    Attributes:
        journal: Written to about each checkpoint.
        notary: Makes checkpoints.
    """

    notary: Notary
    _alarmed: set[str] = field(default_factory=set)

    async def checkpoint(self, actor: str, *, force: bool = False) -> list[SignedCheckpoint]:
        """Make the checkpoints that are due, and write each into the journal: so its digest leaves with the journal too.

        What was taken away from the end of the journal since the last checkpoint is an alarm, once a chain.

        Args:
            actor: Who asked: a person's id, or a part of the product.
            force: Make one even where nothing happened.

        Raises:
            SQLAlchemyError: The database refuses.
            RecorderError: A row cannot be committed to, or the journal takes nothing.
        """
        for head in await self.notary.shrunk(self.keys):
            if head.writer not in self._alarmed:
                self._alarmed.add(head.writer)
                facts: dict[str, object] = {
                    "place": "journal",
                    "name": f"{head.writer} #{head.seq}",
                    "what": "missing",
                    "detail": f"the journal ends before entry {head.seq}, which a checkpoint tells of",
                }
                await self.note(FAILED, actor, facts)
        made = await self.notary.make(force=force)
        for one in made:
            facts = {
                "sequence": one.checkpoint.sequence,
                "digest": one.digest,
                "totals": one.checkpoint.totals,
            }
            await self.note(MADE, actor, facts)
        return made

    async def note(self, name: str, actor: str, facts: dict[str, object]) -> None:
        """Write into the journal; raises JournalBroken."""
        await self.journal.append(
            SecurityEvent(name=name, hospital_id=self.hospital_id, at=self.now(), actor=actor, details=facts)
        )
