"""Shapes of traces: what was recorded, and what a verification found."""

from datetime import datetime

from pydantic import BaseModel, Field

from admin_api.v1.schemas.base import Page, shown
from recorder.replay.reader import Verification
from recorder.store.catalog import CatalogedSession, Closing
from recorder.trace.instants import parse


class TraceOut(BaseModel):
    """A trace as the catalogue knows it. Texts that came from clients and devices are data: escape them."""

    id: str = Field(description="The session's identifier.")
    state: str
    started: datetime
    ended: datetime | None
    person_id: str
    person_login: str
    person_name: str
    supplier: str
    device_id: str
    device_name: str
    account_name: str
    kind: str
    purpose: str
    window_id: str
    window_start: datetime
    window_end: datetime
    factors: list[str]
    source: str
    node: str
    client_version: str | None
    end_reason: str | None
    interrupted: bool | None
    records: int | None
    size: int | None = Field(description="Bytes of the trace as stored.")
    trimmed_bytes: int | None
    manifest_sha256: str | None
    signer: str | None
    altered: bool = Field(
        description="Whether its row is not what a gateway writes: `?` stands for what no column of it tells."
    )
    purged_at: datetime | None = Field(
        description="Since when its content is gone: by its retention, or by two persons."
    )

    @classmethod
    def of(cls, session: CatalogedSession, purged_at: datetime | None = None) -> "TraceOut":
        """Show *session*, whose trace was purged at *purged_at* if at all."""
        header, closing = session.header, session.closing
        how = {name: getattr(closing, name, None) for name in Closing.__dataclass_fields__}
        return shown(
            cls,
            header,
            **header.named(),
            **how,
            id=header.session_id,
            state=session.state,
            altered=session.altered,
            started=header.started_at,
            ended=session.closed_at,
            kind=header.intervention["kind"],
            purpose=header.intervention["purpose"],
            window_id=header.window["id"],
            window_start=parse(header.window["start"]),
            window_end=parse(header.window["end"]),
            purged_at=purged_at,
        )


class TracesPage(Page[TraceOut]):
    """One page of traces."""


class TraceProof(BaseModel):
    """What a verification found. ``record``: number of the first bad record, 0 for the header."""

    valid: bool
    records: int = Field(description="Whole records that continue the chain from the start.")
    purged: bool = Field(
        description="Whether the content is gone, and what holds is the signed record of that."
    )
    what: str | None
    record: int | None
    why: str | None

    @classmethod
    def of(cls, found: Verification) -> "TraceProof":
        """Show what was *found*."""
        problem = found.problem
        return cls(
            valid=found.intact,
            records=found.records,
            purged=found.purge is not None,
            what=problem.what if problem is not None else None,
            record=problem.record if problem is not None else None,
            why=problem.detail if problem is not None else None,
        )
