"""Shapes of retention, holds and erasures."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field

from admin_api.retention.plan import Plan, Planned
from admin_api.v1.schemas.base import Input, Page, Shown, Text, example, shown
from policy.domain.erasures import Erasure, ErasureState
from policy.domain.holds import Hold
from policy.domain.keeping import RetentionRule
from recorder.retention.purge import Outcome
from recorder.retention.shelf import ClosedTrace


class RuleOut(BaseModel):
    """How long recordings are kept. ``state``: asked (waits for approval), coming, set, ended."""

    id: str
    recordings_days: int
    reason: str
    decider: str
    state: str
    asked_by: str | None
    asked_at: datetime | None
    approved_by: str | None
    approved_at: datetime | None
    effective_at: datetime | None

    @classmethod
    def of(cls, rule: RetentionRule, at: datetime) -> "RuleOut":
        """Show *rule* as it stands at the aware instant *at*."""
        return shown(cls, rule, state=rule.state(at) if rule.id else "set")


class RetentionOut(BaseModel):
    """The rule in force, and every one that was asked for, the last first."""

    rule: RuleOut
    history: list[RuleOut]


class RuleIn(Input):
    """How many days recordings are kept. Below 183 and above 366 a reason, above 366 who decides."""

    model_config = example(recordings_days=120, reason="Avis du DPO du 3 mars")

    recordings_days: int = Field(ge=1, le=100_000)
    reason: str = Field(default="", max_length=1000)
    decider: str = Field(default="", max_length=200)


class TraceBrief(BaseModel):
    """Whose recording, and of when; nothing of what it holds."""

    session_id: str
    person_login: str
    person_name: str
    device_name: str
    opened_at: datetime
    closed_at: datetime
    size: int = Field(description="Bytes.")

    @classmethod
    def fields_of(cls, trace: ClosedTrace) -> dict[str, Any]:
        """Return the fields that tell of *trace*."""
        header = trace.header
        return {
            **header.named(),
            "session_id": header.session_id,
            "opened_at": header.started_at,
            "closed_at": trace.closed_at,
            "size": trace.size,
        }


class PlannedOut(TraceBrief):
    """A recording that is due. ``stays``: held (by ``case``), locked (in the store, until), unseen, missing, altered."""

    due_at: datetime
    stays: str | None
    case: str | None
    until: datetime | None

    @classmethod
    def of(cls, one: Planned) -> "PlannedOut":
        """Show what is planned."""
        return shown(cls, one, **cls.fields_of(one.trace))


class WaitingOut(TraceBrief):
    """An erased recording, unreadable, whose rest the store keeps until then."""

    until: datetime | None


class JournalPlanOut(Shown):
    """What goes of the journal: ``count`` entries, known to a checkpoint at or before ``before`` (null: nothing is old).

    ``held``: chains of which a legal hold keeps what would be due. ``next_at``: not before then (null: at the next look).
    """

    count: int
    before: datetime | None
    held: int
    next_at: datetime | None


class PlanOut(BaseModel):
    """What is due by ``until``: ``count`` and ``size`` of all, the first hundred in ``items``.

    ``doubt``: nothing is purged now, since the clock differs from the database's (database_clock), no time stamp of
    the last two days confirms it (not_stamped), or one is of later (stamped_later).
    """

    rule: RuleOut
    until: datetime
    doubt: str | None
    count: int
    size: int
    items: list[PlannedOut]
    waiting: list[WaitingOut]
    journal: JournalPlanOut

    @classmethod
    def of(cls, plan: Plan, at: datetime) -> "PlanOut":
        """Show a plan made at the aware instant *at*."""
        return shown(
            cls,
            plan,
            rule=RuleOut.of(plan.rule, at),
            items=[PlannedOut.of(one) for one in plan.planned],
            waiting=[WaitingOut(**WaitingOut.fields_of(trace), until=until) for trace, until in plan.waiting],
        )


class HoldIn(Input):
    """What is held, for which case and why. Every criterion that is given must be met by a session."""

    model_config = example(
        case="Plainte 2026-114",
        reason="Demande du procureur",
        device_id="d1c00f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        since="2026-03-01T00:00:00Z",
    )

    case: Text
    reason: Text
    session_id: str | None = Field(default=None, max_length=64)
    person_id: str | None = Field(default=None, max_length=64)
    device_id: str | None = Field(default=None, max_length=64)
    intervention_id: str | None = Field(default=None, max_length=64)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class HoldOut(BaseModel):
    """A legal hold. It keeps what it covers until a week after ``lifted_at``."""

    id: str
    case: str
    reason: str
    session_id: str | None
    person_id: str | None
    device_id: str | None
    intervention_id: str | None
    since: datetime | None
    until: datetime | None
    placed_by: str
    placed_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None
    lift_reason: str | None
    keeps: bool

    @classmethod
    def of(cls, hold: Hold, at: datetime) -> "HoldOut":
        """Show *hold* as it stands at the aware instant *at*."""
        return shown(cls, hold, keeps=hold.suspends(at))


class HoldsPage(Page[HoldOut]):
    """One page of holds."""


class ErasureIn(Input):
    """Which recording is to be erased before its time, and why."""

    model_config = example(
        session_id="5e000f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        reason="Dossier d'un tiers filmé par erreur",
        code="492039",
    )

    session_id: str = Field(max_length=64)
    reason: Text
    code: Annotated[str, Field(max_length=32, description="A fresh code of one's own.")]


class ApprovalIn(Input):
    """Why it is approved, and a fresh code of one's own: a token that was left somewhere erases nothing."""

    model_config = example(reason="Vérifié avec le DPO", code="492039")

    reason: Text
    code: Annotated[str, Field(max_length=32)]


class ErasureOut(BaseModel):
    """A request to erase. ``delay``: why an approved one could not be carried out yet; ``delay_until`` where known."""

    id: str
    session_id: str
    person_id: str
    device_id: str
    reason: str
    state: ErasureState
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    answer: str | None
    done_at: datetime | None
    delay: str | None = None
    delay_until: datetime | None = None

    @classmethod
    def of(cls, erasure: Erasure, delay: Outcome | None) -> "ErasureOut":
        """Show *erasure*, and what delays it."""
        late = (None, None) if delay is None else (delay.fate, delay.until)
        return shown(cls, erasure, delay=late[0], delay_until=late[1])


class ErasuresPage(Page[ErasureOut]):
    """One page of erasures."""
