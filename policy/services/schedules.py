"""When a window is open: from what a planner writes to the occurrences that are stored, in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from policy.domain.calendar import expand, validate_recurrence
from policy.domain.ids import OccurrenceId, WindowId, new_id
from policy.domain.local_time import to_utc
from policy.domain.windows import Occurrence, Recurrence
from policy.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What a planner wrote: either a *start* and an *end*, or a *recurrence*.

    A naive time is the hospital's wall time, an aware one that instant. ``start_fold``, ``end_fold`` and ``shift``
    say what is meant in the two nights of the year when a wall time is not one instant (see ``to_utc``).
    """

    start: datetime | None = None
    end: datetime | None = None
    start_fold: int | None = None
    end_fold: int | None = None
    shift: bool = False
    recurrence: Recurrence | None = None

    def occurrences(
        self, window_id: WindowId, timezone: str, *, now: datetime, horizon: timedelta, longest: timedelta
    ) -> tuple[Occurrence, ...]:
        """Return the occurrences that are not over at *now*, those of a recurrence up to *horizon* from it.

        Raises InvalidInput naming the field, AmbiguousLocalTime.
        """
        if self.recurrence is None:
            return (self._once(window_id, timezone, now=now, longest=longest),)
        if self.start is not None or self.end is not None:
            raise InvalidInput("start", "give a start and an end, or a recurrence, not both")
        if self.recurrence.duration > longest:
            raise InvalidInput(
                "recurrence.duration", f"at most {_hours(longest)} for this kind of intervention"
            )
        validate_recurrence(self.recurrence, timezone, horizon=horizon)
        margin = self.recurrence.duration + timedelta(days=1)
        intervals = expand(self.recurrence, timezone, after=now - margin, before=now + horizon)
        found = tuple(_occurrence(window_id, start, end) for start, end in intervals if end > now)
        if not found:
            raise InvalidInput(
                "recurrence", f"leaves no occurrence between now and {horizon.days} days from now"
            )
        return found

    def _once(self, window_id: WindowId, timezone: str, *, now: datetime, longest: timedelta) -> Occurrence:
        if self.start is None:
            raise InvalidInput("start", "say when the window opens, or give a recurrence")
        if self.end is None:
            raise InvalidInput("end", "say when the window closes")
        start = _instant(self.start, timezone, self.start_fold, self.shift, "start")
        end = _instant(self.end, timezone, self.end_fold, self.shift, "end")
        if end <= start:
            raise InvalidInput("end", "must be later than the start")
        if end - start > longest:
            raise InvalidInput(
                "end", f"at most {_hours(longest)} after the start for this kind of intervention"
            )
        if end <= now:
            raise InvalidInput("end", "is over already")
        return _occurrence(window_id, start, end)


def more_occurrences(
    window_id: WindowId, recurrence: Recurrence, timezone: str, *, since: datetime, until: datetime
) -> tuple[Occurrence, ...]:
    """Return the occurrences of a recurrence, checked when it was planned, that start in ``[since, until)``.

    A wall time that a later change of the clocks made doubtful is left out: in doubt nothing opens.
    """
    intervals = expand(recurrence, timezone, after=since, before=until, skip_doubtful=True)
    return tuple(_occurrence(window_id, start, end) for start, end in intervals)


def _instant(written: datetime, timezone: str, fold: int | None, shift: bool, field: str) -> datetime:
    if written.tzinfo is not None:
        return written.astimezone(UTC)
    return to_utc(written, timezone, fold=fold, shift=shift, field=field)


def _occurrence(window_id: WindowId, start: datetime, end: datetime) -> Occurrence:
    return Occurrence(id=OccurrenceId(new_id()), window_id=window_id, start=start, end=end)


def _hours(length: timedelta) -> str:
    return f"{length / timedelta(hours=1):g} hours"
