"""Derogations: a weakness of one device that somebody answers for, with a reason and until a date."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from policy.domain.ids import DerogationId, DeviceId, HospitalId, PersonId

NEARLY_OVER: Final = timedelta(days=30)
"""How long before its end a derogation is announced as ending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derogation:
    """One *weakness* of one device, accepted by ``decided_by`` for ``reason`` until ``expires_at``, exclusive.

    ``weakness`` is ``kind=name`` as in ``Algorithms.weaknesses``. Instants are aware UTC; ``withdrawn_at`` is
    None as long as nobody has taken it back.
    """

    id: DerogationId
    hospital_id: HospitalId
    device_id: DeviceId
    weakness: str
    reason: str
    decided_by: PersonId
    decided_at: datetime
    expires_at: datetime
    withdrawn_at: datetime | None = None

    def in_force(self, at: datetime) -> bool:
        """Tell whether it covers its weakness at the aware instant *at*."""
        return self.withdrawn_at is None and at < self.expires_at

    def nearly_over(self, at: datetime) -> bool:
        """Tell whether it is in force at *at*, and ends within thirty days of it."""
        return self.in_force(at) and self.expires_at - at <= NEARLY_OVER

    def state(self, at: datetime) -> str:
        """Return how it stands at *at*: ``in-force``, ``ending``, ``over`` or ``withdrawn``."""
        if self.withdrawn_at is not None:
            return "withdrawn"
        if not self.in_force(at):
            return "over"
        return "ending" if self.nearly_over(at) else "in-force"


def uncovered(weaknesses: Iterable[str], derogations: Iterable[Derogation], at: datetime) -> tuple[str, ...]:
    """Return those of a device's *weaknesses* that none of its *derogations* covers at the aware instant *at*."""
    accepted = {one.weakness for one in derogations if one.in_force(at)}
    return tuple(weakness for weakness in weaknesses if weakness not in accepted)


def covered_until(
    weaknesses: Iterable[str], derogations: Iterable[Derogation], at: datetime
) -> datetime | None:
    """Return when the first of *weaknesses* is no longer covered, None where there is none or one is not now."""
    standing = [one for one in derogations if one.in_force(at)]
    ends = [
        max((one.expires_at for one in standing if one.weakness == weakness), default=None)
        for weakness in weaknesses
    ]
    known = [end for end in ends if end is not None]
    return min(known) if known and len(known) == len(ends) else None
