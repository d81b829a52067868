"""A row in each table of alarms, for tests that look at all tables."""

from datetime import datetime, timedelta

from policy.domain.alarms import Alarm, AlarmState, Bookmark, Call, Severity
from policy.domain.ids import HospitalId, new_id
from policy.store.unit_of_work import UnitOfWork


async def furnish_alarms(
    work: UnitOfWork, here: HospitalId, at: datetime, alarm_id: str | None = None
) -> None:
    """Put one row into each table of alarms, in the caller's transaction; the alarm has that id, if one is given."""
    end = at + timedelta(minutes=30)
    alarm = Alarm(
        id=alarm_id or f"{here[:31]}a",
        hospital_id=here,
        kind="host_key_changed",
        key="scan01",
        severity=Severity.CRITICAL,
        state=AlarmState.OPEN,
        count=1,
        first_at=at,
        last_at=at,
        facts={},
    )
    await work.alarms.insert(alarm)
    await work.alarms.put_tally(here, "scan01", 1, end)
    call = Call(
        id=new_id(),
        hospital_id=here,
        alarm_id=alarm.id,
        event="opened",
        alarm={},
        queued_at=at,
        expires_at=end,
        next_try_at=at,
    )
    await work.calls.insert(call)
    await work.bookmarks.begin(here, "alarms", at)
    await work.bookmarks.put(here, "alarms", {"gw1": Bookmark(1, "0" * 64)})
