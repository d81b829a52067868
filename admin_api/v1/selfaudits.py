"""Self-audits: what each machine of the installation found of itself, and whether rule T4 holds."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from admin_api.deps import Context, Ctx, Who
from admin_api.security.permissions import VERIFYING, GuardedRoute
from admin_api.selfaudit import history
from admin_api.selfaudit.history import Kept
from admin_api.selfaudit.report import Outcome, Report
from policy.domain.ids import HospitalId
from policy.errors import NotFound

router = APIRouter(prefix="/self-audits", tags=["proofs"], route_class=GuardedRoute)

MOST = 500
"""Audits that are listed at most, the newest."""


class SelfAuditOut(BaseModel):
    """One audit of one machine."""

    id: str | None = Field(description="None where the entry holds no genuine report.")
    believed: bool = Field(
        description="Whether a key that signs checkpoints signed its report, for this entry."
    )
    kept_at: datetime
    made_at: datetime | None
    node: str | None
    machine: str | None
    occasion: str | None = Field(description="`nightly` or `asked`.")
    outcome: str | None = Field(
        description="`good`, `notice`, `undone` or `failed`: as the worst of its checks; `undone`: nobody could be asked."
    )
    failures: int
    undone: int
    notices: int
    sha256: str

    @classmethod
    def of(cls, kept: Kept) -> "SelfAuditOut":
        """Show *kept*; of one that is not genuine, that it is not."""
        report = kept.report
        return cls(
            id=None if report is None else report.id,
            believed=report is not None,
            kept_at=kept.at,
            made_at=None if report is None else report.made_at,
            node=None if report is None else report.node,
            machine=None if report is None else report.machine,
            occasion=None if report is None else report.occasion,
            outcome=None if report is None else report.outcome.value,
            failures=0 if report is None else len(report.checks(Outcome.FAILED)),
            undone=0 if report is None else len(report.checks(Outcome.UNDONE)),
            notices=0 if report is None else len(report.checks(Outcome.NOTICE)),
            sha256=kept.sha256,
        )


class SelfAuditsOut(BaseModel):
    """The newest audits of all machines, the newest first, and the machines of which there is none."""

    items: list[SelfAuditOut]
    overdue: bool = Field(
        description="Whether there was none for twelve months, of all or of one that is to audit itself: rule T4 is not held."
    )
    silent: list[str] = Field(
        description="Machines that never audited themselves: gateways that run, and those whose key is registered."
    )


class CheckOut(BaseModel):
    """One thing that was looked at."""

    check: str
    finding: str
    level: str
    arguments: dict[str, Any]
    subject: str
    sentence: str
    remedy: str = Field(description="What to do next; empty where it is as it should be.")


class PartOut(BaseModel):
    """One part of an audit."""

    part: str
    outcome: str
    checks: list[CheckOut]


class SelfAuditDetail(SelfAuditOut):
    """One audit, and all that it looked at."""

    parts: list[PartOut]
    document: str = Field(description="The signed report as it is: for a file that anybody can verify.")


@router.get("", openapi_extra=VERIFYING)
async def list_self_audits(context: Ctx, who: Who) -> SelfAuditsOut:
    """List the newest self-audits of all machines, the newest first."""
    found = await history.kept(context.journal, who.hospital_id, context.auditors, most=MOST)
    overdue, silent = await standing(context, who.hospital_id, found)
    return SelfAuditsOut(
        items=[SelfAuditOut.of(one) for one in found],
        overdue=overdue,
        silent=silent,
    )


@router.get("/{audit_id}", openapi_extra=VERIFYING)
async def get_self_audit(context: Ctx, who: Who, audit_id: str) -> SelfAuditDetail:
    """Return one self-audit with all that it looked at, and its signed report."""
    kept, report = await named(context, who.hospital_id, audit_id)
    parts = [
        PartOut(
            part=part.part,
            outcome=part.outcome.value,
            checks=[CheckOut(**one.document()) for one in part.checks],
        )
        for part in report.parts
    ]
    return SelfAuditDetail(**SelfAuditOut.of(kept).model_dump(), parts=parts, document=kept.document.decode())


async def standing(
    context: Context, hospital_id: HospitalId, found: Sequence[Kept]
) -> tuple[bool, list[str]]:
    """Tell whether rule T4 is broken, and return the machines that never audited themselves; *found* are the newest audits.

    It is broken by each machine that is to audit itself, whatever the others do.
    """
    now, keys = context.clock.now(), context.auditors
    running = await context.services.access.gateways(hospital_id)
    expected = keys.expected(history.machines(found), running)
    audited = await history.audited(context.journal, hospital_id, keys, found, expected)
    last = history.newest(found)
    overdue = history.overdue(None if last is None else last[1].made_at, now) or any(
        history.overdue(audited.get(node, since), now) for node, since in expected.items()
    )
    return overdue, [node for node in sorted(expected) if node not in audited]


async def named(context: Context, hospital_id: str, audit_id: str) -> tuple[Kept, Report]:
    """Return the genuine audit of that id; raises NotFound."""
    found = await history.kept(context.journal, hospital_id, context.auditors, most=MOST)
    for one in found:
        if one.report is not None and one.report.id == audit_id:
            return one, one.report
    raise NotFound("self-audit", audit_id)
