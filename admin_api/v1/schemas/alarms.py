"""Shapes of alarms."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from admin_api.alarms.words import words
from admin_api.v1.schemas.base import Input, Page, Shown, example, shown
from policy.domain.alarms import Alarm, AlarmState, Answer, Severity
from policy.domain.people import Language
from policy.i18n import Catalog
from policy.services.alarms import LONGEST_NOTE


class AnswerOut(BaseModel):
    """Who acknowledged or closed an alarm (her login), when, and her note."""

    by: str
    at: datetime
    note: str


class AlarmOut(BaseModel):
    """One cause of alarm, however often it was seen, with what happened and what to do in the caller's language.

    ``over_at``: since when the cause is known to be gone. ``facts`` are those of the last time.
    """

    id: str
    kind: str
    severity: Severity
    state: AlarmState
    title: str
    sentence: str
    act: str
    count: int
    first_at: datetime
    last_at: datetime
    over_at: datetime | None
    person: str | None
    device: str | None
    session_id: str | None
    facts: dict[str, Any]
    acknowledged: AnswerOut | None
    closed: AnswerOut | None

    @classmethod
    def of(
        cls, alarm: Alarm, language: Language, logins: Mapping[str, str], vocabulary: Sequence[Catalog]
    ) -> "AlarmOut":
        """Show *alarm* in *language*; *logins* are the hospital's people's, by identifier; *vocabulary* as for ``words``."""
        return shown(
            cls,
            alarm,
            **asdict(words(alarm.kind, alarm.facts, language, vocabulary)),
            person=_text(alarm.facts.get("person")),
            device=_text(alarm.facts.get("device")),
            acknowledged=_answer(alarm.acknowledged, logins),
            closed=_answer(alarm.closed, logins),
        )


class AlarmsPage(Page[AlarmOut]):
    """One page of alarms, the one seen last first."""


class CallOut(Shown):
    """One message to the webhook; ``fault`` is why the last try failed."""

    id: str
    event: str
    queued_at: datetime
    tries: int
    delivered_at: datetime | None
    abandoned_at: datetime | None
    fault: str | None


class AlarmDetail(AlarmOut):
    """An alarm with the messages that the webhook was sent about it."""

    calls: list[CallOut] = []


class AcknowledgeIn(Input):
    """A note is welcome, and not needed: it says who looks into it already."""

    model_config = example(note="J’appelle Imagix")

    note: str = Field(default="", max_length=LONGEST_NOTE)


class CloseIn(Input):
    """What it was: kept in the journal."""

    model_config = example(note="Scanner réinstallé hier, clé comparée sur place")

    note: str = Field(min_length=1, max_length=LONGEST_NOTE)


class TestOut(BaseModel):
    """An exercise was asked for: who asked, and when."""

    asked_by: str
    at: datetime


def _answer(answer: Answer | None, logins: Mapping[str, str]) -> AnswerOut | None:
    if answer is None:
        return None
    return AnswerOut(by=logins.get(answer.by, answer.by), at=answer.at, note=answer.note)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
