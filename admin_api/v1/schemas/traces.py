"""Shapes of traces: what was recorded, and what a verification found."""

from datetime import datetime

from pydantic import BaseModel, Field

from admin_api.v1.schemas.base import Page
from recorder.replay.reader import Verification
from recorder.store.catalog import CatalogedSession
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
    purged_at: datetime | None = Field(
        description="Since when its content is gone: by its retention, or by two persons."
    )

    @classmethod
    def of(cls, session: CatalogedSession, purged_at: datetime | None = None) -> "TraceOut":
        """Show *session*, whose trace was purged at *purged_at* if at all."""
        header, closing = session.header, session.closing
        return cls(
            id=header.session_id,
            state=session.state.value,
            started=header.started_at,
            ended=closing.closed_at if closing is not None else None,
            person_id=header.person["id"],
            person_login=header.person["login"],
            person_name=header.person["full_name"],
            supplier=header.supplier["name"],
            device_id=header.device["id"],
            device_name=header.device["name"],
            account_name=header.account,
            kind=header.intervention["kind"],
            purpose=header.intervention["purpose"],
            window_id=header.window["id"],
            window_start=parse(header.window["start"]),
            window_end=parse(header.window["end"]),
            factors=list(header.factors),
            source=header.source,
            node=header.node,
            client_version=header.client_version,
            end_reason=closing.end_reason if closing is not None else None,
            interrupted=closing.interrupted if closing is not None else None,
            records=closing.records if closing is not None else None,
            size=closing.size if closing is not None else None,
            trimmed_bytes=closing.trimmed_bytes if closing is not None else None,
            manifest_sha256=closing.manifest_sha256 if closing is not None else None,
            signer=closing.signer if closing is not None else None,
            purged_at=purged_at,
        )


class TracesPage(Page[TraceOut]):
    """One page of traces."""


class TraceProof(BaseModel):
    """What a verification found. ``record``: number of the first bad record, 0 for the header."""

    valid: bool
    records: int = Field(description="Whole records that continue the chain from the start.")
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
            what=problem.what if problem is not None else None,
            record=problem.record if problem is not None else None,
            why=problem.detail if problem is not None else None,
        )
