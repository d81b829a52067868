"""Continuations: further connections of one completed log-in, where a hospital allows them (off unless it does)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from policy.domain.ids import HospitalId, PersonId
from policy.errors import InvalidInput

LONGEST: Final = timedelta(seconds=120)
MOST: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuationRule:
    """For how long after a log-in, and for how many further connections, its code need not be another one."""

    life: timedelta = timedelta()
    most: int = 0

    @property
    def on(self) -> bool:
        """Whether there are continuations at all."""
        return self.life > timedelta() and self.most > 0


OFF: Final = ContinuationRule()
"""The rule of a hospital that has not decided: a code serves once (RFC 6238 section 5.2)."""


def checked_rule(seconds: int, most: int) -> ContinuationRule:
    """Return the rule, both numbers 0 for none; raises InvalidInput beyond 120 seconds or 8 connections."""
    if not 0 <= seconds <= LONGEST.total_seconds():
        raise InvalidInput("seconds", f"write 0 for none, or 1 to {int(LONGEST.total_seconds())}")
    if not 0 <= most <= MOST:
        raise InvalidInput("connections", f"write 0 for none, or 1 to {MOST}")
    if (seconds == 0) != (most == 0):
        raise InvalidInput("connections", "write both numbers, or 0 for both: one alone allows nothing")
    return ContinuationRule(life=timedelta(seconds=seconds), most=most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """What one completed log-in leaves open: the same person, device, address and first factor, and nothing else.

    ``device`` is the name that was typed; ``source`` a canonical IP literal; ``first`` is ``password`` or the
    fingerprint of the key; ``step`` the time step of the code; ``attempt_id`` the log-in itself. ``until`` is aware
    UTC, exclusive; ``position`` how far policy had changed: any later change that touches it ends it.
    """

    id: str
    hospital_id: HospitalId
    person_id: PersonId
    device: str
    source: str
    first: str
    step: int
    attempt_id: str
    opened_at: datetime
    until: datetime
    most: int
    uses: int
    position: int

    def open(self, rule: ContinuationRule, at: datetime) -> bool:
        """Tell whether one more connection may come at *at*, by the hospital's *rule* as it stands now."""
        allowed = min(self.most, rule.most)
        return self.opened_at <= at < min(self.until, self.opened_at + rule.life) and self.uses < allowed
