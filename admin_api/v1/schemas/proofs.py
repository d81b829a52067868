"""Shapes of proofs: checkpoints, anchors, and what a verification of everything found."""

from datetime import datetime

from pydantic import BaseModel, Field

from admin_api.v1.schemas.base import Input, Page, Shown, example, shown
from recorder.proof.anchors import Anchor
from recorder.proof.checkpoint import digest
from recorder.proof.inspection import Inspection
from recorder.proof.notary import StoredCheckpoint
from recorder.trace.instants import parse


class CheckpointOut(BaseModel):
    """One checkpoint of the hospital's chain. ``digest`` is what anchors carry."""

    sequence: int
    at: datetime
    digest: str

    @classmethod
    def of(cls, row: StoredCheckpoint) -> "CheckpointOut":
        """Show a checkpoint as it is stored."""
        return shown(cls, row, digest=digest(row.content))


class CheckpointsPage(Page[CheckpointOut]):
    """One page of checkpoints, the oldest first."""


class AnchorIn(Input):
    """A checkpoint as it was remembered on another machine."""

    sequence: int = Field(ge=1, le=2**53)
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    at: str = Field(default="", max_length=40)

    def anchor(self, hospital_id: str) -> Anchor:
        """Return it as the recorder takes it."""
        return Anchor(hospital_id, self.sequence, self.digest, self.at)


class Anchored(Input):
    """What is known of the chain of checkpoints from elsewhere: by it, a store rolled back is found."""

    model_config = example(anchors=[{"sequence": 42, "digest": "0f" * 32}])

    anchors: list[AnchorIn] = Field(default=[], max_length=100_000)


class FindingOut(Shown):
    """One thing that is not as it was, or that cannot be proven. ``record``: of a trace, its first bad record."""

    place: str
    name: str
    what: str
    detail: str
    record: int | None


class StoreProof(BaseModel):
    """What a verification found: ``findings`` were touched, the first of them is the one to name.

    ``remarks`` leave something unproven: a clock that went wrong, a trace that never came. ``counts``: how much was
    looked at. ``newest``: the newest checkpoint; compare it with what is known elsewhere.
    """

    valid: bool
    findings: list[FindingOut]
    remarks: list[FindingOut]
    counts: dict[str, int]
    newest: int | None
    newest_at: datetime | None

    @classmethod
    def of(cls, found: Inspection) -> "StoreProof":
        """Show what was *found*."""
        newest, at = found.newest or (None, None)
        return shown(
            cls, found, valid=found.intact, newest=newest, newest_at=parse(at) if at is not None else None
        )
